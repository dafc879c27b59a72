//! The Checkout session at Stripe: its parameters, creation and expiry.

use domain::projection::SessionMode;
use store::intents::Intent;
use stripe::Form;
use stripe::objects::CheckoutStatus;

use super::{Order, TRIAL_DAYS, refuse_second_plan};
use crate::actors::SignedIn;
use crate::app::App;
use crate::error::Result;
use crate::intents::{call_twice, note_failure};
use crate::sync::checkout_session::INTENT_KEY;
use crate::sync::mark;

/// The parameters sent to Stripe. Return URLs use the configured origin, never the request's (K3);
/// Stripe chooses the payment methods dynamically (F16).
pub(super) fn session_params(
    app: &App,
    caller: &SignedIn,
    order: &Order,
    customer: &str,
    intent: &str,
) -> Form {
    let pages = format!("{}/dashboard/billing", app.settings.service.base_url);
    let query = order.success_query;
    let account = &caller.account.public_id;
    let mark = mark::of(app, account);
    let mut form = Form::new()
        .push("mode", order.mode.word())
        .push("customer", customer)
        .push("client_reference_id", account)
        .push("line_items[0][price]", &order.price_id)
        .push("line_items[0][quantity]", 1)
        .push(
            "success_url",
            format!("{pages}/success?{query}account={account}&session_id={{CHECKOUT_SESSION_ID}}"),
        )
        .push("cancel_url", format!("{pages}/cancel?account={account}"));
    let about = if order.mode == SessionMode::Payment {
        "payment_intent_data"
    } else {
        "subscription_data"
    };
    for (key, value) in [
        ("userId", caller.user.public_id.as_str()),
        ("accountId", account),
        (mark::MARK, &mark),
        (INTENT_KEY, intent),
        (
            "type",
            if order.mode == SessionMode::Payment {
                "topup"
            } else {
                "subscription"
            },
        ),
        ("tier", order.tier.as_deref().unwrap_or("")),
    ] {
        if !value.is_empty() {
            form = form
                .push(format!("metadata[{key}]"), value)
                .push(format!("{about}[metadata][{key}]"), value);
        }
    }
    with_terms(app, order, form)
}

/// Adds what the operator and the catalog allow: a trial, promotion codes, tax.
fn with_terms(app: &App, order: &Order, form: Form) -> Form {
    let billing = &app.settings.billing;
    let takes_codes = match order.mode {
        SessionMode::Payment => billing.promotion_codes_for_credits,
        _ => billing.promotion_codes,
    };
    let mut form = form.push_opt(TRIAL_DAYS, order.trial_days);
    if order.trial_days.is_some() {
        // Without a card we couldn't recognize a repeated trial or charge after it.
        form = form.push("payment_method_collection", "always");
    }
    if takes_codes {
        form = form.push("allow_promotion_codes", "true");
    }
    if billing.automatic_tax {
        form = form
            .push("automatic_tax[enabled]", "true")
            // The tax depends on the address that the customer enters in Checkout.
            .push("customer_update[address]", "auto");
    }
    form
}

pub(super) async fn create(
    app: &App,
    intent: &Intent,
) -> std::result::Result<String, stripe::Error> {
    let params = Form::decode(&intent.params);
    let called = call_twice(|| app.stripe.create_checkout_session(&params, &intent.id));
    let session = match called.await {
        Ok(session) => session,
        Err(error) => {
            if let Err(failure) = note_failure(app, intent, &error).await {
                tracing::error!(%failure, intent = intent.id, "Failed to settle an intent");
            }
            return Err(error);
        }
    };
    let url = session.url.clone().unwrap_or_default();
    let (id, now) = (intent.id.clone(), app.now());
    let (session_id, shown) = (session.id.clone(), url.clone());
    let expires_at = session
        .expires_at
        .map(domain::time::Timestamp::from_seconds);
    let kept = app
        .write(intent.account_id, move |tx| {
            store::intents::set_done(tx, &id, &session_id, Some(&shown), expires_at, now)
        })
        .await;
    // The page exists and can be paid; if this write failed, the sync finds it by its metadata.
    if let Err(error) = kept {
        tracing::error!(%error, intent = intent.id, "Failed to store a session");
    }
    Ok(url)
}

/// Whether the page can still be paid. A paid page isn't reused: buying the same pack twice means
/// paying twice.
pub(super) async fn is_open(app: &App, intent: &Intent) -> Result<bool> {
    let Some(session) = &intent.stripe_object_id else {
        return Ok(false);
    };
    match app.stripe.retrieve_checkout_session(session).await {
        Ok(session) => Ok(session.status == Some(CheckoutStatus::Open)),
        Err(stripe::Error::NotFound { .. }) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Expires an open page for another purchase, so that the customer can't pay for an outdated
/// choice.
pub(super) async fn end(app: &App, intent: &Intent) -> Result<()> {
    if let Some(session) = &intent.stripe_object_id {
        let key = format!("{}-expire", intent.id);
        match app.stripe.expire_checkout_session(session, &key).await {
            Ok(_) | Err(stripe::Error::NotFound { .. }) => {}
            // It was paid in the meantime: apply that purchase before anything else is sold.
            Err(stripe::Error::Refused { .. }) => {
                crate::sync::account(app, intent.account_id).await?;
                // A pack in addition to a plan isn't a second plan.
                if intent.tier.is_some() {
                    refuse_second_plan(app, intent.account_id).await?;
                }
            }
            Err(error) => return Err(error.into()),
        }
    }
    let (id, now) = (intent.id.clone(), app.now());
    app.write(intent.account_id, move |tx| {
        store::intents::close(tx, &id, now)
    })
    .await?;
    Ok(())
}
