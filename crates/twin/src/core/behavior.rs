//! The choices that parameters make about payments and prorations, as enums.

use serde_json::Value;

use super::value::text;

/// What happens to a subscription if the payment of a change does not succeed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(
    clippy::enum_variant_names,
    reason = "the variants have the names of Stripe's values"
)]
pub(super) enum PaymentBehavior {
    /// The change is kept, and the subscription may become incomplete or past due.
    AllowIncomplete,
    /// The change is refused.
    ErrorIfIncomplete,
    /// The change stays pending until its invoice is paid.
    PendingIfIncomplete,
    /// No payment is attempted until the client confirms it.
    DefaultIncomplete,
}

impl PaymentBehavior {
    /// Reads `payment_behavior`. The parameter check has already refused unknown values.
    pub(super) fn from_params(sent: &Value) -> Self {
        match text(sent, "payment_behavior") {
            "error_if_incomplete" => Self::ErrorIfIncomplete,
            "pending_if_incomplete" => Self::PendingIfIncomplete,
            "default_incomplete" => Self::DefaultIncomplete,
            _ => Self::AllowIncomplete,
        }
    }
}

/// How the prorations of a change are billed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ProrationBehavior {
    /// They are invoiced immediately.
    AlwaysInvoice,
    /// They are added to the next invoice.
    CreateProrations,
    /// There are no prorations.
    None,
}

impl ProrationBehavior {
    /// Reads `proration_behavior`. The parameter check has already refused unknown values.
    pub(super) fn from_params(sent: &Value) -> Self {
        match text(sent, "proration_behavior") {
            "always_invoice" => Self::AlwaysInvoice,
            "none" => Self::None,
            _ => Self::CreateProrations,
        }
    }
}

/// How a subscription schedule ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ScheduleEnd {
    /// The subscription continues without the schedule.
    Released,
    /// The schedule is canceled together with its subscription.
    Canceled,
    /// The subscription was canceled because it was not paid.
    Aborted,
    /// The subscription was canceled after the last phase.
    Completed,
}

impl ScheduleEnd {
    /// The status that the schedule gets.
    pub(super) fn status(self) -> &'static str {
        match self {
            Self::Released => "released",
            Self::Canceled | Self::Aborted => "canceled",
            Self::Completed => "completed",
        }
    }

    /// The last part of the type of the event.
    pub(super) fn event(self) -> &'static str {
        match self {
            Self::Aborted => "aborted",
            other => other.status(),
        }
    }
}
