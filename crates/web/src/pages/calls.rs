//! `/dashboard/usage/calls`: every finished metered call, and the receipt of one: why it was
//! charged, from which grants and at which price.

use std::collections::HashMap;

use axum::extract::{Path, State};
use axum::response::Html;
use billing::actors::SignedIn;
use billing::app::App;
use billing::error::Error;
use billing::keys::no_such_key;
use domain::ledger::{Body, Entry, EntryKind, GrantKind};
use domain::money::Credits;
use domain::units::Quantity;
use serde::Deserialize;
use views::calls::{CallGrant, CallPage, CallsPage};
use views::components::{Action, Choice, Fact};
use views::layout::{Nav, Shell};
use views::{format, labels};

use crate::frame::{account_shell, html};
use crate::http::error::HttpResult;
use crate::http::params::Params;
use crate::pages::usage::{call, units_worded};
use crate::rows::parts::{Part, parts};

/// Calls on one page.
const CALLS_MAX: i64 = 50;

/// The filter of the list.
#[derive(Debug, Deserialize)]
pub struct Query {
    key: Option<String>,
    before: Option<i64>,
}

/// `GET /dashboard/usage/calls`
pub async fn list(
    State(app): State<App>,
    caller: SignedIn,
    Params(query): Params<Query>,
) -> HttpResult<Html<String>> {
    let account = caller.account.id;
    let before = query.before.unwrap_or(i64::MAX);
    let chosen = query.key.unwrap_or_default();
    let named = Some(chosen.clone()).filter(|id| !id.is_empty());
    let found = app.read(move |tx| {
        let keys = store::api_keys::of_account(tx, account)?;
        let key = keys
            .iter()
            .find(|key| named.as_ref() == Some(&key.public_id));
        if named.is_some() && key.is_none() {
            return Ok(None);
        }
        let number = key.map(|key| key.id);
        let rows = store::ledger::ended_calls(tx, account, before, number, CALLS_MAX + 1)?;
        Ok(Some((rows, keys)))
    });
    let (rows, keys) = found.await?.ok_or_else(no_such_key)?;
    let names: HashMap<i64, String> = keys.iter().map(|key| (key.id, key.name.clone())).collect();
    let shown = usize::try_from(CALLS_MAX).expect("small");
    let next = rows.get(shown - 1).filter(|_| rows.len() > shown);
    let next = next.map(|row| format!("/dashboard/usage/calls?key={chosen}&before={}", row.seq));
    let mut choices = vec![("", "All keys")];
    choices.extend(
        keys.iter()
            .map(|key| (key.public_id.as_str(), key.name.as_str())),
    );
    html(&CallsPage {
        shell: account_shell(&app, &caller, Nav::Usage),
        keys: Choice::list(&choices, &chosen),
        calls: rows
            .iter()
            .take(shown)
            .map(|row| call(row, &names))
            .collect(),
        next: next.map(|href| Action::link("Show older", href).small()),
    })
}

/// `GET /dashboard/usage/calls/{seq}`
pub async fn show(
    State(app): State<App>,
    caller: SignedIn,
    Path(seq): Path<i64>,
) -> HttpResult<Html<String>> {
    let account = caller.account.id;
    let found = app.read(move |tx| facts(tx, account, seq)).await?;
    let found = found.ok_or_else(|| Error::not_found("This account has no such call."))?;
    html(&receipt(account_shell(&app, &caller, Nav::Usage), found))
}

/// The journal entries and names that a receipt is made from.
struct Found {
    end: Entry,
    /// The entry that opened the hold, if there was one.
    origin: Option<Entry>,
    key: Option<String>,
    /// Kinds of the grants, by row id.
    kinds: HashMap<i64, GrantKind>,
}

fn facts(tx: &mut store::Tx<'_>, account: i64, seq: i64) -> store::Result<Option<Found>> {
    let Some(end) = store::ledger::entry(tx, account, seq)? else {
        return Ok(None);
    };
    let origin = match &end.body {
        Body::Debit { .. } => None,
        Body::Settlement { hold, .. } => {
            let found = store::ledger::hold_origin(tx, hold)?;
            found
                .filter(|(owner, _)| *owner == account)
                .map(|(_, entry)| entry)
        }
        _ => return Ok(None),
    };
    let key = origin.as_ref().unwrap_or(&end).context.api_key;
    let key = match key {
        Some(key) => store::api_keys::names(tx, key)?.map(|(_, name)| name),
        None => None,
    };
    let mut kinds = HashMap::new();
    for line in end
        .lines
        .iter()
        .chain(origin.iter().flat_map(|entry| &entry.lines))
    {
        if let Some(kind) = store::ledger::grant_kind(tx, account, line.lot)? {
            kinds.insert(line.lot, kind);
        }
    }
    Ok(Some(Found {
        end,
        origin,
        key,
        kinds,
    }))
}

fn receipt(shell: Shell, found: Found) -> CallPage {
    let end = &found.end;
    let context = &found.origin.as_ref().unwrap_or(end).context;
    let operation = context.operation.clone();
    let mut facts = vec![
        Fact::new("When", format::second(end.at.micros()).text),
        Fact::new("Key", found.key.as_deref().unwrap_or("host application")),
    ];
    if let Some(endpoint) = &context.endpoint {
        facts.push(Fact::new("Endpoint", endpoint.as_str()));
    }
    // The units captured, if they differ from the units held.
    let units = end.context.units.as_ref().or(context.units.as_ref());
    let priced_as = match (&operation, units) {
        (Some(operation), Some(units @ Quantity::Units(_))) => {
            format!("{} × {operation}", units_worded(units))
        }
        (Some(operation), Some(units)) => format!("{operation}: {}", units_worded(units)),
        _ => "credits named by the caller".to_owned(),
    };
    facts.push(Fact::new("Priced as", priced_as));
    if let Some(version) = context.rate_card {
        facts.push(Fact::new("Price list", format!("version {version}")));
    }
    let credits = |credits: Credits| format::credits_worded(credits.micros());
    if let Body::Settlement {
        hold,
        captured,
        released,
        uncollected,
        late,
    } = &end.body
    {
        facts.push(Fact::new("Hold", hold.as_str()));
        let held = found.origin.as_ref().map(|entry| entry.held_delta);
        facts.push(Fact::new("Held", credits(held.unwrap_or(Credits::ZERO))));
        facts.push(Fact::new("Returned", credits(*released)));
        if uncollected.is_positive() {
            facts.push(Fact::new(
                "Requested but not collected",
                credits(*uncollected),
            ));
        }
        if *late {
            facts.push(Fact::new("Captured late", "after its hold had expired"));
        }
        facts.push(Fact::total("Charged", credits(*captured)));
    } else {
        facts.push(Fact::total("Charged", credits(end.charged())));
    }
    CallPage {
        shell,
        title: operation.unwrap_or_else(|| "call".to_owned()),
        badge: labels::hold_badge(match end.kind {
            EntryKind::Debit => "debited",
            EntryKind::Release => "released",
            EntryKind::HoldExpired => "expired",
            _ => "captured",
        }),
        facts,
        grants: grants(&found),
    }
}

/// The credits taken from each grant, in the order of consumption.
fn grants(found: &Found) -> Vec<CallGrant> {
    let row = |part: Part| CallGrant {
        grant: domain::ledger::grant::id_of(part.lot),
        kind: found
            .kinds
            .get(&part.lot)
            .map(|kind| labels::grant_kind(*kind).to_owned())
            .unwrap_or_default(),
        held: format::credits(part.held.micros()),
        charged: format::credits(part.charged.micros()),
    };
    let parts = parts(found.origin.as_ref(), Some(&found.end));
    parts.into_iter().map(row).collect()
}
