//! Rate limits, counted in the database so that they survive restarts and span processes.

use sha2::{Digest, Sha256};

use crate::app::App;
use crate::error::{Error, Result};

const MINUTE_MICROS: i64 = 60_000_000;

/// A limit's key as stored: hashed if it contains an email address.
fn kept(what: &str) -> String {
    if !what.contains('@') {
        return what.to_owned();
    }
    let kind = what.split(':').next().unwrap_or_default();
    format!("{kind}:{}", hex::encode(Sha256::digest(what.as_bytes())))
}

/// Takes one of `per_minute` requests from `what` (such as `checkout:12`), or fails with a 429 that
/// says when to retry. Uses real time, so that moving the billing clock doesn't reset limits.
pub async fn take(app: &App, what: &str, per_minute: u32, account: i64) -> Result<()> {
    let key = kept(what);
    let now = app.real_now();
    let admission = app
        .write(account, move |tx| {
            store::rate_limit::admit(tx, &key, i64::from(per_minute), MINUTE_MICROS, now)
        })
        .await?;
    match admission {
        store::rate_limit::Admission::Allowed => Ok(()),
        store::rate_limit::Admission::RetryAfter(micros) => {
            let seconds = u64::try_from(micros)
                .unwrap_or(0)
                .div_ceil(1_000_000)
                .max(1);
            let detail =
                format!("At most {per_minute} requests a minute. Try again in {seconds} seconds.");
            Err(Error::too_many(detail, seconds))
        }
    }
}
