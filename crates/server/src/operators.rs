//! What operators do to an account by hand. Each act is one commit with its line in the audit log:
//! who, what, on what, why.

pub mod credits;

use domain::time::Timestamp;
use serde_json::json;
use store::accounts::{Account, TierOverride};

use crate::app::App;
use crate::error::{Error, Result};

/// Longest reason.
pub const REASON_CHARS_MAX: usize = 200;
/// Events that one act takes up again.
pub const EVENTS_MAX: i64 = 500;

/// A reason as it is kept: 1 to 200 characters of one line. It stays in the audit log for good, so
/// it names no person.
pub fn reason(text: &str) -> Result<String> {
    let text = text.trim();
    let is_plain = !text.chars().any(char::is_control);
    if (1..=REASON_CHARS_MAX).contains(&text.chars().count()) && is_plain {
        return Ok(text.to_owned());
    }
    let detail = format!("Say why, in 1 to {REASON_CHARS_MAX} characters.");
    Err(Error::field("reason", detail))
}

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
            return Err(Error::field("until", "The last day lies behind us."));
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
        crate::account::show_plan(tx, &rules, id, now, real_now).map(|_| ())
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
        let detail = "This account was deleted; only its books remain.";
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

/// Takes every event that waits for a person up again, the latest first, at most [`EVENTS_MAX`], and
/// rings the accounts whose sync was given up. Answers the events' ids.
pub async fn replay_failed(app: &App, actor: &str) -> Result<Vec<String>> {
    let actor = actor.to_owned();
    let (now, real_now) = (app.now(), app.real_now());
    let replayed = app
        .write(0, move |tx| {
            let mut replayed = Vec::new();
            for event in failed(tx)? {
                crate::api::admin::requeue(tx, &event, real_now)?;
                let detail = json!({ "was": event.state, "all": true }).to_string();
                let id = &event.event_id;
                store::audit_log::append(tx, &actor, "event.replay", id, &detail, None, now)?;
                replayed.push(event.event_id);
            }
            for parked in store::sync::parked(tx, EVENTS_MAX)? {
                store::sync::ring(tx, parked.account_id, real_now)?;
            }
            Ok(replayed)
        })
        .await?;
    app.sync_bell.notify_one();
    Ok(replayed)
}

/// Events that wait for a person, the latest first.
pub fn failed(tx: &mut store::Tx<'_>) -> store::Result<Vec<store::events::Event>> {
    let filter = store::events::Filter {
        state: Some("parked"),
        ..Default::default()
    };
    store::events::list(tx, &filter, None, EVENTS_MAX)
}
