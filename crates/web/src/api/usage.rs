//! An account's credits, usage and access: for its members and for programs.

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use billing::app::App;
use billing::error::{Error, Result};
use billing::exact::{Exact, ExactUnits};
use billing::keys::no_such_key;
use billing::metering::price::Price;
use billing::metering::{MeteredCall, admission};
use billing::summary::{View, view};
use domain::money::Credits;
use domain::time::Timestamp;
use domain::units::{Quantity, Units};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::{IntoParams, ToSchema};

use crate::api::metered::{AccountParam, OfAccount, UnitsParam, parse_units};
use crate::http::accept::wants_csv;
use crate::http::error::HttpResult;
use crate::http::params::Params;
use crate::rows::usage as rows;
use crate::rows::usage::date_text;

/// Days of usage if no dates are given, today included.
const DAYS_DEFAULT: i64 = 30;

/// Maximum number of days of usage in one response.
const DAYS_MAX: i64 = 400;

/// An account's credits.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Balance {
    /// All credits, minus the debt.
    balance: Exact,
    /// The credits set aside by holds.
    held: Exact,
    /// The credits available to spend now.
    available: Exact,
    /// The credits owed, because a payment was reversed after its credits had been spent.
    debt: Exact,
    /// The grants with credits left, in the order in which they are spent.
    grants: Vec<BalanceGrant>,
    /// The time at which the account's credits last changed (RFC 3339, UTC).
    updated_at: String,
}

/// A grant with credits left.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct BalanceGrant {
    /// The id of the grant (`grant_...`).
    id: String,
    /// The kind of grant: `purchase`, `bonus`, `allowance`, `promo`, `adjustment`, `rollover` or
    /// `reinstatement`.
    kind: &'static str,
    /// The number of credits left, including those held.
    remaining: Exact,
    /// The time at which unspent credits expire (RFC 3339, UTC), or null for never.
    expires_at: Option<String>,
}

/// Returns an account's credits.
#[utoipa::path(
    get,
    path = "/api/v1/balance",
    operation_id = "getBalance",
    tag = "metering",
    params(AccountParam),
    responses((status = 200, body = Balance), (status = 401), (status = 404))
)]
pub async fn balance(
    State(app): State<App>,
    OfAccount { account, .. }: OfAccount,
) -> HttpResult<Json<Balance>> {
    Ok(Json(Balance::of(&view(&app, account).await?)))
}

impl Balance {
    fn of(view: &View) -> Balance {
        let grants = view.lots_in_order().into_iter().map(|lot| BalanceGrant {
            id: domain::ledger::grant::id_of(lot.id),
            kind: lot.kind.word(),
            remaining: Exact(lot.remaining()),
            expires_at: lot.expires_at.map(Timestamp::rfc3339),
        });
        Balance {
            balance: Exact(view.posted - view.debt),
            held: Exact(view.held),
            available: Exact(view.available),
            debt: Exact(view.debt),
            grants: grants.collect(),
            updated_at: view.updated_at.rfc3339(),
        }
    }
}

/// The query parameters that select days of usage.
#[derive(Clone, Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Days {
    /// The first day (UTC), such as `2026-11-01`. The default is a range of 30 days ending with
    /// `to`; the maximum is 400 days.
    from: Option<String>,
    /// The last day (UTC), inclusive. The default is today.
    to: Option<String>,
    /// Returns only the usage of this API key (`key_...`).
    key: Option<String>,
}

/// An account's usage over a range of days.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Usage {
    /// The first day (UTC), such as `2026-11-01`.
    from: String,
    /// The last day (UTC), inclusive.
    to: String,
    /// The total usage of all days.
    total: UsageSum,
    /// Usage by day. Days without calls are left out.
    days: Vec<UsageDay>,
    /// Usage by operation, highest cost first.
    operations: Vec<UsageOperation>,
    /// Usage by API key, highest cost first.
    keys: Vec<UsageKey>,
}

/// A number of calls and their cost.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct UsageSum {
    /// The number of calls charged.
    calls: i64,
    /// The number of credits charged.
    credits: Exact,
}

/// The usage of one day.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct UsageDay {
    /// The day (UTC), such as `2026-11-01`.
    date: String,
    /// The number of calls charged.
    calls: i64,
    /// The number of credits charged.
    credits: Exact,
}

/// The usage of one operation.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct UsageOperation {
    /// The name of the operation.
    operation: String,
    /// The number of calls charged.
    calls: i64,
    /// The number of credits charged.
    credits: Exact,
    /// The number of units charged of each of its meters, by name; empty for an operation with one
    /// rate.
    meters: BTreeMap<String, ExactUnits>,
}

/// The usage of one API key.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct UsageKey {
    /// The id of the API key (`key_...`), or null for calls without one.
    key: Option<String>,
    /// The name of the API key, or null for calls without one.
    name: Option<String>,
    /// The number of calls charged.
    calls: i64,
    /// The number of credits charged.
    credits: Exact,
}

/// Returns an account's usage by day, operation and API key. Returns CSV if the `Accept` header is
/// `text/csv`, with one line for each combination of these.
#[utoipa::path(
    get,
    path = "/api/v1/usage",
    operation_id = "getUsage",
    tag = "metering",
    params(AccountParam, Days),
    responses((status = 200, body = Usage), (status = 400), (status = 401), (status = 404))
)]
pub async fn usage(
    State(app): State<App>,
    OfAccount { account, .. }: OfAccount,
    headers: HeaderMap,
    Params(query): Params<Days>,
) -> HttpResult<Response> {
    let (from, to) = read_days(&query, app.now())?;
    if wants_csv(&headers) {
        return rows::csv(&app, account, query.key, from, to).await;
    }
    let read = app.read(move |tx| {
        let Some(key) = rows::key(tx, account, query.key.as_deref())? else {
            return Ok(None);
        };
        rows::read(tx, account, key.as_ref(), from, to).map(Some)
    });
    let used = read.await?.ok_or_else(no_such_key)?;
    Ok(Json(Usage::of(from, to, used)).into_response())
}

/// The first and the last day, counted since the Unix epoch.
fn read_days(query: &Days, now: Timestamp) -> Result<(i64, i64)> {
    let read = |field: &str, text: &Option<String>| match text {
        None => Ok(None),
        Some(text) => match domain::time::parse(text) {
            Some(moment) => Ok(Some(moment.day())),
            None => Err(Error::field(
                field,
                format!("{field} is a date like 2026-11-01."),
            )),
        },
    };
    let to = read("to", &query.to)?.unwrap_or_else(|| now.day());
    let from = read("from", &query.from)?.unwrap_or(to - DAYS_DEFAULT + 1);
    if from > to || to - from >= DAYS_MAX {
        let detail = format!("from is before to, and at most {DAYS_MAX} days are asked for.");
        return Err(Error::field("from", detail));
    }
    Ok((from, to))
}

impl Usage {
    fn of(from: i64, to: i64, used: rows::Used) -> Usage {
        let mut days: Vec<UsageDay> = Vec::new();
        let mut operations: Vec<UsageOperation> = Vec::new();
        let (mut calls, mut credits) = (0, Credits::ZERO);
        let add = |calls: &mut i64, credits: &mut Credits, row: &store::ledger::DayUsage| {
            *calls = calls.saturating_add(row.calls);
            *credits = credits.saturating_add(Credits::from_micros(row.credits));
        };
        for row in &used.days {
            let cost = Credits::from_micros(row.credits);
            add(&mut calls, &mut credits, row);
            let date = date_text(row.day);
            match days.last_mut().filter(|day| day.date == date) {
                Some(day) => add(&mut day.calls, &mut day.credits.0, row),
                None => days.push(UsageDay {
                    date,
                    calls: row.calls,
                    credits: Exact(cost),
                }),
            }
            let known = operations
                .iter_mut()
                .find(|known| known.operation == row.operation);
            match known {
                Some(sum) => add(&mut sum.calls, &mut sum.credits.0, row),
                None => operations.push(UsageOperation {
                    operation: row.operation.clone(),
                    calls: row.calls,
                    credits: Exact(cost),
                    meters: meters_of(&used.meters, &row.operation),
                }),
            }
        }
        operations.sort_by_key(|sum| std::cmp::Reverse(sum.credits.0));
        let keys = used.keys.into_iter().map(|row| UsageKey {
            key: row.public_id,
            name: row.name,
            calls: row.calls,
            credits: Exact::micros(row.credits),
        });
        Usage {
            from: date_text(from),
            to: date_text(to),
            total: UsageSum {
                calls,
                credits: Exact(credits),
            },
            days,
            operations,
            keys: keys.collect(),
        }
    }
}

/// The units of each meter of an operation.
fn meters_of(rows: &[store::ledger::MeterUsage], operation: &str) -> BTreeMap<String, ExactUnits> {
    let of_operation = rows.iter().filter(|row| row.operation == operation);
    let units = |row: &store::ledger::MeterUsage| {
        let units = Quantity::Units(Units::from_micros(row.units));
        (row.meter.clone(), ExactUnits(units))
    };
    of_operation.map(units).collect()
}

/// The query parameters that describe a call.
#[derive(Clone, Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Call {
    /// The name of an operation in the catalog. The default is `call`.
    operation: Option<String>,
    /// What the call uses of the operation: a number of units (`2.5`), or for an operation with
    /// several meters, the units of each (`input_tokens:210,output_tokens:800`). The default is 1.
    #[param(inline, value_type = Option<UnitsParam>)]
    units: Option<String>,
}

/// Whether an account can make a call now, and why not.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Access {
    /// Whether the call would be admitted now.
    allowed: bool,
    /// Why the call would be refused: `account_not_active`, `debt`, `plan_limit`, `spend_limit` or
    /// `insufficient_credits`. Null if it would be admitted.
    reason: Option<&'static str>,
    /// The number of credits that the call would cost.
    cost: Exact,
    /// The credits available to spend now.
    available: Exact,
    /// The tier of the account's subscription, or the tier that overrides it.
    tier: String,
    /// The tier that determines what the account may do.
    access_tier: String,
    /// The status of the subscription: `NONE`, `INCOMPLETE`, `TRIALING`, `ACTIVE`, `PAST_DUE`,
    /// `UNPAID`, `PAUSED` or `CANCELED`.
    status: &'static str,
    /// The number of calls that the plan allows in each period, or null if there is no limit.
    calls_limit: Option<i64>,
    /// The number of calls made in the current period.
    calls_this_period: i64,
    /// The time at which the calls are counted from zero again (RFC 3339, UTC).
    period_end: String,
    /// The URL of the page for buying credits.
    top_up_url: String,
    /// The URL of the page for changing the plan.
    upgrade_url: String,
}

/// Reports whether a call would be admitted now, and why not. This sets no credits aside: to spend,
/// create a hold or a debit, whose result is final.
#[utoipa::path(
    get,
    path = "/api/v1/access",
    operation_id = "getAccess",
    tag = "metering",
    params(AccountParam, Call),
    responses((status = 200, body = Access), (status = 400), (status = 401), (status = 404))
)]
pub async fn access(
    State(app): State<App>,
    OfAccount { caller, account }: OfAccount,
    Params(call): Params<Call>,
) -> HttpResult<Json<Access>> {
    let call = MeteredCall {
        operation: call.operation,
        units: parse_units(call.units.as_deref())?,
        ..MeteredCall::default()
    };
    let price = Price::read(&app.rules().catalog, &call)?;
    let look = admission::look(&app, account, price.credits, caller.spender()).await?;
    let reason = look.error(&app).map(|refusal| refusal.0.code);
    let (view, links) = (look.view, app.links_of(&look.account.public_id));
    Ok(Json(Access {
        allowed: reason.is_none(),
        reason,
        cost: Exact(price.credits),
        available: Exact(view.available),
        calls_limit: view.plan.calls_limit,
        calls_this_period: view.calls_this_period,
        period_end: view.plan.month_end.rfc3339(),
        tier: view.plan.tier,
        access_tier: view.plan.access_tier,
        status: view.plan.status.word(),
        top_up_url: links.top_up,
        upgrade_url: links.upgrade,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn days(from: Option<&str>, to: Option<&str>) -> Result<(i64, i64)> {
        let query = Days {
            from: from.map(str::to_owned),
            to: to.map(str::to_owned),
            key: None,
        };
        read_days(&query, domain::time::parse("2026-11-22T10:00:00Z").unwrap())
    }

    #[test]
    fn usage_without_dates_is_of_the_last_thirty_days() {
        let (from, to) = days(None, None).unwrap();

        assert_eq!(
            (date_text(from), date_text(to)),
            ("2026-10-24".into(), "2026-11-22".into())
        );
    }

    #[test]
    fn usage_is_asked_for_at_most_four_hundred_days() {
        assert!(days(Some("2025-10-19"), None).is_ok());
        assert!(days(Some("2025-10-18"), None).is_err());
        assert!(days(Some("2026-11-23"), None).is_err());
        assert!(days(Some("yesterday"), None).is_err());
    }
}
