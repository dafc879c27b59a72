//! Adopts existing Stripe customers: links them to our accounts, so that purchases from before this
//! service belong to their account here, too.

use std::collections::BTreeMap;

use domain::words;
use serde_json::json;
use store::accounts::Account;
use stripe::Form;
use stripe::objects::Customer;

use crate::app::App;
use crate::operators::audit_log::{Action, Author, COMMAND_LINE};

/// Maximum number of customers that a search reads.
const CUSTOMERS_MAX: usize = 200_000;

words! {
    /// How a customer's account was determined.
    pub enum MatchedBy {
        /// The operator chose the account.
        Operator = "hand",
        /// The customer's metadata names the account.
        Metadata = "metadata",
        /// The account has the customer's verified email address.
        Email = "email address",
    }
}

/// A customer and the account it belongs to.
#[derive(Clone, Debug)]
pub struct Match {
    /// The customer at Stripe.
    pub customer: String,
    /// The account's internal id.
    pub account: i64,
    /// The account's public id.
    pub name: String,
    /// How the account was determined.
    pub by: MatchedBy,
}

/// The result of a search for customers.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// Customers that can be linked.
    pub matches: Vec<Match>,
    /// Customers that more than one account could claim, and why they are skipped.
    pub unclear: Vec<(String, String)>,
    /// The number of customers that match no account.
    pub unknown: usize,
}

/// The customer that the operator named, unless it belongs to another account.
pub async fn named_customer(app: &App, account: &Account, customer: &str) -> anyhow::Result<Found> {
    let object = app.stripe.retrieve_customer(customer).await?;
    anyhow::ensure!(!object.deleted, "{customer} was deleted at Stripe.");
    let id = object.id.clone();
    let known = app
        .read(move |tx| store::customers::account_of(tx, &id))
        .await?;
    anyhow::ensure!(
        known.is_none_or(|known| known == account.id),
        "{customer} belongs to another account."
    );
    let one = Match {
        customer: object.id,
        account: account.id,
        name: account.public_id.clone(),
        by: MatchedBy::Operator,
    };
    Ok(Found {
        matches: vec![one],
        ..Found::default()
    })
}

/// Searches all Stripe customers that aren't linked to an account yet.
pub async fn search(app: &App) -> anyhow::Result<Found> {
    let listed = app
        .stripe
        .list_customers(&Form::new(), CUSTOMERS_MAX)
        .await?;
    anyhow::ensure!(
        !listed.has_more,
        "Stripe has more customers than one search reads; link them one by one."
    );
    let mut found = Found::default();
    let mut by_email: BTreeMap<i64, Vec<Match>> = BTreeMap::new();
    for customer in listed.data.into_iter().filter(|one| !one.deleted) {
        let id = customer.id.clone();
        let known = app
            .read(move |tx| store::customers::account_of(tx, &id))
            .await?;
        if known.is_some() {
            continue;
        }
        match owner(app, &customer).await? {
            Some(one) if one.by == MatchedBy::Email => {
                by_email.entry(one.account).or_default().push(one);
            }
            Some(one) => found.matches.push(one),
            None => found.unknown += 1,
        }
    }
    for (account, mut ones) in by_email {
        let current = app
            .read(move |tx| store::customers::current(tx, account))
            .await?;
        let is_taken = current.is_some() || found.matches.iter().any(|one| one.account == account);
        let is_alone = ones.len() == 1;
        match (is_taken, is_alone) {
            (false, true) => found.matches.append(&mut ones),
            (true, _) => leave(
                &mut found,
                ones,
                "the account with its email address has a customer",
            ),
            (false, false) => leave(
                &mut found,
                ones,
                "several customers have this email address",
            ),
        }
    }
    Ok(found)
}

fn leave(found: &mut Found, ones: Vec<Match>, why: &str) {
    let ones = ones.into_iter().map(|one| (one.customer, why.to_owned()));
    found.unclear.extend(ones);
}

/// The account of this customer: the one named in its metadata, or else the one with its verified
/// email address.
async fn owner(app: &App, customer: &Customer) -> anyhow::Result<Option<Match>> {
    let named = |key: &str| customer.metadata.get(key).cloned();
    let (account, user) = (named("accountId"), named("userId"));
    let email = customer
        .email
        .as_ref()
        .map(|email| email.trim().to_lowercase());
    let found = app
        .read(move |tx| {
            for name in account.iter().chain(user.iter()) {
                if let Some(account) = store::accounts::named(tx, name)? {
                    return Ok(Some((account, MatchedBy::Metadata)));
                }
                if let Some(user) = store::users::by_public_id(tx, name)? {
                    return Ok(personal(tx, user.id)?.map(|account| (account, MatchedBy::Metadata)));
                }
            }
            let Some(email) = &email else { return Ok(None) };
            let Some(user) = store::users::by_email(tx, email)? else {
                return Ok(None);
            };
            let account = personal(tx, user.id)?;
            // An unverified address proves nothing.
            let account = account.filter(|account| account.email_verified_at.is_some());
            Ok(account.map(|account| (account, MatchedBy::Email)))
        })
        .await?;
    Ok(found.map(|(account, by)| Match {
        customer: customer.id.clone(),
        account: account.id,
        name: account.public_id,
        by,
    }))
}

fn personal(tx: &mut store::Tx<'_>, user: i64) -> store::Result<Option<Account>> {
    match store::users::memberships(tx, user)?.first() {
        Some(membership) => store::accounts::find(tx, membership.account_id),
        None => Ok(None),
    }
}

/// Makes the customer the account's current one. If the account already has one, the customer
/// becomes a former one, whose subscriptions and payments still count.
pub async fn link(app: &App, one: &Match) -> anyhow::Result<()> {
    let (customer, account, name) = (one.customer.clone(), one.account, one.name.clone());
    let (now, by, author) = (app.now(), one.by, Author::new(app, COMMAND_LINE));
    app.write(account, move |tx| {
        if store::customers::current(tx, account)?.is_some() {
            store::customers::insert_former(tx, &customer, account, now)?;
        } else {
            store::customers::insert(tx, &customer, account, now)?;
            store::accounts::show_customer(tx, account, Some(&customer), now)?;
        }
        author
            .act(Action::AccountAdopt, &name)
            .with("customer", json!(customer))
            .with("by", json!(by))
            .append(tx)?;
        store::sync::mark_for_sync(tx, account, author.at()).map(|_| ())
    })
    .await?;
    Ok(())
}
