//! Money in and out: every charge was asked for, has its row, and brought what was sold.

use domain::money::{Credits, share_of};
use domain::projection::TransactionType;
use serde_json::Value;

use super::accounts;
use crate::linked::text;
use crate::world::World;

/// The succeeded charges of the person's customers, oldest first.
async fn charges(world: &mut World, who: usize) -> Vec<Value> {
    let customers = world.customers(who).await;
    world.stripe.read(|core| {
        let all = core.objects("charge").into_iter();
        all.filter(|one| one["paid"] == true)
            .filter(|one| customers.iter().any(|id| one["customer"] == id.as_str()))
            .cloned()
            .collect()
    })
}

/// Judges the charges since the last call: nobody is charged for what they did not ask for.
pub async fn watch(world: &mut World) -> Vec<String> {
    super::allowances::watch_trials(world);
    let trespasses = world.stripe.take_trespasses().into_iter();
    let mut broken: Vec<String> = trespasses
        .map(|call| format!("another product's object is changed: {call}"))
        .collect();
    for (who, account) in accounts(world) {
        let before = world.people[who].topups;
        for charge in charges(world, who).await {
            let id = text(&charge, "id").to_owned();
            if !world.asked.charges.insert(id.clone()) {
                continue;
            }
            if let Some(why) = unasked(world, who, &charge) {
                let cents = &charge["amount"];
                broken.push(format!("person {who} was charged {cents} ({id}): {why}"));
            }
        }
        // One call buys until the credits are above the threshold again.
        if world.people[who].topups > before && !is_low(world, account).await {
            world.people[who].has_spent = false;
        }
    }
    broken
}

/// Whether the account has fewer credits than its automatic top-up keeps.
async fn is_low(world: &mut World, account: i64) -> bool {
    let now = world.now();
    let low = world.app.read(move |tx| {
        let below = store::ledger::watch::thresholds(tx, account)?.1;
        let available = store::ledger::loaded(tx, account)?.available(now);
        Ok(below.is_some_and(|below| available < below))
    });
    low.await.unwrap_or(false)
}

/// Why a charge should not have been made, if it should not.
fn unasked(world: &mut World, who: usize, charge: &Value) -> Option<&'static str> {
    let intent = text(charge, "payment_intent");
    let (session, invoice) = world.stripe.read(|core| {
        let sessions = core.objects("checkout.session").into_iter();
        let session = sessions
            .filter(|one| text(one, "payment_intent") == intent)
            .map(|one| text(one, "id").to_owned())
            .next();
        let invoices = core.objects("invoice").into_iter();
        let invoice = invoices
            .filter(|one| pays(core, one, intent))
            .map(Clone::clone)
            .next();
        (session, invoice)
    });
    if let Some(session) = session {
        return (!world.asked.sessions.contains(&session)).then_some("nobody paid the page");
    }
    if let Some(invoice) = invoice {
        let subscription = text(&invoice["parent"]["subscription_details"], "subscription");
        if world.stripe.is_of_others(subscription) {
            return None;
        }
        if is_suspended_at(world, who, &charge["created"]) {
            return Some("the account was suspended");
        }
        return unasked_invoice(world, who, &invoice);
    }
    world.mark("automatic top-up");
    let person = &mut world.people[who];
    person.topups += 1;
    if person.is_closed {
        return Some("automatic top-up of a closed account");
    }
    if person.is_suspended {
        return Some("automatic top-up of a suspended account");
    }
    if !person.has_spent {
        return Some("automatic top-up although nothing was spent");
    }
    None
}

/// Seconds after a suspension within which Stripe may still collect: a call to pause it may fail, and a
/// payment that has begun is made.
const PAUSE_SECONDS: i64 = 3_600;

/// Whether the person's account was suspended at this moment, and Stripe had the time to learn of it.
fn is_suspended_at(world: &mut World, who: usize, at: &Value) -> bool {
    let at = at.as_i64().unwrap_or(0);
    let mut all = world.people[who].suspensions.iter();
    let is_in =
        all.any(|(from, until)| from + PAUSE_SECONDS < at && until.is_none_or(|until| at < until));
    if !world.people[who].suspensions.is_empty() {
        world.mark("charge after a suspension");
    }
    is_in
}

/// Whether a payment intent pays an invoice.
fn pays(core: &twin::core::Core, invoice: &Value, intent: &str) -> bool {
    core.objects("invoice_payment").into_iter().any(|payment| {
        payment["invoice"] == invoice["id"] && payment["payment"]["payment_intent"] == intent
    })
}

fn unasked_invoice(world: &mut World, who: usize, invoice: &Value) -> Option<&'static str> {
    let id = text(invoice, "id");
    match text(invoice, "billing_reason") {
        "subscription_cycle" => {
            world.mark("renewal");
            world.people[who]
                .is_closed
                .then_some("a renewal of a closed account")
        }
        "subscription_create" => {
            let subscription = text(&invoice["parent"]["subscription_details"], "subscription");
            let sessions = &world.asked.sessions;
            let paid = world.stripe.read(|core| {
                let all = core.objects("checkout.session").into_iter();
                all.filter(|one| text(one, "subscription") == subscription)
                    .any(|one| sessions.contains(text(one, "id")))
            });
            (!paid && !world.asked.invoices.contains(id)).then_some("nobody paid the page")
        }
        _ => {
            let lines = invoice["lines"]["data"].as_array();
            let is_scheduled = lines.into_iter().flatten().any(|line| {
                let price = text(&line["pricing"]["price_details"], "price").to_owned();
                world.asked.prices.contains(&(who, price))
            });
            let is_asked = is_scheduled || world.asked.invoices.contains(id);
            (!is_asked).then_some("nobody confirmed the invoice")
        }
    }
}

/// Judges that every charge has its row, and that packs brought what was sold.
pub(super) async fn judge(world: &mut World, broken: &mut Vec<String>) {
    for (who, account) in accounts(world) {
        if world.people[who].is_closed {
            continue;
        }
        let rows = world.transactions(account).await;
        let lots = world.lots(account).await;
        for charge in charges(world, who).await {
            let (id, intent) = (text(&charge, "id"), text(&charge, "payment_intent"));
            let row = rows.iter().find(|row| {
                row.stripe_payment_intent_id.as_deref() == Some(intent)
                    && row.kind != TransactionType::Refund
            });
            if row.is_none() && is_of_others(world, intent) {
                continue;
            }
            let Some(row) = row else {
                broken.push(format!("person {who}: the charge {id} has no row"));
                continue;
            };
            // Money for an invoice that was voided meanwhile waits for an operator's decision.
            if row.kind != TransactionType::CreditTopup || row.natural_key.starts_with("payment:") {
                continue;
            }
            let source = format!("topup:{intent}");
            let Some(lot) = lots.iter().find(|lot| lot.source_key == source) else {
                broken.push(format!("person {who}: the charge {id} brought no credits"));
                continue;
            };
            let gone = gone_back(world, &charge);
            let paid = charge["amount"].as_i64().unwrap_or(0);
            let due = Credits::from_micros(share_of(lot.amount.micros(), gone, paid));
            if !lot.voided && lot.reversed != due {
                let (has, amount) = (lot.reversed, lot.amount);
                broken.push(format!(
                    "person {who}: {gone} of {paid} of {id} went back, which takes {due} of \
                     {amount} credits, not {has}"
                ));
            }
        }
    }
}

/// Whether a payment intent pays an invoice of another product's subscription.
fn is_of_others(world: &World, intent: &str) -> bool {
    let subscription = world.stripe.read(|core| {
        let all = core.objects("invoice").into_iter();
        let mut paid = all.filter(|one| pays(core, one, intent));
        let details = paid
            .next()
            .map(|one| &one["parent"]["subscription_details"]);
        details.map(|details| text(details, "subscription").to_owned())
    });
    subscription.is_some_and(|id| world.stripe.is_of_others(&id))
}

/// Judges that what was promised with the end of a plan went back: all of it, unless credits of the
/// period were spent in between.
pub(super) async fn judge_promises(world: &mut World, broken: &mut Vec<String>) {
    for (who, account) in accounts(world) {
        for (subscription, amount, spends) in world.people[who].promised.clone() {
            let has_spent = world.people[who].spends > spends;
            let is_over = world.stripe.read(|core| {
                let row = core.object(&subscription);
                row.is_some_and(|row| text(row, "status") == "canceled")
            });
            let made = refunded_with_end(world, account, &subscription).await;
            // The bank decides, or gave the money back itself.
            let is_lost = world.has_dispute(who, &["lost"]).await;
            if is_lost || world.is_in_dispute(who).await {
                continue;
            }
            world.mark("end with a refund");
            match made {
                Some(made) if is_over && made < amount && !has_spent => {
                    broken.push(format!(
                        "person {who}: {amount} were promised with the end of {subscription}, and \
                         {made} went back"
                    ));
                }
                _ => {}
            }
        }
    }
}

/// What went back by the intents that ended this subscription; `None` if none did.
async fn refunded_with_end(world: &mut World, account: i64, subscription: &str) -> Option<i64> {
    let intents = world
        .app
        .read(move |tx| store::intents::of_account(tx, account, 1_000));
    let ended: Vec<String> = intents
        .await
        .unwrap_or_default()
        .into_iter()
        .filter(|one| one.kind == store::intents::IntentKind::PlanEnd)
        .filter(|one| one.params.contains(subscription))
        .map(|one| one.id)
        .collect();
    if ended.is_empty() {
        return None;
    }
    world.stripe.read(|core| {
        let all = core.objects("refund").into_iter();
        let ours = all.filter(|one| {
            let mark = one["metadata"].to_string();
            ended.iter().any(|id| mark.contains(id.as_str()))
        });
        Some(ours.filter_map(|one| one["amount"].as_i64()).sum())
    })
}

/// What of a charge went back: refunds that did not fail, and disputes that were lost.
fn gone_back(world: &World, charge: &Value) -> i64 {
    world.stripe.read(|core| {
        let disputes = core.objects("dispute").into_iter();
        let lost: i64 = disputes
            .filter(|one| one["charge"] == charge["id"] && text(one, "status") == "lost")
            .filter_map(|one| one["amount"].as_i64())
            .sum();
        let (refunded, paid) = (&charge["amount_refunded"], &charge["amount"]);
        let gone = lost + refunded.as_i64().unwrap_or(0);
        gone.min(paid.as_i64().unwrap_or(0))
    })
}
