//! Manual operator actions on an account. Each is one commit that includes its audit log entry: who
//! did what, to what and why.

use domain::plan::AccountStatus;
use domain::time::Timestamp;
use serde_json::json;
use store::accounts::{Account, TierOverride};

use crate::actors::access;
use crate::app::App;
use crate::binding;
use crate::error::{Error, Result};
use crate::operators::audit_log::{Action, Author, COMMAND_LINE};
use crate::sync::{Report, suspension};

/// Maximum number of events that one action replays.
pub const EVENTS_MAX: i64 = 500;

/// Overrides the subscription's tier until a date or indefinitely, or removes the override. Syncs
/// never change it.
pub async fn set_tier(
    app: &App,
    account: &Account,
    tier: Option<(String, Option<Timestamp>)>,
    reason: &str,
    actor: &str,
) -> Result<()> {
    access::ask_open(account.status)?;
    if let Some((name, until)) = &tier {
        if app.catalog().tier(name).is_none() {
            return Err(Error::field("tier", "There is no such plan."));
        }
        if until.is_some_and(|until| until <= app.now()) {
            return Err(Error::field("until", "The last day is in the past."));
        }
    }
    let until = tier.as_ref().and_then(|(_, until)| *until);
    let (reason, author) = (reason.to_owned(), Author::new(app, actor));
    let (id, subject) = (account.id, account.public_id.clone());
    let (rules, now, real_now) = (app.rules(), app.now(), app.real_now());
    let written = app.write(id, move |tx| {
        let set = tier.as_ref().map(|(tier, until)| TierOverride {
            tier,
            reason: &reason,
            actor: author.actor(),
            until: *until,
        });
        if store::accounts::set_tier_override(tx, id, set.as_ref(), now)? == 0 {
            return Ok(false);
        }
        author
            .act(Action::AccountTierOverride, &subject)
            .with("tier", json!(tier.as_ref().map(|(name, _)| name)))
            .with("until", json!(until.map(Timestamp::rfc3339)))
            .reason(&reason)
            .append(tx)?;
        // The plan may have changed.
        store::ledger::settle(tx, &rules, id, now)?;
        crate::summary::show_plan(tx, &rules, id, now, real_now).map(|_| true)
    });
    // It may have been closed since it was read.
    if written.await? {
        Ok(())
    } else {
        Err(closed())
    }
}

/// Removes an override whose date has come, and shows the plan that is in force from now on.
pub async fn end_override(app: &App, account: i64) -> Result<()> {
    let (rules, now, real_now) = (app.rules(), app.now(), app.real_now());
    app.write(account, move |tx| {
        if !store::accounts::end_tier_override(tx, account, now)? {
            return Ok(());
        }
        store::ledger::settle(tx, &rules, account, now)?;
        crate::summary::show_plan(tx, &rules, account, now, real_now).map(|_| ())
    })
    .await
}

fn closed() -> Error {
    let detail = "This account was deleted. Only its books remain.";
    Error::conflict("account_closed", detail)
}

/// Suspends an account from spending and being charged, or resumes it. Its open Checkout pages are
/// closed, the collection of its plans is paused at Stripe, and their unpaid invoices are voided; a
/// failure of Stripe is retried in the background. Returns whether Stripe has confirmed all of it.
pub async fn set_suspended(
    app: &App,
    account: &Account,
    suspended: bool,
    reason: &str,
    actor: &str,
) -> Result<bool> {
    if account.status == AccountStatus::Closed {
        return Err(closed());
    }
    let (status, action) = if suspended {
        (AccountStatus::Suspended, Action::AccountSuspend)
    } else {
        (AccountStatus::Active, Action::AccountResume)
    };
    let reason = reason.to_owned();
    let author = Author::new(app, actor);
    let (id, subject) = (account.id, account.public_id.clone());
    let (rules, now, intent) = (app.rules(), app.now(), app.new_id("int"));
    let written = app.write(id, move |tx| {
        let row = store::accounts::find(tx, id)?.ok_or(store::Error::NotFound)?;
        let was = row.status;
        if store::accounts::set_status(tx, id, status, now)? == 0 {
            return Ok(false);
        }
        match (was, status) {
            (AccountStatus::Active, AccountStatus::Suspended) => {
                suspension::begin(tx, id, &intent, now)?;
            }
            (AccountStatus::Suspended, AccountStatus::Active) => {
                suspension::lift(tx, id, &intent, now)?;
            }
            _ => {}
        }
        let act = author.act(action, &subject).reason(&reason);
        act.with("was", json!(was)).append(tx)?;
        if suspended {
            let (key, times) = (
                format!("{id}:suspended:{}", now.micros()),
                (now, author.at()),
            );
            let reason = "this account is suspended";
            crate::reactions::stop_auto_topup(tx, id, &key, reason, times)?;
        }
        store::ledger::settle(tx, &rules, id, now).map(|_| true)
    });
    if !written.await? {
        return Err(closed());
    }
    Ok(suspension::send(app, id).await)
}

/// Syncs an account with Stripe now, and records it in the audit log.
pub async fn sync(app: &App, account: &Account, actor: &str) -> Result<Report> {
    let report = crate::sync::account(app, account.id).await?;
    let author = Author::new(app, actor);
    let (subject, changes) = (account.public_id.clone(), report.changes.len());
    app.write(account.id, move |tx| {
        let act = author.act(Action::AccountSync, &subject);
        act.with("changes", json!(changes)).append(tx)
    })
    .await?;
    Ok(report)
}

/// Drops a customer whose data was deleted at Stripe, which then answers 404 for it. Refused while
/// Stripe knows the customer.
pub async fn retire_customer(app: &App, account: &Account, customer: &str) -> Result<()> {
    binding::check(app).await?;
    match app.stripe.retrieve_customer(customer).await {
        Err(stripe::Error::NotFound { .. }) => {}
        Err(error) => return Err(error.into()),
        Ok(_) => {
            let detail = format!("Stripe knows {customer}; there is nothing to retire.");
            return Err(Error::conflict("customer_exists", detail));
        }
    }
    let (id, name) = (account.id, account.public_id.clone());
    let (customer, now) = (customer.to_owned(), app.now());
    let author = Author::new(app, COMMAND_LINE);
    app.write_and_sync(id, move |tx| {
        if store::customers::remove(tx, id, &customer)? == 0 {
            return Err(store::Error::NotFound);
        }
        if store::customers::current(tx, id)?.is_none() {
            store::accounts::show_customer(tx, id, None, now)?;
        }
        let act = author.act(Action::AccountRetire, &name);
        act.with("customer", json!(customer)).append(tx)
    })
    .await
}
