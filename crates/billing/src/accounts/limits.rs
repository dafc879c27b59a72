//! Spending limits of an account, a key or a member.

use domain::ledger::{LimitScope, LimitWindow};
use domain::money::{CREDITS_MAX, Credits};
use domain::time::Timestamp;
use serde::Serialize;
use serde_json::json;
use store::ledger::limits::{LIMITS_MAX, LimitRow, NewLimit};
use utoipa::ToSchema;

use crate::app::App;
use crate::error::{Error, Result};
use crate::exact::Exact;
use crate::operators::audit_log::{Action, Author};

/// A spending limit and its current use.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SpendLimit {
    /// The id of the limit (`limit_...`).
    pub id: String,
    /// Whose spending is limited: `account`, `key`, or `member` for the keys that a member created.
    #[schema(value_type = String)]
    pub scope: LimitScope,
    /// The id of the key or member, or null for the account.
    pub subject: Option<String>,
    /// The name of the key or member, or null for the account.
    pub name: Option<String>,
    /// The window in which spending counts: `day` or `month` (UTC), or `lifetime`, which never
    /// resets.
    #[schema(value_type = String)]
    pub window: LimitWindow,
    /// The maximum number of credits that can be charged and held in a window.
    pub credits: Exact,
    /// The number of credits charged in the current window.
    pub used: Exact,
    /// The number of credits set aside by pending holds.
    pub held: Exact,
    /// The number of credits that can still be spent in the current window.
    pub left: Exact,
    /// The time at which `used` resets (RFC 3339, UTC), or null for `lifetime`.
    pub resets_at: Option<String>,
}

/// The account's limits now. Expiries that are due are applied first, so that expired holds don't
/// count.
pub async fn of_account(app: &App, account: i64) -> Result<Vec<SpendLimit>> {
    let now = app.now();
    let read = move |tx: &mut store::Tx<'_>, _: &crate::summary::View| look(tx, account, now);
    let (_, limits) = crate::summary::view_with(app, account, read).await?;
    Ok(limits)
}

/// The limits of an account whose due holds have been settled, as
/// [`view_with`](crate::summary::view_with) does.
pub fn look(
    tx: &mut store::Tx<'_>,
    account: i64,
    now: Timestamp,
) -> store::Result<Vec<SpendLimit>> {
    let rows = store::ledger::limits::rows(tx, account)?;
    rows.into_iter().map(|row| shown(tx, row, now)).collect()
}

fn shown(tx: &mut store::Tx<'_>, row: LimitRow, now: Timestamp) -> store::Result<SpendLimit> {
    let mut limit = row.limit;
    limit.roll(now);
    let named = match limit.scope {
        LimitScope::Account => None,
        LimitScope::Key => store::api_keys::names(tx, limit.subject)?,
        LimitScope::Member => {
            store::users::find(tx, limit.subject)?.map(|user| (user.public_id, user.name))
        }
    };
    let (subject, name) = named.unzip();
    Ok(SpendLimit {
        id: row.public_id,
        scope: limit.scope,
        subject,
        name,
        window: limit.window,
        credits: Exact(limit.cap),
        used: Exact(limit.used),
        held: Exact(limit.held),
        left: Exact(limit.left(now)),
        resets_at: limit.resets_at().map(Timestamp::rfc3339),
    })
}

/// A validated limit, ready to be set.
#[derive(Clone, Debug)]
pub struct Definition {
    /// The scope whose spending it bounds.
    pub scope: LimitScope,
    /// The public id of the key or member; none for the account.
    pub subject: Option<String>,
    /// The window in which spending is counted.
    pub window: LimitWindow,
    /// The most that may be spent in a window.
    pub cap: Credits,
}

/// Parses a scope.
pub fn read_scope(word: &str) -> Result<LimitScope> {
    let detail = "scope must be account, key or member.";
    LimitScope::from_word(word).ok_or_else(|| Error::field("scope", detail))
}

/// Parses a window.
pub fn read_window(word: &str) -> Result<LimitWindow> {
    let detail = "window must be day, month or lifetime.";
    LimitWindow::from_word(word).ok_or_else(|| Error::field("window", detail))
}

/// Checks that a cap is within bounds.
pub fn read_cap(cap: Credits) -> Result<Credits> {
    if (Credits::ZERO..=CREDITS_MAX).contains(&cap) {
        return Ok(cap);
    }
    let detail = format!("credits must be between 0 and {CREDITS_MAX}.");
    Err(Error::field("credits", detail))
}

/// Sets a spend limit of an account.
pub async fn set(app: &App, account: i64, wanted: Definition, actor: &str) -> Result<SpendLimit> {
    let (rules, now) = (app.rules(), app.now());
    let (public_id, author) = (app.new_id("limit"), Author::new(app, actor));
    let set = app
        .write(account, move |tx| {
            let Some(subject) = subject(tx, account, &wanted)? else {
                return Ok(Err(Fault::Subject(wanted.scope)));
            };
            let new = NewLimit {
                public_id: &public_id,
                scope: wanted.scope,
                subject,
                window: wanted.window,
                cap: wanted.cap,
                created_by: author.actor(),
            };
            let Some(row) = store::ledger::limits::set(tx, &rules, account, &new, now)? else {
                return Ok(Err(Fault::TooMany));
            };
            author
                .act(Action::LimitSet, &row.public_id)
                .with("scope", json!(wanted.scope.word()))
                .with("subject", json!(wanted.subject))
                .with("window", json!(wanted.window.word()))
                .with("credits", json!(wanted.cap.to_string()))
                .append(tx)?;
            shown(tx, row, now).map(Ok)
        })
        .await?;
    set.map_err(Fault::answer)
}

enum Fault {
    Subject(LimitScope),
    TooMany,
}

impl Fault {
    fn answer(self) -> Error {
        match self {
            Fault::Subject(LimitScope::Account) => {
                Error::field("subject", "An account limit can't name a key or member.")
            }
            Fault::Subject(LimitScope::Key) => {
                Error::not_found("This account has no active key with that id.")
                    .with("field", json!("subject"))
            }
            Fault::Subject(LimitScope::Member) => {
                Error::not_found("This account has no member with that id.")
                    .with("field", json!("subject"))
            }
            Fault::TooMany => {
                let detail = format!("You can set at most {LIMITS_MAX} limits. Remove one first.");
                Error::conflict("too_many_limits", detail)
            }
        }
    }
}

/// The internal id of the key or member, which must be the account's own; 0 for the account.
fn subject(
    tx: &mut store::Tx<'_>,
    account: i64,
    wanted: &Definition,
) -> store::Result<Option<i64>> {
    match (wanted.scope, wanted.subject.as_deref()) {
        (LimitScope::Account, None) => Ok(Some(0)),
        (LimitScope::Key, Some(id)) => {
            let key = store::api_keys::of_account_named(tx, account, id)?;
            let live = key.filter(|key| key.revoked_at.is_none());
            Ok(live.map(|key| key.id))
        }
        (LimitScope::Member, Some(id)) => {
            let members = store::users::members(tx, account)?;
            let member = members.into_iter().find(|member| member.public_id == id);
            Ok(member.map(|member| member.user_id))
        }
        _ => Ok(None),
    }
}

/// Removes a spend limit of an account.
pub async fn remove(app: &App, account: i64, id: &str, actor: &str) -> Result<()> {
    let (id, author) = (id.to_owned(), Author::new(app, actor));
    let removed = app
        .write(account, move |tx| {
            let removed = store::ledger::limits::remove(tx, account, &id)?;
            if removed {
                author.act(Action::LimitRemove, &id).append(tx)?;
            }
            Ok(removed)
        })
        .await?;
    if removed {
        return Ok(());
    }
    Err(Error::not_found("There is no such limit."))
}
