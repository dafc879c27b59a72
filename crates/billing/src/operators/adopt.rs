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
use crate::sync;
use crate::sync::mark;

/// Maximum number of customers that a search reads.
const CUSTOMERS_MAX: usize = 200_000;

words! {
    /// How a customer's account was determined.
    pub enum MatchedBy {
        /// The operator chose the account.
        Operator = "hand",
        /// The customer carries the account's mark.
        Mark = "mark",
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
            Owner::Found(one) if one.by == MatchedBy::Email => {
                by_email.entry(one.account).or_default().push(one);
            }
            Owner::Found(one) => found.matches.push(one),
            Owner::Unclear(why) => found.unclear.push((customer.id.clone(), why)),
            Owner::Unknown => found.unknown += 1,
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
            (true, _) => {
                let why = "the account with its email address has a customer";
                leave(app, &mut found, ones, why).await?;
            }
            (false, false) => {
                let why = "several customers have this email address";
                leave(app, &mut found, ones, why).await?;
            }
        }
    }
    Ok(found)
}

/// Leaves these customers alone, and says why, what they hold, and how to link one nevertheless.
async fn leave(app: &App, found: &mut Found, ones: Vec<Match>, why: &str) -> anyhow::Result<()> {
    for one in ones {
        let plan = sync::lost::plan_of(app, &one.customer).await?;
        let plan = plan.map_or_else(String::new, |plan| format!("; it has the live plan {plan}"));
        let text = format!(
            "{why}{plan}; to link it: sync {} --adopt --customer {} --apply",
            one.name, one.customer
        );
        found.unclear.push((one.customer, text));
    }
    Ok(())
}

/// Whose a customer is.
enum Owner {
    /// It belongs to this account.
    Found(Match),
    /// It may belong to an account, and why that isn't certain.
    Unclear(String),
    /// Nothing names an account of ours.
    Unknown,
}

/// The account of this customer: the one whose mark or id its metadata have, or else the one with
/// its verified email address. A host application's id proves nothing: another product may use the
/// same.
async fn owner(app: &App, customer: &Customer) -> anyhow::Result<Owner> {
    let named = |key: &str| customer.metadata.get(key).cloned();
    let (account, user) = (named("accountId"), named("userId"));
    let marked = mark::account_in(app, &customer.metadata).map(str::to_owned);
    if marked.is_none() && customer.metadata.contains_key(mark::MARK) {
        let why = "it carries the mark of another database".to_owned();
        return Ok(Owner::Unclear(why));
    }
    let email = customer
        .email
        .as_ref()
        .map(|email| email.trim().to_lowercase());
    let id = customer.id.clone();
    let found = app
        .read(move |tx| {
            if let Some(name) = &marked
                && let Some(account) = store::accounts::by_public_id(tx, name)?
            {
                return Ok(Owner::of(&id, account, MatchedBy::Mark));
            }
            if let Some(name) = &account {
                if let Some(account) = store::accounts::by_public_id(tx, name)? {
                    return Ok(Owner::of(&id, account, MatchedBy::Metadata));
                }
                if let Some(account) = store::accounts::named(tx, name)? {
                    let ours = account.public_id;
                    return Ok(Owner::Unclear(format!(
                        "its metadata name {name}, the host application's id of {ours}, which \
                         another product may use as well; if it is that account's: sync {ours} \
                         --adopt --customer {id} --apply"
                    )));
                }
            }
            if let Some(name) = &user
                && let Some(user) = store::users::by_public_id(tx, name)?
                && let Some(account) = personal(tx, user.id)?
            {
                return Ok(Owner::of(&id, account, MatchedBy::Metadata));
            }
            let Some(email) = &email else {
                return Ok(Owner::Unknown);
            };
            let Some(user) = store::users::by_email(tx, email)? else {
                return Ok(Owner::Unknown);
            };
            let account = personal(tx, user.id)?;
            // An unverified address proves nothing.
            let account = account.filter(|account| account.email_verified_at.is_some());
            Ok(account.map_or(Owner::Unknown, |account| {
                Owner::of(&id, account, MatchedBy::Email)
            }))
        })
        .await?;
    Ok(found)
}

impl Owner {
    fn of(customer: &str, account: Account, by: MatchedBy) -> Owner {
        Owner::Found(Match {
            customer: customer.to_owned(),
            account: account.id,
            name: account.public_id,
            by,
        })
    }
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
        mark::link(tx, &customer, account, false, now)?;
        author
            .act(Action::AccountAdopt, &name)
            .with("customer", json!(customer))
            .with("by", json!(by))
            .append(tx)?;
        store::sync::mark_whole(tx, account, author.at())
    })
    .await?;
    Ok(())
}
