//! Events whose account our rows don't know yet: the delivery arrived before our own commit, or it
//! refers only to a charge. The worker looks them up at Stripe, and parks them after repeated
//! failures.

use domain::backoff;
use store::events::Event;

use crate::app::App;
use crate::error::{Kind, Result};
use crate::sync::inbox::account_of_object;

/// Maximum number of events per round.
const EVENTS_MAX: i64 = 50;

/// Finds the accounts of unmatched events that are due and marks those accounts for sync. Returns
/// the number of events that were checked.
pub async fn match_events(app: &App) -> Result<usize> {
    let now = app.real_now();
    let due = app
        .read(move |tx| store::events::unmatched_due(tx, now, EVENTS_MAX))
        .await?;
    let count = due.len();
    for event in due {
        let _busy = app.busy();
        let found = account_at_stripe(app, &event).await;
        match found {
            Ok(Some(account)) => assign(app, &event, account).await?,
            Ok(None) => try_later(app, &event, "no account of ours is named by it", true).await?,
            Err(error) => {
                // An outage of Stripe says nothing about the event, so the attempt doesn't count.
                let counts = error.0.kind != Kind::Unavailable;
                try_later(app, &event, &error.to_string(), counts).await?;
            }
        }
    }
    Ok(count)
}

async fn assign(app: &App, event: &Event, account: i64) -> Result<()> {
    let n = event.n;
    app.write_and_sync(account, move |tx| {
        store::events::assign(tx, n, account).map(|_| ())
    })
    .await
}

async fn try_later(app: &App, event: &Event, why: &str, counts: bool) -> Result<()> {
    let (n, why, now) = (event.n, why.to_owned(), app.real_now());
    let (rule, failures) = (backoff::UNMATCHED_EVENT, event.attempts + 1);
    let wait = if counts {
        rule.next_seconds(failures)
    } else {
        Some(rule.seconds_after(failures))
    };
    let retry_at = wait.map(|seconds| now.plus_seconds(seconds));
    app.write(0, move |tx| {
        store::events::set_failed(tx, n, &why, retry_at)
    })
    .await?;
    Ok(())
}

/// The account that an event concerns, by our current rows, or else by asking Stripe for its
/// object's customer.
async fn account_at_stripe(app: &App, event: &Event) -> Result<Option<i64>> {
    if let Some(customer) = &event.customer_id {
        return account_of_customer(app, customer).await;
    }
    if let Some(id) = event.object_id.clone() {
        let known = app.read(move |tx| account_of_object(tx, &id)).await?;
        if known.is_some() {
            return Ok(known);
        }
    }
    let customer = customer_of(app, event).await?;
    let Some(customer) = customer else {
        return Ok(None);
    };
    account_of_customer(app, &customer).await
}

/// The customer behind a refund, dispute, charge or payment intent.
async fn customer_of(app: &App, event: &Event) -> Result<Option<String>> {
    let Some(id) = event.object_id.as_deref() else {
        return Ok(None);
    };
    let charge = match event.object_type.as_deref() {
        Some("refund") => app
            .stripe
            .retrieve_refund(id)
            .await?
            .charge
            .id()
            .map(str::to_owned),
        Some("dispute") => app
            .stripe
            .retrieve_dispute(id)
            .await?
            .charge
            .id()
            .map(str::to_owned),
        Some("charge") => Some(id.to_owned()),
        Some("payment_intent") => {
            let intent = app.stripe.retrieve_payment_intent(id).await?;
            return Ok(intent.customer.id().map(str::to_owned));
        }
        _ => None,
    };
    let Some(charge) = charge else {
        return Ok(None);
    };
    let charge = app.stripe.retrieve_charge(&charge).await?;
    Ok(charge.customer.id().map(str::to_owned))
}

/// The account in a customer's metadata: we created the customer, but the response was lost.
async fn account_of_customer(app: &App, customer: &str) -> Result<Option<i64>> {
    let known = {
        let customer = customer.to_owned();
        app.read(move |tx| store::customers::account_of(tx, &customer))
            .await?
    };
    if known.is_some() {
        return Ok(known);
    }
    let object = app.stripe.retrieve_customer(customer).await?;
    let Some(name) = object.metadata.get("accountId").cloned() else {
        return Ok(None);
    };
    let (customer, now) = (customer.to_owned(), app.now());
    app.write(0, move |tx| {
        let Some(account) = store::accounts::named(tx, &name)? else {
            return Ok(None);
        };
        if store::customers::current(tx, account.id)?.is_some() {
            store::customers::insert_former(tx, &customer, account.id, now)?;
        } else {
            store::customers::insert(tx, &customer, account.id, now)?;
            store::accounts::show_customer(tx, account.id, Some(&customer), now)?;
        }
        Ok(Some(account.id))
    })
    .await
}
