//! The thresholds of a wallet: below one the account is notified, below the other more credits are
//! bought.

use domain::money::Credits;
use domain::time::Timestamp;

use super::loaded::{LOW_BELOW_DEFAULT, Watch, measure};
use super::{Rules, load};
use crate::args;
use crate::db::Tx;
use crate::error::Result;

/// The number of credits below which the account is notified, and the number below which more are
/// bought; `None` for never.
pub fn thresholds(tx: &mut Tx<'_>, account: i64) -> Result<(Option<Credits>, Option<Credits>)> {
    let row: Option<(Option<i64>, Option<i64>)> = tx.query_opt(
        "select low_below, topup_below from wallet where account_id = $1",
        args![account],
    )?;
    let (low, topup) = row.unwrap_or((Some(LOW_BELOW_DEFAULT.micros()), None));
    let credits = |micros: Option<i64>| micros.map(Credits::from_micros);
    Ok((credits(low), credits(topup)))
}

/// Sets both thresholds. If the level is low only because of the new thresholds, no one is notified
/// and nothing is bought until a call spends.
pub fn set_thresholds(
    tx: &mut Tx<'_>,
    rules: &Rules,
    account: i64,
    low_below: Option<Credits>,
    topup_below: Option<Credits>,
    now: Timestamp,
) -> Result<()> {
    super::settle(tx, rules, account, now)?;
    let loaded = load::load(tx, account, &[])?;
    let watch = Watch {
        low_below,
        topup_below,
        ..loaded.watch
    };
    let measure = measure(&loaded.ledger, now);
    tx.execute(
        "update wallet
            set low_below = $2,
                low_level = $3,
                low_due = 0,
                topup_below = $4,
                topup_due = $5
          where account_id = $1",
        args![
            account,
            low_below.map(Credits::micros),
            watch.level(measure).number(),
            topup_below.map(Credits::micros),
            watch.topup_due && topup_below.is_some_and(|below| measure < below),
        ],
    )?;
    Ok(())
}
