//! Watches a wallet's level as its credits move, so that a crossing is noted in the commit that
//! made it; jobs tell of it and buy credits later.

use domain::ledger::Ledger;
use domain::money::Credits;
use domain::time::Timestamp;

use super::Rules;
use super::load::{self, Loaded};
use crate::args;
use crate::db::{Tx, record};
use crate::error::Result;

/// Below this a new account is told that its credits run low, unless it says otherwise.
pub const LOW_BELOW_DEFAULT: Credits = Credits::new(50);

/// Enough.
const LEVEL_ENOUGH: i64 = 0;
/// Below the threshold.
const LEVEL_LOW: i64 = 1;
/// Nothing left.
const LEVEL_GONE: i64 = 2;

/// What is watched for, as the wallet's row has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Watch {
    pub(super) limits: i64,
    pub(super) low_below: Option<Credits>,
    pub(super) low_level: i64,
    pub(super) low_due: bool,
    pub(super) topup_below: Option<Credits>,
    pub(super) topup_due: bool,
}

impl Default for Watch {
    /// A new wallet has nothing, and nobody is told that.
    fn default() -> Watch {
        Watch {
            limits: 0,
            low_below: Some(LOW_BELOW_DEFAULT),
            low_level: LEVEL_GONE,
            low_due: false,
            topup_below: None,
            topup_due: false,
        }
    }
}

/// What is watched: credits that may be spent, those that calls in progress set aside included. So
/// a hold that is given back crosses nothing.
fn measure(ledger: &Ledger, now: Timestamp) -> Credits {
    ledger.available(now) + ledger.wallet.held
}

fn level(watch: &Watch, measure: Credits) -> i64 {
    if !measure.is_positive() {
        LEVEL_GONE
    } else if watch.low_below.is_some_and(|below| measure < below) {
        LEVEL_LOW
    } else {
        LEVEL_ENOUGH
    }
}

/// Notes a crossing. A level that rose again arms the next one; most commands change nothing here
/// and write nothing.
pub(super) fn note(tx: &mut Tx<'_>, loaded: &Loaded, now: Timestamp) -> Result<()> {
    let (before, measure) = (&loaded.watch, measure(&loaded.ledger, now));
    let level = level(before, measure);
    let after = Watch {
        low_level: level,
        low_due: level > before.low_level || (level == before.low_level && before.low_due),
        topup_due: before.topup_below.is_some_and(|below| measure < below),
        ..*before
    };
    if after == *before {
        return Ok(());
    }
    tx.execute(
        "update wallet
            set low_level = $2,
                low_due = $3,
                low_seq = case when $3 = 1 and low_due = 0 then $4 else low_seq end,
                topup_due = $5
          where account_id = $1",
        args![
            loaded.ledger.account,
            after.low_level,
            after.low_due,
            loaded.ledger.wallet.seq,
            after.topup_due,
        ],
    )?;
    Ok(())
}

record! {
    /// A wallet whose crossing was not told yet.
    pub struct Crossing {
        /// The account.
        pub account_id: i64,
        /// Whether nothing is left.
        pub is_gone: bool,
        /// The threshold that was crossed, micro-credits.
        pub low_below: Option<i64>,
        /// The journal entry that crossed it: the crossing's name.
        pub seq: i64,
    }
}

/// Crossings to tell of, of accounts after number `after`.
pub fn crossings(tx: &mut Tx<'_>, after: i64, limit: i64) -> Result<Vec<Crossing>> {
    tx.query(
        "select account_id, low_level = 2, low_below, coalesce(low_seq, 0)
           from wallet
          where low_due > 0
            and account_id > $1
          order by account_id
          limit $2",
        args![after, limit],
    )
}

/// Notes that the crossing was told. `false` when it healed or another came meanwhile.
pub fn told(tx: &mut Tx<'_>, account: i64, seq: i64) -> Result<bool> {
    let changed = tx.execute(
        "update wallet
            set low_due = 0
          where account_id = $1
            and low_due > 0
            and coalesce(low_seq, 0) = $2",
        args![account, seq],
    )?;
    Ok(changed > 0)
}

/// Below how many credits the account is told, and below how many more are bought; none for never.
pub fn thresholds(tx: &mut Tx<'_>, account: i64) -> Result<(Option<Credits>, Option<Credits>)> {
    let row: Option<(Option<i64>, Option<i64>)> = tx.query_opt(
        "select low_below, topup_below from wallet where account_id = $1",
        args![account],
    )?;
    let (low, topup) = row.unwrap_or((Some(LOW_BELOW_DEFAULT.micros()), None));
    let credits = |micros: Option<i64>| micros.map(Credits::from_micros);
    Ok((credits(low), credits(topup)))
}

/// Sets both. A level that follows from the new thresholds alone is told to nobody.
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
            level(&watch, measure),
            topup_below.map(Credits::micros),
            topup_below.is_some_and(|below| measure < below),
        ],
    )?;
    Ok(())
}
