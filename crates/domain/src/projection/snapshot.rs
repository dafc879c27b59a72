//! One account at Stripe, as fetched.

use super::states::{
    BillingReason, CreditNoteStatus, DisputeStatus, InvoiceStatus, PaymentStatus, RefundStatus,
    SessionMode, SessionStatus,
};
use crate::money::{Credits, Currency, MinorUnits};
use crate::plan::SubscriptionStatus;
use crate::time::Timestamp;

/// One account at Stripe, fetched at one time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// All subscriptions, including ended ones.
    pub subscriptions: Vec<Subscription>,
    /// The account's invoices, including drafts.
    pub invoices: Vec<Invoice>,
    /// The account's Checkout sessions.
    pub sessions: Vec<Session>,
    /// Its charges with their refunds and disputes.
    pub charges: Vec<Charge>,
    /// The schedules that change its subscriptions, including ended ones.
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
    /// Stripe's id of the subscription.
    pub id: String,
    /// The customer that pays it: the account's current one or a former.
    pub customer_id: Option<String>,
    /// The status as it was fetched.
    pub status: SubscriptionStatus,
    /// The price of the item that is the plan's ([`plan_among`](super::plan_among)).
    pub price_id: Option<String>,
    /// The price of a period.
    pub price: Option<MinorUnits>,
    /// The billing interval of the price: `month` or `year`.
    pub interval: Option<String>,
    /// Its items besides the plan.
    pub addons: Vec<Addon>,
    /// The start of the current period.
    pub period_start: Timestamp,
    /// The end of the current period.
    pub period_end: Timestamp,
    /// Whether it ends with the current period.
    pub cancel_at_period_end: bool,
    /// The time at which it will end, if that is set.
    pub cancel_at: Option<Timestamp>,
    /// The time at which its end was requested.
    pub canceled_at: Option<Timestamp>,
    /// The time at which the subscription ended; `None` while it has not.
    pub ended_at: Option<Timestamp>,
    /// The end of the trial, also of one that is over; `None` without a trial.
    pub trial_end: Option<Timestamp>,
    /// Whether Stripe has paused the collection of payments.
    pub is_paused: bool,
    /// Stripe's id of the schedule that will change it.
    pub schedule_id: Option<String>,
    /// A change that waits for its payment: the new price, and the time at which it is given up.
    pub pending_update: Option<(String, Timestamp)>,
    /// The time at which the subscription was created.
    pub created_at: Timestamp,
}

/// An item of a subscription besides its plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Addon {
    /// Stripe's id of the item's price.
    pub price_id: String,
    /// The quantity of the item.
    pub quantity: i64,
    /// The price of one unit for a period.
    pub price: Option<MinorUnits>,
    /// The billing interval of the price: `month` or `year`.
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
    /// Stripe's id of the invoice.
    pub id: String,
    /// The number that the customer sees on the invoice.
    pub number: Option<String>,
    /// Stripe's status: `draft`, `open`, `paid`, `void` or `uncollectible`; read by
    /// [`Invoice::status`].
    pub status: String,
    /// Why it exists, in Stripe's words, such as `subscription_create`; read by
    /// [`Invoice::billing_reason`].
    pub billing_reason: String,
    /// The subscription that the invoice is for.
    pub subscription_id: Option<String>,
    /// The payment intent that pays the invoice.
    pub payment_intent: Option<String>,
    /// The amount that is due, in minor units.
    pub amount_due: i64,
    /// The amount that was paid, in minor units.
    pub amount_paid: i64,
    /// The discount that codes and coupons gave, in minor units.
    pub discount: i64,
    /// The currency of all amounts of the invoice.
    pub currency: Currency,
    /// The time at which the invoice was created.
    pub created_at: Timestamp,
    /// The time at which the invoice was paid; `None` while it is not.
    pub paid_at: Option<Timestamp>,
    /// How often the payment was attempted.
    pub attempt_count: i64,
    /// The time at which Stripe attempts the payment again.
    pub next_payment_attempt: Option<Timestamp>,
    /// Whether the payment requires the cardholder to confirm it.
    pub needs_confirmation: bool,
    /// The period its subscription line pays for.
    pub period: Option<(Timestamp, Timestamp)>,
    /// The price of the subscription line.
    pub price_id: Option<String>,
    /// Stripe's page for the invoice.
    pub hosted_url: Option<String>,
    /// The address of the PDF at Stripe.
    pub pdf_url: Option<String>,
}

/// A Checkout session as fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// Stripe's id of the session.
    pub id: String,
    /// The intent of ours that created it; `None` for a session that another program created.
    pub intent: Option<Intent>,
    /// What the session is for: `payment`, `subscription` or `setup`; read by [`Session::mode`].
    pub mode: String,
    /// Stripe's status: `open`, `complete` or `expired`; read by [`Session::status`].
    pub status: String,
    /// Whether it was paid: `paid`, `unpaid` or `no_payment_required`; read by
    /// [`Session::payment_status`].
    pub payment_status: String,
    /// The total, tax included.
    pub amount_total: Option<i64>,
    /// The tax in the total.
    pub amount_tax: i64,
    /// The currency of the amounts.
    pub currency: Option<Currency>,
    /// The payment intent that pays the session.
    pub payment_intent: Option<String>,
    /// Whether that payment was tried after the session was completed, and failed.
    pub payment_failed: bool,
    /// The subscription that it created.
    pub subscription_id: Option<String>,
    /// The first invoice of that subscription.
    pub invoice_id: Option<String>,
    /// Whether there was no session: the service requested the payment automatically, and its
    /// payment intent names it.
    pub is_automatic: bool,
    /// The time at which the session was created.
    pub created_at: Timestamp,
}

/// The order behind a session, frozen when the session was created.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Intent {
    /// The id of the intent.
    pub id: String,
    /// The number of the user who asked.
    pub user: Option<i64>,
    /// Credits of the pack; zero for a subscription.
    pub credits: Credits,
    /// Credits that come on top.
    pub bonus: Credits,
    /// The number of days after which the credits and the bonus expire; `None` for never.
    pub expires_after_days: Option<i64>,
    /// The price at the time of the order.
    pub price: MinorUnits,
    /// The tier, for a subscription.
    pub tier: Option<String>,
}

/// A charge as fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Charge {
    /// Stripe's id of the charge.
    pub id: String,
    /// The payment intent that the charge belongs to.
    pub payment_intent: Option<String>,
    /// The amount that was charged.
    pub amount: i64,
    /// The part that was given back; it falls again when a refund fails.
    pub amount_refunded: i64,
    /// The currency of all amounts of the charge.
    pub currency: Currency,
    /// Stripe's page for the receipt.
    pub receipt_url: Option<String>,
    /// Why it failed, in Stripe's words for customers.
    pub failure: Option<String>,
    /// Whether it was paid.
    pub is_paid: bool,
    /// The refunds of the charge.
    pub refunds: Vec<Refund>,
    /// The status of its dispute, if it has one.
    pub dispute: Option<String>,
    /// The time at which the charge was created.
    pub created_at: Timestamp,
}

/// A refund as fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refund {
    /// Stripe's id of the refund.
    pub id: String,
    /// The amount that is given back.
    pub amount: i64,
    /// Stripe's status: `pending`, `succeeded`, `failed`, `canceled` or `requires_action`; read by
    /// [`Refund::status`].
    pub status: String,
    /// The time at which the refund was created.
    pub created_at: Timestamp,
}

/// A subscription's schedule as fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// Stripe's id of the schedule.
    pub id: String,
    /// The subscription that it controls or controlled.
    pub subscription_id: Option<String>,
    /// The phases that the subscription goes through, the earliest first.
    pub phases: Vec<Phase>,
    /// The time at which it was released, canceled or completed; `None` while it is in control.
    pub ended_at: Option<Timestamp>,
    /// The time at which the schedule was created.
    pub created_at: Timestamp,
}

/// One phase of a schedule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Phase {
    /// The time at which the phase begins.
    pub starts_at: Timestamp,
    /// The price of the phase's plan.
    pub price_id: Option<String>,
}

/// A credit note as fetched: a correction of an invoice, on paper. Of an open invoice it lowers
/// what is asked. Of a paid one it says how the money went back: as a refund, which is a refund
/// like any other and is recorded as such; to the customer's balance, which a later invoice asks
/// less for; or outside Stripe. So a credit note itself is never a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreditNote {
    /// Stripe's id of the credit note.
    pub id: String,
    /// The invoice that it corrects.
    pub invoice_id: String,
    /// The number that the customer sees on the credit note.
    pub number: String,
    /// Stripe's status: `issued` or `void`; read by [`CreditNote::status`].
    pub status: String,
    /// The total, in minor units.
    pub amount: i64,
    /// The part that was refunded.
    pub refunded: i64,
    /// The part that was paid back outside Stripe.
    pub out_of_band: i64,
    /// The part that lowered an open invoice.
    pub pre_payment: i64,
    /// The currency of all amounts of the credit note.
    pub currency: Currency,
    /// The reason, in Stripe's words.
    pub reason: Option<String>,
    /// The address of the PDF at Stripe.
    pub pdf_url: Option<String>,
    /// The time at which the credit note was created.
    pub created_at: Timestamp,
    /// The time at which the credit note was voided; `None` while it counts.
    pub voided_at: Option<Timestamp>,
}

impl Invoice {
    /// The status as an enum; `None` for a word that we do not know.
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
