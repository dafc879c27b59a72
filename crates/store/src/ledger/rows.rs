//! How grants, holds and journal entries are read from their rows.

use domain::ledger::{Body, Entry, Hold, Lot, LotId, Spender, rollover_key};
use domain::money::{Credits, Currency, MinorUnits};
use domain::time::Timestamp;

use crate::args;
use crate::db::{Record, Row, Tx, sql};
use crate::error::{Result, unreadable};

/// Amounts are stored in micro-credits.
macro_rules! lot_columns {
    () => {
        "lot, kind, source_key, parent, amount, used, expired, clawed, held, reversed, priority,
         effective_at, expires_at, frozen, voided, paid_minor, currency, kept_until"
    };
}
pub(super) use lot_columns;

impl Record for Lot {
    fn from_row(row: &Row<'_>) -> Result<Self> {
        let paid: Option<i64> = row.get(15)?;
        let currency: Option<String> = row.get(16)?;
        let currency = currency.as_deref().and_then(Currency::parse);
        Ok(Lot {
            id: row.get(0)?,
            kind: row.get(1)?,
            source_key: row.get(2)?,
            parent: row.get(3)?,
            amount: row.get(4)?,
            used: row.get(5)?,
            expired: row.get(6)?,
            clawed_back: row.get(7)?,
            held: row.get(8)?,
            reversed: row.get(9)?,
            priority: row.get(10)?,
            effective_at: row.get(11)?,
            expires_at: row.get(12)?,
            kept_until: row.get(17)?,
            frozen: row.get(13)?,
            voided: row.get(14)?,
            paid: paid
                .zip(currency)
                .map(|(amount, currency)| MinorUnits::new(amount, currency)),
        })
    }
}

pub(super) fn live_lots(tx: &mut Tx<'_>, account: i64) -> Result<Vec<Lot>> {
    tx.query(
        sql!(
            "select ",
            lot_columns!(),
            "  from credit_grant
              where account_id = $1
                and used + expired + clawed < amount"
        ),
        args![account],
    )
}

pub(super) fn lot_by_number(tx: &mut Tx<'_>, account: i64, lot: LotId) -> Result<Option<Lot>> {
    tx.query_opt(
        sql!(
            "select ",
            lot_columns!(),
            " from credit_grant where account_id = $1 and lot = $2"
        ),
        args![account, lot],
    )
}

/// The grant with a source key, its bonus grants, and what it carried over.
pub(super) fn lot_family(tx: &mut Tx<'_>, account: i64, source_key: &str) -> Result<Vec<Lot>> {
    let carried_over = rollover_key(source_key);
    tx.query(
        sql!(
            "select ",
            lot_columns!(),
            "  from credit_grant
              where account_id = $1
                and (source_key = $2
                     or source_key = $3
                     or parent in (select lot
                                     from credit_grant
                                    where account_id = $1
                                      and source_key = $2))"
        ),
        args![account, source_key, &carried_over],
    )
}

/// The allowances from `since` on and those that a reversal changed, their bonus grants, and what
/// they carried over, under [`rollover_key`].
pub(super) fn allowance_families(
    tx: &mut Tx<'_>,
    account: i64,
    since: Timestamp,
) -> Result<Vec<Lot>> {
    tx.query(
        sql!(
            "with allowance as (
                  select lot, 'rollover:' || source_key as carried_over
                    from credit_grant
                   where account_id = $1
                     and kind = 'allowance'
                     and (effective_at >= $2 or reversed > 0 or frozen = 1))
             select ",
            lot_columns!(),
            "  from credit_grant
              where account_id = $1
                and (lot in (select lot from allowance)
                     or parent in (select lot from allowance)
                     or source_key in (select carried_over from allowance))"
        ),
        args![account, since],
    )
}

macro_rules! hold_columns {
    () => {
        "hold_id, amount, captured, uncollected, state, pins, period_start, authorized_at,
         expires_at, resolved_at, api_key_id, user_id"
    };
}
pub(super) use hold_columns;

impl Record for Hold {
    fn from_row(row: &Row<'_>) -> Result<Self> {
        let pins: String = row.get(5)?;
        Ok(Hold {
            id: row.get(0)?,
            amount: row.get(1)?,
            captured: row.get(2)?,
            uncollected: row.get(3)?,
            state: row.get(4)?,
            pins: read_pins(&pins)?,
            period_start: row.get(6)?,
            authorized_at: row.get(7)?,
            expires_at: row.get(8)?,
            resolved_at: row.get(9)?,
            spender: Spender {
                key: row.get(10)?,
                member: row.get(11)?,
            },
        })
    }
}

/// Finds a hold of this account.
pub fn hold(tx: &mut Tx<'_>, account: i64, id: &str) -> Result<Option<Hold>> {
    tx.query_opt(
        sql!(
            "select ",
            hold_columns!(),
            " from hold where hold_id = $1 and account_id = $2"
        ),
        args![id, account],
    )
}

/// Lists the account's holds that are not settled.
pub fn pending_holds(tx: &mut Tx<'_>, account: i64) -> Result<Vec<Hold>> {
    tx.query(
        sql!(
            "select ",
            hold_columns!(),
            " from hold where account_id = $1 and state = 'pending'"
        ),
        args![account],
    )
}

impl Record for Entry {
    /// Reads an entry from its stored bytes and its hash.
    fn from_row(row: &Row<'_>) -> Result<Self> {
        let canonical: Vec<u8> = row.get(0)?;
        Entry::from_canonical(&canonical, digest(row.get(1)?)?).map_err(|_| unreadable("journal"))
    }
}

pub(super) fn entry_by_key(tx: &mut Tx<'_>, account: i64, key: &str) -> Result<Option<Entry>> {
    tx.query_opt(
        "select canonical, hash
           from journal
          where account_id = $1
            and idempotency_key = $2",
        args![account, key],
    )
}

/// Formats pins as grant number and micro-credits: `3:40000000,5:1000`.
pub(super) fn write_pins(pins: &[(LotId, Credits)]) -> String {
    let parts: Vec<String> = pins
        .iter()
        .map(|(lot, part)| format!("{lot}:{}", part.micros()))
        .collect();
    parts.join(",")
}

pub(super) fn read_pins(text: &str) -> Result<Vec<(LotId, Credits)>> {
    let pin = |part: &str| {
        let (lot, micros) = part.split_once(':')?;
        Some((
            lot.parse().ok()?,
            Credits::from_micros(micros.parse().ok()?),
        ))
    };
    let parts = text.split(',').filter(|part| !part.is_empty());
    parts
        .map(|part| pin(part).ok_or_else(|| unreadable("hold")))
        .collect()
}

pub(super) fn digest(bytes: Vec<u8>) -> Result<[u8; 32]> {
    bytes.try_into().map_err(|_| unreadable("hash"))
}

/// The hold that an entry is about, for a separate column of the journal.
pub(super) fn hold_of(entry: &Entry) -> Option<&str> {
    match &entry.body {
        Body::Hold { hold, .. } | Body::Settlement { hold, .. } => Some(hold),
        _ => None,
    }
}
