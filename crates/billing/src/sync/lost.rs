//! Customers that a restored backup no longer knows, and customers made elsewhere for someone who
//! is ours.

use domain::time::Timestamp;
use serde::Serialize;
use store::foreign::{Foreign, ForeignKind};
use stripe::{Form, objects};

use crate::app::App;
use crate::error::Result;
use crate::sync::mark;

/// Maximum number of customers that one search reads.
const CUSTOMERS_MAX: usize = 200_000;

/// Maximum number of customers with one address that are checked.
const NAMESAKES_MAX: usize = 20;

/// Maximum number of subscriptions of such a customer that are checked.
const SUBSCRIPTIONS_MAX: usize = 20;

/// A customer that carries our mark and that no row of ours has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Lost {
    /// Stripe's id of the customer.
    pub customer: String,
    /// The public id of the account that it was made for.
    pub account: String,
    /// The account's number; `None` if the account no longer exists.
    #[serde(skip)]
    pub account_id: Option<i64>,
}

impl Lost {
    /// What was found and what to do, as a sentence.
    pub fn text(&self) -> String {
        let Lost {
            customer, account, ..
        } = self;
        match self.account_id {
            Some(_) => {
                format!("customer {customer} was made for {account} and is not linked to it")
            }
            None => format!(
                "customer {customer} was made for {account}, which this database does not have; \
                 when its owner has an account again, link it: sync ACCOUNT --adopt --customer \
                 {customer} --apply"
            ),
        }
    }
}

/// Searches Stripe's customers for those with our mark that no row has, created since `since` or at
/// any time.
pub async fn search(app: &App, since: Option<Timestamp>) -> Result<Vec<Lost>> {
    let since = since.map(Timestamp::seconds);
    let filter = Form::new().push_opt("created[gte]", since);
    let listed = app.stripe.list_customers(&filter, CUSTOMERS_MAX).await?;
    if listed.has_more {
        tracing::warn!("There are more customers than one search reads");
    }
    of_these(app, &listed.data).await
}

/// Like [`search`], for one account. Stripe's search index lags by up to a minute.
pub async fn of_account(app: &App, account: i64) -> Result<Vec<Lost>> {
    let mark = mark::of(app, &app.public_id(account).await?);
    let found = app
        .stripe
        .search_customers_by_metadata(mark::MARK, &mark, NAMESAKES_MAX)
        .await?;
    of_these(app, &found.data).await
}

async fn of_these(app: &App, customers: &[objects::Customer]) -> Result<Vec<Lost>> {
    let marked = customers.iter().filter(|customer| !customer.deleted);
    let marked = marked.filter_map(|customer| {
        let account = mark::account_in(app, &customer.metadata)?;
        Some((customer.id.clone(), account.to_owned()))
    });
    let marked: Vec<_> = marked.collect();
    app.read(move |tx| {
        let mut lost = Vec::new();
        for (customer, account) in &marked {
            if store::customers::account_of(tx, customer)?.is_none() {
                let row = store::accounts::by_public_id(tx, account)?;
                lost.push(Lost {
                    customer: customer.clone(),
                    account: account.clone(),
                    account_id: row.map(|row| row.id),
                });
            }
        }
        Ok(lost)
    })
    .await
}

/// Links these customers to their accounts and marks the accounts for sync. Returns those accounts.
pub async fn link(app: &App, lost: &[Lost]) -> Result<Vec<i64>> {
    let mut accounts = Vec::new();
    for one in lost {
        let Some(account) = one.account_id else {
            tracing::warn!(
                customer = one.customer,
                "A customer's account no longer exists"
            );
            continue;
        };
        let (customer, now) = (one.customer.clone(), app.now());
        app.write_and_sync(account, move |tx| {
            mark::link(tx, &customer, account, false, now)
        })
        .await?;
        accounts.push(account);
    }
    accounts.dedup();
    Ok(accounts)
}

/// Customers with this address that no account has and that hold a live plan at one of our prices:
/// made elsewhere, perhaps before this service. They are shown to operators, who can adopt them.
pub async fn namesakes(app: &App, account: i64, email: &str) -> Result<Vec<Foreign>> {
    let filter = Form::new().push("email", email);
    let listed = app.stripe.list_customers(&filter, NAMESAKES_MAX).await?;
    let mut found = Vec::new();
    for customer in listed.data.into_iter().filter(|one| !one.deleted) {
        let id = customer.id.clone();
        let known = app
            .read(move |tx| store::customers::account_of(tx, &id))
            .await?;
        let is_marked = customer.metadata.contains_key(mark::MARK);
        if known.is_none() && !is_marked {
            found.extend(with_plan(app, account, &customer).await?);
        }
    }
    Ok(found)
}

/// The live subscription of a customer to a plan at one of our prices, with the price.
async fn live_plan(app: &App, customer: &str) -> Result<Option<(String, objects::Price)>> {
    let prices = app.prices();
    let filter = Form::new().push("customer", customer);
    let held = app
        .stripe
        .list_subscriptions(&filter, SUBSCRIPTIONS_MAX)
        .await?;
    let mut live = held.data.iter().filter(|one| one.ended_at.is_none());
    Ok(live.find_map(|one| {
        let mut items = one.items.data.iter().filter_map(|item| item.price.as_ref());
        let price = items.find(|price| prices.tier_of_price.contains_key(&price.id))?;
        Some((one.id.clone(), price.clone()))
    }))
}

/// The live subscription of a customer to a plan at one of our prices.
pub async fn plan_of(app: &App, customer: &str) -> Result<Option<String>> {
    Ok(live_plan(app, customer).await?.map(|(id, _)| id))
}

async fn with_plan(
    app: &App,
    account: i64,
    customer: &objects::Customer,
) -> Result<Option<Foreign>> {
    let now = app.now();
    let plan = live_plan(app, &customer.id).await?;
    Ok(plan.map(|(subscription, price)| Foreign {
        object_id: customer.id.clone(),
        account_id: account,
        kind: ForeignKind::Customer,
        status: subscription,
        amount_minor: price.unit_amount,
        currency: price.currency.clone(),
        price_id: None,
        is_decided: false,
        created_at: customer.created.map_or(now, Timestamp::from_seconds),
        seen_at: now,
    }))
}
