//! Loads of an account what its commands need.

use std::collections::BTreeSet;

use domain::ledger::{
    Body, Command, Entry, GrantKind, Hold, HoldState, Ledger, Lot, LotId, Request, Spender, Terms,
    Wallet, WalletStatus,
};
use domain::money::{Credits, Currency, MinorUnits};
use domain::plan::{AccountFacts, SubscriptionFacts, SubscriptionStatus};
use domain::time::Timestamp;

use super::limits;
use super::watch::Watch;
use crate::args;
use crate::db::{Record, Row, Tx, record};
use crate::error::{Error, Result};

/// An account's ledger with what the store keeps beside it.
pub(super) struct Loaded {
    pub(super) ledger: Ledger,
    /// The plan's answer holds until then.
    pub(super) plan_valid_until: Timestamp,
    /// Whether the wallet row must be written although no entry was.
    pub(super) is_changed: bool,
    /// Whether the wallet row is to be made.
    pub(super) is_new: bool,
    /// What is watched for when credits move.
    pub(super) watch: Watch,
}

record! {
    /// The wallet row.
    pub struct StoredWallet {
        pub posted: i64,
        pub held: i64,
        pub debt: i64,
        pub seq: i64,
        pub hash: Vec<u8>,
        pub open_holds: i64,
        pub period_start: Timestamp,
        pub period_calls: i64,
        pub next_due_at: Option<Timestamp>,
        pub status: String,
        pub plan_start: Timestamp,
        pub plan_calls_limit: Option<i64>,
        pub plan_valid_until: Timestamp,
        pub limits: i64,
        pub low_below: Option<i64>,
        pub low_level: i64,
        pub low_due: bool,
        pub topup_below: Option<i64>,
        pub topup_due: bool,
    }
}

/// Loads the account's wallet (locking it on PostgreSQL), its live lots, and what `requests` name.
pub(super) fn load(tx: &mut Tx<'_>, account: i64, requests: &[&Request]) -> Result<Loaded> {
    let stored = lock_wallet(tx, account)?;
    let mut loaded = match stored {
        Some(stored) => from_stored(account, stored)?,
        None => first_wallet(account),
    };
    if !loaded.is_new {
        for lot in live_lots(tx, account)? {
            loaded.ledger.lots.insert(lot.0.id, lot.0);
        }
        load_named(tx, &mut loaded.ledger, requests)?;
        load_limits(tx, &mut loaded)?;
    }
    Ok(loaded)
}

/// An account without limits pays nothing for them: its wallet says that it has none.
fn load_limits(tx: &mut Tx<'_>, loaded: &mut Loaded) -> Result<()> {
    if loaded.watch.limits > 0 {
        let rows = limits::rows(tx, loaded.ledger.account)?;
        loaded.ledger.limits = rows.into_iter().map(|row| row.limit).collect();
    }
    Ok(())
}

/// As [`read_only`], with what `requests` name too: for a look at what they would come to.
pub(super) fn read_only_for(
    tx: &mut Tx<'_>,
    account: i64,
    requests: &[&Request],
) -> Result<Loaded> {
    let mut loaded = read_only(tx, account)?;
    if !loaded.is_new {
        load_named(tx, &mut loaded.ledger, requests)?;
    }
    Ok(loaded)
}

/// As [`load`], for a reader: no lock, and nothing is made.
pub(super) fn read_only(tx: &mut Tx<'_>, account: i64) -> Result<Loaded> {
    let Some(stored) = stored_wallet(tx, account)? else {
        return Ok(first_wallet(account));
    };
    let mut loaded = from_stored(account, stored)?;
    for LotRow(lot) in live_lots(tx, account)? {
        loaded.ledger.lots.insert(lot.id, lot);
    }
    load_limits(tx, &mut loaded)?;
    Ok(loaded)
}

fn stored_wallet(tx: &mut Tx<'_>, account: i64) -> Result<Option<StoredWallet>> {
    tx.query_opt(
        "select posted, held, debt, seq, hash, open_holds, period_start, period_calls,
                next_due_at, status, plan_start, plan_calls_limit, plan_valid_until, limits,
                low_below, low_level, low_due, topup_below, topup_due
           from wallet
          where account_id = $1",
        args![account],
    )
}

/// On PostgreSQL the row lock is what makes several processes right; SQLite has one writer. A
/// wallet that does not exist yet is made first, so that there is a row to lock.
fn lock_wallet(tx: &mut Tx<'_>, account: i64) -> Result<Option<StoredWallet>> {
    match tx {
        Tx::Sqlite(_) => stored_wallet(tx, account),
        Tx::Postgres(_) => {
            let select = "select posted, held, debt, seq, hash, open_holds, period_start,
                    period_calls, next_due_at, status, plan_start, plan_calls_limit,
                    plan_valid_until, limits, low_below, low_level, low_due, topup_below, topup_due
               from wallet
              where account_id = $1
                for update";
            if let Some(stored) = tx.query_opt(select, args![account])? {
                return Ok(Some(stored));
            }
            tx.execute(
                "insert into wallet (account_id, posted, held, debt, seq, hash, open_holds,
                        period_start, period_calls, status, plan_start, plan_valid_until,
                        updated_at)
                 values ($1, 0, 0, 0, 0, $2, 0, 0, 0, 'active', 0, 0, 0)
                 on conflict (account_id) do nothing",
                args![account, &[0u8; 32]],
            )?;
            tx.query_opt(select, args![account])
        }
    }
}

fn first_wallet(account: i64) -> Loaded {
    let terms = Terms {
        period_start: Timestamp::default(),
        calls_limit: None,
        status: WalletStatus::Active,
    };
    Loaded {
        ledger: Ledger::new(account, terms),
        plan_valid_until: Timestamp::default(),
        is_changed: true,
        is_new: true,
        watch: Watch::default(),
    }
}

fn from_stored(account: i64, stored: StoredWallet) -> Result<Loaded> {
    let status = WalletStatus::from_word(&stored.status).ok_or_else(|| unreadable("wallet"))?;
    let terms = Terms {
        period_start: stored.plan_start,
        calls_limit: stored.plan_calls_limit,
        status,
    };
    let mut ledger = Ledger::new(account, terms);
    ledger.wallet = Wallet {
        posted: Credits::from_micros(stored.posted),
        held: Credits::from_micros(stored.held),
        debt: Credits::from_micros(stored.debt),
        seq: stored.seq,
        hash: digest(stored.hash)?,
        open_holds: stored.open_holds,
        period_start: stored.period_start,
        period_calls: stored.period_calls,
    };
    ledger.next_due_at = stored.next_due_at;
    let plan_valid_until = stored.plan_valid_until;
    let watch = Watch {
        limits: stored.limits,
        low_below: stored.low_below.map(Credits::from_micros),
        low_level: stored.low_level,
        low_due: stored.low_due,
        topup_below: stored.topup_below.map(Credits::from_micros),
        topup_due: stored.topup_due,
    };
    Ok(Loaded {
        ledger,
        plan_valid_until,
        is_changed: false,
        is_new: false,
        watch,
    })
}

fn load_named(tx: &mut Tx<'_>, ledger: &mut Ledger, requests: &[&Request]) -> Result<()> {
    let mut keys = BTreeSet::new();
    let mut holds = BTreeSet::new();
    let mut sources = BTreeSet::new();
    for request in requests {
        keys.extend(request.key.as_ref().map(|key| key.key.as_str()));
        match &request.command {
            Command::Capture { hold, .. } | Command::Release { hold } => {
                holds.insert(hold.as_str());
            }
            Command::Grant(new) => {
                sources.insert(new.source_key.as_str());
                sources.extend(new.parent.as_deref());
            }
            Command::Adjust { source_key, .. }
            | Command::Void { source_key }
            | Command::Claw { source_key, .. }
            | Command::Freeze { source_key, .. } => {
                sources.insert(source_key.as_str());
            }
            Command::Authorize { .. }
            | Command::Debit { .. }
            | Command::Forgive { .. }
            | Command::Settle => {}
        }
    }
    for key in keys {
        if let Some(entry) = entry_by_key(tx, ledger.account, key)? {
            ledger.answered.insert(key.to_owned(), entry);
        }
    }
    for id in holds {
        if let Some(hold) = hold_by_id(tx, ledger.account, id)? {
            load_pinned(tx, ledger, &hold)?;
            ledger.holds.insert(hold.id.clone(), hold);
        }
    }
    for source in sources {
        for LotRow(lot) in lot_family(tx, ledger.account, source)? {
            ledger.lots.insert(lot.id, lot);
        }
    }
    Ok(())
}

/// A late capture and a settled hold name lots that may have no credits left.
fn load_pinned(tx: &mut Tx<'_>, ledger: &mut Ledger, hold: &Hold) -> Result<()> {
    for (lot, _) in &hold.pins {
        if !ledger.lots.contains_key(lot)
            && let Some(LotRow(found)) = lot_by_number(tx, ledger.account, *lot)?
        {
            ledger.lots.insert(*lot, found);
        }
    }
    Ok(())
}

/// All pending holds, before something due is settled.
pub(super) fn load_pending_holds(tx: &mut Tx<'_>, ledger: &mut Ledger) -> Result<()> {
    for HoldRow(hold) in pending_holds(tx, ledger.account)? {
        load_pinned(tx, ledger, &hold)?;
        ledger.holds.entry(hold.id.clone()).or_insert(hold);
    }
    Ok(())
}

pub(super) struct LotRow(pub(super) Lot);

impl Record for LotRow {
    fn from_row(row: &Row<'_>) -> Result<Self> {
        let micros = |index| row.get::<i64>(index).map(Credits::from_micros);
        let kind: String = row.get(1)?;
        let paid: Option<i64> = row.get(15)?;
        let currency: Option<String> = row.get(16)?;
        let currency = currency.as_deref().and_then(Currency::parse);
        Ok(LotRow(Lot {
            id: row.get(0)?,
            kind: GrantKind::from_word(&kind).ok_or_else(|| unreadable("grant"))?,
            source_key: row.get(2)?,
            parent: row.get(3)?,
            amount: micros(4)?,
            used: micros(5)?,
            expired: micros(6)?,
            clawed: micros(7)?,
            held: micros(8)?,
            reversed: micros(9)?,
            priority: row.get(10)?,
            effective_at: row.get(11)?,
            expires_at: row.get(12)?,
            frozen: row.get(13)?,
            voided: row.get(14)?,
            paid: paid
                .zip(currency)
                .map(|(amount, currency)| MinorUnits::new(amount, currency)),
        }))
    }
}

fn live_lots(tx: &mut Tx<'_>, account: i64) -> Result<Vec<LotRow>> {
    tx.query(
        "select lot, kind, source_key, parent, amount, used, expired, clawed, held, reversed,
                priority, effective_at, expires_at, frozen, voided, paid_minor, currency
           from credit_grant
          where account_id = $1
            and used + expired + clawed < amount",
        args![account],
    )
}

fn lot_by_number(tx: &mut Tx<'_>, account: i64, lot: LotId) -> Result<Option<LotRow>> {
    tx.query_opt(
        "select lot, kind, source_key, parent, amount, used, expired, clawed, held, reversed,
                priority, effective_at, expires_at, frozen, voided, paid_minor, currency
           from credit_grant
          where account_id = $1
            and lot = $2",
        args![account, lot],
    )
}

/// The grant of a source key, and its bonuses.
fn lot_family(tx: &mut Tx<'_>, account: i64, source_key: &str) -> Result<Vec<LotRow>> {
    tx.query(
        "select lot, kind, source_key, parent, amount, used, expired, clawed, held, reversed,
                priority, effective_at, expires_at, frozen, voided, paid_minor, currency
           from credit_grant
          where account_id = $1
            and (source_key = $2
                 or parent in (select lot
                                 from credit_grant
                                where account_id = $1
                                  and source_key = $2))",
        args![account, source_key],
    )
}

pub(super) struct HoldRow(pub(super) Hold);

impl Record for HoldRow {
    fn from_row(row: &Row<'_>) -> Result<Self> {
        let micros = |index| row.get::<i64>(index).map(Credits::from_micros);
        let state: String = row.get(4)?;
        let pins: String = row.get(5)?;
        Ok(HoldRow(Hold {
            id: row.get(0)?,
            amount: micros(1)?,
            captured: micros(2)?,
            uncollected: micros(3)?,
            state: HoldState::from_word(&state).ok_or_else(|| unreadable("hold"))?,
            pins: read_pins(&pins)?,
            period_start: row.get(6)?,
            authorized_at: row.get(7)?,
            expires_at: row.get(8)?,
            resolved_at: row.get(9)?,
            spender: Spender {
                key: row.get(10)?,
                member: row.get(11)?,
            },
        }))
    }
}

pub(super) fn hold_by_id(tx: &mut Tx<'_>, account: i64, id: &str) -> Result<Option<Hold>> {
    let row: Option<HoldRow> = tx.query_opt(
        "select hold_id, amount, captured, uncollected, state, pins, period_start,
                authorized_at, expires_at, resolved_at, api_key_id, user_id
           from hold
          where hold_id = $1
            and account_id = $2",
        args![id, account],
    )?;
    Ok(row.map(|row| row.0))
}

pub(super) fn pending_holds(tx: &mut Tx<'_>, account: i64) -> Result<Vec<HoldRow>> {
    tx.query(
        "select hold_id, amount, captured, uncollected, state, pins, period_start,
                authorized_at, expires_at, resolved_at, api_key_id, user_id
           from hold
          where account_id = $1
            and state = 'pending'",
        args![account],
    )
}

fn entry_by_key(tx: &mut Tx<'_>, account: i64, key: &str) -> Result<Option<Entry>> {
    let row: Option<(Vec<u8>, Vec<u8>)> = tx.query_opt(
        "select canonical, hash
           from journal
          where account_id = $1
            and idempotency_key = $2",
        args![account, key],
    )?;
    row.map(|(canonical, hash)| decode(&canonical, hash))
        .transpose()
}

/// An entry from its stored bytes.
pub(super) fn decode(canonical: &[u8], hash: Vec<u8>) -> Result<Entry> {
    Entry::from_canonical(canonical, digest(hash)?).map_err(|_| unreadable("journal"))
}

/// Source keys and amounts of the allowances that began in the plan period.
pub(super) fn allowances_since(
    tx: &mut Tx<'_>,
    account: i64,
    period_start: Timestamp,
) -> Result<Vec<(String, Credits)>> {
    let rows: Vec<(String, i64)> = tx.query(
        "select source_key, amount
           from credit_grant
          where account_id = $1
            and kind = 'allowance'
            and effective_at >= $2",
        args![account, period_start],
    )?;
    Ok(rows
        .into_iter()
        .map(|(key, amount)| (key, Credits::from_micros(amount)))
        .collect())
}

record! {
    /// What of an account row access follows from.
    pub struct AccountPlanRow {
        pub anchor_at: Timestamp,
        pub email_verified_at: Option<Timestamp>,
        pub tier_override: Option<String>,
        pub tier_override_until: Option<Timestamp>,
        pub status: String,
    }
}

record! {
    /// What of a subscription row access follows from.
    pub struct SubscriptionPlanRow {
        pub subscription_id: String,
        pub status: String,
        pub tier: Option<String>,
        pub period_start: Option<Timestamp>,
        pub period_end: Option<Timestamp>,
        pub cancel_at: Option<Timestamp>,
        pub ended_at: Option<Timestamp>,
        pub trial_end: Option<Timestamp>,
        pub past_due_since: Option<Timestamp>,
        pub awaits_payment: bool,
        pub created_at: Timestamp,
    }
}

/// What an account's plan follows from, as the rows stand.
pub fn account_facts(tx: &mut Tx<'_>, account: i64) -> Result<AccountFacts> {
    facts_and_status(tx, account).map(|(facts, _)| facts)
}

/// The same with whether the account may spend: a suspended one may not.
pub(super) fn facts_and_status(
    tx: &mut Tx<'_>,
    account: i64,
) -> Result<(AccountFacts, WalletStatus)> {
    let row: AccountPlanRow = tx.query_one(
        "select anchor_at, email_verified_at, tier_override, tier_override_until, status
           from account
          where id = $1",
        args![account],
    )?;
    let status = match row.status.as_str() {
        "suspended" => WalletStatus::Frozen,
        "closed" => WalletStatus::Closed,
        _ => WalletStatus::Active,
    };
    let facts = AccountFacts {
        account,
        anchor_at: row.anchor_at,
        is_verified: row.email_verified_at.is_some(),
        tier_override: row
            .tier_override
            .map(|tier| (tier, row.tier_override_until)),
        subscriptions: subscription_facts(tx, account)?,
    };
    Ok((facts, status))
}

fn subscription_facts(tx: &mut Tx<'_>, account: i64) -> Result<Vec<SubscriptionFacts>> {
    let rows: Vec<SubscriptionPlanRow> = tx.query(
        "select s.subscription_id, s.status, s.tier, s.period_start, s.period_end, s.cancel_at,
                s.ended_at, s.trial_end, s.past_due_since,
                (select count(*)
                   from invoice i
                  where i.subscription_id = s.subscription_id
                    and i.status in ('draft', 'open', 'uncollectible')
                    and i.amount_due > 0
                    and coalesce(i.billing_reason, '') not in ('subscription_update', 'manual')
                    and coalesce(i.period_start, s.period_start) >= s.period_start),
                s.created_at
           from subscription s
          where s.account_id = $1",
        args![account],
    )?;
    let facts = rows.into_iter().map(|row| SubscriptionFacts {
        id: row.subscription_id,
        status: SubscriptionStatus::from_word(&row.status),
        tier: row.tier,
        period_start: row.period_start.unwrap_or(row.created_at),
        period_end: row.period_end.unwrap_or(row.created_at),
        cancel_at: row.cancel_at,
        ended_at: row.ended_at,
        trial_end: row.trial_end,
        past_due_since: row.past_due_since,
        awaits_payment: row.awaits_payment,
        created_at: row.created_at,
    });
    Ok(facts.collect())
}

/// `3:40000000,5:1000`: lot and micro-credits.
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

pub(super) fn unreadable(what: &str) -> Error {
    Error::Database(format!("a {what} row cannot be read; run audit"))
}

/// The hold an entry is about, for the journal's own column.
pub(super) fn hold_of(entry: &Entry) -> Option<&str> {
    match &entry.body {
        Body::Hold { hold, .. } | Body::Settlement { hold, .. } => Some(hold),
        _ => None,
    }
}
