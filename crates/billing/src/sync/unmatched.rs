//! Events whose account our rows don't know yet: the delivery arrived before our own commit, it
//! refers only to a charge, or its customer was made after the backup that this database is. The
//! worker looks them up at Stripe. What belongs to another product is ignored; what can't be looked
//! up is parked after repeated failures.

use domain::backoff;
use store::events::Event;

use crate::app::App;
use crate::binding;
use crate::error::{Kind, Result};
use crate::sync::inbox::account_of_object;
use crate::sync::mark;

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
            Ok(Owner::Account(account)) => assign(app, &event, account).await?,
            Ok(Owner::Other) => ignore(app, &event).await?,
            Ok(Owner::Unknown(why)) => try_later(app, &event, &why, true).await?,
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

/// Records that the event is about another product.
async fn ignore(app: &App, event: &Event) -> Result<()> {
    let (n, now) = (event.n, app.real_now());
    app.write(0, move |tx| store::events::ignore(tx, n, OTHERS, now))
        .await?;
    Ok(())
}

/// The outcome of an event about another product.
const OTHERS: &str = "its customer belongs to another product at the same Stripe account";

/// Whose an event is.
enum Owner {
    /// It concerns this account.
    Account(i64),
    /// Its customer, or its payment without a customer, is another product's.
    Other,
    /// Nothing says for certain whose it is, and why.
    Unknown(String),
}

/// The owner of an event, by our current rows, or else by asking Stripe for its object's customer.
async fn account_at_stripe(app: &App, event: &Event) -> Result<Owner> {
    binding::check(app).await?;
    if let Some(customer) = &event.customer_id {
        return account_of_customer(app, customer).await;
    }
    if let Some(id) = event.object_id.clone() {
        let known = app.read(move |tx| account_of_object(tx, &id)).await?;
        if let Some(account) = known {
            return Ok(Owner::Account(account));
        }
    }
    match customer_of(app, event).await? {
        Payer::Customer(customer) => account_of_customer(app, &customer).await,
        Payer::Guest => Ok(Owner::Other),
        Payer::Unknown => Ok(Owner::Unknown(
            "no account of ours is named by it".to_owned(),
        )),
    }
}

/// Who paid.
enum Payer {
    /// A customer.
    Customer(String),
    /// No customer: every purchase on our pages has one.
    Guest,
    /// The event doesn't lead to a payment.
    Unknown,
}

impl Payer {
    fn of(customer: Option<&str>) -> Payer {
        customer.map_or(Payer::Guest, |id| Payer::Customer(id.to_owned()))
    }
}

/// The customer behind a refund, dispute, charge or payment intent.
async fn customer_of(app: &App, event: &Event) -> Result<Payer> {
    let Some(id) = event.object_id.as_deref() else {
        return Ok(Payer::Unknown);
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
            return Ok(Payer::of(intent.customer.id()));
        }
        _ => None,
    };
    let Some(charge) = charge else {
        return Ok(Payer::Unknown);
    };
    let charge = app.stripe.retrieve_charge(&charge).await?;
    Ok(Payer::of(charge.customer.id()))
}

/// The account that our row or our mark gives the customer. The mark is enough: we created the
/// customer, and the response was lost, or the row is younger than this database's backup.
async fn account_of_customer(app: &App, customer: &str) -> Result<Owner> {
    let known = {
        let customer = customer.to_owned();
        app.read(move |tx| store::customers::account_of(tx, &customer))
            .await?
    };
    if let Some(account) = known {
        return Ok(Owner::Account(account));
    }
    let object = app.stripe.retrieve_customer(customer).await?;
    if let Some(account) = mark::claim(app, &object).await? {
        return Ok(Owner::Account(account));
    }
    if let Some(name) = mark::account_in(app, &object.metadata) {
        let why = format!("its customer was made for {name}, which this database does not have");
        return Ok(Owner::Unknown(why));
    }
    // Versions before the mark wrote only our id of the account.
    let named = object.metadata.get("accountId").cloned();
    let named = named.filter(|_| !object.metadata.contains_key(mark::MARK));
    let known = match named {
        Some(name) => {
            app.read(move |tx| store::accounts::by_public_id(tx, &name))
                .await?
        }
        None => None,
    };
    Ok(known.map_or(Owner::Other, |account| {
        let name = account.public_id;
        Owner::Unknown(format!(
            "{customer} names {name} and is not linked to it; link it: sync {name} --adopt \
             --customer {customer} --apply"
        ))
    }))
}
