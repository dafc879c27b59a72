//! What each plan is charged next: Stripe's preview of its next invoice, stored with the time at
//! which it was fetched (G7).
//!
//! A preview is fetched again when what it depends on has changed, an event named an object of the
//! account, its invoice came due, or it is a day old. If that fails, the old one stays, with its
//! date. One that a change has outdated is marked as stale: its date is shown at once, and the sweep
//! asks for another sync. So it does for a subscription that has none yet.

use std::collections::HashMap;
use std::fmt::Write as _;

use domain::time::Timestamp;
use store::next_charges::NextCharge;
use stripe::objects::{self, SubscriptionStatus};
use stripe::{Error as StripeError, Form};

use crate::app::App;
use crate::payments::preview;
use crate::sync::history::Raw;
use crate::sync::{Held, at};

/// A preview is fetched again after this time.
const AGE_SECONDS_MAX: i64 = domain::time::SECONDS_PER_DAY;

/// The most subscriptions of one account whose next invoice is requested in a sync; the sweep asks
/// for another sync of the rest.
const SUBSCRIPTIONS_MAX: usize = 10;

/// Stripe's code for a subscription that is charged no more.
const NOTHING_UPCOMING: &str = "invoice_upcoming_none";

/// What became of the previews of an account.
#[derive(Clone, Debug, Default)]
pub struct NextCharges {
    /// Those that were fetched.
    pub fetched: Vec<NextCharge>,
    /// Subscriptions that have none.
    pub none: Vec<String>,
    /// The stored ones that are still good.
    pub kept: Vec<NextCharge>,
    /// Subscriptions that have changed and whose new preview was not fetched.
    pub stale: Vec<String>,
}

impl NextCharges {
    /// The preview of a subscription, if its amount is known.
    pub fn of(&self, subscription: &str) -> Option<&NextCharge> {
        let mut all = self.fetched.iter().chain(&self.kept);
        all.find(|one| one.subscription_id == subscription)
    }
}

/// Fetches the previews of the account's subscriptions that are out of date.
pub async fn read(
    app: &App,
    held: &Held,
    raw: &Raw,
    customers: &HashMap<String, objects::Customer>,
) -> NextCharges {
    let mut next = NextCharges::default();
    let now = app.now();
    let mut requested = 0;
    for subscription in &raw.subscriptions {
        let id = &subscription.id;
        let stored = held
            .next_charges
            .iter()
            .find(|one| one.subscription_id == *id);
        if !is_charged(subscription) {
            next.none.extend(stored.map(|_| id.clone()));
            continue;
        }
        let customer = subscription.customer.id().and_then(|id| customers.get(id));
        let inputs = inputs(subscription, customer);
        let kept = stored.filter(|one| one.inputs == inputs && is_good(one, held, now));
        if let Some(kept) = kept {
            next.kept.push(kept.clone());
            continue;
        }
        let has_changed = stored.is_some_and(|one| one.inputs != inputs);
        if requested >= SUBSCRIPTIONS_MAX {
            next.stale.extend(has_changed.then(|| id.clone()));
            continue;
        }
        requested += 1;
        match fetch(app, subscription).await {
            Ok(preview) => {
                next.fetched
                    .push(row(held.account, id, inputs, preview.as_ref(), now));
            }
            Err(error) => {
                let account = held.account;
                tracing::warn!(account, subscription = %id, %error, "Failed to preview an invoice");
                if has_changed {
                    next.stale.push(id.clone());
                }
            }
        }
    }
    next
}

/// Whether a subscription is charged at the end of its period.
fn is_charged(subscription: &objects::Subscription) -> bool {
    let is_running = matches!(
        subscription.status,
        SubscriptionStatus::Active | SubscriptionStatus::Trialing | SubscriptionStatus::PastDue
    );
    is_running && subscription.ended_at.is_none() && subscription.pause_collection.is_none()
}

fn is_good(stored: &NextCharge, held: &Held, now: Timestamp) -> bool {
    let is_fresh = now < stored.fetched_at.plus_seconds(AGE_SECONDS_MAX);
    let is_ahead = stored.due_at.is_none_or(|due| now < due);
    is_fresh && is_ahead && held.named.is_empty()
}

/// A digest of what the preview of a subscription depends on.
fn inputs(subscription: &objects::Subscription, customer: Option<&objects::Customer>) -> String {
    let mut text = String::new();
    write!(text, "{subscription:?}{customer:?}").expect("text can be written");
    hex::encode(&crate::secrets::hash(&text)[..8])
}

/// Stripe's preview; none if nothing more is charged.
async fn fetch(
    app: &App,
    subscription: &objects::Subscription,
) -> stripe::Result<Option<objects::Invoice>> {
    let live = subscription
        .schedule
        .get()
        .filter(|schedule| schedule.is_live());
    // Of a scheduled change, only the schedule's own preview shows the next phase.
    let form = match live {
        Some(schedule) => Form::new().push("schedule", &schedule.id),
        None => Form::new().push("subscription", &subscription.id),
    };
    match app.stripe.preview_invoice(&form).await {
        Ok(preview) => Ok(Some(preview)),
        Err(error) if is_nothing(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

fn is_nothing(error: &StripeError) -> bool {
    match error {
        StripeError::Refused { code, .. } => code.as_deref() == Some(NOTHING_UPCOMING),
        // Stripe answers 404 when nothing is upcoming; the subscription itself was just read.
        StripeError::NotFound { .. } => true,
        _ => false,
    }
}

fn row(
    account: i64,
    subscription: &str,
    inputs: String,
    preview: Option<&objects::Invoice>,
    now: Timestamp,
) -> NextCharge {
    NextCharge {
        subscription_id: subscription.to_owned(),
        account_id: account,
        inputs,
        due_at: preview.map(|one| at(one.period_end.unwrap_or(one.created))),
        currency: preview.map(|one| one.currency.clone()),
        amount_minor: preview.map(|one| one.amount_due),
        lines: preview.map(|one| {
            let lines = preview::lines(one);
            serde_json::to_string(&lines).expect("lines are plain")
        }),
        fetched_at: now,
    }
}
