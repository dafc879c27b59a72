//! How often: counted in the database, so that a restart or a second process does not forget.

use sha2::{Digest, Sha256};

use crate::app::App;
use crate::error::{Error, Result};

const MINUTE_MICROS: i64 = 60_000_000;

/// A limit's name as it is kept: without the mail address that it may be about.
fn kept(what: &str) -> String {
    if !what.contains('@') {
        return what.to_owned();
    }
    let kind = what.split(':').next().unwrap_or_default();
    format!("{kind}:{}", hex::encode(Sha256::digest(what.as_bytes())))
}

/// Takes one of `per_minute` from `what` (such as `checkout:12`), or answers 429 with when to try
/// again. On real time: moving the billing clock gives nobody more.
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
