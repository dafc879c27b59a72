//! The states of stored objects as enums, and the questions that the rules ask about them.

use serde_json::Value;
use stripe::objects::{
    CheckoutMode, CheckoutStatus, DisputeStatus, InvoiceStatus, PaymentIntentStatus, RefundStatus,
    ScheduleStatus, SubscriptionStatus,
};

use super::value::text;

/// The state of a subscription.
pub(super) fn subscription(row: &Value) -> SubscriptionStatus {
    text(row, "status").into()
}

/// The state of an invoice.
pub(super) fn invoice(row: &Value) -> InvoiceStatus {
    text(row, "status").into()
}

/// The state of a payment intent.
pub(super) fn payment(row: &Value) -> PaymentIntentStatus {
    text(row, "status").into()
}

/// The state of a Checkout session.
pub(super) fn session(row: &Value) -> CheckoutStatus {
    text(row, "status").into()
}

/// The purpose of a Checkout session.
pub(super) fn mode(row: &Value) -> CheckoutMode {
    text(row, "mode").into()
}

/// The state of a subscription schedule.
pub(super) fn schedule(row: &Value) -> ScheduleStatus {
    text(row, "status").into()
}

/// The state of a dispute.
pub(super) fn dispute(row: &Value) -> DisputeStatus {
    text(row, "status").into()
}

/// The state of a refund.
pub(super) fn refund(row: &Value) -> RefundStatus {
    text(row, "status").into()
}

/// Whether a subscription has ended for good.
pub(super) fn has_ended(row: &Value) -> bool {
    matches!(
        subscription(row),
        SubscriptionStatus::Canceled | SubscriptionStatus::IncompleteExpired
    )
}

/// Whether a subscription is in its trial.
pub(super) fn is_trialing(row: &Value) -> bool {
    subscription(row) == SubscriptionStatus::Trialing
}

/// Whether a subscription is active or past due, so that a cancellation can be credited.
pub(super) fn is_creditable(row: &Value) -> bool {
    matches!(
        subscription(row),
        SubscriptionStatus::Active | SubscriptionStatus::PastDue
    )
}

/// Whether an invoice is finalized and waits for payment.
pub(super) fn is_open(row: &Value) -> bool {
    invoice(row) == InvoiceStatus::Open
}

/// Whether an invoice is a draft.
pub(super) fn is_draft(row: &Value) -> bool {
    invoice(row) == InvoiceStatus::Draft
}

/// Whether an invoice can be paid or voided.
pub(super) fn is_payable(row: &Value) -> bool {
    matches!(
        invoice(row),
        InvoiceStatus::Open | InvoiceStatus::Uncollectible
    )
}

/// Whether a payment intent is not final yet, so that it can be changed or canceled.
pub(super) fn is_unfinished(row: &Value) -> bool {
    matches!(
        payment(row),
        PaymentIntentStatus::RequiresPaymentMethod
            | PaymentIntentStatus::RequiresConfirmation
            | PaymentIntentStatus::RequiresAction
            | PaymentIntentStatus::RequiresCapture
    )
}

/// Whether a payment intent can be confirmed.
pub(super) fn is_confirmable(row: &Value) -> bool {
    is_unfinished(row) && payment(row) != PaymentIntentStatus::RequiresCapture
}

/// Whether a payment intent waits for the customer to authenticate.
pub(super) fn awaits_authentication(row: &Value) -> bool {
    payment(row) == PaymentIntentStatus::RequiresAction
}

/// Whether a dispute or an inquiry is waiting for evidence.
pub(super) fn needs_response(row: &Value) -> bool {
    matches!(
        dispute(row),
        DisputeStatus::NeedsResponse | DisputeStatus::WarningNeedsResponse
    )
}

/// Whether a dispute is only an inquiry, for which no money was withdrawn.
pub(super) fn is_inquiry(row: &Value) -> bool {
    matches!(
        dispute(row),
        DisputeStatus::WarningNeedsResponse
            | DisputeStatus::WarningUnderReview
            | DisputeStatus::WarningClosed
    )
}

/// Whether a dispute or an inquiry is closed.
pub(super) fn is_closed(row: &Value) -> bool {
    matches!(
        dispute(row),
        DisputeStatus::Won | DisputeStatus::Lost | DisputeStatus::WarningClosed
    )
}

/// Whether a schedule still manages or will manage a subscription.
pub(super) fn is_live_schedule(row: &Value) -> bool {
    matches!(
        schedule(row),
        ScheduleStatus::NotStarted | ScheduleStatus::Active
    )
}
