//! `sync --adopt` and `admin adopt`: links existing Stripe customers to accounts, so that their
//! earlier purchases count here too. Shows what it would do unless `--apply` is given.

use std::collections::BTreeMap;

use billing::app::App;
use billing::sync;
use serde_json::{Value, json};
use stripe::Form;
use stripe::objects::Customer;

use crate::cli::access;
use crate::cli::output::{Output, counted};

/// The most customers that a search reads.
const CUSTOMERS_MAX: usize = 200_000;

/// A customer with the account that it belongs to, and how that is known.
struct Match {
    customer: String,
    account: i64,
    name: String,
    by: &'static str,
}

/// The outcome of a search.
#[derive(Default)]
struct Found {
    matches: Vec<Match>,
    /// Customers that are left unlinked because their account is ambiguous, each with the reason.
    unclear: Vec<(String, String)>,
    /// How many customers belong to no account here.
    unknown: usize,
}

/// Options of `admin adopt`, and of `sync --adopt`.
#[derive(Clone, Debug, clap::Args)]
pub struct AdoptArgs {
    /// Links only this account's customers. The account is named by its id, the host application's
    /// id for it, its Stripe customer or a user's email address.
    pub account: Option<String>,
    /// With an account: links this customer, whatever its metadata and address.
    #[arg(long, requires = "account")]
    pub customer: Option<String>,
    /// Links the customers. Without it, the links are only shown.
    #[arg(long)]
    pub apply: bool,
}

/// Links customers, or shows which would be linked.
pub async fn run(app: &App, args: &AdoptArgs, out: &mut Output) -> anyhow::Result<u8> {
    let account = match &args.account {
        Some(name) => Some(access::account(app, name).await?),
        None => None,
    };
    let mut found = match (&account, args.customer.as_deref()) {
        (Some(account), Some(customer)) => named_customer(app, account, customer).await?,
        _ => search(app).await?,
    };
    if let Some(account) = &account {
        found.matches.retain(|one| one.account == account.id);
    }
    if args.apply {
        for one in &found.matches {
            link(app, one).await?;
        }
        for one in &found.matches {
            sync::whole_account(app, one.account).await?;
        }
    }
    report(&found, args.apply, out);
    Ok(0)
}

fn report(found: &Found, applied: bool, out: &mut Output) {
    let verb = if applied { "linked" } else { "would link" };
    let mut text = String::new();
    for one in &found.matches {
        let (customer, name, by) = (&one.customer, &one.name, one.by);
        text.push_str(&format!("{verb} {customer} to {name}, by {by}\n"));
    }
    for (customer, why) in &found.unclear {
        text.push_str(&format!("not linked: {customer}: {why}\n"));
    }
    let (count, unknown) = (found.matches.len(), found.unknown);
    text.push_str(&format!(
        "{verb} {}; {unknown} without an account here.",
        counted(count, "customer")
    ));
    if !applied && count > 0 {
        text.push_str(" To link: sync --adopt --apply");
    }
    let matches = found.matches.iter();
    let matches =
        matches.map(|one| json!({ "customer": one.customer, "account": one.name, "by": one.by }));
    let unclear = found.unclear.iter();
    let unclear = unclear.map(|(customer, why)| json!({ "customer": customer, "why": why }));
    let value: Value = json!({
        "applied": applied,
        "linked": matches.collect::<Vec<_>>(),
        "unclear": unclear.collect::<Vec<_>>(),
        "unknown": unknown,
    });
    out.answer(&value, text);
}

/// The customer that the operator named, unless it belongs to another account.
async fn named_customer(
    app: &App,
    account: &store::accounts::Account,
    customer: &str,
) -> anyhow::Result<Found> {
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
        by: "hand",
    };
    Ok(Found {
        matches: vec![one],
        ..Found::default()
    })
}

/// Searches all Stripe customers that are linked to no account yet.
async fn search(app: &App) -> anyhow::Result<Found> {
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
            Some(one) if one.by == "email address" => {
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

/// The account of this customer: the one that its metadata name, otherwise the one with its
/// verified email address.
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
                    return Ok(Some((account, "metadata")));
                }
                if let Some(user) = store::users::by_public_id(tx, name)? {
                    return Ok(personal(tx, user.id)?.map(|account| (account, "metadata")));
                }
            }
            let Some(email) = &email else { return Ok(None) };
            let Some(user) = store::users::by_email(tx, email)? else {
                return Ok(None);
            };
            let account = personal(tx, user.id)?;
            // An unverified address proves nothing.
            let account = account.filter(|account| account.email_verified_at.is_some());
            Ok(account.map(|account| (account, "email address")))
        })
        .await?;
    Ok(found.map(|(account, by)| Match {
        customer: customer.id.clone(),
        account: account.id,
        name: account.public_id,
        by,
    }))
}

fn personal(tx: &mut store::Tx<'_>, user: i64) -> store::Result<Option<store::accounts::Account>> {
    match store::users::memberships(tx, user)?.first() {
        Some(membership) => store::accounts::find(tx, membership.account_id),
        None => Ok(None),
    }
}

/// Makes the customer the account's current one. If the account already has one, the customer
/// becomes a former one, whose subscriptions and payments still count.
async fn link(app: &App, one: &Match) -> anyhow::Result<()> {
    let (customer, account, name) = (one.customer.clone(), one.account, one.name.clone());
    let (now, real_now, by) = (app.now(), app.real_now(), one.by);
    app.write(account, move |tx| {
        if store::customers::current(tx, account)?.is_some() {
            store::customers::insert_former(tx, &customer, account, now)?;
        } else {
            store::customers::insert(tx, &customer, account, now)?;
            store::accounts::show_customer(tx, account, Some(&customer), now)?;
        }
        let detail = json!({ "customer": customer, "by": by }).to_string();
        store::audit_log::append(tx, "cli", "account.adopt", &name, &detail, None, real_now)?;
        store::sync::ring(tx, account, real_now).map(|_| ())
    })
    .await?;
    Ok(())
}
