//! An invoice: what is owed, what for, and how it was paid.

use super::words::words;
use super::{
    Charge, Customer, Expandable, InvoiceLine, List, Metadata, PaymentIntent, Subscription,
    or_default,
};
use serde::Deserialize;

/// An invoice as fetched.
///
/// Since basil the subscription is in `parent` and the payment in `payments` (only when expanded);
/// ask [`subscription`](Self::subscription) and [`payment_intent`](Self::payment_intent).
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Invoice {
    /// `in_...`; a preview's begins with `upcoming_in_` or is empty.
    #[serde(default, deserialize_with = "or_default")]
    pub id: String,
    /// The number on the paper; there from finalization on.
    pub number: Option<String>,
    /// Where it is.
    pub status: Option<InvoiceStatus>,
    /// Minor units to be paid, after the customer's balance.
    pub amount_due: i64,
    /// Minor units paid.
    pub amount_paid: i64,
    /// Minor units of it that did not move through Stripe, where the version says so.
    pub amount_paid_off_stripe: Option<i64>,
    /// Minor units still to be paid.
    pub amount_remaining: i64,
    /// Minor units after discounts and tax; negative for a credit.
    pub total: i64,
    /// Minor units before discounts and tax.
    pub subtotal: Option<i64>,
    /// What each code or coupon took off.
    #[serde(default, deserialize_with = "or_default")]
    pub total_discount_amounts: Vec<DiscountAmount>,
    /// The customer's balance before; negative is credit that was used.
    pub starting_balance: Option<i64>,
    /// The customer's balance after.
    pub ending_balance: Option<i64>,
    /// Three small letters.
    pub currency: String,
    /// Unix seconds.
    pub created: i64,
    /// Why it was made.
    pub billing_reason: Option<BillingReason>,
    /// Who pays.
    #[serde(default)]
    pub customer: Expandable<Customer>,
    /// Tries of Stripe's own; tries by hand after the first do not count.
    #[serde(default, deserialize_with = "or_default")]
    pub attempt_count: i64,
    /// Whether payment was tried.
    #[serde(default, deserialize_with = "or_default")]
    pub attempted: bool,
    /// Unix seconds of the next try; missing when Stripe will not try again.
    pub next_payment_attempt: Option<i64>,
    /// Unix seconds of the periods' bounds as the invoice shows them.
    pub period_start: Option<i64>,
    /// Unix seconds.
    pub period_end: Option<i64>,
    /// Stripe's page where it can be paid.
    pub hosted_invoice_url: Option<String>,
    /// The paper.
    pub invoice_pdf: Option<String>,
    /// What it is for; at most ten of them, see `has_more`.
    #[serde(default, deserialize_with = "or_default")]
    pub lines: List<InvoiceLine>,
    /// When it became what it is.
    pub status_transitions: Option<InvoiceStatusTransitions>,
    /// Why it could not be finalized.
    pub last_finalization_error: Option<FinalizationError>,
    /// What it was made for, since basil.
    pub parent: Option<InvoiceParent>,
    /// Its payments since basil, if expanded. None says nothing about payments.
    pub payments: Option<List<InvoicePayment>>,
    /// Our words on it.
    #[serde(default, deserialize_with = "or_default")]
    pub metadata: Metadata,
    /// False for test data.
    #[serde(default, deserialize_with = "or_default")]
    pub livemode: bool,

    #[serde(default, rename = "subscription")]
    top_subscription: Expandable<Subscription>,
    #[serde(default, rename = "payment_intent")]
    top_payment_intent: Expandable<PaymentIntent>,
    #[serde(default, rename = "charge")]
    top_charge: Expandable<Charge>,
    #[serde(rename = "paid_out_of_band")]
    top_paid_out_of_band: Option<bool>,
}

impl Invoice {
    /// What codes and coupons took off, in minor units.
    #[must_use]
    pub fn discount(&self) -> i64 {
        self.total_discount_amounts
            .iter()
            .map(|one| one.amount)
            .sum()
    }

    /// The subscription it was made for, wherever this version keeps it.
    #[must_use]
    pub fn subscription(&self) -> &Expandable<Subscription> {
        let details = self
            .parent
            .as_ref()
            .and_then(|parent| parent.subscription_details.as_ref());
        match details {
            Some(details) => details.subscription.or(&self.top_subscription),
            None => &self.top_subscription,
        }
    }

    /// The payment that pays it, wherever this version keeps it. Of several, the paid one.
    #[must_use]
    pub fn payment_intent(&self) -> &Expandable<PaymentIntent> {
        match self.payment() {
            Some(payment) => payment.payment.payment_intent.or(&self.top_payment_intent),
            None => &self.top_payment_intent,
        }
    }

    /// The charge that pays it, if this version says so.
    #[must_use]
    pub fn charge(&self) -> &Expandable<Charge> {
        match self.payment() {
            Some(payment) => payment.payment.charge.or(&self.top_charge),
            None => &self.top_charge,
        }
    }

    /// Whether it counts as paid although no money moved through Stripe. Acacia says so; since
    /// basil it shows in the payments, and without them (not expanded) nobody can tell.
    #[must_use]
    pub fn is_paid_out_of_band(&self) -> Option<bool> {
        if self.top_paid_out_of_band.is_some() {
            return self.top_paid_out_of_band;
        }
        if let Some(amount) = self.amount_paid_off_stripe {
            return Some(amount > 0);
        }
        let payments = self.payments.as_ref()?;
        if self.status != Some(InvoiceStatus::Paid) || self.amount_due <= 0 {
            return Some(false);
        }
        Some(
            !payments
                .data
                .iter()
                .any(|payment| payment.is_paid() && payment.is_through_stripe()),
        )
    }

    /// Unix seconds at which it was paid.
    #[must_use]
    pub fn paid_at(&self) -> Option<i64> {
        self.status_transitions.as_ref()?.paid_at
    }

    /// Of several payments the paid one, else the default one, else the first.
    fn payment(&self) -> Option<&InvoicePayment> {
        let payments = &self.payments.as_ref()?.data;
        let paid = payments.iter().find(|payment| payment.is_paid());
        let default = || payments.iter().find(|payment| payment.is_default);
        paid.or_else(default).or_else(|| payments.first())
    }
}

/// What one code or coupon took off an invoice.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct DiscountAmount {
    /// Minor units.
    pub amount: i64,
}

/// What an invoice was made for.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct InvoiceParent {
    /// `subscription_details`, `quote_details`, ...
    #[serde(rename = "type")]
    pub kind: Option<String>,
    /// The subscription, if it was made for one.
    pub subscription_details: Option<InvoiceSubscriptionDetails>,
}

/// The subscription that an invoice was made for.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct InvoiceSubscriptionDetails {
    /// The subscription.
    #[serde(default)]
    pub subscription: Expandable<Subscription>,
    /// The subscription's metadata when the invoice was finalized.
    #[serde(default, deserialize_with = "or_default")]
    pub metadata: Metadata,
}

/// A payment of an invoice.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct InvoicePayment {
    /// `inpay_...`
    pub id: String,
    /// `open`, `paid` or `canceled`.
    pub status: Option<String>,
    /// Minor units.
    pub amount_paid: Option<i64>,
    /// Minor units.
    pub amount_requested: Option<i64>,
    /// Whether it is the one that Stripe made with the invoice.
    #[serde(default, deserialize_with = "or_default")]
    pub is_default: bool,
    /// What is paid.
    #[serde(default)]
    pub invoice: Expandable<Invoice>,
    /// What pays.
    pub payment: InvoicePaymentTarget,
}

impl InvoicePayment {
    fn is_paid(&self) -> bool {
        self.status.as_deref() == Some("paid")
    }

    fn is_through_stripe(&self) -> bool {
        !self.payment.payment_intent.is_absent() || !self.payment.charge.is_absent()
    }
}

/// What pays an invoice.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct InvoicePaymentTarget {
    /// `payment_intent`, `charge` or `payment_record` (money that did not move through Stripe).
    #[serde(rename = "type")]
    pub kind: Option<String>,
    /// The payment.
    #[serde(default)]
    pub payment_intent: Expandable<PaymentIntent>,
    /// The charge, for what was not paid by an intent.
    #[serde(default)]
    pub charge: Expandable<Charge>,
}

/// When an invoice became what it is, in unix seconds.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct InvoiceStatusTransitions {
    /// No longer a draft.
    pub finalized_at: Option<i64>,
    /// Paid.
    pub paid_at: Option<i64>,
    /// Void.
    pub voided_at: Option<i64>,
    /// Given up.
    pub marked_uncollectible_at: Option<i64>,
}

/// Why an invoice could not be finalized.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct FinalizationError {
    /// Stripe's code.
    pub code: Option<String>,
    /// A sentence.
    pub message: Option<String>,
}

words! {
    /// Where an invoice is.
    InvoiceStatus {
        /// May still change.
        Draft = "draft",
        /// To be paid.
        Open = "open",
        /// Paid, or nothing was to be paid.
        Paid = "paid",
        /// Given up; may still be paid.
        Uncollectible = "uncollectible",
        /// Taken back.
        Void = "void",
    }
}

words! {
    /// Why an invoice was made.
    BillingReason {
        /// A subscription began.
        SubscriptionCreate = "subscription_create",
        /// A new period.
        SubscriptionCycle = "subscription_cycle",
        /// A change within the period.
        SubscriptionUpdate = "subscription_update",
        /// A threshold of usage.
        SubscriptionThreshold = "subscription_threshold",
        /// Some older reason of a subscription.
        Subscription = "subscription",
        /// By hand.
        Manual = "manual",
        /// A preview.
        Upcoming = "upcoming",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn invoice(more: Value) -> Invoice {
        let mut invoice = json!({
            "id": "in_1", "status": "paid", "amount_due": 5, "amount_paid": 5,
            "amount_remaining": 0, "total": 5, "currency": "usd", "created": 1,
        });
        invoice
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        serde_json::from_value(invoice).unwrap()
    }

    fn payment(id: &str, status: &str, payment: Value) -> Value {
        json!({"id": id, "status": status, "payment": payment})
    }

    #[test]
    fn of_several_payments_the_paid_one_counts() {
        let invoice = invoice(json!({"payments": {"data": [
            payment("inpay_1", "canceled", json!({"payment_intent": "pi_1"})),
            payment("inpay_2", "paid", json!({"payment_intent": "pi_2"})),
        ]}}));

        assert_eq!(invoice.payment_intent().id(), Some("pi_2"));
    }

    #[test]
    fn money_that_moved_elsewhere_shows_in_each_shape() {
        let record = payment("inpay_1", "paid", json!({"type": "payment_record"}));
        let intent = payment("inpay_1", "paid", json!({"payment_intent": "pi_1"}));
        for (more, expected) in [
            (json!({}), None),
            (json!({"paid_out_of_band": true}), Some(true)),
            (json!({"paid_out_of_band": false}), Some(false)),
            (json!({"amount_paid_off_stripe": 5}), Some(true)),
            (json!({"amount_paid_off_stripe": 0}), Some(false)),
            (json!({"payments": {"data": [record]}}), Some(true)),
            (json!({"payments": {"data": [intent]}}), Some(false)),
            (
                json!({"payments": {"data": []}, "amount_due": 0}),
                Some(false),
            ),
            (
                json!({"payments": {"data": []}, "status": "open"}),
                Some(false),
            ),
        ] {
            assert_eq!(
                invoice(more.clone()).is_paid_out_of_band(),
                expected,
                "{more}"
            );
        }
    }

    #[test]
    fn a_reason_and_a_status_we_do_not_know_are_kept() {
        let invoice = invoice(json!({"billing_reason": "moonrise", "status": "frozen"}));

        assert_eq!(
            invoice.billing_reason,
            Some(BillingReason::Other("moonrise".to_owned()))
        );
        assert_eq!(invoice.status.unwrap().as_str(), "frozen");
    }

    #[test]
    fn a_missing_amount_is_an_error_and_never_zero() {
        let json = r#"{"id":"in_1","amount_due":5,"currency":"usd","created":1,"total":5,
            "amount_remaining":5}"#;

        let error = serde_json::from_str::<Invoice>(json).unwrap_err();

        assert!(error.to_string().contains("amount_paid"), "{error}");
    }
}
