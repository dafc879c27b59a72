//! Saves the changes made by a run of commands.

use domain::ledger::{Body, Entry, EntryKind, Hold, Lot};
use domain::time::Timestamp;
use domain::units::Quantity;

use super::loaded::Loaded;
use super::rows::{hold_of, write_pins};
use super::{limits, watch};
use crate::args;
use crate::db::{Tx, sql};
use crate::error::Result;

/// The sum of two expressions that aren't negative, or the largest number of 64 bits.
macro_rules! saturating {
    ($one:literal, $other:literal) => {
        concat!(
            "case when ",
            $one,
            " > 9223372036854775807 - ",
            $other,
            " then 9223372036854775807 else ",
            $one,
            " + ",
            $other,
            " end"
        )
    };
}

/// The operation's name in the usage table when a call didn't specify one.
const UNNAMED: &str = "call";

/// Writes the journal's new entries, and then the rows derived from them. Returns the entries.
pub(super) fn save(tx: &mut Tx<'_>, loaded: &mut Loaded, now: Timestamp) -> Result<Vec<Entry>> {
    let changes = loaded.ledger.take_changes();
    if changes.entries.is_empty() && !loaded.is_changed {
        return Ok(changes.entries);
    }
    let account = loaded.ledger.account;
    for entry in &changes.entries {
        insert_entry(tx, entry)?;
        count_usage(tx, entry)?;
    }
    for id in &changes.lots {
        save_lot(tx, account, &loaded.ledger.lots[id])?;
    }
    for id in &changes.holds {
        save_hold(tx, account, &loaded.ledger.holds[id])?;
    }
    for limit in &loaded.ledger.limits {
        if changes.limits.contains(&limit.id) {
            limits::save(tx, limit, now)?;
        }
    }
    save_wallet(tx, loaded, now)?;
    watch::note(tx, loaded, &changes.entries, now)?;
    Ok(changes.entries)
}

fn insert_entry(tx: &mut Tx<'_>, entry: &Entry) -> Result<()> {
    let (canonical, exact_units) = (entry.canonical_bytes(), exact_units(entry));
    tx.execute(
        "insert into journal (account_id, seq, kind, at, posted_delta, held_delta, debt_delta,
                              idempotency_key, hold_id, operation, units, api_key_id, charged,
                              canonical, hash, exact_units)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)",
        args![
            entry.account,
            entry.seq,
            entry.kind,
            entry.at,
            entry.posted_delta.micros(),
            entry.held_delta.micros(),
            entry.debt_delta.micros(),
            &entry.key,
            hold_of(entry),
            &entry.context.operation,
            entry.context.units.as_ref().and_then(Quantity::as_whole),
            entry.context.api_key,
            entry.charged().micros(),
            &canonical,
            &entry.hash,
            &exact_units,
        ],
    )?;
    Ok(())
}

/// Units that aren't one whole number, as text.
fn exact_units(entry: &Entry) -> Option<String> {
    let units = entry.context.units.as_ref()?;
    units.as_whole().is_none().then(|| units.to_string())
}

/// A charged call adds to its day; a released one was never counted.
pub(super) fn count_usage(tx: &mut Tx<'_>, entry: &Entry) -> Result<()> {
    if !matches!(entry.kind, EntryKind::Debit | EntryKind::Capture) {
        return Ok(());
    }
    debug_assert!(matches!(
        entry.body,
        Body::Debit { .. } | Body::Settlement { .. }
    ));
    let (day, key) = (entry.at.day(), entry.context.api_key.unwrap_or(0));
    let operation = entry.context.operation.as_deref().unwrap_or(UNNAMED);
    tx.execute(
        sql!(
            "insert into usage_day (account_id, day, operation, api_key_id, calls, credits)
             values ($1, $2, $3, $4, 1, $5)
             on conflict (account_id, day, operation, api_key_id) do update
                set calls = usage_day.calls + 1,
                    credits = ",
            saturating!("usage_day.credits", "excluded.credits")
        ),
        args![entry.account, day, operation, key, entry.charged().micros()],
    )?;
    let meters = entry.context.units.iter().flat_map(Quantity::meters);
    for (meter, units) in meters {
        tx.execute(
            sql!(
                "insert into usage_meter_day (account_id, day, operation, api_key_id, meter, units)
                 values ($1, $2, $3, $4, $5, $6)
                 on conflict (account_id, day, operation, api_key_id, meter) do update
                    set units = ",
                saturating!("usage_meter_day.units", "excluded.units")
            ),
            args![entry.account, day, operation, key, meter, units.micros()],
        )?;
    }
    Ok(())
}

pub(super) fn save_lot(tx: &mut Tx<'_>, account: i64, lot: &Lot) -> Result<()> {
    tx.execute(
        "insert into credit_grant (account_id, lot, kind, source_key, parent, amount, used,
                                   expired, clawed, held, reversed, priority, effective_at,
                                   expires_at, frozen, voided, paid_minor, currency, kept_until)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18,
                 $19)
         on conflict (account_id, lot) do update
            set used = excluded.used,
                expired = excluded.expired,
                clawed = excluded.clawed,
                held = excluded.held,
                reversed = excluded.reversed,
                frozen = excluded.frozen,
                voided = excluded.voided,
                kept_until = excluded.kept_until",
        args![
            account,
            lot.id,
            lot.kind,
            &lot.source_key,
            lot.parent,
            lot.amount.micros(),
            lot.used.micros(),
            lot.expired.micros(),
            lot.clawed_back.micros(),
            lot.held.micros(),
            lot.reversed.micros(),
            lot.priority,
            lot.effective_at,
            lot.expires_at,
            lot.frozen,
            lot.voided,
            lot.paid.map(|paid| paid.amount),
            lot.paid.as_ref().map(|paid| paid.currency.code()),
            lot.kept_until,
        ],
    )?;
    Ok(())
}

pub(super) fn save_hold(tx: &mut Tx<'_>, account: i64, hold: &Hold) -> Result<()> {
    tx.execute(
        "insert into hold (hold_id, account_id, amount, captured, uncollected, state, pins,
                           period_start, authorized_at, expires_at, resolved_at, api_key_id,
                           user_id)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
         on conflict (hold_id) do update
            set captured = excluded.captured,
                uncollected = excluded.uncollected,
                state = excluded.state,
                resolved_at = excluded.resolved_at",
        args![
            &hold.id,
            account,
            hold.amount.micros(),
            hold.captured.micros(),
            hold.uncollected.micros(),
            hold.state,
            &write_pins(&hold.pins),
            hold.period_start,
            hold.authorized_at,
            hold.expires_at,
            hold.resolved_at,
            hold.spender.key,
            hold.spender.member,
        ],
    )?;
    Ok(())
}

pub(super) fn save_wallet(tx: &mut Tx<'_>, loaded: &Loaded, now: Timestamp) -> Result<()> {
    let (ledger, wallet) = (&loaded.ledger, &loaded.ledger.wallet);
    tx.execute(
        "insert into wallet (account_id, posted, held, debt, seq, hash, open_holds, period_start,
                             period_calls, next_due_at, status, plan_start, plan_calls_limit,
                             plan_valid_until, updated_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)
         on conflict (account_id) do update
            set posted = excluded.posted,
                held = excluded.held,
                debt = excluded.debt,
                seq = excluded.seq,
                hash = excluded.hash,
                open_holds = excluded.open_holds,
                period_start = excluded.period_start,
                period_calls = excluded.period_calls,
                next_due_at = excluded.next_due_at,
                status = excluded.status,
                plan_start = excluded.plan_start,
                plan_calls_limit = excluded.plan_calls_limit,
                plan_valid_until = excluded.plan_valid_until,
                updated_at = excluded.updated_at",
        args![
            ledger.account,
            wallet.posted.micros(),
            wallet.held.micros(),
            wallet.debt.micros(),
            wallet.seq,
            &wallet.hash,
            wallet.open_holds,
            wallet.period_start,
            wallet.period_calls,
            ledger.next_due_at,
            ledger.terms.status,
            ledger.terms.period_start,
            ledger.terms.calls_limit,
            loaded.plan_valid_until,
            now,
        ],
    )?;
    Ok(())
}
