//! An earlier purchase whose credits haven't arrived.

use store::intents::{Intent, IntentKind};
use stripe::objects::PaymentIntentStatus;

use super::{BACK_OFF_SECONDS, LOOK_SECONDS, after_decline, end_attempt, put_off};
use crate::app::App;
use crate::error::Result;

/// Whether an earlier purchase is still waiting for its credits: a bank debit takes days, and a
/// sync may be late. Until they arrive, no other purchase is made; if the payment eventually fails,
/// it counts as declined.
pub(super) async fn is_unsettled(app: &App, account: i64) -> Result<bool> {
    let earlier = app
        .read(move |tx| store::intents::unused(tx, account, IntentKind::AutoTopup))
        .await?;
    let Some(intent) = earlier else {
        return Ok(false);
    };
    let Some(payment) = intent.stripe_object_id.clone() else {
        return Ok(false);
    };
    let payment = match app.stripe.retrieve_payment_intent(&payment).await {
        Ok(payment) => payment,
        // Created under other API keys, or Stripe's data was deleted: it will never be paid here.
        Err(stripe::Error::NotFound { .. }) => {
            bounced(app, &intent).await?;
            return Ok(true);
        }
        Err(error) => return Err(error.into()),
    };
    match payment.status {
        PaymentIntentStatus::Succeeded => {
            app.mark_for_sync(account).await?;
            put_off(app, account, LOOK_SECONDS).await?;
        }
        PaymentIntentStatus::Processing | PaymentIntentStatus::RequiresCapture => {
            put_off(app, account, BACK_OFF_SECONDS).await?;
        }
        _ => bounced(app, &intent).await?,
    }
    Ok(true)
}

/// Handles a processing payment that eventually failed.
async fn bounced(app: &App, intent: &Intent) -> Result<()> {
    let end = after_decline(app, intent, "the payment failed after days".to_owned()).await?;
    end_attempt(app, intent, end).await
}
