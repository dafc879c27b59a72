//! Settles an earlier refund whose response from Stripe was lost.

use store::intents::Intent;
use stripe::{Form, objects};

use super::{
    CALL_OVER_SECONDS, INTENT_KEY, INVOICE, KIND, NewRefund, REFUNDS_MAX, payment, settle,
    under_way,
};
use crate::app::App;
use crate::error::{Error, Result};
use crate::operators::refunds::preview::Preview;

/// The refund that an earlier call made, if any, and the payment or invoice it refunded.
pub(super) async fn earlier_made(
    app: &App,
    earlier: &Intent,
) -> Result<(String, Option<objects::Refund>)> {
    let params = Form::decode(&earlier.params);
    let is_ours = |metadata: &objects::Metadata| metadata.get(INTENT_KEY) == Some(&earlier.id);
    if let Some(invoice) = params.get(INVOICE) {
        let filter = Form::new().push(INVOICE, invoice);
        let notes = app
            .stripe
            .list_credit_notes(&filter, REFUNDS_MAX)
            .await?
            .data;
        let made = notes.into_iter().find(|note| is_ours(&note.metadata));
        let refund = match made {
            Some(note) => Some(refund_of(app, &note).await?),
            None => None,
        };
        return Ok((invoice.to_owned(), refund));
    }
    let intent = params.get("payment_intent").unwrap_or_default().to_owned();
    let filter = Form::new().push("payment_intent", &intent);
    let refunds = app.stripe.list_refunds(&filter, REFUNDS_MAX).await?.data;
    let made = refunds.into_iter().find(|refund| is_ours(&refund.metadata));
    Ok((intent, made))
}

/// The refund that a credit note created.
pub(super) async fn refund_of(app: &App, note: &objects::CreditNote) -> Result<objects::Refund> {
    let ids = note.refund_ids();
    let id = ids
        .first()
        .ok_or_else(|| Error::bug("a credit note made no refund"))?;
    Ok(app.stripe.retrieve_refund(id).await?)
}

/// Settles an earlier refund with an unknown outcome from what Stripe has, before another one
/// starts.
pub(super) async fn finish_earlier(app: &App, look: &Preview) -> Result<()> {
    let account = look.account.id;
    let earlier = app
        .read(move |tx| store::intents::under_way(tx, account, KIND))
        .await?;
    let Some(earlier) = earlier else {
        return Ok(());
    };
    let now = app.now();
    if now < earlier.updated_at.plus_seconds(CALL_OVER_SECONDS) {
        return Err(under_way());
    }
    let (intent, made) = earlier_made(app, &earlier).await?;
    let params = Form::decode(&earlier.params);
    let Some(refund) = made else {
        // The request never reached Stripe; its key isn't used again.
        let id = earlier.id.clone();
        return app
            .write(account, move |tx| {
                store::intents::close(tx, &id, now).map(|_| ())
            })
            .await;
    };
    let (payment, owner) = payment(app, &intent).await?;
    let user = earlier.user_id;
    let actor = app
        .read(move |tx| match user {
            Some(user) => store::users::find(tx, user),
            None => Ok(None),
        })
        .await?;
    let ask = NewRefund {
        payment: intent,
        amount: None,
        reason: params.get("reason").unwrap_or_default().to_owned(),
        note: None,
        refunded: None,
        credit_note: params.get(INVOICE).is_some(),
        actor: actor.map_or_else(|| "cli".to_owned(), |user| user.public_id),
    };
    settle(app, &ask, &earlier, &payment, &owner, &refund).await?;
    let detail = "An earlier refund had already gone through. Check the payment again.";
    Err(Error::conflict("changed_meanwhile", detail))
}
