//! What the company changes about a plan in Stripe's dashboard: its terms, what is charged with it,
//! how it is collected.

use serde_json::Value;

use super::customer::PLANS;
use super::dashboard::{live_subscription, theirs, told};
use super::person;
use crate::linked::text;
use crate::world::World;

/// How a change at Stripe is charged.
const PRORATIONS: [&str; 3] = ["create_prorations", "none", "always_invoice"];

/// The person's plan, as Stripe has it.
async fn plan(world: &mut World, who: u8) -> Option<Value> {
    let id = live_subscription(world, who).await?;
    world.stripe.read(|core| core.object(&id).cloned())
}

/// Changes the plan at Stripe. The company wants what this charges.
async fn change(world: &mut World, who: u8, act: &str, form: &[(&str, &str)]) -> String {
    let Some(id) = live_subscription(world, who).await else {
        return "no plan".to_owned();
    };
    let path = format!("/v1/subscriptions/{id}");
    let done = world.stripe.post(&path, form);
    if let Ok(changed) = &done {
        let invoice = text(changed, "latest_invoice").to_owned();
        world.asked.invoices.insert(invoice);
    }
    told(world, act, done)
}

/// Changes a field of the plan's item, charged as the number says.
async fn change_item(
    world: &mut World,
    who: u8,
    (act, number): (&str, u8),
    (field, value): (&str, &str),
) -> String {
    let Some(plan) = plan(world, who).await else {
        return "no plan".to_owned();
    };
    let item = text(&plan["items"]["data"][0], "id").to_owned();
    let form = [
        ("items[0][id]", item.as_str()),
        (field, value),
        (
            "proration_behavior",
            PRORATIONS[usize::from(number) % PRORATIONS.len()],
        ),
    ];
    change(world, who, act, &form).await
}

pub(super) async fn quantity(world: &mut World, who: u8, number: u8) -> String {
    let quantity = (number % 3 + 1).to_string();
    let act = ("quantity at Stripe", number);
    change_item(world, who, act, ("items[0][quantity]", &quantity)).await
}

pub(super) async fn price(world: &mut World, who: u8, number: u8) -> String {
    let prices = world.app.prices();
    let Some(price) = prices.price_of_tier.get(PLANS[usize::from(number) % 2]) else {
        return "no price".to_owned();
    };
    let act = ("price at Stripe", number);
    change_item(world, who, act, ("items[0][price]", price)).await
}

pub(super) async fn discount(world: &mut World, who: u8, percent: u8) -> String {
    let duration = if percent > 50 { "forever" } else { "once" };
    let percent = percent.clamp(1, 100).to_string();
    let made = world.stripe.post(
        "/v1/coupons",
        &[("percent_off", percent.as_str()), ("duration", duration)],
    );
    let Ok(coupon) = made else {
        return told(world, "discount", made);
    };
    let form = [("discounts[0][coupon]", text(&coupon, "id"))];
    change(world, who, "discount", &form).await
}

pub(super) async fn item(world: &mut World, who: u8, cents: i16) -> String {
    let Some(plan) = plan(world, who).await else {
        return "no plan".to_owned();
    };
    let cents = cents.to_string();
    let form = [
        ("customer", text(&plan, "customer")),
        ("subscription", text(&plan, "id")),
        ("amount", cents.as_str()),
        ("currency", "usd"),
    ];
    let done = world.stripe.post("/v1/invoiceitems", &form);
    told(world, "item at Stripe", done)
}

pub(super) async fn cancel_at(world: &mut World, who: u8, days: u8) -> String {
    let at = world.now().plus_days(i64::from(days).max(1)).seconds();
    let at = at.to_string();
    let form = [("cancel_at", at.as_str()), ("proration_behavior", "none")];
    change(world, who, "cancel at a date", &form).await
}

pub(super) async fn trial(world: &mut World, who: u8, days: u8) -> String {
    let end = world.now().plus_days(i64::from(days).max(1)).seconds();
    let end = end.to_string();
    let form = [("trial_end", end.as_str()), ("proration_behavior", "none")];
    change(world, who, "trial at Stripe", &form).await
}

pub(super) async fn by_invoice(world: &mut World, who: u8) -> String {
    let form = [
        ("collection_method", "send_invoice"),
        ("days_until_due", "7"),
    ];
    change(world, who, "invoices sent", &form).await
}

pub(super) async fn paid_elsewhere(world: &mut World, who: u8) -> String {
    let open = theirs(world, who, "invoice", |one| text(one, "status") == "open").await;
    let Some(invoice) = open.first().map(|one| text(one, "id").to_owned()) else {
        return "no open invoice".to_owned();
    };
    let path = format!("/v1/invoices/{invoice}/pay");
    let done = world.stripe.post(&path, &[("paid_out_of_band", "true")]);
    told(world, "paid elsewhere", done)
}

/// The metadata of the customer, or of the plan, are lost.
pub(super) async fn lose_metadata(world: &mut World, who: u8, of_plan: bool) -> String {
    if of_plan {
        return change(world, who, "metadata lost", &[("metadata", "")]).await;
    }
    let who = person(world, who);
    let Some(customer) = world.customers(who).await.into_iter().next() else {
        return "no customer".to_owned();
    };
    let path = format!("/v1/customers/{customer}");
    let done = world.stripe.post(&path, &[("metadata", "")]);
    told(world, "metadata lost", done)
}

/// From now on a bank debit pays the plan, which settles after a while or fails then.
pub(super) async fn pay_by_debit(world: &mut World, who: u8, works: bool) -> String {
    let Some(plan) = plan(world, who).await else {
        return "no plan".to_owned();
    };
    let iban = if works {
        "DE89370400440532013000"
    } else {
        "DE62370400440532013001"
    };
    let customer = text(&plan, "customer").to_owned();
    let attached = world
        .stripe
        .post(
            "/v1/payment_methods",
            &[
                ("type", "sepa_debit"),
                ("sepa_debit[iban]", iban),
                ("billing_details[name]", "A Person"),
                ("billing_details[email]", "person@example.com"),
            ],
        )
        .and_then(|method| {
            let path = format!("/v1/payment_methods/{}/attach", text(&method, "id"));
            world.stripe.post(&path, &[("customer", &customer)])
        });
    let Ok(method) = attached else {
        return told(world, "pays by debit", attached);
    };
    let form = [("default_payment_method", text(&method, "id"))];
    change(world, who, "pays by debit", &form).await
}
