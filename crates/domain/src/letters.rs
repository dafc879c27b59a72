//! Letters: the facts of emails. The outbox stores them; `views` renders the text when they are
//! sent.

use serde::{Deserialize, Serialize};

use crate::dunning::DunningStep;
use crate::words::words;

words! {
    /// What became of a dispute.
    #[derive(Deserialize)]
    #[serde(rename_all = "snake_case")]
    pub enum DisputeOutcome {
        /// The bank reclaims the payment, and has not decided.
        Opened = "opened",
        /// It was decided for the operator: the payment stands.
        Won = "won",
        /// It was decided for the cardholder: the payment went back.
        Lost = "lost",
    }
}

/// The facts of an email. Its text is rendered when it is sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "mail", rename_all = "kebab-case")]
pub enum Letter {
    /// A sign-in link was requested.
    SignIn {
        /// The secret token of the link.
        token: String,
        /// How long the link is valid, in minutes.
        minutes: i64,
    },
    /// An invitation into an account.
    Invitation {
        /// The secret token of the link.
        token: String,
        /// The name of the member who sent the invitation.
        by: String,
        /// The offered role: member, billing or owner.
        role: String,
        /// How long the link is valid, in days.
        days: i64,
    },
    /// A payment was received.
    Receipt {
        /// What the payment was for.
        description: String,
        /// The tier that was paid for, if any.
        #[serde(default)]
        tier: Option<String>,
        /// The amount, in minor units.
        amount: i64,
        /// The currency, as an ISO code in lower case.
        currency: String,
        /// The address of Stripe's page for the receipt.
        url: Option<String>,
    },
    /// A payment failed.
    PaymentFailed {
        /// The step of dunning.
        step: DunningStep,
        /// The tier of the payment, if known.
        #[serde(default)]
        tier: Option<String>,
        /// The reason for the failure, in Stripe's words.
        #[serde(default)]
        failure: Option<String>,
        /// The amount, in minor units.
        amount: i64,
        /// The currency, as an ISO code in lower case.
        currency: String,
        /// When access ends, in microseconds since 1970.
        grace_until: i64,
        /// The address of the page where the payment can be made.
        url: Option<String>,
    },
    /// A payment for credits that was in progress, such as a bank debit, failed.
    PurchaseFailed {
        /// What the payment was for.
        description: String,
        /// The reason for the failure, in Stripe's words.
        #[serde(default)]
        failure: Option<String>,
        /// The amount, in minor units.
        amount: i64,
        /// The currency, as an ISO code in lower case.
        currency: String,
    },
    /// A plan will end.
    PlanEnding {
        /// The name of the tier.
        tier: String,
        /// The time, in microseconds since 1970.
        at: i64,
    },
    /// A plan ended.
    PlanEnded {
        /// The name of the tier.
        tier: String,
    },
    /// A payment requires the cardholder's confirmation with the bank.
    ConfirmPayment {
        /// What the payment was for.
        description: String,
        /// The tier of the payment, if it is for a plan.
        #[serde(default)]
        tier: Option<String>,
        /// The amount, in minor units.
        amount: i64,
        /// The currency, as an ISO code in lower case.
        currency: String,
        /// The address of the page where it is confirmed; the billing page when unknown.
        url: Option<String>,
    },
    /// A trial ends soon.
    TrialEnds {
        /// The name of the tier.
        tier: String,
        /// The time, in microseconds since 1970.
        at: i64,
        /// The first charge, in minor units and its currency, by Stripe's preview; `None` if it isn't
        /// known.
        #[serde(default)]
        charge: Option<(i64, String)>,
    },
    /// The balance fell below the account's threshold.
    CreditsLow {
        /// Available credits, in micro-credits.
        available: i64,
        /// The threshold, in micro-credits.
        threshold: i64,
    },
    /// No credits are left.
    CreditsGone {},
    /// Credits were bought automatically.
    AutoTopupDone {
        /// The number of credits bought, in micro-credits.
        credits: i64,
        /// The amount, in minor units.
        amount: i64,
        /// The currency, as an ISO code in lower case.
        currency: String,
    },
    /// Credits are no longer bought automatically.
    AutoTopupOff {
        /// The reason, as the end of a sentence: "the bank declined the card".
        reason: String,
    },
    /// A payment was refunded.
    Refunded {
        /// The amount, in minor units.
        amount: i64,
        /// The currency, as an ISO code in lower case.
        currency: String,
        /// The change in credits, in signed micro-credits; zero for a plan's payment.
        credits: i64,
    },
    /// A payment was disputed with the bank, or a dispute ended.
    Disputed {
        /// What became of the dispute.
        outcome: DisputeOutcome,
        /// The disputed amount, in minor units.
        amount: i64,
        /// The currency, as an ISO code in lower case.
        currency: String,
    },
    /// An operator changed the credits.
    Adjusted {
        /// The change in credits, in signed micro-credits.
        credits: i64,
        /// The reason, as one of the reason codes for adjustments.
        reason: String,
    },
    /// For operators: something needs manual review, or no longer does.
    Alert {
        /// What is wrong, in one sentence.
        summary: String,
        /// Whether the problem is resolved.
        is_over: bool,
    },
    /// A payment that had failed succeeded on a later attempt.
    PaymentRecovered {
        /// The tier of the payment, if known.
        tier: Option<String>,
    },
}

impl Letter {
    /// The kind of email that the account's members may turn off; `None` for emails that are always
    /// sent.
    pub fn notice(&self) -> Option<&'static str> {
        match self {
            Letter::Receipt { .. } | Letter::Refunded { .. } | Letter::PaymentRecovered { .. } => {
                Some("receipts")
            }
            Letter::PlanEnding { .. } | Letter::PlanEnded { .. } | Letter::TrialEnds { .. } => {
                Some("plan")
            }
            Letter::CreditsLow { .. } | Letter::CreditsGone {} => Some("credits"),
            Letter::AutoTopupDone { .. } => Some("topups"),
            Letter::Adjusted { .. } => Some("adjustments"),
            Letter::SignIn { .. }
            | Letter::Invitation { .. }
            | Letter::Alert { .. }
            | Letter::PaymentFailed { .. }
            | Letter::PurchaseFailed { .. }
            | Letter::ConfirmPayment { .. }
            | Letter::Disputed { .. }
            | Letter::AutoTopupOff { .. } => None,
        }
    }
}

/// A kind of email that can be turned off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Notice {
    /// The name of the kind in JSON and in the store.
    pub name: &'static str,
    /// The name of the kind on pages.
    pub title: &'static str,
}

/// All kinds of emails that can be turned off. Sign-in links, failed payments, payments that need
/// confirmation and the end of automatic purchases are always sent.
pub const NOTICES: [Notice; 5] = [
    Notice {
        name: "receipts",
        title: "Receipts and refunds",
    },
    Notice {
        name: "plan",
        title: "Plan and trial ending",
    },
    Notice {
        name: "credits",
        title: "Credits running low, and none left",
    },
    Notice {
        name: "topups",
        title: "Credits bought automatically",
    },
    Notice {
        name: "adjustments",
        title: "Credits given or taken by support",
    },
];
