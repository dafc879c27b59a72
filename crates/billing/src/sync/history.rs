//! Reads a customer's history at Stripe: the recent part at every sync, older parts in turns.
//!
//! The first sync reads everything. Later ones read what was created since the last sync, plus the
//! last [`RECENT_DAYS`], and fetch by id what may still change or what an event referred to
//! (`by_id.rs`). A history too long for one sync is read in turns, newest part first; the account
//! stores where a turn stopped, so that each makes progress.

use std::collections::{HashMap, HashSet};

use domain::time::Timestamp;
use stripe::{Form, objects};

use crate::app::App;
use crate::error::Result;

/// Maximum number of objects of one kind and customer that one turn reads.
const ITEMS_MAX: usize = 1_000;

/// Days that every sync reads again: most changes to a payment happen within them, so a refund
/// whose event was lost is found at the next sync for any reason.
const RECENT_DAYS: i64 = 35;

/// Days before the last sync that must be read again, since objects created just then may have been
/// missed.
const OVERLAP_DAYS: i64 = 1;

/// Days before an invoice within which the session that led to it was opened.
const SESSION_DAYS: i64 = 2;

/// Stripe's objects as fetched, without duplicates.
#[derive(Clone, Debug, Default)]
pub struct Raw {
    /// Subscriptions, including ended ones.
    pub subscriptions: Vec<objects::Subscription>,
    /// The invoices, including drafts.
    pub invoices: Vec<objects::Invoice>,
    /// The Checkout sessions, in any state.
    pub sessions: Vec<objects::CheckoutSession>,
    /// Charges, with their refunds and disputes.
    pub charges: Vec<objects::Charge>,
    /// The schedules that will change a subscription.
    pub schedules: Vec<objects::SubscriptionSchedule>,
    /// The credit notes, including void ones.
    pub credit_notes: Vec<objects::CreditNote>,
    /// Charges that a list showed, so that the sessions that led to them were listed, too.
    pub listed_charges: HashSet<String>,
    /// The invoice that a payment paid, for payments that were looked up.
    pub invoice_of: HashMap<String, String>,
    /// Payments that our rows explain although their purchase was not read.
    pub explained: HashSet<String>,
    seen: HashSet<String>,
    /// Whether the customers have older objects that aren't included.
    pub is_partial: bool,
}

impl Raw {
    /// Whether the object is included.
    pub fn has(&self, id: &str) -> bool {
        self.seen.contains(id)
    }

    fn is_new(&mut self, id: &str) -> bool {
        self.seen.insert(id.to_owned())
    }

    /// Adds a subscription and its expanded schedule, unless they are included already.
    pub fn add_subscription(&mut self, object: objects::Subscription) {
        if let Some(schedule) = object.schedule.get() {
            self.add_schedule(schedule.clone());
        }
        if self.is_new(&object.id) {
            self.subscriptions.push(object);
        }
    }

    /// Adds an invoice, unless it is included already.
    pub fn add_invoice(&mut self, object: objects::Invoice) {
        if self.is_new(&object.id) {
            self.invoices.push(object);
        }
    }

    /// Adds a session, unless it is included already.
    pub fn add_session(&mut self, object: objects::CheckoutSession) {
        if self.is_new(&object.id) {
            self.sessions.push(object);
        }
    }

    /// Adds a charge, unless it is included already.
    pub fn add_charge(&mut self, object: objects::Charge) {
        if self.is_new(&object.id) {
            self.charges.push(object);
        }
    }

    /// Adds a credit note, unless it is included already.
    pub fn add_credit_note(&mut self, object: objects::CreditNote) {
        if self.is_new(&object.id) {
            self.credit_notes.push(object);
        }
    }

    /// Adds a schedule, unless it is included already.
    pub fn add_schedule(&mut self, object: objects::SubscriptionSchedule) {
        if self.is_new(&object.id) {
            self.schedules.push(object);
        }
    }
}

/// How much of the history has been read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// The time up to which it was read; `None` before the first sync.
    pub until: Option<Timestamp>,
    /// The part still to be read: from (`None` for the beginning) and until.
    pub backfill: Option<(Option<Timestamp>, Timestamp)>,
}

/// A range of creation times, inclusive at both ends.
#[derive(Clone, Copy, Debug, Default)]
struct Span {
    from: Option<Timestamp>,
    until: Option<Timestamp>,
}

/// Reads the recent part of a customer's history and one turn of the part still to be read; returns
/// the part that then remains.
pub async fn read(
    app: &App,
    customer: &objects::Customer,
    before: &Progress,
    raw: &mut Raw,
) -> Result<Option<(Option<Timestamp>, Timestamp)>> {
    let recent = before.until.map(|until| until.plus_days(-RECENT_DAYS));
    let born = customer.created.map(Timestamp::from_seconds);
    // A recently created customer's whole history is recent.
    let recent = recent.filter(|from| born.is_none_or(|born| born < *from));
    raw.is_partial |= recent.is_some() || before.backfill.is_some();
    let span = Span {
        from: recent,
        until: None,
    };
    let stopped = read_span(app, &customer.id, span, raw).await?;
    let needed = before.until.map(|until| until.plus_days(-OVERLAP_DAYS));
    // Anything older than the last sync was read then.
    let missing = stopped.filter(|at| needed.is_none_or(|needed| *at > needed));
    raw.is_partial |= stopped.is_some();
    let mut left = missing.map(|at| (needed, at));
    if let Some((from, until)) = before.backfill {
        let turn = Span {
            from,
            until: Some(until),
        };
        let stopped = read_span(app, &customer.id, turn, raw).await?;
        // A turn that stopped where it began would be repeated forever.
        let stopped = stopped.map(|at| at.min(until.plus_seconds(-1)));
        left = join(left, stopped.map(|at| (from, at)));
    }
    Ok(left)
}

/// The smallest part that covers both.
pub fn join(
    one: Option<(Option<Timestamp>, Timestamp)>,
    other: Option<(Option<Timestamp>, Timestamp)>,
) -> Option<(Option<Timestamp>, Timestamp)> {
    let (Some(first), Some(second)) = (one, other) else {
        return one.or(other);
    };
    let from = first.0.zip(second.0).map(|(a, b)| a.min(b));
    Some((from, first.1.max(second.1)))
}

/// Reads what was created within the span, newest first; returns the time before which something
/// was left out.
///
/// The lists are read one after the other, in this order: sessions read after the invoices include
/// every session that led to one, so a payment keeps the same key in our rows.
async fn read_span(
    app: &App,
    customer: &str,
    span: Span,
    raw: &mut Raw,
) -> Result<Option<Timestamp>> {
    let stripe = &app.stripe;
    let in_span = filter(customer, span);
    let subscriptions = stripe.list_subscriptions(&in_span, ITEMS_MAX).await?;
    let invoices = stripe.list_invoices(&in_span, ITEMS_MAX).await?;
    let opened = Span {
        from: span.from.map(|from| from.plus_days(-SESSION_DAYS)),
        ..span
    };
    let sessions = filter(customer, opened);
    let sessions = stripe.list_checkout_sessions(&sessions, ITEMS_MAX).await?;
    let charges = stripe.list_charges(&in_span, ITEMS_MAX).await?;
    let schedules = stripe
        .list_subscription_schedules(&in_span, ITEMS_MAX)
        .await?;
    let notes = stripe.list_credit_notes(&in_span, ITEMS_MAX).await?;
    let stopped = [
        stopped(
            subscriptions.has_more,
            subscriptions.data.last().map(|one| one.created),
        ),
        stopped(
            invoices.has_more,
            invoices.data.last().map(|one| one.created),
        ),
        stopped(
            sessions.has_more,
            sessions.data.last().map(|one| one.created),
        ),
        stopped(charges.has_more, charges.data.last().map(|one| one.created)),
        stopped(
            schedules.has_more,
            schedules.data.last().map(|one| one.created),
        ),
        stopped(notes.has_more, notes.data.last().map(|one| one.created)),
    ];
    let floor = stopped.into_iter().flatten().max();
    // Before this time some kinds are incomplete: objects of the other kinds wait for the same
    // turn.
    let whole = |created: i64| floor.is_none_or(|floor| created >= floor);
    let session_floor = floor.map(|floor| floor - SESSION_DAYS * domain::time::SECONDS_PER_DAY);
    // A subscription needs only its unpaid invoices, which are listed by status.
    let subscriptions = subscriptions.data.into_iter();
    subscriptions.for_each(|one| raw.add_subscription(one));
    let invoices = invoices.data.into_iter().filter(|one| whole(one.created));
    invoices.for_each(|one| raw.add_invoice(one));
    let sessions = sessions.data.into_iter();
    sessions
        .filter(|one| session_floor.is_none_or(|floor| one.created >= floor))
        .for_each(|one| raw.add_session(one));
    let charges = charges.data.into_iter().filter(|one| whole(one.created));
    for charge in charges {
        raw.listed_charges.insert(charge.id.clone());
        raw.add_charge(charge);
    }
    let schedules = schedules.data.into_iter().filter(|one| whole(one.created));
    schedules.for_each(|one| raw.add_schedule(one));
    let notes = notes.data.into_iter().filter(|one| whole(one.created));
    notes.for_each(|one| raw.add_credit_note(one));
    Ok(floor.map(Timestamp::from_seconds))
}

fn stopped(has_more: bool, oldest: Option<i64>) -> Option<i64> {
    oldest.filter(|_| has_more)
}

fn filter(customer: &str, span: Span) -> Form {
    let seconds = |at: Option<Timestamp>| at.map(Timestamp::seconds);
    Form::new()
        .push("customer", customer)
        .push_opt("created[gte]", seconds(span.from))
        .push_opt("created[lte]", seconds(span.until))
}
