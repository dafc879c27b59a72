//! Usage by day, operation and API key, for pages and API responses. Every read requires its
//! account.

use crate::args;
use crate::db::{Tx, record, sql, total};
use crate::error::Result;

record! {
    /// Usage of one day and operation; credits in micro-credits.
    pub struct DayUsage {
        /// The UTC day, counted from the epoch.
        pub day: i64,
        /// The operation that was metered.
        pub operation: String,
        /// The number of calls that were charged.
        pub calls: i64,
        /// Credits that were charged.
        pub credits: i64,
    }
}

/// Usage by day and operation on the days from `from` up to but not including `until`, oldest
/// first; only that of `key`, if given.
pub fn usage_by_day(
    tx: &mut Tx<'_>,
    account: i64,
    key: Option<i64>,
    from: i64,
    until: i64,
) -> Result<Vec<DayUsage>> {
    tx.query(
        sql!(
            "select day, operation, ",
            total!("calls"),
            ", ",
            total!("credits"),
            " from usage_day
              where account_id = $1
                and ($2 = 0 or api_key_id = $2)
                and day >= $3
                and day < $4
              group by day, operation
              order by day, operation"
        ),
        args![account, key.unwrap_or(0), from, until],
    )
}

record! {
    /// Usage of one day, operation and key; credits in micro-credits.
    pub struct UsageLine {
        /// The UTC day, counted from the epoch.
        pub day: i64,
        /// The operation that was metered.
        pub operation: String,
        /// The public id of the key; `None` for calls without one.
        pub public_id: Option<String>,
        /// The owner's name for the key.
        pub name: Option<String>,
        /// The number of calls that were charged.
        pub calls: i64,
        /// Credits that were charged.
        pub credits: i64,
    }
}

/// Usage by day, operation and key on the days from `from` up to but not including `until`, oldest
/// first; only that of `key`, if given.
pub fn usage_lines(
    tx: &mut Tx<'_>,
    account: i64,
    key: Option<i64>,
    from: i64,
    until: i64,
    limit: i64,
) -> Result<Vec<UsageLine>> {
    tx.query(
        "select u.day, u.operation, k.public_id, k.name, u.calls, u.credits
           from usage_day u
           left join api_key k on k.id = u.api_key_id
          where u.account_id = $1
            and u.day >= $2
            and u.day < $3
            and ($4 = 0 or u.api_key_id = $4)
          order by u.day, u.operation, u.api_key_id
          limit $5",
        args![account, from, until, key.unwrap_or(0), limit],
    )
}

record! {
    /// Units of one meter of an operation, in millionths.
    pub struct MeterUsage {
        /// The operation that was metered.
        pub operation: String,
        /// The name of the meter.
        pub meter: String,
        /// Units that were charged, in millionths.
        pub units: i64,
    }
}

/// Units by operation and meter on the days from `from` up to but not including `until`; only those
/// of `key`, if given. Operations with one rate have none.
pub fn usage_by_meter(
    tx: &mut Tx<'_>,
    account: i64,
    key: Option<i64>,
    from: i64,
    until: i64,
) -> Result<Vec<MeterUsage>> {
    tx.query(
        sql!(
            "select operation, meter, ",
            total!("units"),
            " from usage_meter_day
              where account_id = $1
                and ($2 = 0 or api_key_id = $2)
                and day >= $3
                and day < $4
              group by operation, meter
              order by operation, meter"
        ),
        args![account, key.unwrap_or(0), from, until],
    )
}

record! {
    /// Units of one meter on one day, by operation and key, in millionths.
    pub struct MeterLine {
        /// The UTC day, counted from the epoch.
        pub day: i64,
        /// The operation that was metered.
        pub operation: String,
        /// The public id of the key; `None` for calls without one.
        pub public_id: Option<String>,
        /// The name of the meter.
        pub meter: String,
        /// Units that were charged, in millionths.
        pub units: i64,
    }
}

/// Units by day, operation, key and meter on the days from `from` up to but not including `until`,
/// in the order of [`usage_lines`]; only those of `key`, if given.
pub fn meter_lines(
    tx: &mut Tx<'_>,
    account: i64,
    key: Option<i64>,
    from: i64,
    until: i64,
) -> Result<Vec<MeterLine>> {
    tx.query(
        "select u.day, u.operation, k.public_id, u.meter, u.units
           from usage_meter_day u
           left join api_key k on k.id = u.api_key_id
          where u.account_id = $1
            and u.day >= $2
            and u.day < $3
            and ($4 = 0 or u.api_key_id = $4)
          order by u.day, u.operation, u.api_key_id, u.meter",
        args![account, from, until, key.unwrap_or(0)],
    )
}

record! {
    /// Usage of one API key; credits in micro-credits.
    pub struct KeyUsage {
        /// The public id of the key; `None` for calls without one.
        pub public_id: Option<String>,
        /// The owner's name for the key.
        pub name: Option<String>,
        /// The number of calls that were charged.
        pub calls: i64,
        /// Credits that were charged.
        pub credits: i64,
    }
}

/// Usage by API key on the days from `from` up to but not including `until`, highest cost first.
pub fn usage_by_key_between(
    tx: &mut Tx<'_>,
    account: i64,
    from: i64,
    until: i64,
) -> Result<Vec<KeyUsage>> {
    tx.query(
        sql!(
            "select k.public_id, k.name, ",
            total!("u.calls"),
            ", ",
            total!("u.credits"),
            " as total
               from usage_day u
               left join api_key k on k.id = u.api_key_id
              where u.account_id = $1
                and u.day >= $2
                and u.day < $3
              group by u.api_key_id, k.public_id, k.name
              order by total desc, u.api_key_id
              limit 100"
        ),
        args![account, from, until],
    )
}

/// Calls and micro-credits charged on the days from `from` up to but not including `until`.
pub fn used_between(tx: &mut Tx<'_>, account: i64, from: i64, until: i64) -> Result<(i64, i64)> {
    tx.query_one(
        sql!(
            "select ",
            total!("calls"),
            ", ",
            total!("credits"),
            " from usage_day
              where account_id = $1
                and day >= $2
                and day < $3"
        ),
        args![account, from, until],
    )
}
