//! Transactions as they should be, and the rule for changes of their status.

use crate::money::{Credits, Currency, MinorUnits};
use crate::time::Timestamp;
use crate::words::words;

words! {
    /// What a transaction records.
    pub enum TransactionType {
        /// A payment for a period of a plan.
        SubscriptionPayment = "SUBSCRIPTION_PAYMENT",
        /// A customer changed to a higher plan.
        SubscriptionUpgrade = "SUBSCRIPTION_UPGRADE",
        /// A customer changed to a lower plan.
        SubscriptionDowngrade = "SUBSCRIPTION_DOWNGRADE",
        /// A plan ended.
        SubscriptionCancel = "SUBSCRIPTION_CANCEL",
        /// A customer bought a credit pack.
        CreditTopup = "CREDIT_TOPUP",
        /// A payment was refunded, in full or in part.
        Refund = "REFUND",
    }
}

impl TransactionType {
    /// Whether it records an incoming payment.
    pub const fn is_payment(self) -> bool {
        matches!(
            self,
            TransactionType::SubscriptionPayment
                | TransactionType::SubscriptionUpgrade
                | TransactionType::CreditTopup
        )
    }
}

words! {
    /// The status of a transaction.
    pub enum TransactionStatus {
        /// It is in progress.
        Pending = "PENDING",
        /// It succeeded.
        Completed = "COMPLETED",
        /// The payment failed; a later one may still succeed.
        Failed = "FAILED",
        /// It succeeded and was refunded in full.
        Refunded = "REFUNDED",
        /// It was never paid.
        Cancelled = "CANCELLED",
    }
}

impl TransactionStatus {
    /// The status of a recorded transaction of type `kind` once Stripe shows `seen`.
    ///
    /// `Pending` moves to any other; `Failed` to `Completed` or `Refunded`, and to `Cancelled` when
    /// its invoice was voided; `Completed` to `Refunded`, and back if the refund eventually failed.
    /// A refund itself moves from `Completed` to `Failed` or `Cancelled`, and stays `Failed`. Any
    /// other change comes from an outdated read of Stripe and has no effect.
    #[must_use]
    pub const fn after(self, seen: TransactionStatus, kind: TransactionType) -> TransactionStatus {
        use TransactionStatus::{Cancelled, Completed, Failed, Pending, Refunded};
        let is_refund = matches!(kind, TransactionType::Refund);
        let is_allowed = match (self, seen) {
            (Pending, _) | (Completed, Refunded) | (Refunded, Completed) => true,
            (Failed, Completed | Refunded | Cancelled) => !is_refund,
            (Completed, Failed | Cancelled) => is_refund,
            _ => false,
        };
        if is_allowed { seen } else { self }
    }

    /// Whether the amount and time of the transaction may still change, because nothing was paid
    /// yet.
    pub const fn is_open(self) -> bool {
        matches!(self, TransactionStatus::Pending | TransactionStatus::Failed)
    }

    /// Whether the payment succeeded, regardless of later refunds.
    pub const fn is_paid(self) -> bool {
        matches!(
            self,
            TransactionStatus::Completed | TransactionStatus::Refunded
        )
    }
}

/// A transaction row as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transaction {
    /// The key of the recorded fact, unique: `topup:cs_...`, `invoice:in_...`, `refund:re_...`.
    pub natural_key: String,
    /// What the transaction records.
    pub kind: TransactionType,
    /// The status it should have.
    pub status: TransactionStatus,
    /// The amount of money.
    pub amount: MinorUnits,
    /// The refunded part, in minor units.
    pub refunded_minor: i64,
    /// The tax in the amount, in minor units.
    pub tax_minor: i64,
    /// Stripe's id of the payment intent.
    pub payment_intent: Option<String>,
    /// Stripe's id of the Checkout session.
    pub session: Option<String>,
    /// Stripe's id of the invoice.
    pub invoice: Option<String>,
    /// Stripe's id of the refund.
    pub refund: Option<String>,
    /// The number of the user who paid.
    pub user: Option<i64>,
    /// The tier that was paid for.
    pub tier: Option<String>,
    /// The purchased credits.
    pub credits: Option<Credits>,
    /// The description shown in the payment history.
    pub description: String,
    /// Why the transaction failed; `None` when it did not.
    pub failure: Option<String>,
    /// The number of payment attempts.
    pub attempts: i64,
    /// Stripe's page for the receipt or the invoice.
    pub receipt_url: Option<String>,
    /// The time at which it happened.
    pub occurred_at: Timestamp,
    /// Whether a dispute about the payment is open.
    pub is_disputed: bool,
}

impl Transaction {
    /// Whether it only takes back an earlier record, and is recorded only if there is one: a
    /// dispute that was won.
    pub fn is_nothing(&self) -> bool {
        self.kind == TransactionType::Refund
            && self.status == TransactionStatus::Cancelled
            && self.refund.is_none()
    }
}

/// A transaction that moved no money.
pub(super) fn free_of_charge(kind: TransactionType, currency: Currency) -> Transaction {
    Transaction {
        natural_key: String::new(),
        kind,
        status: TransactionStatus::Completed,
        amount: MinorUnits::new(0, currency),
        refunded_minor: 0,
        tax_minor: 0,
        payment_intent: None,
        session: None,
        invoice: None,
        refund: None,
        user: None,
        tier: None,
        credits: None,
        description: String::new(),
        failure: None,
        attempts: 0,
        receipt_url: None,
        occurred_at: Timestamp::default(),
        is_disputed: false,
    }
}

/// Whole credits with thousands separated: `5,000`.
pub(super) fn grouped(credits: Credits) -> String {
    let digits = credits.floor().to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use TransactionStatus::{Cancelled, Completed, Failed, Pending, Refunded};

    fn moves(kind: TransactionType) -> Vec<(TransactionStatus, TransactionStatus)> {
        let pairs = TransactionStatus::ALL
            .into_iter()
            .flat_map(|from| TransactionStatus::ALL.map(|seen| (from, seen)));
        pairs
            .filter(|(from, seen)| from != seen && from.after(*seen, kind) == *seen)
            .collect()
    }

    #[test]
    fn a_payment_takes_allowed_steps_and_ignores_all_others() {
        assert_eq!(
            moves(TransactionType::CreditTopup),
            [
                (Pending, Completed),
                (Pending, Failed),
                (Pending, Refunded),
                (Pending, Cancelled),
                (Completed, Refunded),
                (Failed, Completed),
                (Failed, Refunded),
                (Failed, Cancelled),
                (Refunded, Completed),
            ]
        );
    }

    #[test]
    fn a_refund_may_fail_after_it_succeeded_and_never_succeeds_after_it_failed() {
        assert_eq!(
            moves(TransactionType::Refund),
            [
                (Pending, Completed),
                (Pending, Failed),
                (Pending, Refunded),
                (Pending, Cancelled),
                (Completed, Failed),
                (Completed, Refunded),
                (Completed, Cancelled),
                (Refunded, Completed),
            ]
        );
    }

    #[test]
    fn every_word_is_read_as_the_variant_that_says_it() {
        for status in TransactionStatus::ALL {
            assert_eq!(TransactionStatus::from_word(status.word()), Some(status));
        }
        for kind in TransactionType::ALL {
            assert_eq!(TransactionType::from_word(kind.word()), Some(kind));
        }
        assert_eq!(TransactionStatus::from_word("pending"), None);
    }
}
