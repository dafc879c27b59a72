//! `/dashboard/usage`: what calls cost, how long the credits last, and what they were spent on.

use std::collections::HashMap;

use axum::extract::State;
use axum::response::{Html, Response};
use billing::actors::SignedIn;
use billing::app::App;
use billing::keys::no_such_key;
use billing::summary::{View, view_with};
use domain::catalog::Catalog;
use domain::ledger::EntryKind;
use domain::time::Timestamp;
use domain::units::{Quantity, Units};
use serde::Deserialize;
use store::Tx;
use store::ledger::{DayUsage, JournalRow, MeterUsage};
use views::components::{Choice, Stat};
use views::layout::Nav;
use views::usage::{CallRow, UsagePage, UsageRow, lasts};
use views::{format, labels, offer};

use crate::frame::{account_shell, html};
use crate::http::error::HttpResult;
use crate::http::params::Params;
use crate::pages::standing;
use crate::pages::usage_chart::{DAY_MICROS, chart, mean, ranked, total};
use crate::rows::usage as rows;

/// Rows in the list of latest calls.
const CALLS_SHOWN: i64 = 25;

/// The period to show.
#[derive(Debug, Deserialize)]
pub struct Query {
    period: Option<String>,
    key: Option<String>,
}

/// `GET /dashboard/usage`: available while billing is off, too.
pub async fn show(
    State(app): State<App>,
    caller: SignedIn,
    Params(query): Params<Query>,
) -> HttpResult<Html<String>> {
    let (account, today) = (caller.account.id, app.now().day());
    let (period, days) = read_period(query.period.as_deref());
    let named = query.key.filter(|id| !id.is_empty());
    let read = move |tx: &mut Tx<'_>, _: &View| read(tx, account, days, today, named.as_deref());
    let (view, used) = view_with(&app, account, read).await?;
    let used = used.ok_or_else(no_such_key)?;
    html(&dashboard(&app, &caller, &view, &used, period, days))
}

fn read_period(asked: Option<&str>) -> (&'static str, i64) {
    match asked {
        Some("7d" | "7") => ("7d", 7),
        Some("90d" | "90") => ("90d", 90),
        _ => ("30d", 30),
    }
}

/// `GET /dashboard/usage.csv`: the page's data as a file.
pub async fn file(
    State(app): State<App>,
    caller: SignedIn,
    Params(query): Params<Query>,
) -> HttpResult<Response> {
    let (account, today) = (caller.account.id, app.now().day());
    let (_, days) = read_period(query.period.as_deref());
    let named = query.key.filter(|id| !id.is_empty());
    rows::csv(&app, account, named, today - days + 1, today).await
}

/// The credits that calls were charged over a number of days ending today.
struct Used {
    by_day: Vec<DayUsage>,
    by_key: Vec<store::ledger::KeyUsage>,
    meters: Vec<MeterUsage>,
    recent: Vec<JournalRow>,
    key_names: HashMap<i64, String>,
    /// Id and name of each key, and the selected one.
    keys: Vec<(String, String)>,
    key: Option<String>,
    week: i64,
}

/// Reads it; `None` if the account has no key with the given id.
fn read(
    tx: &mut Tx<'_>,
    account: i64,
    days: i64,
    today: i64,
    named: Option<&str>,
) -> store::Result<Option<Used>> {
    let Some(key) = rows::key(tx, account, named)? else {
        return Ok(None);
    };
    let keys = store::api_keys::of_account(tx, account)?;
    let number = key.as_ref().map(|key| key.id);
    let used = rows::read(tx, account, key.as_ref(), today - days + 1, today)?;
    let named = keys
        .iter()
        .map(|key| (key.public_id.clone(), key.name.clone()));
    Ok(Some(Used {
        by_day: used.days,
        by_key: used.keys,
        meters: used.meters,
        recent: store::ledger::ended_calls(tx, account, i64::MAX, number, CALLS_SHOWN)?,
        keys: named.collect(),
        key: key.as_ref().map(|key| key.public_id.clone()),
        key_names: keys.into_iter().map(|key| (key.id, key.name)).collect(),
        week: spent_in_week(tx, account, today)?,
    }))
}

/// Micro-credits spent in the last seven days, today included.
pub(crate) fn spent_in_week(tx: &mut Tx<'_>, account: i64, today: i64) -> store::Result<i64> {
    let (_, spent) = store::ledger::used_between(tx, account, today - 6, today + 1)?;
    Ok(spent)
}

fn dashboard(
    app: &App,
    caller: &SignedIn,
    view: &View,
    used: &Used,
    period: &str,
    days: i64,
) -> UsagePage {
    let today = app.now().day();
    let from = today - days + 1;
    let periods = [
        ("7d", "Last 7 days"),
        ("30d", "Last 30 days"),
        ("90d", "Last 90 days"),
    ];
    let lead = format!(
        "{} to {}, counted in UTC",
        format::day_short(from * DAY_MICROS),
        format::day(today * DAY_MICROS).text
    );
    let banners = if app.settings.billing.enabled {
        standing::credit_banner(view, used.week)
            .into_iter()
            .collect()
    } else {
        Vec::new()
    };
    UsagePage {
        shell: account_shell(app, caller, Nav::Usage),
        lead,
        banners,
        stats: stats(&app.catalog(), view, used, days),
        periods: Choice::list(&periods, period),
        keys: key_choices(used),
        chart: chart("use", "Credits used per day", &used.by_day, from, today),
        by_operation: by_operation(used),
        by_key: by_key(used),
        recent: used
            .recent
            .iter()
            .map(|row| call(row, &used.key_names))
            .collect(),
        csv: Some(format!("/dashboard/usage.csv?{}", query(period, used))),
        calls: (!used.recent.is_empty())
            .then(|| format!("/dashboard/usage/calls?{}", query(period, used))),
    }
}

/// The selected period and key as a query string.
fn query(period: &str, used: &Used) -> String {
    match &used.key {
        Some(key) => format!("period={period}&key={key}"),
        None => format!("period={period}"),
    }
}

/// The keys to choose from; empty if there is no choice.
fn key_choices(used: &Used) -> Vec<Choice> {
    if used.keys.is_empty() {
        return Vec::new();
    }
    let mut all = vec![("", "All keys")];
    all.extend(
        used.keys
            .iter()
            .map(|(id, name)| (id.as_str(), name.as_str())),
    );
    Choice::list(&all, used.key.as_deref().unwrap_or(""))
}

fn stats(catalog: &Catalog, view: &View, used: &Used, days: i64) -> Vec<Stat> {
    let (calls, spent) = total(&used.by_day);
    let held = if view.held.is_positive() {
        let held = format::credits(view.held.micros());
        format!("{held} held for calls in progress")
    } else {
        "nothing held".to_owned()
    };
    let worth = |micros| offer::worth(catalog, micros).map(|worth| format!("{worth} "));
    let spent_note = format!("{}in {days} days", worth(spent).unwrap_or_default());
    let pace = match used.week {
        0 => "based on the last 7 days".to_owned(),
        week => format!("{} per day", format::credits_worded(week / 7)),
    };
    let calls_now = view.calls_this_period.unsigned_abs();
    let of_limit = view.plan.calls_limit.map(|limit| {
        let limit = limit.unsigned_abs();
        let share = format::percent(calls_now, limit);
        format!("{share} of {}", format::count(limit))
    });
    let available = view.available.micros();
    vec![
        Stat::new("Available", format::credits(available), held),
        Stat::new("Credits used", format::credits(spent), spent_note),
        Stat::new("Average cost per call", mean(spent, calls), "credits"),
        Stat::new("Runs out in", lasts(available, used.week), pace),
        Stat::new(
            "Calls this period",
            format::count(calls_now),
            of_limit.unwrap_or_else(|| "no limit".to_owned()),
        ),
    ]
}

fn by_operation(used: &Used) -> Vec<UsageRow> {
    let (_, all) = total(&used.by_day);
    let row = |(name, calls, credits): (String, i64, i64)| UsageRow {
        meters: meters_of(&used.meters, &name),
        ..usage_row(name, calls, credits, all)
    };
    ranked(&used.by_day).into_iter().map(row).collect()
}

/// The units of each meter of an operation: "210 input, 800 output".
fn meters_of(rows: &[MeterUsage], operation: &str) -> Option<String> {
    let of_operation = rows.iter().filter(|row| row.operation == operation);
    let meters = of_operation.map(|row| (row.meter.clone(), Units::from_micros(row.units)));
    let meters = Quantity::of_meters(meters);
    (!meters.is_zero()).then(|| units_worded(&meters))
}

/// Units as text: "4", or "210 input, 800 output".
pub(crate) fn units_worded(units: &Quantity) -> String {
    match units {
        Quantity::Units(units) => format::credits(units.micros()),
        Quantity::Meters(_) => {
            let part = |(name, units): (&str, Units)| {
                format!("{} {name}", format::credits(units.micros()))
            };
            units.meters().map(part).collect::<Vec<_>>().join(", ")
        }
    }
}

fn by_key(used: &Used) -> Vec<UsageRow> {
    let (_, all) = total(&used.by_day);
    let row = |row: &store::ledger::KeyUsage| {
        let name = row.name.clone();
        let name = name.unwrap_or_else(|| "without a key".to_owned());
        usage_row(name, row.calls, row.credits, all)
    };
    used.by_key.iter().map(row).collect()
}

fn usage_row(name: String, calls: i64, credits: i64, all: i64) -> UsageRow {
    UsageRow {
        name,
        calls: format::count(calls.unsigned_abs()),
        meters: None,
        per_call: mean(credits, calls),
        credits: format::credits(credits),
        share: format::percent(credits.unsigned_abs(), all.unsigned_abs()),
    }
}

pub(crate) fn call(row: &JournalRow, names: &HashMap<i64, String>) -> CallRow {
    let key = row.api_key_id.and_then(|id| names.get(&id)).cloned();
    let at: Timestamp = row.at;
    CallRow {
        when: format::second(at.micros()),
        operation: row.operation.clone().unwrap_or_else(|| "call".to_owned()),
        key: key.unwrap_or_else(|| "host application".to_owned()),
        id: row
            .hold_id
            .clone()
            .unwrap_or_else(|| format!("entry {}", row.seq)),
        credits: format::credits(row.charged),
        meters: row
            .quantity()
            .filter(Quantity::has_meters)
            .map(|units| units_worded(&units)),
        href: format!("/dashboard/usage/calls/{}", row.seq),
        badge: labels::hold_badge(match row.kind {
            EntryKind::Debit => "debited",
            EntryKind::Release => "released",
            EntryKind::HoldExpired => "expired",
            _ => "captured",
        }),
    }
}
