//! The fact of a plan: which tier a subscription gives, and when it ends.

use super::findings::Finding;
use super::snapshot::{Addon, Snapshot, Subscription};
use super::transaction::{Transaction, TransactionType, free_of_charge};
use super::{Desired, DesiredSubscription, Known, changes, duplicates, emails, items};
use crate::money::Currency;
use crate::plan::{SubscriptionFacts, SubscriptionStatus};
use crate::time::Timestamp;

pub(super) fn project_subscriptions(
    snapshot: &Snapshot,
    known: &Known,
    now: Timestamp,
    wanted: &mut Desired,
) {
    for fetched in &snapshot.subscriptions {
        let price = fetched.price_id.as_ref();
        let mapped = price.and_then(|price| known.tier_of_price.get(price));
        find_strays(fetched, known, wanted);
        if mapped.is_none() && fetched.status.is_live() && !items::is_addons_only(fetched, known) {
            wanted.findings.push(Finding::UnknownPrice {
                subscription: fetched.id.clone(),
                price: price.cloned().unwrap_or_default(),
            });
        }
        // If the price is unknown now, the subscription keeps its previous tier; add-ons alone give
        // none.
        let held = known.tier_held.get(&fetched.id);
        let held = held.filter(|_| !items::is_addons_only(fetched, known));
        let tier = mapped.or(held).cloned();
        // What an ended plan still owes concerns no access, and it isn't read again.
        let is_live = fetched.status.is_live();
        let facts = SubscriptionFacts {
            id: fetched.id.clone(),
            status: fetched.status.clone(),
            tier: tier.clone(),
            period_start: fetched.period_start,
            period_end: fetched.period_end,
            cancel_at: fetched.ends_at(),
            ended_at: fetched.ended_at,
            trial_end: fetched.trial_end,
            past_due_since: snapshot.past_due_since(&fetched.id).filter(|_| is_live),
            interval: fetched.interval.clone(),
            anchor_at: fetched.anchor_at,
            is_paused: fetched.is_paused,
            is_paused_by_us: fetched.is_paused_by_us,
            created_at: fetched.created_at,
        };
        let is_last = snapshot.subscriptions.iter().all(|other| {
            let has_ended = !other.status.is_live() && other.ended_at <= fetched.ended_at;
            other.id == fetched.id || has_ended || items::is_addons_only(other, known)
        });
        let name = tier.as_deref().unwrap_or_default();
        emails::ending(fetched, name, is_last, now, wanted);
        if let Some(ended_at) = fetched.ended_at
            && fetched.status == SubscriptionStatus::Canceled
        {
            wanted
                .transactions
                .push(cancellation(fetched, tier, ended_at));
        }
        wanted.subscriptions.push(DesiredSubscription {
            pending: changes::pending(snapshot, fetched, known, now),
            fetched: fetched.clone(),
            facts,
        });
    }
    duplicates::find_duplicates(snapshot, known, wanted);
    duplicates::find_late_payments(snapshot, known, wanted);
}

/// Reports items besides the plan that the catalog doesn't know: they are charged but grant
/// nothing.
fn find_strays(fetched: &Subscription, known: &Known, wanted: &mut Desired) {
    let is_stray = |addon: &&Addon| !known.addon_prices.contains(&addon.price_id);
    for addon in fetched.addons.iter().filter(is_stray) {
        if fetched.status.is_live() {
            wanted.findings.push(Finding::StrayItem {
                subscription: fetched.id.clone(),
                price: addon.price_id.clone(),
            });
        }
    }
}

fn cancellation(fetched: &Subscription, tier: Option<String>, ended_at: Timestamp) -> Transaction {
    let currency = fetched.price.map_or(Currency::USD, |price| price.currency);
    Transaction {
        natural_key: format!("cancel:{}", fetched.id),
        tier,
        description: "Plan ended".to_owned(),
        occurred_at: ended_at,
        ..free_of_charge(TransactionType::SubscriptionCancel, currency)
    }
}
