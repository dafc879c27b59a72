//! What the billing page reads about an account, in one database read.

use billing::payments::next_charge::{self, Next};
use billing::payments::owed::OwedRefund;
use billing::payments::plan::Pending;
use domain::plan::Plan;
use domain::projection::TransactionStatus;
use domain::time::Timestamp;
use store::Tx;
use store::disputes::Dispute;
use store::intents::{Intent, IntentKind};
use store::invoices::Invoice;
use store::payment_methods::PaymentMethod as Card;
use store::subscriptions::Subscription;
use store::transactions::{Cursor, Transaction};
use store::trials::TrialState;

/// Payments per page of the history.
const HISTORY_ROWS: usize = 20;

/// Days in the chart.
pub(super) const CHART_DAYS: i64 = 30;

/// Maximum number of pending payments that are read.
const PENDING_MAX: i64 = 5;

/// Maximum number of disputes that are read.
const DISPUTES_MAX: i64 = 20;

/// Viewing the page syncs with Stripe at most this often.
const FRESH_SECONDS: i64 = 10;

/// What the page reads about an account.
pub struct Rows {
    pub(super) live: Option<Subscription>,
    /// What is charged next.
    pub(super) next: Next,
    /// The pending change of the subscription.
    pub(super) waiting: Option<Pending>,
    /// The newest subscription was a trial, refused because the account had one before.
    pub(super) trial_was_refused: bool,
    pub(super) latest: Option<Subscription>,
    pub(super) unpaid: Option<Invoice>,
    pub(super) card: Option<Card>,
    pub(super) has_customer: bool,
    pub(super) history: Vec<Transaction>,
    pub(super) is_first_page: bool,
    pub(super) has_more: bool,
    pub(super) pending: Vec<Transaction>,
    pub(super) failure: Option<String>,
    /// Open disputes about the account's payments.
    pub(super) disputes: Vec<Dispute>,
    pub(super) usage: Vec<store::ledger::DayUsage>,
    /// Micro-credits spent in the last seven days.
    pub week: i64,
    /// Refunds that were promised and have not been made.
    pub(super) owed: Vec<OwedRefund>,
    /// A payment or a Checkout is pending, so Stripe may know more than we do.
    pub is_waiting: bool,
}

/// Reads it; `None` if the history is to begin after a payment that isn't this account's.
pub fn read(
    tx: &mut Tx<'_>,
    (account, plan): (i64, &Plan),
    after: Option<&str>,
    now: Timestamp,
    real_now: Timestamp,
) -> store::Result<Option<Rows>> {
    let Some((cursor, is_first_page)) = cursor(tx, account, after)? else {
        return Ok(None);
    };
    let limit = i64::try_from(HISTORY_ROWS).expect("small") + 1;
    let mut history = store::transactions::of_account(tx, account, cursor, limit)?;
    let has_more = history.len() > HISTORY_ROWS;
    history.truncate(HISTORY_ROWS);
    let subscriptions = store::subscriptions::of_account(tx, account)?;
    let live = subscriptions.iter().find(|row| row.live).cloned();
    let trials = store::trials::of_account(tx, account)?;
    let newest = subscriptions.first();
    let trial_was_refused = trials.iter().any(|trial| {
        trial.state != TrialState::Granted
            && newest.is_some_and(|row| row.subscription_id == trial.subscription_id)
    });
    // Only the payment of the newest unpaid invoice matters now.
    let unpaid = store::invoices::unpaid(tx, account)?.pop();
    let pending = pending(tx, account)?;
    let is_waiting = is_waiting(tx, account, &pending, now, real_now)?;
    let today = now.day();
    Ok(Some(Rows {
        failure: failure(tx, account, unpaid.as_ref())?,
        disputes: open_disputes(tx, account)?,
        next: next_charge::of(tx, plan, live.as_ref(), now)?,
        waiting: live.as_ref().and_then(Pending::of),
        trial_was_refused,
        live,
        latest: subscriptions.into_iter().next(),
        unpaid,
        card: store::payment_methods::of_account(tx, account)?,
        has_customer: store::customers::current(tx, account)?.is_some(),
        history,
        is_first_page,
        has_more,
        pending,
        usage: store::ledger::usage_by_day(tx, account, None, today - CHART_DAYS + 1, today + 1)?,
        week: store::ledger::used_between(tx, account, today - 6, today + 1)?.1,
        owed: billing::payments::owed::refunds(tx, account)?,
        is_waiting,
    }))
}

/// Where the page of the history begins; `None` if the payment it names isn't this account's.
fn cursor(
    tx: &mut Tx<'_>,
    account: i64,
    after: Option<&str>,
) -> store::Result<Option<(Cursor, bool)>> {
    let Some(after) = after else {
        return Ok(Some((Cursor::START, true)));
    };
    let last = store::transactions::find(tx, account, after)?;
    Ok(last.map(|last| (last.cursor(), false)))
}

fn open_disputes(tx: &mut Tx<'_>, account: i64) -> store::Result<Vec<Dispute>> {
    let mut disputes = store::disputes::of_account(tx, account, DISPUTES_MAX)?;
    disputes.retain(Dispute::is_open);
    Ok(disputes)
}

fn pending(tx: &mut Tx<'_>, account: i64) -> store::Result<Vec<Transaction>> {
    let filter = store::transactions::Filter {
        account_id: Some(account),
        status: Some("PENDING"),
        ..store::transactions::Filter::default()
    };
    store::transactions::list(tx, &filter, Cursor::START, PENDING_MAX)
}

/// Why the last attempt to collect an invoice failed.
fn failure(
    tx: &mut Tx<'_>,
    account: i64,
    invoice: Option<&Invoice>,
) -> store::Result<Option<String>> {
    let Some(invoice) = invoice else {
        return Ok(None);
    };
    let key = format!("invoice:{}", invoice.invoice_id);
    let row = store::transactions::by_natural_key(tx, account, &key)?;
    Ok(row.and_then(|row| row.failure))
}

/// Whether a payment or Checkout is pending and the account wasn't synced just now.
fn is_waiting(
    tx: &mut Tx<'_>,
    account: i64,
    pending: &[Transaction],
    now: Timestamp,
    real_now: Timestamp,
) -> store::Result<bool> {
    let mut is_waiting = !pending.is_empty();
    for kind in [IntentKind::CheckoutSubscription, IntentKind::CheckoutTopup] {
        if let Some(intent) = store::intents::usable(tx, account, kind, now)? {
            is_waiting |= is_open(tx, &intent)?;
        }
    }
    let synced = store::sync::of_account(tx, account)?.and_then(|sync| sync.last_synced_at);
    let is_fresh = synced.is_some_and(|at| real_now < at.plus_seconds(FRESH_SECONDS));
    Ok(is_waiting && !is_fresh)
}

/// Whether the intent's Checkout has no outcome yet.
pub fn is_open(tx: &mut Tx<'_>, intent: &Intent) -> store::Result<bool> {
    let Some(session) = &intent.stripe_object_id else {
        return Ok(false);
    };
    let row = store::transactions::about(tx, session)?;
    Ok(row.is_none_or(|row| row.status == TransactionStatus::Pending))
}
