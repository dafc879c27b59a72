//! The time of the last commit, by which a start recognizes a wrong system clock.

use domain::time::Timestamp;

use crate::args;
use crate::db::Tx;
use crate::error::Result;

/// Name of the setting in which a running service notes the time.
const LAST: &str = "clock.last";

/// Notes that the service ran at `now`.
pub fn note(tx: &mut Tx<'_>, now: Timestamp) -> Result<u64> {
    crate::settings::put(tx, LAST, &now.micros().to_string(), now)
}

/// The time of the last commit of a running service, to the minute. Of a database whose service
/// never noted it: the latest event, act or sync.
pub fn last_commit(tx: &mut Tx<'_>) -> Result<Option<Timestamp>> {
    let noted = crate::settings::get(tx, LAST)?.and_then(|text| text.parse::<i64>().ok());
    if let Some(noted) = noted {
        return Ok(Some(Timestamp::from_micros(noted)));
    }
    tx.query_one(
        "select max(at)
           from (select max(received_at) as at from stripe_event
                 union all
                 select max(at) from audit_log
                 union all
                 select max(last_synced_at) from account_sync) as latest",
        args![],
    )
}
