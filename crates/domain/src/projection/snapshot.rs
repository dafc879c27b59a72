//! One account at Stripe, as fetched.

use std::collections::HashSet;

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
    /// Its credit notes: documents about its invoices. The money they move is recorded elsewhere.
    pub credit_notes: Vec<CreditNote>,
    /// Ids of the paid charges that neither a purchase nor an invoice of a plan explains.
    pub unexplained: HashSet<String>,
}

impl Snapshot {
    /// The charge that paid this payment intent, if one did.
    pub(super) fn paid_charge(&self, payment_intent: &str) -> Option<&Charge> {
        self.charges_of(payment_intent)
            .find(|charge| charge.is_paid)
    }

    /// The error of the last attempt of a payment that hasn't succeeded yet.
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

    /// When the oldest invoice of a subscription was created that is unpaid after a failed attempt:
    /// the grace period begins then.
    pub(super) fn past_due_since(&self, subscription: &str) -> Option<Timestamp> {
        let is_tried = |invoice: &&Invoice| {
            invoice.status() == Some(InvoiceStatus::Open) && invoice.attempt_count > 0
        };
        let tried = self.unpaid_invoices(subscription).filter(is_tried);
        tried.map(|invoice| invoice.created_at).min()
    }

    /// Unpaid invoices of a subscription, in no particular order.
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
    /// The customer that pays for it: the account's current one or a former one.
    pub customer_id: Option<String>,
    /// The status as it was fetched.
    pub status: SubscriptionStatus,
    /// The price of the item that is the plan's ([`plan_among`](super::plan_among)).
    pub price_id: Option<String>,
    /// The price of a period.
    pub price: Option<MinorUnits>,
    /// The billing interval of the price: `month` or `year`.
    pub interval: Option<String>,
    /// How many units of the plan are paid for.
    pub quantity: i64,
    /// What the subscription brings each month ([`monthly`](crate::recurring::monthly)), in minor
    /// units; `None` if that isn't known.
    pub monthly_minor: Option<i64>,
    /// When the first of the discounts in that amount ends.
    pub discount_ends_at: Option<Timestamp>,
    /// What will be charged next, according to Stripe's preview; `None` if that isn't known.
    pub next_charge: Option<MinorUnits>,
    /// Its items besides the plan.
    pub addons: Vec<Addon>,
    /// The start of the current period.
    pub period_start: Timestamp,
    /// The end of the current period.
    pub period_end: Timestamp,
    /// Whether it ends with the current period.
    pub cancel_at_period_end: bool,
    /// The time at which it is scheduled to end, if any.
    pub cancel_at: Option<Timestamp>,
    /// The time at which its cancellation was requested.
    pub canceled_at: Option<Timestamp>,
    /// The time at which the subscription ended; `None` while it has not.
    pub ended_at: Option<Timestamp>,
    /// The end of the trial, including a past one; `None` without a trial.
    pub trial_end: Option<Timestamp>,
    /// Whether Stripe has paused the collection of payments.
    pub is_paused: bool,
    /// What Stripe does with invoices while the collection is paused, in its word.
    pub pause_behavior: Option<String>,
    /// Whether the collection is paused by us, because the account was suspended.
    pub is_paused_by_us: bool,
    /// When the paused collection resumes automatically.
    pub resumes_at: Option<Timestamp>,
    /// The time from which Stripe counts the periods; `None` when unknown.
    pub anchor_at: Option<Timestamp>,
    /// Stripe's id of the schedule that will change it.
    pub schedule_id: Option<String>,
    /// A change that is waiting for its payment: the new price, and the time at which it lapses.
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
    /// The time at which it ends by request, from either of Stripe's two fields for it.
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
    /// The reason for the invoice, in Stripe's words, such as `subscription_create`; read by
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
    /// The total after discounts and with tax, before the customer's balance, in minor units.
    pub total: i64,
    /// The discount that codes and coupons gave, in minor units.
    pub discount: i64,
    /// The tax in the total, in minor units.
    pub tax: i64,
    /// The currency of all amounts of the invoice.
    pub currency: Currency,
    /// The time at which the invoice was created.
    pub created_at: Timestamp,
    /// The time at which the invoice was paid; `None` while it is not.
    pub paid_at: Option<Timestamp>,
    /// The number of payment attempts, without one whose outcome is not known yet.
    pub attempt_count: i64,
    /// The time of Stripe's next payment attempt.
    pub next_payment_attempt: Option<Timestamp>,
    /// Whether the payment requires the cardholder to confirm it.
    pub needs_confirmation: bool,
    /// The period its subscription line pays for.
    pub period: Option<(Timestamp, Timestamp)>,
    /// Whether that line is a proration: the charge for a change within a period.
    pub is_proration: bool,
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
    /// The intent of ours behind it; `None` for a session that another program created.
    pub intent: Option<Intent>,
    /// What the session is for: `payment`, `subscription` or `setup`; read by [`Session::mode`].
    pub mode: String,
    /// Stripe's status: `open`, `complete` or `expired`; read by [`Session::status`].
    pub status: String,
    /// Whether it was paid: `paid`, `unpaid` or `no_payment_required`; read by
    /// [`Session::payment_status`].
    pub payment_status: String,
    /// The total including tax, in minor units.
    pub amount_total: Option<i64>,
    /// The tax included in the total, in minor units.
    pub amount_tax: i64,
    /// The currency of the amounts.
    pub currency: Option<Currency>,
    /// The payment intent that pays the session.
    pub payment_intent: Option<String>,
    /// Whether that payment was attempted after the session was completed, and failed.
    pub payment_failed: bool,
    /// The subscription that it created.
    pub subscription_id: Option<String>,
    /// The first invoice of that subscription.
    pub invoice_id: Option<String>,
    /// Whether there was no session: the service requested the payment automatically, and the
    /// payment intent names the order.
    pub is_automatic: bool,
    /// The time at which the session was created.
    pub created_at: Timestamp,
}

/// The order behind a session, as recorded when the session was created.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Intent {
    /// The id of the intent.
    pub id: String,
    /// The number of the user who placed the order.
    pub user: Option<i64>,
    /// Credits of the pack; zero for a subscription.
    pub credits: Credits,
    /// Bonus credits, in addition to the pack's.
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
    /// The amount that was charged, in minor units.
    pub amount: i64,
    /// The refunded part, in minor units; it decreases again when a refund fails.
    pub amount_refunded: i64,
    /// The currency of all amounts of the charge.
    pub currency: Currency,
    /// Stripe's page for the receipt.
    pub receipt_url: Option<String>,
    /// The reason for the failure, in Stripe's words for customers.
    pub failure: Option<String>,
    /// Whether it was paid.
    pub is_paid: bool,
    /// The refunds of the charge.
    pub refunds: Vec<Refund>,
    /// Its disputes, in no particular order.
    pub disputes: Vec<Dispute>,
    /// The time at which the charge was created.
    pub created_at: Timestamp,
}

/// A dispute as fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dispute {
    /// Stripe's id of the dispute.
    pub id: String,
    /// Stripe's status, such as `needs_response`; read by [`Dispute::status`].
    pub status: String,
    /// The disputed amount, in minor units of `currency`.
    pub amount: i64,
    /// The currency of the amount: the charge's, unless the bank uses another one.
    pub currency: Currency,
    /// The reason, in Stripe's words.
    pub reason: Option<String>,
    /// Stripe's deadline for a response; `None` when it can't be answered.
    pub due_by: Option<Timestamp>,
    /// The time at which the dispute was created.
    pub created_at: Timestamp,
}

/// A refund as fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refund {
    /// Stripe's id of the refund.
    pub id: String,
    /// The refunded amount, in minor units.
    pub amount: i64,
    /// Stripe's status: `pending`, `succeeded`, `failed`, `canceled` or `requires_action`; read by
    /// [`Refund::status`].
    pub status: String,
    /// Whether this service requested it, by its mark in the metadata.
    pub is_ours: bool,
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
    /// The phases of the subscription, earliest first.
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

/// A credit note as fetched: a formal correction of an invoice. For an open invoice, it lowers the
/// amount due. For a paid one, it says how the money was returned: as a refund, which is recorded
/// like any other; to the customer's balance, which reduces a later invoice; or outside Stripe. So
/// a credit note itself is never a transaction.
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
    /// The part that was refunded, in minor units.
    pub refunded: i64,
    /// The part that was repaid outside Stripe, in minor units.
    pub out_of_band: i64,
    /// The part that reduced an open invoice, in minor units.
    pub pre_payment: i64,
    /// The currency of all amounts of the credit note.
    pub currency: Currency,
    /// The reason, in Stripe's words.
    pub reason: Option<String>,
    /// The address of the PDF at Stripe.
    pub pdf_url: Option<String>,
    /// The time at which the credit note was created.
    pub created_at: Timestamp,
    /// The time at which the credit note was voided; `None` while it is valid.
    pub voided_at: Option<Timestamp>,
}

impl Invoice {
    /// The status as an enum; `None` for a word that this version doesn't know.
    pub fn status(&self) -> Option<InvoiceStatus> {
        InvoiceStatus::from_word(&self.status)
    }

    /// The reason as an enum; `None` for one that makes no difference here.
    pub fn billing_reason(&self) -> Option<BillingReason> {
        BillingReason::from_word(&self.billing_reason)
    }

    /// Whether it was paid.
    pub fn is_paid(&self) -> bool {
        self.status() == Some(InvoiceStatus::Paid)
    }
}

impl Session {
    /// What the session is for; `None` for a mode that this version doesn't know.
    pub fn mode(&self) -> Option<SessionMode> {
        SessionMode::from_word(&self.mode)
    }

    /// The status of the session; `None` for a word that this version doesn't know.
    pub fn status(&self) -> Option<SessionStatus> {
        SessionStatus::from_word(&self.status)
    }

    /// Whether the session was paid; `None` for a word that this version doesn't know.
    pub fn payment_status(&self) -> Option<PaymentStatus> {
        PaymentStatus::from_word(&self.payment_status)
    }
}

impl Refund {
    /// The status of the refund; `None` for a word that this version doesn't know.
    pub fn status(&self) -> Option<RefundStatus> {
        RefundStatus::from_word(&self.status)
    }

    /// Whether it was canceled or failed, so that its money didn't go back.
    pub fn is_void(&self) -> bool {
        matches!(
            self.status(),
            Some(RefundStatus::Failed | RefundStatus::Canceled)
        )
    }
}

impl Dispute {
    /// The status of the dispute; `None` for a word that this version doesn't know.
    pub fn status(&self) -> Option<DisputeStatus> {
        DisputeStatus::from_word(&self.status)
    }

    /// Whether the bank has not decided yet. An inquiry is not open: it has no effect.
    pub fn is_open(&self) -> bool {
        self.status().is_some_and(DisputeStatus::is_open)
    }

    /// Whether it was decided against us.
    pub fn is_lost(&self) -> bool {
        self.status() == Some(DisputeStatus::Lost)
    }
}

impl Charge {
    /// The part of the charge that went back, in minor units: its refunds and its lost disputes.
    pub fn reversed(&self) -> i64 {
        let lost = self.disputes.iter().filter(|dispute| dispute.is_lost());
        let back = lost.fold(self.amount_refunded, |sum, dispute| {
            sum.saturating_add(self.lost_amount(dispute))
        });
        back.clamp(0, self.amount.max(0))
    }

    /// What a lost dispute took, in the charge's currency. A bank that counts in another currency
    /// took all of it.
    pub(super) fn lost_amount(&self, dispute: &Dispute) -> i64 {
        if dispute.currency == self.currency {
            dispute.amount.clamp(0, self.amount.max(0))
        } else {
            self.amount
        }
    }

    /// Whether a dispute about it is open.
    pub fn is_disputed(&self) -> bool {
        self.disputes.iter().any(Dispute::is_open)
    }
}

impl CreditNote {
    /// The status of the credit note; `None` for a word that this version doesn't know.
    pub fn status(&self) -> Option<CreditNoteStatus> {
        CreditNoteStatus::from_word(&self.status)
    }
}
