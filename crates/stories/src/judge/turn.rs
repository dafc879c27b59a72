//! The turn of a period: whoever paid for the last one and is not known to fail keeps what was left
//! until the renewal is settled, and reads nothing about it (G4).

use domain::ledger::{GrantKind, Lot};
use domain::letters::Letter;
use domain::money::Credits;
use domain::time::Timestamp;
use serde_json::Value;

use crate::linked::text;
use crate::world::{Delivery, World};

/// What a customer had before a turn.
pub(crate) struct Before {
    subscription: String,
    left: Credits,
    letters: usize,
    at: Timestamp,
}

/// What the person has before the turn, if nothing but the turn will change it.
pub(crate) async fn before(world: &mut World, who: usize) -> Option<Before> {
    let row = world.account(who).await?;
    let person = &world.people[who];
    let account = row.id;
    // A tier that an operator set has months of its own.
    if person.is_closed || person.is_suspended || row.tier_override.is_some() {
        return None;
    }
    let subscription = world.live_subscription(who).await?;
    let customers = world.customers(who).await;
    if !is_calm(world, &customers, &subscription) {
        return None;
    }
    let now = world.now();
    let lots = world.lots(account).await;
    let ledger = world
        .app
        .read(move |tx| Ok(store::ledger::loaded(tx, account)?.available(now)));
    let allowance: Credits = lots
        .iter()
        .filter(|lot| lot.kind == GrantKind::Allowance && !lot.source_key.contains(":FREE:"))
        .filter(|lot| lot.is_spendable(now))
        .map(Lot::unheld)
        .sum();
    let left = allowance.min(ledger.await.ok()?);
    left.is_positive().then_some(Before {
        subscription,
        left,
        letters: world.letters.len(),
        at: now,
    })
}

/// Whether the subscription is the only one, was paid by card, and nothing is planned for it.
fn is_calm(world: &World, customers: &[String], subscription: &str) -> bool {
    let is_theirs = |one: &&Value| customers.iter().any(|id| one["customer"] == id.as_str());
    world.stripe.read(|core| {
        let all = core.objects("subscription").into_iter().filter(is_theirs);
        let mut live = all.filter(|one| text(one, "status") != "canceled");
        let Some(one) = live.next().filter(|_| live.next().is_none()) else {
            return false;
        };
        let paid = core.object(text(one, "latest_invoice"));
        let is_paid = paid.is_some_and(|invoice| {
            text(invoice, "status") == "paid"
                && invoice["amount_paid"].as_i64() > Some(0)
                && text(invoice, "billing_reason") != "manual"
        });
        let went_back = core
            .objects("charge")
            .into_iter()
            .filter(is_theirs)
            .any(|charge| {
                charge["disputed"] == true || charge["amount_refunded"].as_i64() > Some(0)
            });
        text(one, "id") == subscription
            && text(one, "status") == "active"
            && text(one, "collection_method") == "charge_automatically"
            && one["cancel_at_period_end"] == false
            && one["cancel_at"].is_null()
            && one["pause_collection"].is_null()
            && one["schedule"].is_null()
            && is_paid
            && !went_back
    })
}

/// Judges what the person has after the turn.
pub(crate) async fn after(world: &mut World, who: usize, before: Before) {
    let Some(account) = world.people[who].account else {
        return;
    };
    let customers = world.customers(who).await;
    let (is_turned, is_settled, has_failed) = world.stripe.read(|core| {
        let row = core.object(&before.subscription);
        let start = row.and_then(|row| row["items"]["data"][0]["current_period_start"].as_i64());
        let turned = start.is_some_and(|start| start >= before.at.seconds());
        let latest = row.and_then(|row| core.object(text(row, "latest_invoice")));
        // A draft of nothing is settled: what the last period left over pays it.
        let paid = latest.is_some_and(|one| {
            let is_nothing = one["amount_due"] == 0 && text(one, "status") == "draft";
            text(one, "status") == "paid" || is_nothing
        });
        let failed = latest.is_none_or(|one| {
            text(one, "status") == "open" && one["attempt_count"].as_i64() > Some(0)
        });
        (turned, paid, failed)
    });
    if !is_turned || has_failed || (is_settled && !is_calm(world, &customers, &before.subscription))
    {
        return;
    }
    world.mark("turn with credits left");
    let now = world.now();
    let available = world
        .app
        .read(move |tx| Ok(store::ledger::loaded(tx, account)?.available(now)));
    let available = available.await.unwrap_or_default();
    if is_settled {
        // A renewal that was paid brings its own allowance instead, once it is synced.
        let lots = world.lots(account).await.into_iter();
        let mut allowances = lots.filter(|lot| lot.kind == GrantKind::Allowance);
        let has_new = allowances.any(|lot| lot.effective_at >= before.at);
        let waits = world.app.read(store::sync::next_due).await;
        if !has_new && waits.is_ok_and(|next| next.is_none()) && world.delivery == Delivery::Prompt
        {
            let line = format!("person {who} paid for a new period without an allowance");
            world.broken.push(line);
        }
    } else if available < before.left {
        let left = before.left;
        world.broken.push(format!(
            "person {who} had {left} credits of the allowance before the turn, and has {available}"
        ));
    }
    let is_told = world.letters[before.letters..].iter().any(|(to, letter)| {
        *to == world.people[who].email
            && matches!(letter, Letter::CreditsLow { .. } | Letter::CreditsGone {})
    });
    if is_told {
        let line = format!("person {who} is told of few credits because of the turn");
        world.broken.push(line);
    }
}
