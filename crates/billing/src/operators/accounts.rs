//! What operators do to an account by hand. Each act is one commit with its line in the audit log:
//! who, what, on what, why.

use domain::time::Timestamp;
use serde_json::json;
use store::accounts::{Account, TierOverride};

use crate::app::App;
use crate::error::{Error, Result};
use crate::sync::Report;

/// Longest reason.
pub const REASON_CHARS_MAX: usize = 200;

/// Events that one act takes up again.
pub const EVENTS_MAX: i64 = 500;

/// Sets a tier over the subscription's until a day or for good, or takes it away. No sync touches
/// it.
pub async fn set_tier(
    app: &App,
    account: &Account,
    tier: Option<(String, Option<Timestamp>)>,
    reason: &str,
    actor: &str,
) -> Result<()> {
    if let Some((name, until)) = &tier {
        if app.catalog().tier(name).is_none() {
            return Err(Error::field("tier", "There is no such plan."));
        }
        if until.is_some_and(|until| until <= app.now()) {
            return Err(Error::field("until", "The last day is in the past."));
        }
    }
    let until = tier.as_ref().and_then(|(_, until)| *until);
    let detail = json!({
        "tier": tier.as_ref().map(|(name, _)| name),
        "until": until.map(Timestamp::rfc3339),
        "reason": reason,
    });
    let (detail, reason, actor) = (detail.to_string(), reason.to_owned(), actor.to_owned());
    let (id, subject) = (account.id, account.public_id.clone());
    let (rules, now, real_now) = (app.rules(), app.now(), app.real_now());
    app.write(id, move |tx| {
        let set = tier.as_ref().map(|(tier, until)| TierOverride {
            tier,
            reason: &reason,
            actor: &actor,
            until: *until,
        });
        store::accounts::set_tier_override(tx, id, set.as_ref(), now)?;
        let action = "account.tier_override";
        store::audit_log::append(tx, &actor, action, &subject, &detail, None, now)?;
        // The plan may be another from this moment on.
        store::ledger::settle(tx, &rules, id, now)?;
        crate::summary::show_plan(tx, &rules, id, now, real_now).map(|_| ())
    })
    .await
}

/// Keeps an account from spending, or lets it spend again. Nothing is charged or cancelled.
pub async fn set_suspended(
    app: &App,
    account: &Account,
    suspended: bool,
    reason: &str,
    actor: &str,
) -> Result<()> {
    if account.status == "closed" {
        let detail = "This account was deleted. Only its books remain.";
        return Err(Error::conflict("account_closed", detail));
    }
    let (status, action) = if suspended {
        ("suspended", "account.suspend")
    } else {
        ("active", "account.resume")
    };
    let detail = json!({ "reason": reason, "was": account.status }).to_string();
    let actor = actor.to_owned();
    let (id, subject) = (account.id, account.public_id.clone());
    let (rules, now) = (app.rules(), app.now());
    app.write(id, move |tx| {
        store::accounts::set_status(tx, id, status, now)?;
        store::audit_log::append(tx, &actor, action, &subject, &detail, None, now)?;
        store::ledger::settle(tx, &rules, id, now).map(|_| ())
    })
    .await
}

/// Makes our rows of an account agree with Stripe now, and records it in the audit log.
pub async fn sync(app: &App, account: &Account, actor: &str) -> Result<Report> {
    let report = crate::sync::account(app, account.id).await?;
    let detail = json!({ "changes": report.changes.len() }).to_string();
    let (subject, actor, now) = (account.public_id.clone(), actor.to_owned(), app.now());
    app.write(account.id, move |tx| {
        let action = "account.sync";
        store::audit_log::append(tx, &actor, action, &subject, &detail, None, now).map(|_| ())
    })
    .await?;
    Ok(report)
}
