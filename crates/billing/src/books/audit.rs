//! Checks the books: every account's journal from its first entry, and that everything derived
//! from it is what a replay gives. Reads only.
//!
//! An account is read in one state of the database, page by page; what is kept in memory is its
//! lots, its open holds and its usage by day, never its journal.

use domain::projection::TransactionStatus;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::panic::{AssertUnwindSafe, catch_unwind};

use domain::ledger::{
    Body, Entry, EntryKind, GrantKind, Hold, HoldState, Ledger, Limit, Lot, Terms, WalletStatus,
    chain_hash,
};
use domain::money::Credits;
use domain::time::Timestamp;
use serde::Serialize;
use store::Tx;
use store::ledger::audit as rows;
use store::ledger::audit::{JournalLine, Topup, UsageDay};

use crate::app::App;
use crate::error::Result;

/// Accounts in one read.
const ACCOUNTS_MAX: i64 = 32;

/// Journal rows in memory at once.
const PAGE: i64 = 1_000;

/// Findings that are told one by one; the rest is counted.
const FINDINGS_MAX: usize = 1_000;

/// Accounts whose syncs found something that are told of.
const SYNC_FINDINGS_MAX: i64 = 1_000;

/// Transactions of one account that are looked at.
const PAYMENTS_MAX: i64 = 100_000;

/// A Checkout session ends within a day; an hour is for the sync.
const PENDING_HOURS_MAX: i64 = 25;

/// An expired hold may be captured for a day; after two it is settled for good.
const EXPIRED_HOLD_DAYS_KEPT: i64 = 2;

/// The store's name for calls that named no operation.
const UNNAMED: &str = "call";

/// What is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// That no byte of the journal was changed.
    Chain,
    /// That too, and that wallets, lots, holds, usage and payments follow from it.
    Everything,
}

/// Something that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The account's id.
    pub account: String,
    /// The row: `journal 17`, `wallet`, `grant 3`, `hold ...`.
    pub row: String,
    /// What is wrong with it.
    pub what: String,
    /// Which kind of row it is.
    #[serde(skip)]
    pub part: Part,
}

/// What a row follows from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// It is the journal itself, which nothing is rebuilt from while it is broken.
    Journal,
    /// It follows from the journal and can be made anew.
    Derived,
    /// It is about Stripe's side: a sync mends it, or a person.
    Payment,
}

/// What an audit came to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// Accounts looked at.
    pub accounts: i64,
    /// Journal entries looked at.
    pub entries: i64,
    /// Differences, at most a thousand of them.
    pub findings: Vec<Finding>,
    /// All differences, those not listed included.
    pub findings_count: usize,
    /// What a person should look at though the books agree.
    pub warnings: Vec<Finding>,
}

/// Audits every account.
pub async fn run(app: &App, scope: Scope) -> Result<Report> {
    let mut report = Report::default();
    let mut after = 0;
    loop {
        let now = app.now();
        let (last, part) = app
            .read(move |tx| {
                let ids = store::accounts::ids_after(tx, after, ACCOUNTS_MAX)?;
                let mut part = Report::default();
                for id in &ids {
                    account(tx, *id, scope, now, &mut part)?;
                }
                Ok((ids.last().copied(), part))
            })
            .await?;
        report.add(part);
        match last {
            Some(last) => after = last,
            None => break,
        }
    }
    if scope == Scope::Everything {
        let found = app.read(found_by_syncs).await?;
        report.warnings.extend(found);
        report.warnings.truncate(FINDINGS_MAX);
    }
    Ok(report)
}

/// What the accounts' last syncs found for a person to look at: two plans (I18), an unknown price.
fn found_by_syncs(tx: &mut Tx<'_>) -> store::Result<Vec<Finding>> {
    let mut found = Vec::new();
    for (account, texts) in store::sync::with_findings(tx, SYNC_FINDINGS_MAX)? {
        let name = store::accounts::find(tx, account)?.map(|account| account.public_id);
        let texts: Vec<String> = serde_json::from_str(&texts).unwrap_or_default();
        found.extend(texts.into_iter().map(|what| Finding {
            account: name.clone().unwrap_or_else(|| account.to_string()),
            row: "sync".to_owned(),
            what,
            part: Part::Payment,
        }));
    }
    Ok(found)
}

impl Report {
    fn add(&mut self, part: Report) {
        self.accounts += part.accounts;
        self.entries += part.entries;
        self.findings_count += part.findings_count;
        self.findings.extend(part.findings);
        self.findings.truncate(FINDINGS_MAX);
        self.warnings.extend(part.warnings);
        self.warnings.truncate(FINDINGS_MAX);
    }
}

/// Audits one account within the caller's read.
pub fn account(
    tx: &mut Tx<'_>,
    account: i64,
    scope: Scope,
    now: Timestamp,
    report: &mut Report,
) -> store::Result<()> {
    let name = store::accounts::find(tx, account)?.map(|account| account.public_id);
    let mut audit = Audit {
        name: name.unwrap_or_else(|| account.to_string()),
        report,
        ledger: Ledger::new(account, NO_TERMS),
        replays: scope == Scope::Everything,
        last_hash: [0; 32],
        last_seq: 0,
        last_at: Timestamp::default(),
        holds_count: 0,
        usage: BTreeMap::new(),
    };
    audit.report.accounts += 1;
    audit.ledger.limits = uncounted_limits(tx, account)?;
    audit.journal(tx)?;
    audit.wallet(tx)?;
    if scope == Scope::Everything {
        let lots = audit.lots(tx)?;
        audit.holds(tx)?;
        audit.usage(tx)?;
        audit.limits(tx, now)?;
        audit.payments(tx, &lots, now)?;
    }
    Ok(())
}

/// The account's limits before anything was spent: a replay counts in them.
fn uncounted_limits(tx: &mut Tx<'_>, account: i64) -> store::Result<Vec<Limit>> {
    let rows = store::ledger::limits::rows(tx, account)?;
    let fresh = |limit: Limit| {
        Limit::new(
            limit.id,
            limit.scope,
            limit.subject,
            limit.window,
            limit.cap,
        )
    };
    Ok(rows.into_iter().map(|row| fresh(row.limit)).collect())
}

/// The plan is an input of the ledger; a replay needs none.
const NO_TERMS: Terms = Terms {
    period_start: Timestamp::from_micros(0),
    calls_limit: None,
    status: WalletStatus::Active,
};

struct Audit<'a> {
    name: String,
    report: &'a mut Report,
    ledger: Ledger,
    /// Until an entry cannot be read or contradicts the ones before.
    replays: bool,
    last_hash: [u8; 32],
    last_seq: i64,
    last_at: Timestamp,
    holds_count: i64,
    usage: BTreeMap<(i64, String, i64), (i64, i64)>,
}

/// Fields that differ between what is and what the journal says, as a sentence.
macro_rules! differing {
    ($is:expr, $should:expr, $($field:ident),+ $(,)?) => {{
        let mut parts: Vec<String> = Vec::new();
        $(if $is.$field != $should.$field {
            parts.push(format!(
                "{} is {:?}, by the journal {:?}",
                stringify!($field), $is.$field, $should.$field
            ));
        })+
        parts.join("; ")
    }};
}

impl Audit<'_> {
    fn find(&mut self, row: impl Into<String>, what: impl Into<String>) {
        self.find_in(Part::Derived, row, what);
    }

    fn find_in(&mut self, part: Part, row: impl Into<String>, what: impl Into<String>) {
        self.report.findings_count += 1;
        if self.report.findings.len() < FINDINGS_MAX {
            self.report.findings.push(Finding {
                account: self.name.clone(),
                row: row.into(),
                what: what.into(),
                part,
            });
        }
    }

    fn warn(&mut self, row: impl Into<String>, what: impl Into<String>) {
        self.report.warnings.push(Finding {
            account: self.name.clone(),
            row: row.into(),
            what: what.into(),
            part: Part::Payment,
        });
    }

    fn journal(&mut self, tx: &mut Tx<'_>) -> store::Result<()> {
        loop {
            let page = rows::journal_lines(tx, self.ledger.account, self.last_seq, PAGE)?;
            if page.is_empty() {
                return Ok(());
            }
            for line in &page {
                self.line(line);
            }
            self.ledger.take_changes();
            self.drop_settled_holds(tx)?;
        }
    }

    fn line(&mut self, line: &JournalLine) {
        self.report.entries += 1;
        let row = format!("journal {}", line.n);
        if line.seq != self.last_seq + 1 {
            let what = format!("entry {} follows entry {}", line.seq, self.last_seq);
            self.find_in(Part::Journal, &row, what);
            self.replays = false;
        }
        self.last_seq = line.seq;
        let hash = chain_hash(&self.last_hash, &line.canonical);
        if hash[..] != line.hash {
            self.find_in(
                Part::Journal,
                &row,
                "its bytes are not those that were hashed: the chain is broken",
            );
        }
        // Goes on from the stored link, so that one changed row is one finding.
        self.last_hash = line.hash.clone().try_into().unwrap_or(hash);
        let Ok(entry) = Entry::from_canonical(&line.canonical, self.last_hash) else {
            self.find_in(Part::Journal, &row, "its bytes are no entry");
            self.replays = false;
            return;
        };
        let columns = self.differing_columns(line, &entry);
        if !columns.is_empty() {
            self.find_in(
                Part::Journal,
                &row,
                format!("columns that its bytes do not say: {columns}"),
            );
        }
        self.replay(&row, &entry);
        self.last_at = entry.at;
    }

    fn differing_columns(&self, line: &JournalLine, entry: &Entry) -> String {
        let hold = match &entry.body {
            Body::Hold { hold, .. } | Body::Settlement { hold, .. } => Some(hold),
            _ => None,
        };
        let pairs = [
            ("account_id", self.ledger.account == entry.account),
            ("seq", line.seq == entry.seq),
            ("kind", line.kind == entry.kind.word()),
            ("at", line.at == entry.at),
            (
                "posted_delta",
                line.posted_delta == entry.posted_delta.micros(),
            ),
            ("held_delta", line.held_delta == entry.held_delta.micros()),
            ("debt_delta", line.debt_delta == entry.debt_delta.micros()),
            ("idempotency_key", line.idempotency_key == entry.key),
            ("hold_id", line.hold_id.as_ref() == hold),
            ("operation", line.operation == entry.context.operation),
            ("units", line.units == entry.context.units),
            ("api_key_id", line.api_key_id == entry.context.api_key),
            ("charged", line.charged == entry.charged().micros()),
        ];
        let names = pairs.iter().filter(|(_, same)| !same);
        names.map(|(name, _)| *name).collect::<Vec<_>>().join(", ")
    }

    fn replay(&mut self, row: &str, entry: &Entry) {
        if !self.replays {
            return;
        }
        // A tampered entry may contradict the ledger, which asserts that none does.
        let ledger = &mut self.ledger;
        if catch_unwind(AssertUnwindSafe(|| ledger.replay(entry))).is_err() {
            self.find_in(Part::Journal, row, "it contradicts the entries before it");
            self.replays = false;
            return;
        }
        self.ledger.wallet.hash = entry.hash;
        let available = self.ledger.available(entry.at);
        if available != entry.available {
            let said = entry.available;
            self.find_in(
                Part::Journal,
                row,
                format!("{said} credits were answered as available, not {available}"),
            );
        }
        match (&entry.body, entry.kind) {
            (Body::Hold { .. }, _) => self.holds_count += 1,
            (_, EntryKind::Debit | EntryKind::Capture) => self.count_usage(entry),
            _ => {}
        }
    }

    fn count_usage(&mut self, entry: &Entry) {
        let operation = entry.context.operation.clone();
        let key = (
            entry.at.day(),
            operation.unwrap_or_else(|| UNNAMED.to_owned()),
            entry.context.api_key.unwrap_or(0),
        );
        let (calls, credits) = self.usage.entry(key).or_default();
        *calls += 1;
        *credits += entry.charged().micros();
    }

    /// Compares holds that no later entry can change, and forgets them.
    fn drop_settled_holds(&mut self, tx: &mut Tx<'_>) -> store::Result<()> {
        let until = self.last_at.plus_days(-EXPIRED_HOLD_DAYS_KEPT);
        let is_settled = |hold: &Hold| match hold.state {
            HoldState::Captured | HoldState::Released => true,
            HoldState::Expired => hold.resolved_at.is_some_and(|at| at < until),
            HoldState::Pending => false,
        };
        let settled: Vec<String> = self
            .ledger
            .holds
            .values()
            .filter(|hold| is_settled(hold))
            .map(|hold| hold.id.clone())
            .collect();
        for id in settled {
            if let Some(hold) = self.ledger.holds.remove(&id) {
                self.hold(tx, &hold)?;
            }
        }
        Ok(())
    }

    fn hold(&mut self, tx: &mut Tx<'_>, should: &Hold) -> store::Result<()> {
        let row = format!("hold {}", should.id);
        match rows::hold_row(tx, self.ledger.account, &should.id) {
            Ok(Some(is)) if is == *should => {}
            Ok(Some(is)) => {
                let what = differing!(
                    is,
                    should,
                    amount,
                    captured,
                    uncollected,
                    state,
                    pins,
                    period_start,
                    authorized_at,
                    expires_at,
                    resolved_at,
                    spender,
                );
                self.find(row, what);
            }
            Ok(None) => self.find(row, "the journal has it and the table does not"),
            Err(store::Error::Database(why)) => self.find(row, why),
            Err(error) => return Err(error),
        }
        Ok(())
    }

    fn wallet(&mut self, tx: &mut Tx<'_>) -> store::Result<()> {
        let Some(is) = store::ledger::wallet(tx, self.ledger.account)? else {
            if self.last_seq > 0 {
                self.find("wallet", "there is a journal and no wallet");
            }
            return Ok(());
        };
        if is.seq != self.last_seq || (self.last_seq > 0 && is.hash != self.last_hash) {
            let what = format!(
                "it stands at entry {}, the journal ends with entry {}{}",
                is.seq,
                self.last_seq,
                if is.seq == self.last_seq {
                    ", whose hash is another"
                } else {
                    ""
                }
            );
            // Ahead of the journal, or with another head, entries are missing: replaying what is
            // left would hide that.
            let part = if is.seq < self.last_seq {
                Part::Derived
            } else {
                Part::Journal
            };
            self.find_in(part, "wallet", what);
        }
        if !self.replays {
            return Ok(());
        }
        let should = self.ledger.wallet.clone();
        let pairs = [
            ("posted", is.posted, should.posted.micros()),
            ("held", is.held, should.held.micros()),
            ("debt", is.debt, should.debt.micros()),
            ("open_holds", is.open_holds, should.open_holds),
            (
                "period_start",
                is.period_start.micros(),
                should.period_start.micros(),
            ),
            ("period_calls", is.period_calls, should.period_calls),
        ];
        for (name, is, should) in pairs {
            if is != should {
                self.find("wallet", format!("{name} is {is}, by the journal {should}"));
            }
        }
        Ok(())
    }

    /// Compares the lots, checks the sums over them, and answers them.
    fn lots(&mut self, tx: &mut Tx<'_>) -> store::Result<Vec<Lot>> {
        let lots = match rows::lots(tx, self.ledger.account) {
            Ok(lots) => lots,
            Err(store::Error::Database(why)) => {
                self.find("grants", why);
                return Ok(Vec::new());
            }
            Err(error) => return Err(error),
        };
        if self.replays {
            self.compare_lots(&lots);
        }
        let sum = |of: fn(&Lot) -> Credits| lots.iter().map(|lot| of(lot).micros()).sum::<i64>();
        let wallet = store::ledger::wallet(tx, self.ledger.account)?;
        let (posted, held, debt) = wallet.map_or((0, 0, 0), |w| (w.posted, w.held, w.debt));
        let remaining = sum(Lot::remaining);
        if remaining != posted {
            self.find(
                "wallet",
                format!("posted is {posted}, its grants have {remaining} left"),
            );
        }
        let pinned = sum(|lot| lot.held);
        if pinned != held {
            self.find(
                "wallet",
                format!("held is {held}, its grants have {pinned} pinned"),
            );
        }
        let is_idle = |lot: &&Lot| lot.is_spendable(self.last_at) && lot.unheld().is_positive();
        if debt > 0
            && let Some(lot) = lots.iter().find(is_idle)
        {
            let what = format!("it has credits left while {debt} micro-credits of debt stand");
            self.find(format!("grant {}", lot.id), what);
        }
        Ok(lots)
    }

    fn compare_lots(&mut self, lots: &[Lot]) {
        let found: HashMap<i64, &Lot> = lots.iter().map(|lot| (lot.id, lot)).collect();
        let wanted = std::mem::take(&mut self.ledger.lots);
        for (id, should) in &wanted {
            let row = format!("grant {id}");
            match found.get(id) {
                None => self.find(row, "the journal has it and the table does not"),
                Some(is) if *is == should => {}
                Some(is) => {
                    let what = differing!(
                        is,
                        should,
                        kind,
                        source_key,
                        parent,
                        amount,
                        used,
                        expired,
                        clawed,
                        held,
                        reversed,
                        priority,
                        effective_at,
                        expires_at,
                        frozen,
                        voided,
                        paid,
                    );
                    self.find(row, what);
                }
            }
        }
        for lot in lots.iter().filter(|lot| !wanted.contains_key(&lot.id)) {
            self.find(
                format!("grant {}", lot.id),
                "the table has it and the journal does not",
            );
        }
    }

    fn holds(&mut self, tx: &mut Tx<'_>) -> store::Result<()> {
        let account = self.ledger.account;
        match rows::pending_holds(tx, account) {
            Ok(pending) => {
                let pins = pending.iter().flat_map(|hold| &hold.pins);
                let pinned: i64 = pins.map(|(_, part)| part.micros()).sum();
                let wallet = store::ledger::wallet(tx, account)?;
                let held = wallet.map_or(0, |wallet| wallet.held);
                if pinned != held {
                    let what = format!("held is {held}, its pending holds pinned {pinned}");
                    self.find("wallet", what);
                }
            }
            Err(store::Error::Database(why)) => self.find("holds", why),
            Err(error) => return Err(error),
        }
        if !self.replays {
            return Ok(());
        }
        for hold in std::mem::take(&mut self.ledger.holds).values() {
            self.hold(tx, hold)?;
        }
        let count = rows::holds_count(tx, account)?;
        if count != self.holds_count {
            let what = format!("the table has {count}, the journal {}", self.holds_count);
            self.find("holds", what);
        }
        Ok(())
    }

    fn usage(&mut self, tx: &mut Tx<'_>) -> store::Result<()> {
        if !self.replays {
            return Ok(());
        }
        let found = rows::usage(tx, self.ledger.account)?;
        let mut wanted = std::mem::take(&mut self.usage);
        for UsageDay {
            day,
            operation,
            api_key_id,
            calls,
            credits,
        } in found
        {
            let row = format!("usage of day {day}, {operation}, key {api_key_id}");
            let should = wanted
                .remove(&(day, operation, api_key_id))
                .unwrap_or_default();
            if (calls, credits) != should {
                let (c, m) = should;
                let what =
                    format!("{calls} calls, {credits} micro-credits; by the journal {c}, {m}");
                self.find(row, what);
            }
        }
        for (day, operation, key) in wanted.into_keys() {
            let row = format!("usage of day {day}, {operation}, key {key}");
            self.find(row, "the journal has it and the table does not");
        }
        Ok(())
    }

    /// Limits count what the journal says was spent and is set aside now.
    fn limits(&mut self, tx: &mut Tx<'_>, now: Timestamp) -> store::Result<()> {
        if !self.replays {
            return Ok(());
        }
        let rows = store::ledger::limits::rows(tx, self.ledger.account)?;
        let replayed = std::mem::take(&mut self.ledger.limits);
        for (row, mut should) in rows.into_iter().zip(replayed) {
            let mut is = row.limit;
            is.roll(now);
            should.roll(now);
            if is != should {
                let what = differing!(is, should, window_start, used, held);
                self.find(format!("limit {}", row.public_id), what);
            }
        }
        Ok(())
    }

    /// Every top-up that was paid has one purchase of as many credits, and the reverse (I12).
    fn payments(&mut self, tx: &mut Tx<'_>, lots: &[Lot], now: Timestamp) -> store::Result<()> {
        let mut bought: BTreeMap<&str, &Lot> = lots
            .iter()
            .filter(|lot| lot.kind == GrantKind::Purchase)
            .filter_map(|lot| Some((lot.source_key.strip_prefix("topup:")?, lot)))
            .collect();
        let mut seen = BTreeSet::new();
        for payment in rows::payments(tx, self.ledger.account, PAYMENTS_MAX)? {
            let row = format!("transaction {}", payment.public_id);
            let age_hours = (now.seconds() - payment.occurred_at.seconds()) / 3_600;
            if payment.status() == TransactionStatus::Pending && age_hours > PENDING_HOURS_MAX {
                self.warn(&row, format!("it has been PENDING for {age_hours} hours"));
            }
            if !payment.is_topup || !payment.status().is_paid() {
                continue;
            }
            if payment.payment_intent.is_some() {
                self.topup(&row, &payment, &mut bought, &mut seen);
            } else {
                self.gift(&row, &payment, lots);
            }
        }
        for lot in bought.into_values() {
            let row = format!("grant {}", lot.id);
            self.find_in(
                Part::Payment,
                row,
                format!("no completed transaction paid for {}", lot.source_key),
            );
        }
        Ok(())
    }

    /// A pack that a code took the whole price off.
    fn gift(&mut self, row: &str, payment: &Topup, lots: &[Lot]) {
        let sold = payment.credits_micros.unwrap_or_default();
        let granted = lots
            .iter()
            .find(|lot| lot.kind == GrantKind::Promo && lot.source_key == payment.natural_key);
        if granted.is_none_or(|lot| lot.amount.micros() < sold) {
            let what = "it is completed and no credits were granted for it".to_owned();
            self.find_in(Part::Payment, row, what);
        }
    }

    fn topup(
        &mut self,
        row: &str,
        payment: &Topup,
        bought: &mut BTreeMap<&str, &Lot>,
        seen: &mut BTreeSet<String>,
    ) {
        let intent = payment.payment_intent.as_deref().unwrap_or_default();
        if !seen.insert(intent.to_owned()) {
            self.find_in(
                Part::Payment,
                row,
                format!("another transaction has the payment {intent}"),
            );
            return;
        }
        match bought.remove(intent) {
            None => self.find_in(
                Part::Payment,
                row,
                "it is completed and no credits were granted for it",
            ),
            Some(lot) if Some(lot.amount.micros()) != payment.credits_micros => {
                let paid = payment.credits_micros.unwrap_or_default();
                let what = format!(
                    "{paid} micro-credits were paid for and {} granted",
                    lot.amount.micros()
                );
                self.find_in(Part::Payment, row, what);
            }
            Some(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use domain::ledger::Command;
    use domain::ledger::Context;
    use domain::ledger::IdempotencyKey;
    use domain::ledger::NewGrant;
    use domain::ledger::Request;
    use store::Db;
    use store::accounts::NewAccount;

    use super::*;
    use crate::config::Settings;

    /// A service on a database in memory with one account that bought, held, captured, released
    /// and was debited.
    async fn books() -> (App, i64) {
        let settings = Settings::load(None, &|_| None).unwrap();
        let _ = rustls::crypto::ring::default_provider().install_default();
        let app = App::with_db(settings, Db::open_in_memory_inline().unwrap())
            .await
            .unwrap();
        let now = app.now();
        let account = app
            .write(0, move |tx| {
                store::accounts::insert(tx, &new_account(), now)
            })
            .await
            .unwrap();
        let hold = |name: &str, amount| Command::Authorize {
            hold: name.to_owned(),
            amount: Credits::parse(amount).unwrap(),
            ttl_seconds: 60,
        };
        let capture = Command::Capture {
            hold: "a".to_owned(),
            amount: Some(Credits::parse("2.5").unwrap()),
        };
        let credits = Credits::parse("100").unwrap();
        let commands = [
            Command::Grant(NewGrant::new(GrantKind::Promo, "promo:x", credits)),
            hold("a", "5"),
            hold("b", "7"),
            hold("c", "3"),
            capture,
            Command::Release {
                hold: "b".to_owned(),
            },
            Command::Debit {
                amount: Credits::parse("1").unwrap(),
            },
        ];
        for (number, command) in commands.into_iter().enumerate() {
            let key = IdempotencyKey {
                key: format!("key-{number}"),
                request_hash: [1; 32],
            };
            let request = Request {
                command,
                key: Some(key),
                context: Context::default(),
            };
            app.ledger(account.id, request).await.unwrap().unwrap();
        }
        (app, account.id)
    }

    fn new_account() -> NewAccount<'static> {
        NewAccount {
            public_id: "acc_a",
            external_id: None,
            kind: "personal",
            name: "A",
            email: None,
            tier: "FREE",
            subscription_status: "NONE",
            email_verified_at: None,
        }
    }

    /// Changes rows as somebody with the file would.
    async fn tamper(app: &App, statement: &'static str) {
        app.write(0, move |tx| {
            tx.execute("drop trigger if exists journal_keeps_values", &[])?;
            tx.execute("drop trigger if exists journal_keeps_rows", &[])?;
            tx.execute(statement, &[]).map(|_| ())
        })
        .await
        .unwrap();
    }

    async fn rows_found(app: &App) -> Vec<String> {
        let report = run(app, Scope::Everything).await.unwrap();
        assert_eq!(report.findings.len(), report.findings_count);
        report.findings.into_iter().map(|found| found.row).collect()
    }

    #[tokio::test]
    async fn books_that_nobody_touched_agree() {
        let (app, _) = books().await;

        let report = run(&app, Scope::Everything).await.unwrap();

        assert_eq!((report.accounts, report.entries), (1, 7));
        assert_eq!(report.findings, []);
    }

    #[tokio::test]
    async fn case_m10_a_changed_byte_of_the_journal_is_found() {
        let (app, _) = books().await;
        let flip = "update journal set canonical = cast(substr(canonical, 1, 40) || x'07' \
                    || substr(canonical, 42) as blob) where seq = 7";
        tamper(&app, flip).await;

        let report = run(&app, Scope::Chain).await.unwrap();

        assert_eq!(report.findings[0].row, "journal 7");
        assert!(report.findings[0].what.contains("chain"));
    }

    #[tokio::test]
    async fn a_column_that_its_bytes_do_not_say_is_found() {
        let (app, _) = books().await;
        tamper(&app, "update journal set charged = 9 where seq = 7").await;

        assert_eq!(rows_found(&app).await, ["journal 7"]);
    }

    #[tokio::test]
    async fn a_missing_entry_is_found_in_the_middle_and_at_the_end() {
        let (app, _) = books().await;
        tamper(&app, "delete from journal where seq = 7").await;
        let at_the_end = rows_found(&app).await;
        tamper(&app, "delete from journal where seq = 3").await;
        let in_the_middle = rows_found(&app).await;

        assert!(at_the_end.contains(&"wallet".to_owned()));
        assert!(in_the_middle.contains(&"journal 4".to_owned()));
    }

    #[tokio::test]
    async fn a_changed_wallet_is_found() {
        let (app, _) = books().await;
        tamper(&app, "update wallet set posted = posted + 1000000").await;

        let found = rows_found(&app).await;

        assert!(found.iter().all(|row| row == "wallet") && !found.is_empty());
    }

    #[tokio::test]
    async fn a_missing_a_changed_and_an_invented_lot_are_found() {
        let (app, _) = books().await;
        tamper(&app, "update credit_grant set priority = 1").await;
        let changed = rows_found(&app).await;
        let invent = "insert into credit_grant select account_id, 99, kind, 'y', parent, amount, \
                      amount, 0, 0, 0, 0, priority, effective_at, expires_at, 0, 0, null, null \
                      from credit_grant";
        tamper(&app, invent).await;
        let invented = rows_found(&app).await;
        tamper(&app, "delete from credit_grant where lot = 1").await;
        let missing = rows_found(&app).await;

        assert_eq!(changed, ["grant 1"]);
        assert_eq!(invented, ["grant 1", "grant 99"]);
        assert!(missing.contains(&"grant 1".to_owned()) && missing.contains(&"wallet".to_owned()));
    }

    #[tokio::test]
    async fn a_changed_hold_and_changed_usage_are_found() {
        let (app, _) = books().await;
        tamper(&app, "update hold set captured = 0 where hold_id = 'a'").await;
        tamper(&app, "update usage_day set calls = calls + 1").await;
        tamper(&app, "delete from hold where hold_id = 'b'").await;

        let found = rows_found(&app).await;

        assert_eq!(found[..3], ["hold a", "hold b", "holds"]);
        assert!(found[3].starts_with("usage of day"));
    }

    #[tokio::test]
    async fn case_i12_a_completed_top_up_without_its_credits_is_found() {
        let (app, account) = books().await;
        let purchase = NewGrant::new(
            GrantKind::Purchase,
            "topup:pi_1",
            Credits::parse("5").unwrap(),
        );
        let request = Request::internal(Command::Grant(purchase));
        app.ledger(account, request).await.unwrap().unwrap();
        let without_payment = rows_found(&app).await;
        tamper(
            &app,
            "insert into transactions (public_id, account_id, stripe_payment_intent_id, natural_key,
                 type, status, amount_minor, currency, refunded_minor, product_type,
                 credits_purchased_micros, attempts, occurred_at, created_at, updated_at)
             select 'txn_' || n, 1, 'pi_' || n, 'topup:' || n, 'CREDIT_TOPUP', 'COMPLETED', 50,
                    'usd', 0, 'credit_topup', 5000000, 0, 1, 1, 1
               from (select 1 as n union all select 2)",
        )
        .await;
        let without_credits = rows_found(&app).await;

        assert_eq!(without_payment, ["grant 8"]);
        assert_eq!(without_credits, ["transaction txn_2"]);
    }
}
