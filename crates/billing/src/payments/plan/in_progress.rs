//! Payments of a plan that are in progress, such as a bank debit, which takes days.

use stripe::Form;
use stripe::objects::{BillingReason, Invoice, PaymentIntentStatus};

use crate::app::App;
use crate::error::{Error, Result};

/// Maximum number of open invoices of a subscription; far more than Stripe leaves open.
const INVOICES_MAX: usize = 20;

/// Refuses a change while the payment of an earlier one is in progress: Stripe would void the invoice of
/// that one, and its money would arrive for nothing.
pub(crate) async fn refuse_change(app: &App, subscription: &str) -> Result<()> {
    let is_change =
        |invoice: &Invoice| invoice.billing_reason == Some(BillingReason::SubscriptionUpdate);
    if !is_paying(app, subscription, is_change).await? {
        return Ok(());
    }
    let detail = "The payment for your last change is on its way from your bank, which can take a \
                  few days. You can change your plan again when it has arrived.";
    Err(Error::conflict("payment_in_progress", detail))
}

/// Refuses an immediate end while any payment for the plan is in progress: it can't be refunded before it
/// has arrived.
pub(crate) async fn refuse_end(app: &App, subscription: &str) -> Result<()> {
    if !is_paying(app, subscription, |_| true).await? {
        return Ok(());
    }
    let detail = "A payment for your plan is on its way from your bank, which can take a few days. \
                  You can end your plan immediately when it has arrived, or now with its period.";
    Err(Error::conflict("payment_in_progress", detail))
}

/// Whether the payment of one of these open invoices is in progress.
async fn is_paying(
    app: &App,
    subscription: &str,
    is_wanted: impl Fn(&Invoice) -> bool,
) -> Result<bool> {
    let filter = Form::new()
        .push("subscription", subscription)
        .push("status", "open");
    let open = app.stripe.list_invoices(&filter, INVOICES_MAX).await?.data;
    for invoice in open.iter().filter(|invoice| is_wanted(invoice)) {
        let Some(payment) = invoice.payment_intent().id() else {
            continue;
        };
        let payment = app.stripe.retrieve_payment_intent(payment).await?;
        if payment.status == PaymentIntentStatus::Processing {
            return Ok(true);
        }
    }
    Ok(false)
}
