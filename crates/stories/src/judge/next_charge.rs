//! What is shown as the next charge is what Stripe previews now, and what a plan brings each month is
//! what Stripe says recurs.

use billing::payments::next_charge::{self, Next};
use billing::summary;
use domain::recurring::of_month;
use serde_json::Value;
use store::subscriptions::Subscription;

use super::accounts;
use crate::linked::text;
use crate::world::World;

pub(super) async fn judge(world: &mut World, broken: &mut Vec<String>) {
    for (who, account) in accounts(world) {
        if world.people[who].is_closed {
            continue;
        }
        let now = world.now();
        let read = move |tx: &mut store::Tx<'_>, view: &summary::View| {
            let live = store::subscriptions::live(tx, account)?;
            let next = next_charge::of(tx, &view.plan, live.first(), now)?;
            Ok((live, next))
        };
        let Ok((view, (live, next))) = summary::view_with(&world.app, account, read).await else {
            continue;
        };
        let Some(live) = live.into_iter().next() else {
            continue;
        };
        // Of several plans, the page shows the one that counts.
        if view.plan.subscription_id.as_ref() != Some(&live.subscription_id) {
            continue;
        }
        judge_next(world, who, &live, &next, broken);
        judge_monthly(world, who, &live, broken);
    }
}

fn judge_next(
    world: &mut World,
    who: usize,
    live: &Subscription,
    next: &Next,
    broken: &mut Vec<String>,
) {
    let form = match &live.schedule_id {
        Some(schedule) => ("schedule", schedule.as_str()),
        None => ("subscription", live.subscription_id.as_str()),
    };
    let preview = world.stripe.post("/v1/invoices/create_preview", &[form]);
    match (next, preview) {
        (Next::Charge(charge), Ok(preview)) => {
            world.mark("next charge");
            let (shown, due) = (charge.amount.amount, &preview["amount_due"]);
            if *due != shown {
                broken.push(format!(
                    "person {who} sees {shown} as the next charge, not {due}"
                ));
            }
            let sum: i64 = charge.lines.iter().map(|(_, amount)| amount.amount).sum();
            if sum != shown {
                broken.push(format!(
                    "person {who}: the lines of {shown} add up to {sum}"
                ));
            }
        }
        (Next::Charge(charge), Err(error)) => {
            let shown = charge.amount.amount;
            broken.push(format!(
                "person {who} sees the charge {shown}, but: {error}"
            ));
        }
        (Next::Ends | Next::Nothing, Ok(preview)) => {
            let due = &preview["amount_due"];
            broken.push(format!(
                "person {who} sees no next charge, but Stripe says {due}"
            ));
        }
        _ => {}
    }
}

/// Compares the revenue of a month with what Stripe says recurs, of plans without discounts: which of
/// these recur is shown by the tests.
fn judge_monthly(world: &mut World, who: usize, live: &Subscription, broken: &mut Vec<String>) {
    let id = live.subscription_id.as_str();
    let has_discount = world.stripe.read(|core| {
        let row = core.object(id);
        let customer = row.and_then(|row| core.object(text(row, "customer")));
        let own = row.and_then(|row| row["discounts"].as_array());
        let own = own.is_some_and(|all| !all.is_empty());
        own || customer.is_some_and(|customer| !customer["discount"].is_null())
    });
    // What ends has no recurring charge at Stripe, but counts until it has ended.
    if has_discount || live.cancel_at.is_some() || live.cancel_at_period_end {
        return;
    }
    let form = [("subscription", id), ("preview_mode", "recurring")];
    let Ok(preview) = world.stripe.post("/v1/invoices/create_preview", &form) else {
        return;
    };
    let Some(amount) = preview["total_excluding_tax"].as_i64() else {
        return;
    };
    let interval = live.billing_interval.as_deref().unwrap_or("month");
    let due = of_month(amount, interval, 1);
    if live.monthly_minor != Some(due) {
        let has = live.monthly_minor.map_or(Value::Null, Value::from);
        broken.push(format!("person {who} brings {due} each month, not {has}"));
    }
}
