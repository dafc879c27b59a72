//! Differences from Stripe, found without changing anything: the sync's own plan is run in a
//! transaction that is rolled back. Also the refunds and disputes of the whole Stripe account,
//! which no customer's list shows.

use domain::projection::DisputeStatus;
use serde::Serialize;
use store::Tx;
use stripe::{Form, objects};

use crate::app::App;
use crate::binding;
use crate::error::Result;
use crate::sync::history::Progress;
use crate::sync::{Held, apply, held, projected, snapshot};

/// Maximum number of turns for reading one account's history.
const TURNS_MAX: usize = 1_000;

/// Maximum number of refunds, and of disputes, that are checked at once.
const REVERSALS_MAX: usize = 20_000;

/// Lines that say what a sync of the account would change; none if it agrees with Stripe.
pub async fn account(app: &App, account: i64) -> Result<Vec<String>> {
    binding::check(app).await?;
    let mut lines = Vec::new();
    let mut progress = Progress::default();
    for _ in 0..TURNS_MAX {
        let held = app.read(move |tx| held(tx, account)).await?;
        let held = Held { progress, ..held };
        let fetched = snapshot::fetch(app, &held).await?;
        progress = fetched.progress;
        let now = app.now();
        let wanted = projected(app, &held, &fetched, now);
        lines.extend(apply::differences(app, account, &held, fetched, wanted, now).await?);
        if progress.backfill.is_none() {
            break;
        }
    }
    lines.dedup();
    Ok(lines)
}

/// A refund or dispute that our rows don't match.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Reversal {
    /// The account's internal id.
    #[serde(skip)]
    pub account_id: i64,
    /// The public id of the account.
    pub account: String,
    /// The id of the refund or dispute.
    pub object: String,
    /// What differs.
    pub what: String,
    /// The charge it belongs to.
    #[serde(skip)]
    pub charge: Option<String>,
}

/// Refunds and disputes created at Stripe since `since` (Unix seconds) that our rows don't match.
/// Payments that aren't ours are skipped.
pub async fn reversals(app: &App, since: i64) -> Result<Vec<Reversal>> {
    binding::check(app).await?;
    let filter = Form::new().push("created[gte]", since);
    let refunds = app.stripe.list_refunds(&filter, REVERSALS_MAX).await?;
    let disputes = app.stripe.list_disputes(&filter, REVERSALS_MAX).await?;
    if refunds.has_more || disputes.has_more {
        tracing::warn!("There are more refunds or disputes than one audit reads");
    }
    let mut found = Vec::new();
    for refund in refunds.data {
        found.extend(app.read(move |tx| of_refund(tx, &refund)).await?);
    }
    for dispute in disputes.data {
        found.extend(app.read(move |tx| of_dispute(tx, &dispute)).await?);
    }
    Ok(found)
}

/// Marks the accounts for sync with the charges that were found, so that the next sync fetches
/// them.
pub async fn mark_for_sync(app: &App, found: &[Reversal]) -> Result<()> {
    for one in found {
        let (account, charge, now) = (one.account_id, one.charge.clone(), app.real_now());
        app.write(account, move |tx| {
            let charge = charge.as_deref();
            store::sync::mark_object(tx, account, (charge.map(|_| "charge"), charge), now)
        })
        .await?;
    }
    app.sync_due.notify_one();
    Ok(())
}

fn of_refund(tx: &mut Tx<'_>, refund: &objects::Refund) -> store::Result<Option<Reversal>> {
    let Some(payment) = ours(tx, refund.payment_intent.id())? else {
        return Ok(None);
    };
    let status = refund
        .status
        .as_ref()
        .map_or("pending", |word| word.as_str());
    let wanted = domain::projection::refund_status(status);
    let key = format!("refund:{}", refund.id);
    let held = store::transactions::by_natural_key(tx, payment.account_id, &key)?;
    let what = match held {
        None => "it is not among our transactions".to_owned(),
        Some(row) if row.status != wanted => format!("it is {wanted}, our row is {}", row.status),
        Some(_) => return Ok(None),
    };
    reversal(tx, &payment, &refund.id, what, refund.charge.id()).map(Some)
}

/// A dispute's row says what the credits were made to follow, for packs and plans alike.
fn of_dispute(tx: &mut Tx<'_>, dispute: &objects::Dispute) -> store::Result<Option<Reversal>> {
    let Some(payment) = ours(tx, dispute.payment_intent.id())? else {
        return Ok(None);
    };
    let held = store::disputes::find(tx, payment.account_id, &dispute.id)?;
    let theirs = dispute.status.as_str();
    let has_effect = |status: Option<DisputeStatus>| {
        status.is_some_and(|status| status.is_open() || status == DisputeStatus::Lost)
    };
    let what = match held {
        Some(held) if held.status == theirs => return Ok(None),
        Some(held) => format!("it is {theirs}, our row says {}", held.status),
        None if has_effect(DisputeStatus::from_word(theirs)) => {
            format!("it is {theirs}, we have no row")
        }
        None => return Ok(None),
    };
    reversal(tx, &payment, &dispute.id, what, dispute.charge.id()).map(Some)
}

/// Our transaction for a payment.
fn ours(
    tx: &mut Tx<'_>,
    payment: Option<&str>,
) -> store::Result<Option<store::transactions::Transaction>> {
    match payment {
        Some(payment) => store::transactions::about(tx, payment),
        None => Ok(None),
    }
}

fn reversal(
    tx: &mut Tx<'_>,
    payment: &store::transactions::Transaction,
    object: &str,
    what: String,
    charge: Option<&str>,
) -> store::Result<Reversal> {
    let account = store::accounts::find(tx, payment.account_id)?;
    Ok(Reversal {
        account_id: payment.account_id,
        account: account.map_or_else(String::new, |account| account.public_id),
        object: object.to_owned(),
        what,
        charge: charge.map(str::to_owned),
    })
}
