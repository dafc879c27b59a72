//! The status of a subscription at Stripe, and of an account's plan as the API shows it.

use crate::words::words;

/// The status of a subscription, with Stripe's meaning.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum SubscriptionStatus {
    /// The first payment has not been made yet.
    Incomplete,
    /// The first payment was never made.
    IncompleteExpired,
    /// The subscription is in its trial.
    Trialing,
    /// The subscription is paid.
    Active,
    /// A payment failed and is being retried.
    PastDue,
    /// Stripe no longer retries the payment.
    Unpaid,
    /// A trial ended without a payment method.
    Paused,
    /// The subscription ended.
    Canceled,
    /// A status that this version doesn't know.
    Unknown(String),
}

impl SubscriptionStatus {
    /// Parses Stripe's word; an unknown one is kept as is.
    pub fn from_word(word: &str) -> SubscriptionStatus {
        match word {
            "incomplete" => SubscriptionStatus::Incomplete,
            "incomplete_expired" => SubscriptionStatus::IncompleteExpired,
            "trialing" => SubscriptionStatus::Trialing,
            "active" => SubscriptionStatus::Active,
            "past_due" => SubscriptionStatus::PastDue,
            "unpaid" => SubscriptionStatus::Unpaid,
            "paused" => SubscriptionStatus::Paused,
            "canceled" => SubscriptionStatus::Canceled,
            other => SubscriptionStatus::Unknown(other.to_owned()),
        }
    }

    /// Stripe's word for the status.
    pub fn word(&self) -> &str {
        match self {
            SubscriptionStatus::Incomplete => "incomplete",
            SubscriptionStatus::IncompleteExpired => "incomplete_expired",
            SubscriptionStatus::Trialing => "trialing",
            SubscriptionStatus::Active => "active",
            SubscriptionStatus::PastDue => "past_due",
            SubscriptionStatus::Unpaid => "unpaid",
            SubscriptionStatus::Paused => "paused",
            SubscriptionStatus::Canceled => "canceled",
            SubscriptionStatus::Unknown(word) => word,
        }
    }

    /// Whether it can still charge its customer: no second subscription may be bought while it can.
    pub fn is_live(&self) -> bool {
        !matches!(
            self,
            SubscriptionStatus::Canceled
                | SubscriptionStatus::IncompleteExpired
                | SubscriptionStatus::Incomplete
        )
    }

    /// The status that the API shows for the account.
    pub fn shown(&self) -> PlanStatus {
        match self {
            SubscriptionStatus::Incomplete => PlanStatus::Incomplete,
            SubscriptionStatus::Trialing => PlanStatus::Trialing,
            SubscriptionStatus::Active | SubscriptionStatus::Unknown(_) => PlanStatus::Active,
            SubscriptionStatus::PastDue => PlanStatus::PastDue,
            SubscriptionStatus::Unpaid => PlanStatus::Unpaid,
            SubscriptionStatus::Paused => PlanStatus::Paused,
            SubscriptionStatus::Canceled | SubscriptionStatus::IncompleteExpired => {
                PlanStatus::Canceled
            }
        }
    }
}

words! {
    /// The status of an account's plan, as the API shows it.
    pub enum PlanStatus {
        /// The account never had a subscription.
        None = "NONE",
        /// The first payment has not been made yet.
        Incomplete = "INCOMPLETE",
        /// The subscription is in its trial.
        Trialing = "TRIALING",
        /// The subscription is paid.
        Active = "ACTIVE",
        /// A payment failed and is being retried.
        PastDue = "PAST_DUE",
        /// Stripe no longer retries the payment.
        Unpaid = "UNPAID",
        /// A trial ended without a payment method.
        Paused = "PAUSED",
        /// The subscription ended.
        Canceled = "CANCELED",
    }
}

impl PlanStatus {
    /// Whether a subscription is running: paid, in its trial, or past due with retries pending.
    pub const fn is_running(self) -> bool {
        matches!(
            self,
            PlanStatus::Active | PlanStatus::Trialing | PlanStatus::PastDue
        )
    }
}
