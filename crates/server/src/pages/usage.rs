//! `/dashboard/usage`: what calls cost, how long the credits last, and where they went.

use std::collections::HashMap;

use askama::Template;
use axum::extract::State;
use axum::response::{Html, Response};
use domain::catalog::Catalog;
use domain::time::Timestamp;
use serde::Deserialize;
use store::api_keys::ApiKey;
use store::ledger::{DayUsage, JournalRow};

use super::chart::{Chart, Day};
use super::components::{Badge, Banner, Choice, Stat};
use super::format::When;
use super::icons::Icon;
use super::layout::{Nav, Shell};
use super::serve::{account_shell, html};
use super::{billing, format, offer, words};
use crate::account::{View, view};
use crate::actors::SignedIn;
use crate::api::usage::{csv, key_of};
use crate::app::App;
use crate::error::Result;
use crate::http::error::HttpResult;
use crate::http::params::Params;

/// Operations that have a colour of their own in a chart; the rest is "Other".
const OPERATIONS_SHOWN: usize = 3;
/// Calls in the list of the latest.
const CALLS_SHOWN: i64 = 25;
const DAY_MICROS: i64 = 86_400_000_000;

/// The period to look at.
#[derive(Debug, Deserialize)]
pub struct Asked {
    period: Option<String>,
    key: Option<String>,
}

/// `GET /dashboard/usage`: there while billing is off, too.
pub async fn show(
    State(app): State<App>,
    caller: SignedIn,
    Params(asked): Params<Asked>,
) -> HttpResult<Html<String>> {
    let account = caller.account.id;
    let view = view(&app, account).await?;
    let (period, days) = read_period(asked.period.as_deref());
    let key = read_key(&app, account, asked.key).await?;
    let used = read(&app, account, days, key).await?;
    html(&dashboard(&app, &caller, &view, &used, period, days))
}

fn read_period(asked: Option<&str>) -> (&'static str, i64) {
    match asked {
        Some("7d" | "7") => ("7d", 7),
        Some("90d" | "90") => ("90d", 90),
        _ => ("30d", 30),
    }
}

/// The key to look at; none for all.
pub(super) async fn read_key(
    app: &App,
    account: i64,
    asked: Option<String>,
) -> Result<Option<ApiKey>> {
    match asked.filter(|id| !id.is_empty()) {
        Some(id) => key_of(app, account, &id).await.map(Some),
        None => Ok(None),
    }
}

/// `GET /dashboard/usage.csv`: what the page shows, as a file.
pub async fn file(
    State(app): State<App>,
    caller: SignedIn,
    Params(asked): Params<Asked>,
) -> HttpResult<Response> {
    let account = caller.account.id;
    let (_, days) = read_period(asked.period.as_deref());
    let key = read_key(&app, account, asked.key).await?;
    let today = app.now().day();
    csv(
        &app,
        account,
        key.map(|key| key.id),
        today - days + 1,
        today,
    )
    .await
}

/// What calls were charged in a number of days that end today.
struct Used {
    by_day: Vec<DayUsage>,
    by_key: Vec<store::ledger::KeyUsage>,
    recent: Vec<JournalRow>,
    key_names: HashMap<i64, String>,
    /// Id and name of each key, and the one that is looked at.
    keys: Vec<(String, String)>,
    key: Option<String>,
    week: i64,
}

async fn read(app: &App, account: i64, days: i64, key: Option<ApiKey>) -> Result<Used> {
    let today = app.now().day();
    app.read(move |tx| {
        let (from, until) = (today - days + 1, today + 1);
        let keys = store::api_keys::of_account(tx, account)?;
        let number = key.as_ref().map(|key| key.id);
        let by_day = match number {
            Some(key) => store::ledger::usage_of_key_between(tx, account, key, from, until)?,
            None => store::ledger::usage_by_day_between(tx, account, from, until)?,
        };
        let mut by_key = store::ledger::usage_by_key_between(tx, account, from, until)?;
        if let Some(key) = &key {
            by_key.retain(|row| row.public_id.as_ref() == Some(&key.public_id));
        }
        let named = keys
            .iter()
            .map(|key| (key.public_id.clone(), key.name.clone()));
        Ok(Used {
            by_day,
            by_key,
            recent: store::ledger::ended_calls(tx, account, i64::MAX, number, CALLS_SHOWN)?,
            keys: named.collect(),
            key: key.as_ref().map(|key| key.public_id.clone()),
            key_names: keys.into_iter().map(|key| (key.id, key.name)).collect(),
            week: store::ledger::used_between(tx, account, today - 6, until)?.1,
        })
    })
    .await
}

/// Micro-credits spent in the last seven days, today included.
pub async fn spent_in_week(app: &App, account: i64) -> Result<i64> {
    let today = app.now().day();
    let used = app.read(move |tx| store::ledger::used_between(tx, account, today - 6, today + 1));
    Ok(used.await?.1)
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
    let banners = match app.settings.billing.enabled {
        true => billing::credit_banner(view, used.week)
            .into_iter()
            .collect(),
        false => Vec::new(),
    };
    UsagePage {
        shell: account_shell(app, caller, Nav::Usage),
        lead,
        banners,
        stats: stats(&app.catalog(), view, used, days),
        periods: Choice::list(&periods, period),
        keys: key_choices(used),
        chart: chart("use", "Credits used per day", &used.by_day, from, today),
        by_operation: by_operation(&used.by_day),
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

/// The period and the key that are looked at, for an address.
fn query(period: &str, used: &Used) -> String {
    match &used.key {
        Some(key) => format!("period={period}&key={key}"),
        None => format!("period={period}"),
    }
}

/// The keys to choose from; nothing where there is no choice.
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
    let held = match view.held.is_positive() {
        true => {
            let held = format::credits(view.held.micros());
            format!("{held} held for calls in progress")
        }
        false => "nothing held".to_owned(),
    };
    let worth = |micros| offer::worth(catalog, micros).map(|worth| format!("{worth} "));
    let spent_note = format!("{}in {days} days", worth(spent).unwrap_or_default());
    let pace = match used.week {
        0 => "after the first calls".to_owned(),
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
        Stat::new("Credits last", lasts(available, used.week), pace),
        Stat::new(
            "Calls this period",
            format::count(calls_now),
            of_limit.unwrap_or_else(|| "no limit".to_owned()),
        ),
    ]
}

/// Calls and micro-credits.
fn total(rows: &[DayUsage]) -> (i64, i64) {
    rows.iter().fold((0_i64, 0_i64), |(calls, spent), row| {
        (
            calls.saturating_add(row.calls),
            spent.saturating_add(row.credits),
        )
    })
}

/// Credits a call, to the hundredth; "no data" without one, rather than an infinity.
fn mean(micros: i64, calls: i64) -> String {
    const HUNDREDTH: i64 = 10_000;
    match micros.checked_div(calls) {
        Some(mean) if mean >= HUNDREDTH => format::credits(mean / HUNDREDTH * HUNDREDTH),
        Some(mean) => format::credits(mean),
        None => "no data".to_owned(),
    }
}

/// Credits by operation, the dearest first.
fn ranked(rows: &[DayUsage]) -> Vec<(String, i64, i64)> {
    let mut sums: HashMap<&str, (i64, i64)> = HashMap::new();
    for row in rows {
        let sum = sums.entry(&row.operation).or_default();
        sum.0 = sum.0.saturating_add(row.calls);
        sum.1 = sum.1.saturating_add(row.credits);
    }
    let mut ranked: Vec<_> = sums
        .into_iter()
        .map(|(name, (calls, credits))| (name.to_owned(), calls, credits))
        .collect();
    ranked.sort_by(|a, b| b.2.cmp(&a.2).then_with(|| a.0.cmp(&b.0)));
    ranked
}

/// Bars of the days `from..=to`, by operation; none without usage. What the dearest operations
/// leave is one series, "Other".
pub fn chart(id: &str, title: &str, rows: &[DayUsage], from: i64, to: i64) -> Option<Chart> {
    let ranked = ranked(rows);
    if ranked.is_empty() {
        return None;
    }
    // A fourth operation alone needs no name in its place.
    let shown = match ranked.len() {
        ..=4 => ranked.len(),
        _ => OPERATIONS_SHOWN,
    };
    let mut series: Vec<String> = ranked
        .iter()
        .take(shown)
        .map(|(name, ..)| name.clone())
        .collect();
    if ranked.len() > shown {
        series.push("Other".to_owned());
    }
    let mut days: Vec<Day> = (from..=to)
        .map(|day| Day {
            at: day * DAY_MICROS,
            spent: vec![0; series.len()],
        })
        .collect();
    for row in rows {
        let place = usize::try_from(row.day - from).ok();
        let Some(day) = place.and_then(|place| days.get_mut(place)) else {
            continue;
        };
        let own = ranked.iter().position(|(name, ..)| *name == row.operation);
        let column = own.filter(|own| *own < shown).unwrap_or(series.len() - 1);
        day.spent[column] = day.spent[column].saturating_add(row.credits);
    }
    Some(Chart::new(id, title, series, &days))
}

fn by_operation(rows: &[DayUsage]) -> Vec<UsageRow> {
    let (_, all) = total(rows);
    let row = |(name, calls, credits): (String, i64, i64)| usage_row(name, calls, credits, all);
    ranked(rows).into_iter().map(row).collect()
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
        per_call: mean(credits, calls),
        credits: format::credits(credits),
        share: format::percent(credits.unsigned_abs(), all.unsigned_abs()),
    }
}

pub(super) fn call(row: &JournalRow, names: &HashMap<i64, String>) -> CallRow {
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
        href: format!("/dashboard/usage/calls/{}", row.seq),
        badge: words::hold_badge(match row.kind.as_str() {
            "debit" => "debited",
            "release" => "released",
            "hold_expired" => "expired",
            _ => "captured",
        }),
    }
}

/// The usage dashboard.
#[derive(Clone, Debug, Template)]
#[template(path = "usage.html")]
pub struct UsagePage {
    /// The frame.
    pub shell: Shell,
    /// "24 Oct to 22 Nov 2026, counted in UTC"
    pub lead: String,
    /// Low credits, no credits.
    pub banners: Vec<Banner>,
    /// Balance, used, mean cost of a call, how long it lasts, calls this period.
    pub stats: Vec<Stat>,
    /// The periods to choose from (`period`).
    pub periods: Vec<Choice>,
    /// The keys to choose from (`key`).
    pub keys: Vec<Choice>,
    /// Credits by day; none while there is nothing to draw.
    pub chart: Option<Chart>,
    /// By operation, the dearest first.
    pub by_operation: Vec<UsageRow>,
    /// By API key.
    pub by_key: Vec<UsageRow>,
    /// The latest calls.
    pub recent: Vec<CallRow>,
    /// The usage as a file.
    pub csv: Option<String>,
    /// All calls.
    pub calls: Option<String>,
}

/// What one operation or one key used.
#[derive(Clone, Debug)]
pub struct UsageRow {
    /// "chat" or "prod-web"
    pub name: String,
    /// "5,938"
    pub calls: String,
    /// The mean: "1.04"
    pub per_call: String,
    /// "5,938"
    pub credits: String,
    /// "71%"
    pub share: String,
}

/// One call.
#[derive(Clone, Debug)]
pub struct CallRow {
    /// When.
    pub when: When,
    /// The operation.
    pub operation: String,
    /// The key's name.
    pub key: String,
    /// The hold's id.
    pub id: String,
    /// What it cost.
    pub credits: String,
    /// Its receipt.
    pub href: String,
    /// What became of it.
    pub badge: Badge,
}

/// How long the balance lasts at the pace of the last seven days, in words: credits per day are
/// `spent_micros / 7`. Without any spending there is no estimate, rather than forever.
pub fn lasts(available_micros: i64, spent_micros_in_seven_days: i64) -> String {
    if spent_micros_in_seven_days <= 0 {
        return "no data".to_owned();
    }
    let days = i128::from(available_micros.max(0)) * 7 / i128::from(spent_micros_in_seven_days);
    match days {
        0 => "less than a day".to_owned(),
        1 => "about 1 day".to_owned(),
        2..=999 => format!("about {days} days"),
        _ => "over 999 days".to_owned(),
    }
}

/// A table of the page: its element id, its heading, its first column, its rows.
type Table<'a> = (&'static str, &'static str, &'static str, &'a [UsageRow]);

impl UsagePage {
    fn tables(&self) -> [Table<'_>; 2] {
        [
            ("h-op", "By operation", "Operation", &self.by_operation),
            ("h-key", "By API key", "Key", &self.by_key),
        ]
    }

    /// Before the first call, a typical month, and the worst names and numbers.
    pub fn samples() -> Vec<(&'static str, Self)> {
        samples::all()
    }
}

mod samples {
    use super::super::layout::Nav;
    use super::super::samples::{self, EVIL, LONG, NOW};
    use super::super::{billing, format, words};
    use super::*;

    pub fn all() -> Vec<(&'static str, UsagePage)> {
        let empty = UsagePage {
            shell: samples::customer(Nav::Usage),
            stats: vec![
                Stat::new("Available", "100", "nothing held"),
                Stat::new("Credits used", "0", "in 30 days"),
                Stat::new("Credits last", "no data", "after the first calls"),
            ],
            banners: Vec::new(),
            keys: Choice::list(&[("", "All keys")], ""),
            chart: None,
            by_operation: Vec::new(),
            by_key: Vec::new(),
            recent: Vec::new(),
            csv: None,
            calls: None,
            ..typical()
        };
        let mut worst = typical();
        worst.shell = samples::worst(Nav::Usage);
        worst.by_operation = vec![evil_row(); 30];
        worst.by_key = vec![evil_row(); 30];
        worst.recent = vec![evil_call(); 25];
        worst.keys = Choice::list(&[("\"><script>", EVIL)], "");
        worst.stats = vec![Stat::new("Balance", format::credits(i64::MAX), EVIL); 5];
        vec![("empty", empty), ("typical", typical()), ("worst", worst)]
    }

    fn typical() -> UsagePage {
        UsagePage {
            shell: samples::customer_in_test_mode(Nav::Usage),
            lead: "24 Oct to 22 Nov 2026, counted in UTC".to_owned(),
            banners: vec![words::credits_low("1,228 credits", Some("about 3 days"))],
            stats: vec![
                Stat::new("Available", "1,228", "12 held for calls in progress"),
                Stat::new("Credits used", "8,290", "$8.29 in 30 days"),
                Stat::new("Average cost per call", "1.04", "credits, $0.001"),
                Stat::new("Credits last", "about 3 days", "346 credits per day"),
                Stat::new("Calls this period", "7,988", "79% of 10,000"),
            ],
            periods: Choice::list(
                &[
                    ("30d", "Last 30 days"),
                    ("period", "This billing period"),
                    ("7d", "Last 7 days"),
                ],
                "30d",
            ),
            keys: Choice::list(
                &[("", "All keys"), ("key_1", "prod-web"), ("key_2", "batch")],
                "",
            ),
            chart: Some(billing::sample_chart()),
            by_operation: vec![
                row("chat", "5,938", "1", "5,938", "71%"),
                row("embeddings", "1,900", "1", "1,900", "22%"),
                row("ocr", "150", "3.01", "452", "5%"),
            ],
            by_key: vec![
                row("prod-web", "6,100", "1.02", "6,222", "75%"),
                row("batch", "1,888", "1.1", "2,068", "24%"),
            ],
            recent: vec![
                call("chat", "prod-web", "1", "captured"),
                call("ocr", "batch", "3", "held"),
                call("chat", "prod-web", "0", "released"),
                call("ocr", "staging", "0", "refused"),
            ],
            csv: Some("/dashboard/usage.csv?period=30d".to_owned()),
            calls: Some("/dashboard/usage/calls?period=30d".to_owned()),
        }
    }

    fn row(name: &str, calls: &str, per_call: &str, credits: &str, share: &str) -> UsageRow {
        UsageRow {
            name: name.to_owned(),
            calls: calls.to_owned(),
            per_call: per_call.to_owned(),
            credits: credits.to_owned(),
            share: share.to_owned(),
        }
    }

    fn call(operation: &str, key: &str, credits: &str, state: &str) -> CallRow {
        CallRow {
            when: format::second(NOW),
            operation: operation.to_owned(),
            key: key.to_owned(),
            id: "hold_8fK2".to_owned(),
            credits: credits.to_owned(),
            href: "/dashboard/usage/calls/7".to_owned(),
            badge: words::hold_badge(state),
        }
    }

    fn evil_row() -> UsageRow {
        let most = format::credits(i64::MAX);
        row(
            &format!("{LONG} {EVIL}"),
            &format::count(u64::MAX),
            &most,
            &most,
            "below 1%",
        )
    }

    fn evil_call() -> CallRow {
        call(
            &format!("{LONG} {EVIL}"),
            EVIL,
            &format::credits(i64::MAX),
            EVIL,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CREDIT: i64 = 1_000_000;

    #[test]
    fn the_estimate_is_the_balance_over_the_mean_of_seven_days() {
        assert_eq!(lasts(1_228 * CREDIT, 346 * 7 * CREDIT), "about 3 days");
        assert_eq!(lasts(10 * CREDIT, 70 * CREDIT), "about 1 day");
        assert_eq!(lasts(CREDIT, 70 * CREDIT), "less than a day");
    }

    #[test]
    fn without_usage_there_is_no_estimate_and_no_infinity() {
        assert_eq!(lasts(1_228 * CREDIT, 0), "no data");
        assert_eq!(lasts(i64::MAX, 1), "over 999 days");
        assert_eq!(lasts(i64::MIN, i64::MAX), "less than a day");
    }

    fn used(day: i64, operation: &str, credits: i64) -> DayUsage {
        DayUsage {
            day,
            operation: operation.to_owned(),
            calls: 1,
            credits: credits * CREDIT,
        }
    }

    #[test]
    fn a_chart_folds_the_cheaper_operations_into_one_and_loses_none() {
        let rows: Vec<DayUsage> = ["a", "b", "c", "d", "e"]
            .iter()
            .zip([10, 20, 30, 40, 50])
            .map(|(operation, credits)| used(7, operation, credits))
            .collect();

        let html = chart("c", "Credits", &rows, 1, 7).unwrap().to_string();

        assert!(html.contains("7 Jan") || html.contains("8 Jan"), "{html}");
        assert!(
            html.contains("150 credits (e 50, d 40, c 30, Other 30)"),
            "{html}"
        );
    }

    #[test]
    fn without_calls_there_is_no_chart_and_no_mean() {
        assert!(chart("c", "Credits", &[], 1, 7).is_none());
        assert_eq!(mean(0, 0), "no data");
        assert_eq!(mean(CREDIT, 3), "0.33");
        assert_eq!(mean(10, 3), "0.000003");
    }
}
