//! An invoice: what is owed, what for, and how it was paid.

use super::string_enum::string_enum;
use super::{
    Charge, Customer, Expandable, InvoiceLine, List, Metadata, PaymentIntent, Subscription,
    or_default,
};
use serde::Deserialize;

/// An invoice.
///
/// Since basil, the subscription is in `parent` and the payment in `payments` (only if expanded).
/// Use [`subscription`](Self::subscription) and [`payment_intent`](Self::payment_intent), which
/// read every version.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Invoice {
    /// The id, `in_...`. The id of a preview starts with `upcoming_in_` or is empty.
    #[serde(default, deserialize_with = "or_default")]
    pub id: String,
    /// The invoice number. It is assigned when the invoice is finalized.
    pub number: Option<String>,
    /// The state of the invoice.
    pub status: Option<InvoiceStatus>,
    /// The amount to pay after the customer's balance was applied, in minor units.
    pub amount_due: i64,
    /// The amount that was paid, in minor units.
    pub amount_paid: i64,
    /// The part that was paid outside Stripe, in minor units, if the API version includes it.
    pub amount_paid_off_stripe: Option<i64>,
    /// The amount that isn't paid yet, in minor units.
    pub amount_remaining: i64,
    /// The total after discounts and tax, in minor units. It is negative for a credit.
    pub total: i64,
    /// The subtotal before discounts and tax, in minor units.
    pub subtotal: Option<i64>,
    /// The amount of each discount.
    #[serde(default, deserialize_with = "or_default")]
    pub total_discount_amounts: Vec<DiscountAmount>,
    /// The amount of each tax, since basil.
    #[serde(default, deserialize_with = "or_default")]
    pub total_taxes: Vec<TaxAmount>,
    #[serde(default, deserialize_with = "or_default")]
    total_tax_amounts: Vec<TaxAmount>,
    /// The customer's balance before the invoice. A negative balance is credit that was used.
    pub starting_balance: Option<i64>,
    /// The customer's balance after the invoice.
    pub ending_balance: Option<i64>,
    /// The currency as a lowercase three-letter code.
    pub currency: String,
    /// The time of creation, in seconds since 1970.
    pub created: i64,
    /// The reason why the invoice was created.
    pub billing_reason: Option<BillingReason>,
    /// The customer who pays.
    #[serde(default)]
    pub customer: Expandable<Customer>,
    /// The number of automatic payment attempts. Manual attempts after the first one don't count.
    #[serde(default, deserialize_with = "or_default")]
    pub attempt_count: i64,
    /// Whether Stripe finalizes and collects it automatically.
    #[serde(default, deserialize_with = "or_default")]
    pub auto_advance: bool,
    /// Whether a payment was attempted.
    #[serde(default, deserialize_with = "or_default")]
    pub attempted: bool,
    /// The time of the next attempt, in seconds since 1970. It is absent if Stripe won't try again.
    pub next_payment_attempt: Option<i64>,
    /// The start of the period that the invoice shows, in seconds since 1970.
    pub period_start: Option<i64>,
    /// The end of the period that the invoice shows, in seconds since 1970.
    pub period_end: Option<i64>,
    /// The URL of Stripe's page where the invoice can be paid.
    pub hosted_invoice_url: Option<String>,
    /// The URL of the PDF.
    pub invoice_pdf: Option<String>,
    /// The lines, at most ten. `has_more` says whether there are more.
    #[serde(default, deserialize_with = "or_default")]
    pub lines: List<InvoiceLine>,
    /// The times at which the status changed.
    pub status_transitions: Option<InvoiceStatusTransitions>,
    /// The reason why the invoice could not be finalized.
    pub last_finalization_error: Option<FinalizationError>,
    /// The object that the invoice was created for, since basil.
    pub parent: Option<InvoiceParent>,
    /// The payments since basil, if they were expanded. `None` doesn't mean that there are no
    /// payments.
    pub payments: Option<List<InvoicePayment>>,
    /// The metadata that we set on the object.
    #[serde(default, deserialize_with = "or_default")]
    pub metadata: Metadata,
    /// Whether the object is live. It is `false` for test data.
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
    /// The sum of all discounts in minor units.
    #[must_use]
    pub fn discount(&self) -> i64 {
        self.total_discount_amounts
            .iter()
            .map(|one| one.amount)
            .sum()
    }

    /// The sum of all taxes in minor units, included in prices or added to them, wherever the version
    /// keeps it.
    #[must_use]
    pub fn tax(&self) -> i64 {
        let taxes = [&self.total_taxes, &self.total_tax_amounts];
        let known = taxes.into_iter().find(|taxes| !taxes.is_empty());
        known.map_or(0, |taxes| taxes.iter().map(|one| one.amount).sum())
    }

    /// The subscription that the invoice was created for, wherever the version keeps it.
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

    /// The payment intent of the invoice, wherever the version keeps it. Of several payments, it is
    /// the paid one.
    #[must_use]
    pub fn payment_intent(&self) -> &Expandable<PaymentIntent> {
        match self.payment() {
            Some(payment) => payment.payment.payment_intent.or(&self.top_payment_intent),
            None => &self.top_payment_intent,
        }
    }

    /// The charge that paid the invoice, if the API version includes it.
    #[must_use]
    pub fn charge(&self) -> &Expandable<Charge> {
        match self.payment() {
            Some(payment) => payment.payment.charge.or(&self.top_charge),
            None => &self.top_charge,
        }
    }

    /// Whether the invoice is paid although no money moved through Stripe. Acacia has a field for
    /// it. Since basil it follows from the payments; `None` is returned if they were not expanded.
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

    /// The time at which the invoice was paid, in seconds since 1970.
    #[must_use]
    pub fn paid_at(&self) -> Option<i64> {
        self.status_transitions.as_ref()?.paid_at
    }

    /// The paid one of several payments, or else the default one, or else the first.
    fn payment(&self) -> Option<&InvoicePayment> {
        let payments = &self.payments.as_ref()?.data;
        let paid = payments.iter().find(|payment| payment.is_paid());
        let default = || payments.iter().find(|payment| payment.is_default);
        paid.or_else(default).or_else(|| payments.first())
    }
}

/// The amount of one discount on an invoice.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct DiscountAmount {
    /// The amount in minor units.
    pub amount: i64,
}

/// The amount of one tax on an invoice.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct TaxAmount {
    /// The amount in minor units.
    pub amount: i64,
}

/// The object that an invoice was created for.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct InvoiceParent {
    /// The type, such as `subscription_details` or `quote_details`.
    #[serde(rename = "type")]
    pub kind: Option<String>,
    /// The details of the subscription, if the invoice was created for one.
    pub subscription_details: Option<InvoiceSubscriptionDetails>,
}

/// The subscription that an invoice was created for.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct InvoiceSubscriptionDetails {
    /// The subscription, as an id or expanded.
    #[serde(default)]
    pub subscription: Expandable<Subscription>,
    /// The metadata of the subscription at the time the invoice was finalized.
    #[serde(default, deserialize_with = "or_default")]
    pub metadata: Metadata,
}

/// A payment of an invoice.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct InvoicePayment {
    /// The id, `inpay_...`.
    pub id: String,
    /// The status: `open`, `paid` or `canceled`.
    pub status: Option<String>,
    /// The amount that was paid, in minor units.
    pub amount_paid: Option<i64>,
    /// The amount that was requested, in minor units.
    pub amount_requested: Option<i64>,
    /// Whether Stripe created this payment together with the invoice.
    #[serde(default, deserialize_with = "or_default")]
    pub is_default: bool,
    /// The invoice that is paid.
    #[serde(default)]
    pub invoice: Expandable<Invoice>,
    /// The payment intent, charge or payment record that pays the invoice.
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

/// The payment intent, charge or payment record that pays an invoice.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct InvoicePaymentTarget {
    /// The type: `payment_intent`, `charge` or `payment_record` (a payment outside Stripe).
    #[serde(rename = "type")]
    pub kind: Option<String>,
    /// The payment intent, as an id or expanded.
    #[serde(default)]
    pub payment_intent: Expandable<PaymentIntent>,
    /// The charge, if no payment intent was used.
    #[serde(default)]
    pub charge: Expandable<Charge>,
}

/// The times at which the status of an invoice changed, in seconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct InvoiceStatusTransitions {
    /// The time at which the invoice was finalized.
    pub finalized_at: Option<i64>,
    /// The time at which the invoice was paid.
    pub paid_at: Option<i64>,
    /// The time at which the invoice was voided.
    pub voided_at: Option<i64>,
    /// The time at which the invoice was marked uncollectible.
    pub marked_uncollectible_at: Option<i64>,
}

/// Why an invoice could not be finalized.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct FinalizationError {
    /// Stripe's code for what prevented the invoice from being finalized.
    pub code: Option<String>,
    /// The human-readable message.
    pub message: Option<String>,
}

string_enum! {
    /// The state of an invoice.
    InvoiceStatus {
        /// The invoice can still change.
        Draft = "draft",
        /// The invoice is finalized and awaits payment.
        Open = "open",
        /// The invoice was paid, or there was nothing to pay.
        Paid = "paid",
        /// The invoice is unlikely to be paid, but it still can be.
        Uncollectible = "uncollectible",
        /// The invoice was voided.
        Void = "void",
    }
}

string_enum! {
    /// The reason why an invoice was created.
    BillingReason {
        /// The first invoice of a subscription.
        SubscriptionCreate = "subscription_create",
        /// A new billing period started.
        SubscriptionCycle = "subscription_cycle",
        /// A subscription changed within its period.
        SubscriptionUpdate = "subscription_update",
        /// A usage threshold was reached.
        SubscriptionThreshold = "subscription_threshold",
        /// The invoice belongs to a subscription and has a legacy reason.
        Subscription = "subscription",
        /// The invoice was created manually.
        Manual = "manual",
        /// The invoice is a preview.
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
    fn a_payment_outside_stripe_is_recognized_in_every_version() {
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
    fn an_unknown_reason_and_an_unknown_status_are_kept() {
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
