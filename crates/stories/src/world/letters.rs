//! No email contradicts the state of its account at the moment when it is sent.

use domain::letters::{DisputeOutcome, Letter};
use serde_json::Value;
use store::outbox::Message;

use super::World;
use crate::linked::text;

/// The number of digits of the digest that stands for an address in a message's key.
const DIGEST_DIGITS: usize = 32;

/// The fact that a message is about: its key without the recipient.
fn fact(key: &str) -> &str {
    match key.rsplit_once(':') {
        Some((fact, last))
            if last.len() == DIGEST_DIGITS && last.bytes().all(|byte| byte.is_ascii_hexdigit()) =>
        {
            fact
        }
        _ => key,
    }
}

/// Judges an email of an account.
pub(super) async fn judge(world: &mut World, mail: &Message, letter: &Letter) {
    let mut people = world.people.iter();
    let who = people.position(|person| person.account == mail.account_id);
    let (Some(who), Some(account)) = (who, mail.account_id) else {
        return;
    };
    let fact = (account, fact(&mail.key).to_owned());
    let first = *world.told.entry(fact).or_insert(mail.created_at);
    if first != mail.created_at {
        let line = format!("person {who} is told again of {}", mail.key);
        world.broken.push(line);
    }
    if let Some(why) = wrong(world, who, account, letter).await {
        let line = format!("person {who} reads {letter:?}, but {why}");
        world.broken.push(line);
    }
}

async fn wrong(
    world: &mut World,
    who: usize,
    account: i64,
    letter: &Letter,
) -> Option<&'static str> {
    let customers = world.customers(who).await;
    let any = |world: &World, kind: &str, fits: &dyn Fn(&Value) -> bool| {
        world.stripe.read(|core| {
            let all = core.objects(kind).into_iter();
            all.filter(|one| customers.iter().any(|id| one["customer"] == id.as_str()))
                .any(fits)
        })
    };
    let closed = world.people[who].is_closed;
    match letter {
        Letter::CreditsLow { .. } | Letter::CreditsGone {} | Letter::PlanEnding { .. }
            if closed =>
        {
            Some("the account is closed")
        }
        Letter::CreditsGone {} => {
            let now = world.now();
            let left = world
                .app
                .read(move |tx| Ok(store::ledger::loaded(tx, account)?.available(now)));
            let left = left.await.unwrap_or_default();
            // An automatic top-up may overtake the email.
            let lots = world.lots(account).await;
            let is_overtaken = lots
                .iter()
                .any(|lot| lot.effective_at >= now.plus_seconds(-60));
            (left.is_positive() && !is_overtaken).then_some("there are credits")
        }
        Letter::PlanEnded { .. } => {
            let others = world.stripe.others();
            let is_live = any(world, "subscription", &|one| {
                matches!(text(one, "status"), "active" | "trialing")
                    && !others.contains(text(one, "id"))
            });
            is_live.then_some("a plan is active")
        }
        Letter::PaymentFailed { amount, .. } | Letter::PurchaseFailed { amount, .. } => {
            let has_failed = any(world, "invoice", &|one| {
                text(one, "status") != "paid" && one["attempt_count"].as_i64() > Some(0)
            }) || any(world, "charge", &|one| {
                text(one, "status") == "failed" && one["amount"] == *amount
            });
            (!has_failed).then_some("no payment failed")
        }
        Letter::Receipt { amount, .. } | Letter::AutoTopupDone { amount, .. } => {
            let is_paid = any(world, "charge", &|one| {
                one["paid"] == true && one["amount"] == *amount
            }) || any(world, "invoice", &|one| {
                text(one, "status") == "paid"
                    && (one["amount_due"] == *amount || one["total"] == *amount)
            });
            (!is_paid).then_some("nothing of that amount was paid")
        }
        Letter::Disputed {
            outcome, amount, ..
        } => (!is_disputed(world, &customers, *outcome, *amount))
            .then_some("there is no such dispute"),
        _ => None,
    }
}

fn is_disputed(world: &World, customers: &[String], outcome: DisputeOutcome, amount: i64) -> bool {
    let status = match outcome {
        DisputeOutcome::Opened => "",
        DisputeOutcome::Won => "won",
        DisputeOutcome::Lost => "lost",
    };
    world.stripe.read(|core| {
        core.objects("dispute").into_iter().any(|one| {
            let charge = core.object(text(one, "charge"));
            let is_theirs = charge
                .is_some_and(|charge| customers.iter().any(|id| charge["customer"] == id.as_str()));
            let is_so = status.is_empty() || one["status"] == status;
            is_theirs && is_so && one["amount"] == amount
        })
    })
}
