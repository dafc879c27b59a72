//! One account at Stripe as fetched, in our words.

use super::states::{
    BillingReason, CreditNoteStatus, DisputeStatus, InvoiceStatus, PaymentStatus, RefundStatus,
    SessionMode, SessionStatus,
};
use crate::money::{Credits, Currency, MinorUnits};
use crate::plan::SubscriptionStatus;
use crate::time::Timestamp;

/// One account at Stripe, fetched at one time, in our words.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// All subscriptions, ended ones included.
    pub subscriptions: Vec<Subscription>,
    /// Its invoices.
    pub invoices: Vec<Invoice>,
    /// Its Checkout sessions.
    pub sessions: Vec<Session>,
    /// Its charges with their refunds and disputes.
    pub charges: Vec<Charge>,
    /// What its subscriptions will become or were to become, ended schedules included.
    pub schedules: Vec<Schedule>,
    /// Its credit notes: documents about its invoices. The money they move shows elsewhere.
    pub credit_notes: Vec<CreditNote>,
}

impl Snapshot {
    /// The charge that paid this payment intent, if one did.
    pub(super) fn paid_charge(&self, payment_intent: &str) -> Option<&Charge> {
        self.charges_of(payment_intent)
            .find(|charge| charge.is_paid)
    }

    /// Why the last attempt of a payment that is not paid yet failed.
    pub(super) fn failure_of(&self, payment_intent: Option<&str>) -> Option<String> {
        let payment_intent = payment_intent?;
        if self.paid_charge(payment_intent).is_some() {
            return None;
        }
        let last = self
            .charges_of(payment_intent)
            .max_by_key(|charge| charge.created_at);
        last.and_then(|charge| charge.failure.clone())
    }

    fn charges_of(&self, payment_intent: &str) -> impl Iterator<Item = &Charge> {
        self.charges
            .iter()
            .filter(move |charge| charge.payment_intent.as_deref() == Some(payment_intent))
    }

    /// Invoices of a subscription that ask for money which has not come, in no certain order.
    pub(super) fn unpaid_invoices(&self, subscription: &str) -> impl Iterator<Item = &Invoice> {
        self.invoices.iter().filter(move |invoice| {
            invoice.subscription_id.as_deref() == Some(subscription)
                && invoice.status().is_some_and(InvoiceStatus::is_unpaid)
                && invoice.amount_due > 0
        })
    }
}

/// A subscription as fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscription {
    /// Stripe's id.
    pub id: String,
    /// The customer that pays it: the account's current one or a former.
    pub customer_id: Option<String>,
    /// As fetched.
    pub status: SubscriptionStatus,
    /// The price of the item that is the plan's ([`plan_among`]).
    pub price_id: Option<String>,
    /// What that price asks a period.
    pub price: Option<MinorUnits>,
    /// The price's interval: `month`.
    pub interval: Option<String>,
    /// Its other items.
    pub extras: Vec<Extra>,
    /// The current period.
    pub period_start: Timestamp,
    /// Its end.
    pub period_end: Timestamp,
    /// Whether it ends with the period.
    pub cancel_at_period_end: bool,
    /// When it ends, if that is set.
    pub cancel_at: Option<Timestamp>,
    /// When somebody asked to end it.
    pub canceled_at: Option<Timestamp>,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// When its trial ends or ended.
    pub trial_end: Option<Timestamp>,
    /// Whether collection is paused.
    pub is_paused: bool,
    /// A schedule that will change it.
    pub schedule_id: Option<String>,
    /// A change that waits for its payment: the price to come, and when it is given up.
    pub pending_update: Option<(String, Timestamp)>,
    /// When it was made.
    pub created_at: Timestamp,
}

/// An item of a subscription beside its plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extra {
    /// Its price.
    pub price_id: String,
    /// How many of it.
    pub quantity: i64,
    /// What one of it asks a period.
    pub price: Option<MinorUnits>,
    /// The price's interval: `month`.
    pub interval: Option<String>,
}

impl Subscription {
    /// The moment it ends by request, from either of Stripe's two ways to say so.
    pub fn ends_at(&self) -> Option<Timestamp> {
        self.cancel_at
            .or(self.cancel_at_period_end.then_some(self.period_end))
    }
}

/// An invoice as fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invoice {
    /// Stripe's id.
    pub id: String,
    /// The number on it.
    pub number: Option<String>,
    /// draft, open, paid, void or uncollectible.
    pub status: String,
    /// Why it exists: `subscription_create`, `subscription_cycle`, `subscription_update`, ...
    pub billing_reason: String,
    /// The subscription it is of.
    pub subscription_id: Option<String>,
    /// The payment intent that pays it.
    pub payment_intent: Option<String>,
    /// What it asks.
    pub amount_due: i64,
    /// What was paid of it.
    pub amount_paid: i64,
    /// What codes and coupons took off it.
    pub discount: i64,
    /// In which currency.
    pub currency: Currency,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was paid.
    pub paid_at: Option<Timestamp>,
    /// Payments tried.
    pub attempt_count: i64,
    /// When the next is tried.
    pub next_payment_attempt: Option<Timestamp>,
    /// Whether its payment waits for the cardholder's word.
    pub needs_confirmation: bool,
    /// The period its subscription line pays for.
    pub period: Option<(Timestamp, Timestamp)>,
    /// The price of that line.
    pub price_id: Option<String>,
    /// Stripe's page of it.
    pub hosted_url: Option<String>,
    /// Its PDF.
    pub pdf_url: Option<String>,
}

/// A Checkout session as fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// Stripe's id.
    pub id: String,
    /// The intent of ours that made it; `None` for a session of somebody else's.
    pub intent: Option<Intent>,
    /// `payment`, `subscription` or `setup`.
    pub mode: String,
    /// `open`, `complete` or `expired`.
    pub status: String,
    /// `paid`, `unpaid` or `no_payment_required`.
    pub payment_status: String,
    /// Its total, tax included.
    pub amount_total: Option<i64>,
    /// Tax in it.
    pub amount_tax: i64,
    /// In which currency.
    pub currency: Option<Currency>,
    /// The payment intent that pays it.
    pub payment_intent: Option<String>,
    /// Whether that payment was tried after the session was completed, and failed.
    pub payment_failed: bool,
    /// The subscription it made.
    pub subscription_id: Option<String>,
    /// That subscription's first invoice.
    pub invoice_id: Option<String>,
    /// Whether there was no session at all: a payment that the service asked for by itself, whose
    /// payment intent names it.
    pub is_automatic: bool,
    /// When it was made.
    pub created_at: Timestamp,
}

/// What we sold with a session: frozen when it was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Intent {
    /// Its id.
    pub id: String,
    /// Who asked, by number.
    pub user: Option<i64>,
    /// Credits of the pack; zero for a subscription.
    pub credits: Credits,
    /// Credits that come on top.
    pub bonus: Credits,
    /// Days after which both end; never without.
    pub expires_after_days: Option<i64>,
    /// The price at that time.
    pub price: MinorUnits,
    /// The tier, for a subscription.
    pub tier: Option<String>,
}

/// A charge as fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Charge {
    /// Stripe's id.
    pub id: String,
    /// The payment intent it is of.
    pub payment_intent: Option<String>,
    /// What was charged.
    pub amount: i64,
    /// What of it was given back; falls again when a refund fails.
    pub amount_refunded: i64,
    /// In which currency.
    pub currency: Currency,
    /// Stripe's receipt page.
    pub receipt_url: Option<String>,
    /// Why it failed, in Stripe's words for customers.
    pub failure: Option<String>,
    /// Whether it was paid.
    pub is_paid: bool,
    /// Its refunds.
    pub refunds: Vec<Refund>,
    /// The status of its dispute, if it has one.
    pub dispute: Option<String>,
    /// When it was made.
    pub created_at: Timestamp,
}

/// A refund as fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refund {
    /// Stripe's id.
    pub id: String,
    /// What it gives back.
    pub amount: i64,
    /// pending, succeeded, failed, canceled or requires_action.
    pub status: String,
    /// When it was made.
    pub created_at: Timestamp,
}

/// A subscription's schedule as fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// Stripe's id.
    pub id: String,
    /// The subscription it leads or led.
    pub subscription_id: Option<String>,
    /// What the subscription is in turn, the earliest first.
    pub phases: Vec<Phase>,
    /// When it was released, cancelled or completed; `None` while it leads.
    pub ended_at: Option<Timestamp>,
    /// When it was made.
    pub created_at: Timestamp,
}

/// One phase of a schedule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Phase {
    /// When it begins.
    pub starts_at: Timestamp,
    /// The price of its first item.
    pub price_id: Option<String>,
}

/// A credit note as fetched: a correction of an invoice, on paper. Of an open invoice it lowers what
/// is asked. Of a paid one it says how the money went back: as a refund, which is a refund like any
/// other and is recorded as such; to the customer's balance, which a later invoice asks less for;
/// or outside Stripe. So a credit note itself is never a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreditNote {
    /// Stripe's id.
    pub id: String,
    /// The invoice it corrects.
    pub invoice_id: String,
    /// The number on it.
    pub number: String,
    /// issued or void.
    pub status: String,
    /// Its total.
    pub amount: i64,
    /// What of it was refunded.
    pub refunded: i64,
    /// What of it was paid back outside Stripe.
    pub out_of_band: i64,
    /// What of it lowered an open invoice.
    pub pre_payment: i64,
    /// In which currency.
    pub currency: Currency,
    /// Why, in Stripe's word.
    pub reason: Option<String>,
    /// Its PDF.
    pub pdf_url: Option<String>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was taken back.
    pub voided_at: Option<Timestamp>,
}

impl Invoice {
    /// The status as we know it; `None` for a word of Stripe's that we do not.
    pub fn status(&self) -> Option<InvoiceStatus> {
        InvoiceStatus::from_word(&self.status)
    }

    /// The reason as we know it; `None` for one that makes no difference here.
    pub fn billing_reason(&self) -> Option<BillingReason> {
        BillingReason::from_word(&self.billing_reason)
    }

    /// Whether it was paid.
    pub fn is_paid(&self) -> bool {
        self.status() == Some(InvoiceStatus::Paid)
    }
}

impl Session {
    /// What the session is for; `None` for a mode that we do not know.
    pub fn mode(&self) -> Option<SessionMode> {
        SessionMode::from_word(&self.mode)
    }

    /// Where the session stands; `None` for a status that we do not know.
    pub fn status(&self) -> Option<SessionStatus> {
        SessionStatus::from_word(&self.status)
    }

    /// Whether the session was paid; `None` for a status that we do not know.
    pub fn payment_status(&self) -> Option<PaymentStatus> {
        PaymentStatus::from_word(&self.payment_status)
    }
}

impl Refund {
    /// Where the refund stands; `None` for a status that we do not know.
    pub fn status(&self) -> Option<RefundStatus> {
        RefundStatus::from_word(&self.status)
    }
}

impl Charge {
    /// Where the charge's dispute stands; `None` without a dispute or for a status that we do not
    /// know.
    pub fn dispute(&self) -> Option<DisputeStatus> {
        DisputeStatus::from_word(self.dispute.as_deref()?)
    }
}

impl CreditNote {
    /// Where the credit note stands; `None` for a status that we do not know.
    pub fn status(&self) -> Option<CreditNoteStatus> {
        CreditNoteStatus::from_word(&self.status)
    }
}
