//! Allowances: earned by paid periods, once, and gone with their payment.

use domain::ledger::{GrantKind, Lot};
use serde_json::Value;

use super::accounts;
use crate::linked::text;
use crate::world::World;

/// The tier and the start of the period, in microseconds, in the key of an allowance.
fn meaning(lot: &Lot) -> Option<(&str, i64)> {
    let mut parts = lot.source_key.split(':').skip(2);
    Some((parts.next()?, parts.next()?.parse().ok()?))
}

pub(super) async fn judge(world: &mut World, broken: &mut Vec<String>) {
    for (who, account) in accounts(world) {
        let lots = world.lots(account).await;
        let customers = world.customers(who).await;
        for lot in lots.iter().filter(|lot| lot.kind == GrantKind::Allowance) {
            let Some((tier, start)) = meaning(lot) else {
                continue;
            };
            if tier == "FREE" || lot.voided || world.marks.contains_key("override done") {
                continue;
            }
            let paid = period_is_paid(world, &customers, start.div_euclid(1_000_000));
            if !paid {
                let amount = lot.amount;
                broken.push(format!(
                    "person {who}: an allowance of {amount} for {tier} whose period nobody paid"
                ));
            }
        }
    }
    judge_free(world, broken).await;
}

/// Remembers the trials at Stripe, which knows only the latest one of a subscription.
pub(super) fn watch_trials(world: &mut World) {
    let trials = world.stripe.read(|core| {
        let all = core.objects("subscription").into_iter();
        let trials = all.filter_map(|one| {
            let span = (one["trial_start"].as_i64()?, one["trial_end"].as_i64()?);
            Some((text(one, "customer").to_owned(), span))
        });
        trials.collect::<Vec<_>>()
    });
    world.trials.extend(trials);
}

/// Whether an invoice of a period that contains this moment was paid, or it is a trial's.
fn period_is_paid(world: &World, customers: &[String], start: i64) -> bool {
    let contains = |from: &Value, to: &Value| {
        let (from, to) = (from.as_i64(), to.as_i64());
        from.is_some_and(|from| from - 86_400 <= start) && to.is_some_and(|to| start < to)
    };
    let is_theirs = |one: &&Value| customers.iter().any(|id| one["customer"] == id.as_str());
    world.stripe.read(|core| {
        let invoices = core.objects("invoice").into_iter().filter(is_theirs);
        let mut paid = invoices.filter(|one| {
            let status = text(one, "status");
            // Nothing had to be paid, whatever becomes of it.
            let is_free = one["amount_due"] == 0 && matches!(status, "draft" | "void");
            status == "paid" || is_free
        });
        let trials = world.trials.iter();
        let mut trials = trials.filter(|(customer, _)| customers.contains(customer));
        paid.any(|one| {
            let lines = one["lines"]["data"].as_array();
            let mut lines = lines.into_iter().flatten();
            lines.any(|line| contains(&line["period"]["start"], &line["period"]["end"]))
        }) || trials.any(|(_, (from, to))| contains(&(*from).into(), &(*to).into()))
    })
}

/// An address has one free allowance at a time, over all its accounts.
async fn judge_free(world: &mut World, broken: &mut Vec<String>) {
    for who in 0..world.people.len() {
        let mut free = Vec::new();
        for account in world.people[who].lives.clone() {
            let lots = world.lots(account).await.into_iter();
            free.extend(lots.filter(|lot| {
                lot.kind == GrantKind::Allowance
                    && meaning(lot).is_some_and(|(tier, _)| tier == "FREE")
            }));
        }
        free.sort_by_key(|lot| lot.effective_at);
        for pair in free.windows(2) {
            let ends = pair[0].expires_at;
            if ends.is_some_and(|ends| pair[1].effective_at < ends) {
                broken.push(format!("person {who} has two free allowances at once"));
            }
        }
    }
}
