//! Audits the books: checks every account's journal from its first entry, and compares everything
//! derived from it with a replay. Only reads.
//!
//! Each account is read page by page from one snapshot of the database; memory holds its grants,
//! open holds and daily usage, never its whole journal.

use std::collections::{BTreeMap, HashMap};

use domain::ledger::{Ledger, Limit, Lot, Terms, WalletStatus};
use domain::money::Credits;
use domain::time::Timestamp;
use serde::Serialize;
use store::Tx;
use store::ledger::audit as rows;

use crate::app::App;
use crate::error::Result;

/// Number of accounts per read.
const ACCOUNTS_MAX: i64 = 32;

/// Number of journal rows in memory at once.
const PAGE: i64 = 1_000;

/// Maximum number of findings that are listed; the rest are only counted.
const FINDINGS_MAX: usize = 1_000;

/// Maximum number of accounts with sync findings that are reported.
const SYNC_FINDINGS_MAX: i64 = 1_000;

/// Maximum number of an account's transactions that are checked.
const PAYMENTS_MAX: i64 = 100_000;

/// A Checkout session expires within a day; the extra hour is for the sync.
const PENDING_HOURS_MAX: i64 = 25;

/// An expired hold can be captured for a day; after two days it is certainly settled.
const EXPIRED_HOLD_DAYS_KEPT: i64 = 2;

/// The store's operation name for calls without an operation.
const UNNAMED: &str = "call";

/// What an audit checks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// That no byte of the journal was changed.
    Chain,
    /// Also that wallets, grants, holds, usage and payments agree with the journal.
    Everything,
}

/// A difference that an audit found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The public id of the account: `acc_...`.
    pub account: String,
    /// The row: `journal 17`, `wallet`, `grant 3`, `hold ...`.
    pub row: String,
    /// What is wrong with it.
    pub what: String,
    /// The kind of row.
    #[serde(skip)]
    pub part: Part,
}

/// Where a row's content comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The journal itself; nothing is rebuilt from it while it is broken.
    Journal,
    /// Derived from the journal, and can be rebuilt from it.
    Derived,
    /// From Stripe; needs a sync or manual review.
    Payment,
}

/// The result of an audit.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// How many accounts were checked.
    pub accounts: i64,
    /// How many journal entries were checked.
    pub entries: i64,
    /// The differences, at most a thousand.
    pub findings: Vec<Finding>,
    /// How many differences there are, including those that aren't listed.
    pub findings_count: usize,
    /// What needs manual review although the books agree.
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

/// What the accounts' last syncs left for manual review: two plans (I18), an unknown price.
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
        meters: BTreeMap::new(),
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

/// The account's limits with nothing spent; the replay counts against them.
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

/// The plan is an input to the ledger that a replay doesn't need.
const NO_TERMS: Terms = Terms {
    period_start: Timestamp::from_micros(0),
    calls_limit: None,
    status: WalletStatus::Active,
};

struct Audit<'a> {
    name: String,
    report: &'a mut Report,
    ledger: Ledger,
    /// Cleared once an entry can't be read or contradicts earlier ones.
    replays: bool,
    last_hash: [u8; 32],
    last_seq: i64,
    last_at: Timestamp,
    holds_count: i64,
    usage: BTreeMap<(i64, String, i64), (i64, i64)>,
    /// Units of each meter by the same keys, in millionths.
    meters: BTreeMap<((i64, String, i64), String), i64>,
}

/// Describes the fields that differ between a row and the journal.
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

// Declared after the macro that they use.
mod counters;
mod replay;

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
            // If the wallet is ahead of the journal or has a different hash, entries are missing: a
            // rebuild from what is left would hide that.
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

    /// Compares the grants, checks the sums over them, and returns them.
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
        let sum = |of: fn(&Lot) -> Credits| lots.iter().map(of).sum::<Credits>().micros();
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
                        clawed_back,
                        held,
                        reversed,
                        priority,
                        effective_at,
                        expires_at,
                        kept_until,
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
                let pinned = pins.map(|(_, part)| *part).sum::<Credits>().micros();
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
}

#[cfg(test)]
mod tests;
