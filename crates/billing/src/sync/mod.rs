//! Makes our rows agree with Stripe, one account at a time.
//!
//! Webhooks, the success page, timers, `sync` and replays all end here: an account is leased,
//! fetched completely, projected by `domain::projection`, and applied in one commit. The lease's
//! token fences the commit: a worker that lost its lease writes nothing.

pub mod apply;
pub mod by_id;
pub mod charge;
pub mod checkout_session;
pub mod compare;
pub mod credit_note;
pub mod differences;
mod discounts;
pub mod disputed_plan;
pub mod duplicate_subscription;
pub mod history;
pub mod inbox;
pub mod invoice;
mod late_payment;
pub mod lost;
pub mod mark;
pub mod meaning;
mod next_charge;
pub mod ours;
pub mod owners;
pub mod recovery;
pub mod since;
pub mod snapshot;
pub mod subscription;
pub mod subscription_schedule;
pub mod suspension;
pub mod trials;
pub mod unmatched;
pub mod worker;

use std::collections::{HashMap, HashSet};

use domain::backoff;
use domain::plan::SubscriptionStatus;
use domain::projection::{Desired, Known, project};
use domain::time::Timestamp;
use store::account_prices::AccountPrice;
use store::foreign::{Foreign, ForeignKind};
use store::intents::{Intent, IntentKind};
use store::next_charges::NextCharge;
use store::sync::Lease;
use store::transactions::Transaction;
use stripe::objects;

use crate::app::App;
use crate::binding;
use crate::error::{Error, Result};
use crate::intents::chain::run_latest;
use crate::sync::discounts::Monthly;

pub use crate::sync::checkout_session::INTENT_KEY;
pub use crate::sync::unmatched::match_events;
pub use crate::sync::worker::STOP_MAX;
pub use crate::sync::worker::run;
pub use stripe::HANDLED_EVENTS;

/// How long a lease lasts unless renewed, in seconds of real time.
const LEASE_SECONDS: i64 = 90;

/// How often a worker renews its lease while it fetches.
const RENEW_EVERY: std::time::Duration = std::time::Duration::from_secs(30);

/// Maximum number of rounds per call while the account keeps being marked for sync.
const ROUNDS_MAX: usize = 5;

/// Maximum number of rounds for reading a whole history.
const ROUNDS_OF_ALL_MAX: usize = 10_000;

/// Interval at which a caller retries to lease an account that another worker has leased.
const LEASE_WAIT: std::time::Duration = std::time::Duration::from_millis(50);

const LEASE_WAITS_MAX: usize = 160;

/// The same for a command that reads whole histories: longer than the lease of a worker that was
/// killed.
const LEASE_WAITS_OF_ALL_MAX: usize = 2_000;

/// The changes that a sync made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// One line for each row, journal entry and email that was written.
    pub changes: Vec<String>,
    /// One line for each command that the ledger refused.
    pub refused: Vec<String>,
}

/// Syncs one account now, and again if it is marked for sync meanwhile. Waits for another worker's
/// lease to end, so that the result is newer than the call.
pub async fn account(app: &App, account: i64) -> Result<Report> {
    let now = app.real_now();
    // No worker is woken: it would take the account, and this call would report no changes.
    app.write(account, move |tx| {
        store::sync::mark_for_sync(tx, account, now)
    })
    .await?;
    rounds(app, account, ROUNDS_MAX, LEASE_WAITS_MAX).await
}

/// Like [`account`], but reads the account's whole history at Stripe, however old, without relying
/// on what was read before.
pub async fn whole_account(app: &App, account: i64) -> Result<Report> {
    let now = app.real_now();
    app.write(account, move |tx| store::sync::mark_whole(tx, account, now))
        .await?;
    rounds(app, account, ROUNDS_OF_ALL_MAX, LEASE_WAITS_OF_ALL_MAX).await
}

async fn rounds(app: &App, account: i64, rounds_max: usize, waits_max: usize) -> Result<Report> {
    let mut report = Report::default();
    for _ in 0..rounds_max {
        let Some(lease) = lease(app, account, waits_max).await? else {
            break;
        };
        let round = round(app, &lease).await?;
        report.changes.extend(round.changes);
        report.refused = round.refused;
    }
    Ok(report)
}

async fn lease(app: &App, account: i64, waits_max: usize) -> Result<Option<Lease>> {
    for _ in 0..waits_max {
        let now = app.real_now();
        let until = now.plus_seconds(LEASE_SECONDS);
        let (lease, is_done) = app
            .write(account, move |tx| {
                let state = store::sync::of_account(tx, account)?;
                if state.is_none_or(|state| state.done_gen >= state.dirty_gen) {
                    return Ok((None, true));
                }
                Ok((store::sync::lease_account(tx, account, now, until)?, false))
            })
            .await?;
        if lease.is_some() {
            return Ok(lease);
        }
        if is_done {
            return Ok(None);
        }
        tokio::time::sleep(LEASE_WAIT).await;
    }
    Err(Error::unavailable(
        "sync_busy",
        "This account is being synced; try again shortly.",
    ))
}

/// One round under a lease: fetch, project, apply. A failure is recorded, with its back-off.
async fn round(app: &App, lease: &Lease) -> Result<Report> {
    let _busy = app.busy();
    match fetch_and_apply(app, lease).await {
        Ok(report) => {
            run_latest::<duplicate_subscription::Undo>(app, lease.account_id).await;
            run_latest::<disputed_plan::End>(app, lease.account_id).await;
            run_latest::<suspension::Suspension>(app, lease.account_id).await;
            Ok(report)
        }
        Err(error) => {
            let (lease, text) = (lease.clone(), error.to_string());
            let now = app.real_now();
            let wait = backoff::SYNC.next_seconds(lease.attempts + 1);
            let wait = wait.map(|seconds| backoff::jittered(seconds, app.rng.bits()));
            let retry_at = wait.map(|seconds| now.plus_seconds(seconds));
            app.write(lease.account_id, move |tx| {
                store::alerts::failed_again(tx)?;
                store::sync::fail(tx, &lease, &text, retry_at, now)
            })
            .await?;
            Err(error)
        }
    }
}

async fn fetch_and_apply(app: &App, lease: &Lease) -> Result<Report> {
    let account = lease.account_id;
    binding::check(app).await?;
    let held = app.read(move |tx| held(tx, account)).await?;
    let fetch = async {
        let fetched = snapshot::fetch(app, &held).await?;
        // Before any credits are granted: a repeated trial is ended, and the account is fetched
        // again.
        if trials::check(app, account, &trials::trialing(&fetched)).await? {
            return snapshot::fetch(app, &held).await;
        }
        Ok(fetched)
    };
    let fetched = while_renewed(app, lease, RENEW_EVERY, fetch).await?;
    for customer in &fetched.unmarked {
        // The row claims the customer meanwhile.
        if let Err(error) = mark::put(app, &held.public_id, customer).await {
            tracing::warn!(account, %error, "Failed to mark a customer");
        }
    }
    let now = app.now();
    let wanted = projected(app, &held, &fetched, now);
    report_findings(account, &wanted);
    apply::apply(app, lease, &held, fetched, wanted, now).await
}

/// The rows that the fetched objects call for.
fn projected(app: &App, held: &Held, fetched: &snapshot::Fetched, now: Timestamp) -> Desired {
    let meaning = meaning::Meaning::of(app, held);
    let known = Known {
        tier_of_price: &meaning.tier_of_price,
        terms_of_price: &meaning.terms_of_price,
        addon_prices: &meaning.addon_prices,
        undone: &held.undone,
        suspended_at: held.suspended_at,
        tier_held: &held.tiers,
        rank_of_tier: &meaning.rank_of_tier,
        grace_days: app.rules().plan.grace_days,
        open_disputes: &held.open_disputes,
        pending: &held.pending,
        gives_unpaid_credits: app.settings.billing.credits_without_payment,
    };
    project(&fetched.snapshot, &known, now)
}

/// Runs `work` and renews the lease meanwhile: reading a history may take longer than a lease
/// lasts. Stops early if another worker takes the account, since the apply would be refused anyway.
async fn while_renewed<T>(
    app: &App,
    lease: &Lease,
    every: std::time::Duration,
    work: impl Future<Output = Result<T>>,
) -> Result<T> {
    tokio::pin!(work);
    loop {
        tokio::select! {
            done = &mut work => return done,
            () = tokio::time::sleep(every) => {}
        }
        let lease = lease.clone();
        let until = app.real_now().plus_seconds(LEASE_SECONDS);
        let renew = app.write(lease.account_id, move |tx| {
            store::sync::renew(tx, &lease, until)
        });
        if !renew.await? {
            return Err(store::Error::LeaseLost.into());
        }
    }
}

/// The stored data that a fetch and a projection need.
#[derive(Clone, Debug)]
pub struct Held {
    /// The account's number.
    pub account: i64,
    /// The account's public id.
    pub public_id: String,
    /// What is known to belong to another product, by its id at Stripe.
    pub foreign: HashMap<String, Foreign>,
    /// Customers at Stripe, including former ones.
    pub customers: Vec<store::customers::Customer>,
    /// Stored tier by subscription.
    pub tiers: HashMap<String, String>,
    /// What each subscription brings each month, as stored.
    pub monthly: HashMap<String, Monthly>,
    /// The prices agreed with the account, current and former ones.
    pub agreed: Vec<AccountPrice>,
    /// The account's intents by id; Stripe objects refer to them in their metadata.
    pub intents: HashMap<String, Intent>,
    /// Subscriptions that were canceled as duplicate purchases.
    pub undone: HashSet<String>,
    /// Since when the account is suspended.
    pub suspended_at: Option<Timestamp>,
    /// Disputes that are stored as open.
    pub open_disputes: HashSet<String>,
    /// Keys of the transactions that are stored as pending.
    pub pending: HashSet<String>,
    /// The stored previews of next invoices.
    pub next_charges: Vec<NextCharge>,
    /// The number of the last event that this sync covers.
    pub last_event: i64,
    /// Objects that events referred to.
    pub named: Vec<store::sync::NamedObject>,
    /// Objects that may still change without an event.
    pub open: by_id::Open,
    /// How much of the history has been read.
    pub progress: history::Progress,
}

/// Maximum number of intents; far more than one account has open or recent.
const INTENTS_MAX: i64 = 1_000;

/// Maximum number of event objects that one sync fetches; the rest are left for the next sync.
const NAMED_MAX: i64 = 100;

/// Maximum number of an account's disputes that are looked at.
const DISPUTES_MAX: i64 = 1_000;

/// Maximum number of open invoices and pending transactions that are checked again.
const OPEN_MAX: i64 = 100;

/// Maximum number of another product's objects that are read.
const FOREIGN_MAX: i64 = 1_000;

impl Held {
    /// The order behind an object of Stripe: the one that its metadata name, or whose object it is.
    pub fn intent_of(&self, metadata: &objects::Metadata, object: &str) -> Option<&Intent> {
        let named = metadata.get(checkout_session::INTENT_KEY);
        let named = named.and_then(|id| self.intents.get(id));
        named.or_else(|| self.intent_about(object))
    }

    fn intent_about(&self, object: &str) -> Option<&Intent> {
        let mut all = self.intents.values();
        all.find(|intent| intent.stripe_object_id.as_deref() == Some(object))
    }

    /// The order of a payment that was made without a Checkout session. Metadata that were copied
    /// to another payment, of any amount, name nothing.
    pub fn order_of_payment(&self, charge: &objects::Charge) -> Option<&Intent> {
        let payment = charge.payment_intent.id()?;
        let named = charge.metadata.get(checkout_session::INTENT_KEY);
        let named = named.and_then(|id| self.intents.get(id));
        let named = named.filter(|intent| {
            let object = intent.stripe_object_id.as_deref();
            intent.kind == IntentKind::AutoTopup && object.is_none_or(|object| object == payment)
        });
        named.or_else(|| self.intent_about(payment))
    }

    /// Whether the account has this customer. Objects of other customers are skipped, whatever
    /// referred to them.
    pub fn has(&self, customer: &objects::Expandable<objects::Customer>) -> bool {
        let mut own = self.customers.iter();
        customer
            .id()
            .is_some_and(|id| own.any(|one| one.customer_id == id))
    }
}

fn held(tx: &mut store::Tx<'_>, account: i64) -> store::Result<Held> {
    let subscriptions = store::subscriptions::of_account(tx, account)?;
    let row = store::accounts::find(tx, account)?.ok_or(store::Error::NotFound)?;
    let foreign = store::foreign::of_account(tx, account, FOREIGN_MAX)?;
    let pending = store::transactions::pending(tx, account, OPEN_MAX)?;
    let open = open(tx, account, &subscriptions, &foreign, &pending)?;
    let state = store::sync::of_account(tx, account)?;
    let monthly = discounts::stored(&subscriptions);
    let tiers = subscriptions
        .into_iter()
        .filter_map(|row| Some((row.subscription_id, row.tier?)));
    let intents = store::intents::of_account(tx, account, INTENTS_MAX)?;
    let undone = intents
        .iter()
        .filter(|intent| duplicate_subscription::is_undone(intent));
    let undone = undone.filter_map(|intent| intent.stripe_object_id.clone());
    let disputes = store::disputes::of_account(tx, account, DISPUTES_MAX)?;
    let disputes = disputes
        .into_iter()
        .filter(store::disputes::Dispute::is_open);
    let disputes = disputes.map(|dispute| dispute.dispute_id);
    Ok(Held {
        account,
        public_id: row.public_id,
        suspended_at: row.suspended_at,
        foreign: foreign
            .into_iter()
            .map(|row| (row.object_id.clone(), row))
            .collect(),
        undone: undone.collect(),
        open_disputes: disputes.collect(),
        pending: pending.into_iter().map(|row| row.natural_key).collect(),
        customers: store::customers::of_account(tx, account)?,
        tiers: tiers.collect(),
        monthly,
        agreed: store::account_prices::of_account(tx, account)?,
        intents: intents
            .into_iter()
            .map(|intent| (intent.id.clone(), intent))
            .collect(),
        next_charges: store::next_charges::of_account(tx, account)?,
        last_event: store::events::last_of_account(tx, account)?,
        named: store::sync::named_objects(tx, account, NAMED_MAX)?,
        open,
        progress: state.map_or_else(Default::default, |state| history::Progress {
            until: state.read_until,
            backfill: state
                .backfill_until
                .map(|until| (state.backfill_from, until)),
        }),
    })
}

fn open(
    tx: &mut store::Tx<'_>,
    account: i64,
    subscriptions: &[store::subscriptions::Subscription],
    foreign: &[Foreign],
    pending: &[Transaction],
) -> store::Result<by_id::Open> {
    let live = subscriptions.iter().filter(|row| row.live);
    let live = live.map(|row| row.subscription_id.clone());
    // Another product's subscription is ours once it has one of our prices.
    let others = foreign
        .iter()
        .filter(|row| row.kind == ForeignKind::Subscription)
        .filter(|row| SubscriptionStatus::from_word(&row.status).is_live());
    let others = others.map(|row| row.object_id.clone());
    let sessions = pending.iter();
    let sessions = sessions.filter_map(|row| row.stripe_checkout_session_id.clone());
    let schedules = pending.iter();
    let schedules = schedules.filter_map(|row| row.natural_key.strip_prefix("downgrade:"));
    Ok(by_id::Open {
        subscriptions: live.chain(others).collect(),
        invoices: store::invoices::unsettled(tx, account, OPEN_MAX)?,
        sessions: sessions.collect(),
        schedules: schedules.map(str::to_owned).collect(),
        payments: store::intent_steps::failed_refunds(tx, account, OPEN_MAX)?,
    })
}

fn report_findings(account: i64, wanted: &Desired) {
    for finding in &wanted.findings {
        tracing::warn!(
            account,
            ?finding,
            "A sync found something that needs manual review"
        );
    }
}

/// Converts Unix seconds to a timestamp.
fn at(seconds: i64) -> Timestamp {
    Timestamp::from_seconds(seconds)
}

#[cfg(test)]
mod tests;
