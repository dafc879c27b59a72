//! Checkout pages that an account must not pay on any more.

use store::intents::IntentState;

use crate::actors::access;
use crate::app::App;
use crate::error::Result;

/// Maximum number of Checkout pages that are checked; far more than are ever open.
const PAGES_MAX: i64 = 100;

/// Expires Checkout pages that could still be paid.
pub(crate) async fn end_pages(app: &App, account: i64) -> Result<()> {
    let now = app.now();
    let intents = app
        .read(move |tx| store::intents::of_account(tx, account, PAGES_MAX))
        .await?;
    let open = intents.into_iter().filter(|intent| {
        intent.kind.is_checkout()
            && intent.state == IntentState::Done
            && intent.expires_at.is_some_and(|end| end > now)
    });
    for intent in open {
        if let Some(session) = &intent.stripe_object_id {
            let key = format!("{}-expire", intent.id);
            match app.stripe.expire_checkout_session(session, &key).await {
                // Refused: it was already paid or expired, and the sync read which.
                Ok(_) | Err(stripe::Error::Refused { .. } | stripe::Error::NotFound { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        let id = intent.id;
        app.write(account, move |tx| store::intents::close(tx, &id, now))
            .await?;
    }
    Ok(())
}

/// Expires the pages again if the account was suspended or closed, or its closing began, while one was
/// made.
pub(crate) async fn end_if_inactive(app: &App, account: i64) -> Result<()> {
    let refused = app.read(move |tx| access::ask_buyer(tx, account)).await?;
    if refused.is_err() {
        end_pages(app, account).await?;
    }
    refused
}
