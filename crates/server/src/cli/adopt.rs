//! `sync --adopt`: links customers that exist at Stripe to our accounts, so that what they bought
//! before we came is theirs here too. Says first what it would do.

use std::collections::BTreeMap;

use billing::app::App;
use billing::operators::audit_log::{Action, Author, COMMAND_LINE};
use billing::sync;
use serde_json::{Value, json};
use stripe::Form;
use stripe::objects::Customer;

use crate::cli::access;
use crate::cli::output::Output;

/// Customers looked through.
const CUSTOMERS_MAX: usize = 200_000;

/// A customer and the account it belongs to.
struct Match {
    customer: String,
    account: i64,
    name: String,
    by: &'static str,
}

/// What was found.
#[derive(Default)]
struct Found {
    matches: Vec<Match>,
    /// Customers that more than one thing speaks for, and why they are left alone.
    unclear: Vec<(String, String)>,
    unknown: usize,
}

/// Links, or says what would be linked.
pub async fn run(
    app: &App,
    account: Option<&str>,
    customer: Option<&str>,
    apply: bool,
    out: &mut Output,
) -> anyhow::Result<u8> {
    let account = match account {
        Some(name) => Some(access::account(app, name).await?),
        None => None,
    };
    let mut found = match (&account, customer) {
        (Some(account), Some(customer)) => by_hand(app, account, customer).await?,
        _ => search(app).await?,
    };
    if let Some(account) = &account {
        found.matches.retain(|one| one.account == account.id);
    }
    if apply {
        for one in &found.matches {
            link(app, one).await?;
        }
        for one in &found.matches {
            sync::whole_account(app, one.account).await?;
        }
    }
    tell(&found, apply, out);
    Ok(0)
}

fn tell(found: &Found, applied: bool, out: &mut Output) {
    let verb = if applied { "linked" } else { "would link" };
    let mut text = String::new();
    for one in &found.matches {
        let (customer, name, by) = (&one.customer, &one.name, one.by);
        text.push_str(&format!("{verb} {customer} to {name}, by {by}\n"));
    }
    for (customer, why) in &found.unclear {
        text.push_str(&format!("left {customer} alone: {why}\n"));
    }
    let (count, unknown) = (found.matches.len(), found.unknown);
    text.push_str(&format!(
        "{count} customers {verb}, {unknown} of nobody here."
    ));
    if !applied && count > 0 {
        text.push_str(" Do it with: sync --adopt --apply");
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

async fn by_hand(
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
        "{customer} is another account's."
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

/// Looks through all customers at Stripe that no account of ours has.
async fn search(app: &App) -> anyhow::Result<Found> {
    let listed = app
        .stripe
        .list_customers(&Form::new(), CUSTOMERS_MAX)
        .await?;
    anyhow::ensure!(
        !listed.has_more,
        "Stripe has more customers than are looked through: name them one by one."
    );
    let mut found = Found::default();
    let mut by_mail: BTreeMap<i64, Vec<Match>> = BTreeMap::new();
    for customer in listed.data.into_iter().filter(|one| !one.deleted) {
        let id = customer.id.clone();
        let known = app
            .read(move |tx| store::customers::account_of(tx, &id))
            .await?;
        if known.is_some() {
            continue;
        }
        match owner(app, &customer).await? {
            Some(one) if one.by == "mail address" => {
                by_mail.entry(one.account).or_default().push(one);
            }
            Some(one) => found.matches.push(one),
            None => found.unknown += 1,
        }
    }
    for (account, mut ones) in by_mail {
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
                "the account with its address has a customer",
            ),
            (false, false) => leave(&mut found, ones, "several customers have this address"),
        }
    }
    Ok(found)
}

fn leave(found: &mut Found, ones: Vec<Match>, why: &str) {
    let ones = ones.into_iter().map(|one| (one.customer, why.to_owned()));
    found.unclear.extend(ones);
}

/// Whose customer this is: by what its metadata name, else by a verified address.
async fn owner(app: &App, customer: &Customer) -> anyhow::Result<Option<Match>> {
    let named = |key: &str| customer.metadata.get(key).cloned();
    let (account, user) = (named("accountId"), named("userId"));
    let mail = customer
        .email
        .as_ref()
        .map(|mail| mail.trim().to_lowercase());
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
            let Some(mail) = &mail else { return Ok(None) };
            let Some(user) = store::users::by_email(tx, mail)? else {
                return Ok(None);
            };
            let account = personal(tx, user.id)?;
            // An address that nobody answered at proves nothing.
            let account = account.filter(|account| account.email_verified_at.is_some());
            Ok(account.map(|account| (account, "mail address")))
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

/// Notes the customer as the account's current one; beside another it is a former one, whose
/// subscriptions and payments count all the same.
async fn link(app: &App, one: &Match) -> anyhow::Result<()> {
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
