//! The business figures beside what Stripe's own objects say: its subscriptions, invoices, charges,
//! refunds and disputes, read from the twin and added up here.

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::stage::{id_of, plan_of};

/// All objects of a list, newest first, whatever their status.
async fn all(stage: &Stage, path: &str) -> Vec<Value> {
    let listed = stage.stripe_get(path).await;
    assert_eq!(listed["has_more"], false, "{path}");
    listed["data"].as_array().expect("a list").clone()
}

/// Half up, as invoices round.
fn rounded(part: i64, whole: i64) -> i64 {
    (part * 2 + whole) / (whole * 2)
}

/// What Stripe says.
struct Stripe {
    subscriptions: Vec<Value>,
    invoices: Vec<Value>,
    charges: Vec<Value>,
    /// The money that refunds and lost disputes took back, by charge.
    back: BTreeMap<String, i64>,
    coupons: Vec<Value>,
}

impl Stripe {
    async fn read(stage: &Stage) -> Stripe {
        let mut back: BTreeMap<String, i64> = BTreeMap::new();
        let disputes = all(stage, "/v1/disputes?limit=100").await;
        let lost = disputes.iter().filter(|one| one["status"] == "lost");
        let refunds = all(stage, "/v1/refunds?limit=100").await;
        let refunds = refunds.iter().filter(|one| one["status"] == "succeeded");
        for one in lost.chain(refunds) {
            let charge = one["charge"].as_str().unwrap().to_owned();
            *back.entry(charge).or_default() += one["amount"].as_i64().unwrap();
        }
        Stripe {
            subscriptions: all(
                stage,
                "/v1/subscriptions?status=all&limit=100&expand[]=data.discounts",
            )
            .await,
            invoices: all(stage, "/v1/invoices?limit=100&expand[]=data.payments").await,
            charges: all(stage, "/v1/charges?limit=100").await,
            back,
            coupons: all(stage, "/v1/coupons?limit=100").await,
        }
    }

    fn invoice_of(&self, charge: &Value) -> Option<&Value> {
        let paid_by = |invoice: &&Value| {
            let payments = invoice["payments"]["data"].as_array().unwrap().iter();
            let mut intents = payments.map(|one| &one["payment"]["payment_intent"]);
            intents.any(|intent| *intent == charge["payment_intent"])
        };
        self.invoices.iter().find(paid_by)
    }

    fn left(&self, charge: &Value) -> i64 {
        let back = self.back.get(charge["id"].as_str().unwrap());
        charge["amount"].as_i64().unwrap() - back.copied().unwrap_or(0)
    }

    /// What a charge brought that did not go back, without its share of the invoice's tax.
    fn net(&self, charge: &Value) -> i64 {
        let total = self
            .invoice_of(charge)
            .map_or(0, |one| number(one, "total"));
        let taxes = self
            .invoice_of(charge)
            .map(|one| one["total_taxes"].clone());
        let taxes = taxes.iter().flat_map(|all| all.as_array().unwrap());
        let tax: i64 = taxes.map(|tax| tax["amount"].as_i64().unwrap()).sum();
        let left = self.left(charge);
        left - rounded(tax * left, total.max(1))
    }

    /// The revenue since `from`, and the customers that it came from.
    fn revenue(&self, from: i64) -> (i64, i64) {
        let paid =
            |charge: &&Value| charge["status"] == "succeeded" && number(charge, "created") >= from;
        let paid: Vec<&Value> = self.charges.iter().filter(paid).collect();
        let kept = paid.iter().filter(|charge| self.left(charge) > 0);
        let customers: BTreeSet<&str> = kept.map(|one| one["customer"].as_str().unwrap()).collect();
        let revenue = paid.iter().map(|charge| self.net(charge)).sum();
        (revenue, i64::try_from(customers.len()).unwrap())
    }

    /// What a running subscription brings a month; none if it isn't paid for.
    fn monthly(&self, held: &Value) -> Option<i64> {
        let is_running = matches!(held["status"].as_str(), Some("active" | "past_due"));
        let latest = held["latest_invoice"].as_str();
        let mut its = self.charges.iter().filter(|charge| {
            self.invoice_of(charge)
                .and_then(|invoice| invoice["id"].as_str())
                == latest
        });
        let went_back = its.clone().count() > 0 && its.all(|charge| self.left(charge) == 0);
        let is_trial = held["status"] == "trialing";
        if !is_running || is_trial || !held["pause_collection"].is_null() || went_back {
            return None;
        }
        let items = held["items"]["data"].as_array().unwrap().iter();
        let amount: i64 = items
            .map(|item| {
                let price = &item["price"];
                let unit = price["unit_amount"].as_i64().unwrap() * number(item, "quantity");
                let unit = unit - self.discount(held, unit);
                match price["recurring"]["interval"].as_str().unwrap() {
                    "year" => rounded(unit, 12),
                    _ => unit,
                }
            })
            .sum();
        Some(amount)
    }

    /// What the discounts of a subscription that never end take off an amount.
    fn discount(&self, held: &Value, amount: i64) -> i64 {
        let discounts = held["discounts"].as_array().unwrap().iter();
        let taken = discounts.map(|discount| {
            let named = &discount["source"]["coupon"];
            let coupon = self.coupons.iter().find(|one| one["id"] == *named).unwrap();
            match (&coupon["duration"], coupon["amount_off"].as_i64()) {
                (duration, _) if duration != "forever" => 0,
                (_, Some(off)) => off,
                _ => rounded(
                    amount * coupon["percent_off"].as_f64().map(whole).unwrap(),
                    100,
                ),
            }
        });
        taken.sum()
    }

    /// The customers that subscribed at a time.
    fn subscribed(&self, at: i64) -> BTreeSet<&str> {
        let held = self.subscriptions.iter().filter(|held| {
            let ended = held["ended_at"].as_i64();
            let is_trial = held["trial_end"].as_i64().is_some_and(|end| end > at);
            !is_trial && number(held, "created") < at && ended.is_none_or(|ended| ended >= at)
        });
        held.map(|held| held["customer"].as_str().unwrap())
            .collect()
    }

    /// What packs were sold for, and what of it went back.
    fn packs(&self) -> (i64, i64) {
        let paid = self
            .charges
            .iter()
            .filter(|one| one["status"] == "succeeded");
        let packs: Vec<&Value> = paid.filter(|one| self.invoice_of(one).is_none()).collect();
        let sold = packs.iter().map(|one| number(one, "amount")).sum();
        let left: i64 = packs.iter().map(|one| self.left(one)).sum();
        (sold, sold - left)
    }
}

/// A number of an object: a time, an amount or a quantity.
fn number(object: &Value, name: &str) -> i64 {
    object[name].as_i64().unwrap()
}

#[expect(clippy::cast_possible_truncation, reason = "a whole percentage")]
fn whole(percent: f64) -> i64 {
    percent as i64
}

/// Compares every figure with Stripe's objects; returns the recurring revenue of a month.
async fn agree(stage: &Stage, what: &str) -> i64 {
    stage.settled().await;
    stage.twin.advance("2m").await.unwrap();
    stage.settled().await;
    let stripe = Stripe::read(stage).await;
    let figures = billing::books::figures::of(&stage.app).await.unwrap();
    let (from, at) = (figures.from.seconds(), figures.at.seconds());

    let monthly: Vec<i64> = stripe
        .subscriptions
        .iter()
        .filter_map(|one| stripe.monthly(one))
        .collect();
    let count = i64::try_from(monthly.len()).unwrap();
    assert_eq!(
        (figures.mrr.amount, figures.subscriptions),
        (monthly.iter().sum(), count),
        "{what}"
    );
    let (revenue, paying) = stripe.revenue(from);
    assert_eq!(
        (figures.revenue.amount, figures.paying),
        (revenue, paying),
        "{what}"
    );
    let arpu = figures.arpu.map(|arpu| arpu.amount);
    assert_eq!(
        arpu,
        (paying > 0).then(|| rounded(revenue, paying)),
        "{what}"
    );
    let (before, after) = (stripe.subscribed(from), stripe.subscribed(at));
    let gone = before.difference(&after).count();
    let churn = (
        usize::try_from(figures.churn.part).unwrap(),
        usize::try_from(figures.churn.whole).unwrap(),
    );
    assert_eq!(churn, (gone, before.len()), "{what}");
    let (sold, granted) = figures.bought;
    assert_eq!(sold, granted, "{what}");
    let report = server::cli::report::deferred(
        &stage.app,
        figures.at.plus_days(-400),
        figures.at.plus_days(1),
    );
    let report = report.await.unwrap();
    assert!(report.ties(), "{what}");
    let prepaid = report.prepaid.get("usd").copied().unwrap_or_default();
    assert_eq!(
        (prepaid.sold.minor, prepaid.refunded.minor),
        stripe.packs(),
        "{what}"
    );
    let left = prepaid.sold.minor - prepaid.refunded.minor - prepaid.used.minor;
    assert_eq!(prepaid.closing.minor, left, "{what}");
    stage.audited().await;
    figures.mrr.amount
}

/// A new subscriber, and the path of their subscription.
async fn subscriber(stage: &Stage, name: &str, body: Value) -> String {
    let person = stage.person(&format!("{name}@example.com")).await;
    let session = person.session(body).await;
    person.pay(&session).await;
    person
        .billing_when(|body| body["subscription"]["status"] == "ACTIVE")
        .await;
    stage.settled().await;
    stage.subscription_path().await
}

/// The newest charge of a subscription's newest invoice.
async fn charge_of(stage: &Stage, subscription: &str) -> Value {
    let held = stage.stripe_get(subscription).await;
    let customer = held["customer"].as_str().unwrap();
    let charges = stage
        .stripe_list(&format!("/v1/charges?customer={customer}"))
        .await;
    charges[0].clone()
}

async fn dispute(stage: &Stage, charge: &str, won: bool) {
    let dispute = id_of(&stage.twin.dispute(charge, None).await.unwrap());
    stage.settled().await;
    stage.twin.close_dispute(&dispute, won).await.unwrap();
}

on_both!(every_figure_agrees_with_stripes_own_objects_through_two_months);
#[expect(clippy::too_many_lines, reason = "one story, told in order")]
async fn every_figure_agrees_with_stripes_own_objects_through_two_months(stage: &Stage) {
    let rate = [
        ("display_name", "VAT"),
        ("percentage", "10"),
        ("inclusive", "false"),
    ];
    let rate = id_of(&stage.stripe_post("/v1/tax_rates", &rate).await);
    let half = [("percent_off", "50"), ("duration", "forever")];
    let half = id_of(&stage.stripe_post("/v1/coupons", &half).await);
    let taxed = [("default_tax_rates[0]", rate.as_str())];
    agree(stage, "nothing").await;
    let ann = subscriber(stage, "ann", plan_of("PRO")).await;
    stage.stripe_post(&ann, &taxed).await;
    stage
        .stripe_post(&ann, &[("discounts[0][coupon]", &half)])
        .await;
    let cid = subscriber(stage, "cid", plan_of("PRO")).await;
    let dan = subscriber(stage, "dan", plan_of("PRO_PLUS")).await;
    stage.stripe_post(&dan, &taxed).await;
    let eve = subscriber(stage, "eve", plan_of("PRO")).await;
    stage
        .stripe_post(&eve, &[("pause_collection[behavior]", "void")])
        .await;
    let fay = subscriber(stage, "fay", plan_of("PRO")).await;
    let item = stage.stripe_get(&fay).await["items"]["data"][0]["id"].clone();
    let three = [
        ("items[0][id]", item.as_str().unwrap()),
        ("items[0][quantity]", "3"),
        ("proration_behavior", "always_invoice"),
    ];
    stage.stripe_post(&fay, &three).await;
    let included = [
        ("display_name", "VAT"),
        ("percentage", "10"),
        ("inclusive", "true"),
    ];
    let included = id_of(&stage.stripe_post("/v1/tax_rates", &included).await);
    let five = [
        ("amount_off", "500"),
        ("currency", "usd"),
        ("duration", "forever"),
    ];
    let five = id_of(&stage.stripe_post("/v1/coupons", &five).await);
    let once = [("percent_off", "50"), ("duration", "once")];
    let once = id_of(&stage.stripe_post("/v1/coupons", &once).await);
    let lea = subscriber(stage, "lea", plan_of("PRO_PLUS")).await;
    stage
        .stripe_post(
            &lea,
            &[
                ("default_tax_rates[0]", &included),
                ("discounts[0][coupon]", &five),
            ],
        )
        .await;
    let moe = subscriber(stage, "moe", plan_of("PRO")).await;
    stage
        .stripe_post(
            &moe,
            &[
                ("default_tax_rates[0]", &*rate),
                ("discounts[0][coupon]", &once),
            ],
        )
        .await;
    let ned = stage.buyer("ned@example.com", 500).await;
    let customer = stage.stripe_id("/v1/customers").await;
    stage.start_trial(&customer, "PRO").await;
    ned.billing_when(|body| body["subscription"]["status"] == "TRIALING")
        .await;
    let ola = subscriber(stage, "ola", plan_of("PRO")).await;
    let payer = stage.stripe_get(&ola).await["customer"]
        .as_str()
        .unwrap()
        .to_owned();
    let card = stage.attach("pm_card_chargeCustomerFail", &payer).await;
    stage
        .stripe_post(&ola, &[("default_payment_method", &*card)])
        .await;
    let payer = stage.stripe_get(&lea).await["customer"]
        .as_str()
        .unwrap()
        .to_owned();
    stage
        .stripe_post(
            &format!("/v1/customers/{payer}/balance_transactions"),
            &[("amount", "-700"), ("currency", "usd")],
        )
        .await;
    let monthly = agree(stage, "discounts, taxes, a quantity, a pause and a trial").await;
    let by_hand = 950 + 1_900 + 4_900 + 3 * 1_900 + 4_400 + 1_900 + 1_900;
    assert_eq!(monthly, by_hand, "ann, cid, dan, fay, lea, moe and ola");

    stage.twin.advance("32d").await.unwrap();
    agree(stage, "renewed").await;

    let yearly = json!({ "type": "subscription", "planId": "PRO", "interval": "year" });
    let gus = subscriber(stage, "gus", yearly).await;
    stage.stripe_delete(&cid).await;
    let hal = stage.buyer("hal@example.com", 5_000).await;
    stage.refund_part(&stage.charge_of(500).await, "200").await;
    hal.balance_is(3_100).await;
    agree(
        stage,
        "a year, a cancellation and a pack of which some went back",
    )
    .await;

    let of = async |path: &str| id_of(&charge_of(stage, path).await);
    stage.refund_part(&of(&ann).await, "300").await;
    stage.refund_part(&of(&fay).await, "700").await;
    dispute(stage, &of(&dan).await, false).await;
    agree(stage, "refunds of taxed payments, and a lost dispute").await;

    stage.refund_part(&of(&lea).await, "1000").await;
    stage.refund_part(&of(&moe).await, "333").await;
    agree(stage, "refunds of included tax and of a discount once").await;
    let (jon, kim) = (
        stage.buyer("jon@example.com", 1_000).await,
        stage.buyer("kim@example.com", 10_000).await,
    );
    let ten = stage.charge_of(1_000).await;
    dispute(stage, &stage.charge_of(100).await, true).await;
    dispute(stage, &ten, false).await;
    kim.balance_is(100).await;
    assert_eq!(jon.program().await.debit("spend", 350).await.status, 201);
    let ivy = subscriber(stage, "ivy", plan_of("PRO")).await;
    stage.refund(&of(&ivy).await).await;
    stage.refund_part(&of(&gus).await, "9500").await;
    agree(
        stage,
        "packs in disputes, a plan without its money, half of a year",
    )
    .await;

    stage.twin.dispute(&of(&fay).await, None).await.unwrap();
    let invoice = stage.stripe_get(&moe).await["latest_invoice"].clone();
    let invoice = invoice.as_str().unwrap();
    stage.credit_note(invoice, "110", "credit_amount").await;
    let item = stage.stripe_get(&moe).await["items"]["data"][0]["id"].clone();
    let plus = stage.price("PRO_PLUS");
    let upgraded = [
        ("items[0][id]", item.as_str().unwrap()),
        ("items[0][price]", &*plus),
        ("proration_behavior", "always_invoice"),
    ];
    stage.stripe_post(&moe, &upgraded).await;
    agree(
        stage,
        "an open dispute, a credit note to the balance, an upgrade",
    )
    .await;

    stage.stripe_post(&eve, &[("pause_collection", "")]).await;
    stage.twin.advance("32d").await.unwrap();
    agree(stage, "the month after").await;
}
