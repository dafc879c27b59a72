//! Rate limits: the generic cell rate algorithm, with one row per key and one statement per
//! request.

use domain::time::Timestamp;

use crate::args;
use crate::db::Tx;
use crate::error::Result;

/// Whether a request is admitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// The request is admitted.
    Allowed,
    /// The request is refused; retry after this many microseconds.
    RetryAfter(i64),
}

/// Whether `key` is admitted now, when `limit` requests are allowed per `period_micros`: all of
/// them in one burst, then one each time an even share of the period has passed.
pub fn admit(
    tx: &mut Tx<'_>,
    key: &str,
    limit: i64,
    period_micros: i64,
    now: Timestamp,
) -> Result<Admission> {
    let share = period_micros / limit.max(1);
    let (tat, is_refused) = tx.query_one::<(i64, bool)>(
        "insert into rate_limit (key, tat, refused)
         values ($1, $2 + $3, 0)
             on conflict (key) do update
            set refused = case
                    when rate_limit.tat + $3 > $2 + $4 then 1
                    else 0 end,
                tat = case
                    when rate_limit.tat + $3 > $2 + $4 then rate_limit.tat
                    when rate_limit.tat > $2 then rate_limit.tat + $3
                    else $2 + $3 end
         returning tat, refused",
        args![key, now, share, period_micros],
    )?;
    if is_refused {
        let after = tat
            .saturating_add(share)
            .saturating_sub(now.micros() + period_micros);
        Ok(Admission::RetryAfter(after.max(1)))
    } else {
        Ok(Admission::Allowed)
    }
}

/// Deletes expired keys, whose limit has reset anyway.
pub fn sweep(tx: &mut Tx<'_>, now: Timestamp) -> Result<u64> {
    tx.execute("delete from rate_limit where tat <= $1", args![now])
}
