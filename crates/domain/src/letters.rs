//! Letters: the facts of emails. The outbox stores them; `views` words them when they are sent.

use serde::{Deserialize, Serialize};

use crate::dunning::DunningStep;

/// The facts of an email. Its words are found when it is sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "mail", rename_all = "kebab-case")]
pub enum Letter {
    /// Someone asked for a sign-in link.
    SignIn {
        /// The secret token of the link.
        token: String,
        /// How long it works, in minutes.
        minutes: i64,
    },
    /// An invitation into an account.
    Invitation {
        /// The secret token of the link.
        token: String,
        /// The name of the member who invites.
        by: String,
        /// As what: member, billing or owner.
        role: String,
        /// How long it works, in days.
        days: i64,
    },
    /// A payment arrived.
    Receipt {
        /// What the payment was for.
        description: String,
        /// For which plan, if for one.
        #[serde(default)]
        tier: Option<String>,
        /// The amount, in minor units.
        amount: i64,
        /// The currency, as an ISO code in lower case.
        currency: String,
        /// Stripe's page of it.
        url: Option<String>,
    },
    /// A payment failed.
    PaymentFailed {
        /// Which of the emails about it this is.
        step: DunningStep,
        /// Of which plan, where it is known.
        #[serde(default)]
        tier: Option<String>,
        /// What the bank said, in Stripe's words.
        #[serde(default)]
        failure: Option<String>,
        /// The amount, in minor units.
        amount: i64,
        /// The currency, as an ISO code in lower case.
        currency: String,
        /// When access ends, in microseconds.
        grace_until: i64,
        /// Where it can be paid.
        url: Option<String>,
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
    /// A payment waits for its owner to confirm it with the bank.
    ConfirmPayment {
        /// What the payment was for.
        description: String,
        /// The amount, in minor units.
        amount: i64,
        /// The currency, as an ISO code in lower case.
        currency: String,
        /// Where it is confirmed; the billing page when unknown.
        url: Option<String>,
    },
    /// A trial ends soon.
    TrialEnds {
        /// The name of the tier.
        tier: String,
        /// The time, in microseconds since 1970.
        at: i64,
    },
    /// The balance fell below the account's threshold.
    CreditsLow {
        /// What is left, in micro-credits.
        available: i64,
        /// The threshold, in micro-credits.
        threshold: i64,
    },
    /// No credits are left.
    CreditsGone {},
    /// Credits were bought automatically.
    AutoTopupDone {
        /// How many, in micro-credits.
        credits: i64,
        /// The amount, in minor units.
        amount: i64,
        /// The currency, as an ISO code in lower case.
        currency: String,
    },
    /// Credits are no longer bought automatically.
    AutoTopupOff {
        /// Why, as the end of a sentence: "the bank declined the card".
        reason: String,
    },
    /// Money went back.
    Refunded {
        /// The amount, in minor units.
        amount: i64,
        /// The currency, as an ISO code in lower case.
        currency: String,
        /// What that did to the credits, in signed micro-credits; zero for a plan's payment.
        credits: i64,
    },
    /// An operator changed the credits.
    Adjusted {
        /// By how much, in signed micro-credits.
        credits: i64,
        /// The reason, one of the adjustment's words.
        reason: String,
    },
    /// Operators: something needs a person, or no longer does.
    Alert {
        /// What is wrong, in one sentence.
        summary: String,
        /// Whether it is over.
        is_over: bool,
    },
    /// A payment that had failed went through after all.
    PaymentRecovered {
        /// Of which plan, where it is known.
        tier: Option<String>,
    },
}

impl Letter {
    /// The kind of mail that an account's people may switch off; none for what always arrives.
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
            | Letter::ConfirmPayment { .. }
            | Letter::AutoTopupOff { .. } => None,
        }
    }
}

/// A kind of mail that can be switched off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Notice {
    /// Its word in JSON and in the store.
    pub name: &'static str,
    /// What the pages call it.
    pub title: &'static str,
}

/// All kinds of mails that can be switched off. Sign-in links, failed payments, payments to be
/// confirmed and the end of automatic purchases always arrive.
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
