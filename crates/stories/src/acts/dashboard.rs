//! What is done at Stripe without us: by the company in Stripe's dashboard, by the customer on
//! Stripe's pages, by banks.

use serde_json::Value;
use twin::core::{PayError, Payment};

use super::customer::card;
use super::{Pay, person};
use crate::linked::text;
use crate::world::World;

/// The person's objects of a kind that fit, newest first.
pub(super) async fn theirs(
    world: &mut World,
    who: u8,
    kind: &str,
    fits: impl Fn(&Value) -> bool,
) -> Vec<Value> {
    let who = person(world, who);
    let customers = world.customers(who).await;
    world.stripe.read(|core| {
        let all = core.objects(kind).into_iter().rev();
        all.filter(|one| customers.iter().any(|id| one["customer"] == id.as_str()))
            .filter(|one| fits(one))
            .cloned()
            .collect()
    })
}

fn nth(all: &[Value], number: u8) -> Option<&Value> {
    all.get(usize::from(number) % all.len().max(1))
}

pub(super) fn told(world: &mut World, act: &str, done: Result<Value, String>) -> String {
    world.collect_mail();
    match done {
        Ok(_) => {
            world.mark(format!("{act} done"));
            "done".to_owned()
        }
        Err(message) => format!("refused: {message}"),
    }
}

pub(super) async fn refund(world: &mut World, who: u8, charge: u8, percent: u8) -> String {
    let all = theirs(world, who, "charge", |one| one["paid"] == true).await;
    let Some(charge) = nth(&all, charge) else {
        return "no charge".to_owned();
    };
    let amount = charge["amount"].as_i64().unwrap_or(0) * i64::from(percent.clamp(1, 100)) / 100;
    let amount = amount.max(1).to_string();
    let form = [("charge", text(charge, "id")), ("amount", amount.as_str())];
    let done = world.stripe.post("/v1/refunds", &form);
    told(world, "refund at Stripe", done)
}

pub(super) async fn dispute(world: &mut World, who: u8, charge: u8) -> String {
    let all = theirs(world, who, "charge", |one| {
        one["paid"] == true && one["disputed"] == false && one["refunded"] == false
    });
    let all = all.await;
    let Some(charge) = nth(&all, charge) else {
        return "no charge".to_owned();
    };
    let id = text(charge, "id").to_owned();
    let done = world
        .stripe
        .act(|core, now| core.dispute(&id, "fraudulent", now));
    told(world, "dispute", done.map_err(|error| error.to_string()))
}

pub(super) async fn decide(world: &mut World, who: u8, won: bool) -> String {
    let charges = theirs(world, who, "charge", |_| true).await;
    let open = world.stripe.read(|core| {
        let all = core.objects("dispute").into_iter();
        let mut open = all.filter(|one| {
            let is_open = matches!(text(one, "status"), "needs_response" | "under_review");
            is_open && charges.iter().any(|charge| charge["id"] == one["charge"])
        });
        open.next().map(|one| text(one, "id").to_owned())
    });
    let Some(dispute) = open else {
        return "no dispute".to_owned();
    };
    let done = world
        .stripe
        .act(|core, now| core.close_dispute(&dispute, won, now));
    let act = if won { "dispute won" } else { "dispute lost" };
    told(world, act, done.map_err(|error| error.to_string()))
}

pub(super) async fn live_subscription(world: &mut World, who: u8) -> Option<String> {
    let others = world.stripe.others();
    let all = theirs(world, who, "subscription", |one| {
        !others.contains(text(one, "id"))
            && !matches!(
                text(one, "status"),
                "canceled" | "incomplete_expired" | "incomplete"
            )
    });
    all.await.first().map(|one| text(one, "id").to_owned())
}

pub(super) async fn cancel(world: &mut World, who: u8, now: bool) -> String {
    let Some(id) = live_subscription(world, who).await else {
        return "no plan".to_owned();
    };
    let path = format!("/v1/subscriptions/{id}");
    let done = if now {
        world.stripe.delete(&path)
    } else {
        world
            .stripe
            .post(&path, &[("cancel_at_period_end", "true")])
    };
    told(world, "cancel at Stripe", done)
}

pub(super) async fn pause(world: &mut World, who: u8, how: u8) -> String {
    let Some(id) = live_subscription(world, who).await else {
        return "no plan".to_owned();
    };
    let how = ["void", "keep_as_draft", "mark_uncollectible"][usize::from(how) % 3];
    let path = format!("/v1/subscriptions/{id}");
    let done = world
        .stripe
        .post(&path, &[("pause_collection[behavior]", how)]);
    told(world, "pause", done)
}

pub(super) async fn unpause(world: &mut World, who: u8) -> String {
    let Some(id) = live_subscription(world, who).await else {
        return "no plan".to_owned();
    };
    let path = format!("/v1/subscriptions/{id}");
    let done = world.stripe.post(&path, &[("pause_collection", "")]);
    told(world, "unpause", done)
}

pub(super) async fn pay_invoice(world: &mut World, who: u8, pay: Pay) -> String {
    let open = theirs(world, who, "invoice", |one| text(one, "status") == "open").await;
    let Some(invoice) = open.first().map(|one| text(one, "id").to_owned()) else {
        return "no open invoice".to_owned();
    };
    let method = Payment::Method(card(pay).to_owned());
    let paid = world.stripe.act(
        |core, now| match core.pay_invoice_page(&invoice, method, now) {
            Err(PayError::RequiresAuthentication) => core.authenticate_invoice(&invoice, true, now),
            paid => paid,
        },
    );
    if paid.is_ok() {
        world.asked.invoices.insert(invoice);
    }
    told(
        world,
        "invoice paid",
        paid.map_err(|error| error.to_string()),
    )
}

/// The price of another product on the same Stripe account, made when it is first needed.
fn other_price(world: &World) -> Result<String, String> {
    let known = world.stripe.read(|core| {
        let all = core.objects("price").into_iter();
        let mut theirs = all.filter(|one| one["metadata"]["product"] == "other");
        theirs.next().map(|one| text(one, "id").to_owned())
    });
    if let Some(price) = known {
        return Ok(price);
    }
    let made = world.stripe.post(
        "/v1/prices",
        &[
            ("currency", "usd"),
            ("unit_amount", "900"),
            ("recurring[interval]", "month"),
            ("product_data[name]", "Another product"),
            ("metadata[product]", "other"),
        ],
    )?;
    Ok(text(&made, "id").to_owned())
}

pub(super) async fn other_plan(world: &mut World, who: u8) -> String {
    let who_is = person(world, who);
    let Some(customer) = world.customers(who_is).await.into_iter().next() else {
        return "no customer".to_owned();
    };
    let done = other_price(world).and_then(|price| {
        let attached = world.stripe.post(
            "/v1/payment_methods/pm_card_visa/attach",
            &[("customer", customer.as_str())],
        )?;
        let form = [
            ("customer", customer.as_str()),
            ("items[0][price]", price.as_str()),
            ("default_payment_method", text(&attached, "id")),
        ];
        world.stripe.post("/v1/subscriptions", &form)
    });
    if let Ok(made) = &done {
        world.stripe.belongs_to_others(text(made, "id"));
        let items = made["items"]["data"].as_array();
        for item in items.into_iter().flatten() {
            world.stripe.belongs_to_others(text(item, "id"));
        }
    }
    told(world, "another product's plan", done)
}

pub(super) async fn other_customer(world: &mut World, who: u8) -> String {
    let who = person(world, who);
    let host = format!("host-{who}");
    let email = world.people[who].email.clone();
    let form = [
        ("email", email.as_str()),
        ("metadata[accountId]", host.as_str()),
        ("metadata[userId]", host.as_str()),
    ];
    let done = world.stripe.post("/v1/customers", &form).and_then(|made| {
        let id = text(&made, "id").to_owned();
        world.stripe.belongs_to_others(&id);
        let price = other_price(world)?;
        let attached = world.stripe.post(
            "/v1/payment_methods/pm_card_visa/attach",
            &[("customer", id.as_str())],
        )?;
        let form = [
            ("customer", id.as_str()),
            ("items[0][price]", price.as_str()),
            ("default_payment_method", text(&attached, "id")),
        ];
        world.stripe.post("/v1/subscriptions", &form)
    });
    if let Ok(made) = &done {
        world.stripe.belongs_to_others(text(made, "id"));
    }
    told(world, "another product's customer", done)
}

pub(super) async fn delete_customer(world: &mut World, who: u8) -> String {
    let who = person(world, who);
    let Some(customer) = world.customers(who).await.into_iter().next() else {
        return "no customer".to_owned();
    };
    let done = world.stripe.delete(&format!("/v1/customers/{customer}"));
    told(world, "customer deleted", done)
}

pub(super) async fn customer_balance(world: &mut World, who: u8, cents: i16) -> String {
    let who = person(world, who);
    let Some(customer) = world.customers(who).await.into_iter().next() else {
        return "no customer".to_owned();
    };
    let (path, cents) = (
        format!("/v1/customers/{customer}/balance_transactions"),
        cents.to_string(),
    );
    let form = [("amount", cents.as_str()), ("currency", "usd")];
    let done = world.stripe.post(&path, &form);
    told(world, "customer balance", done)
}

pub(super) async fn end_invoice(world: &mut World, who: u8, void: bool) -> String {
    let open = theirs(world, who, "invoice", |one| text(one, "status") == "open").await;
    let Some(invoice) = open.first().map(|one| text(one, "id").to_owned()) else {
        return "no open invoice".to_owned();
    };
    let how = if void { "void" } else { "mark_uncollectible" };
    let done = world
        .stripe
        .post(&format!("/v1/invoices/{invoice}/{how}"), &[]);
    told(world, "invoice ended", done)
}
