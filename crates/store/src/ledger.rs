//! Loads, decides and saves ledger commands: the only writer of wallets, grants, holds, usage and
//! the journal.
//!
//! `domain::ledger` decides. A batch of commands is grouped by account; each account is loaded
//! once, its commands are decided in order on the values in memory, and what changed is saved once.
//! A refusal is a result: it never undoes other commands of the batch.

pub mod audit;
mod facts;
pub mod free_allowances;
mod job;
pub mod limits;
mod load;
mod loaded;
mod read;
mod rebuild;
mod rows;
mod save;
mod thresholds;
mod usage;
mod wallet;
pub mod watch;

use std::sync::Arc;

use domain::catalog::Catalog;
use domain::ledger::{
    Body, Command, Entry, EntryKind, GrantKind, Ledger, Outcome, Refusal, Request,
};
use domain::money::Credits;
use domain::plan::{
    AccountFacts, Plan, PlanInvoice, PlanRules, allowance_due, claims, next_by_hand, plan_at,
};
use domain::time::Timestamp;

pub use facts::account_facts;
pub(crate) use job::LedgerJob;
pub use read::{
    JournalRow, accounts_with_wallet, calls_count, ended_calls, entry, grant_kind, grant_source,
    grants, hold_origin, hold_settlement, holds, journal_after, journal_head, journal_until,
};
pub use rebuild::rebuild;
pub use rows::hold;
pub use usage::{
    DayUsage, KeyUsage, MeterLine, MeterUsage, UsageLine, meter_lines, usage_by_day,
    usage_by_key_between, usage_by_meter, usage_lines, used_between,
};
pub use wallet::{WalletRow, wallet};

use free_allowances::Mailboxes;
use loaded::Loaded;

use crate::args;
use crate::db::Tx;
use crate::error::Result;

/// The result of a request: an answer or a refusal.
pub type Decision = std::result::Result<Outcome, Refusal>;

/// The operator's configuration: prices, allowances, grace period. One value serves a whole batch.
#[derive(Clone, Debug)]
pub struct Rules {
    /// The catalog: what is sold.
    pub catalog: Catalog,
    /// What a plan depends on besides the catalog.
    pub plan: PlanRules,
    /// The listener that is called when credits are added.
    pub listener: Listener,
    /// Which addresses are one mailbox, for free allowances.
    pub mailboxes: Mailboxes,
}

type OnEntry = dyn Fn(&mut Tx<'_>, &Entry) -> Result<()> + Send + Sync;

/// A listener that is called for every entry that adds credits, whatever its source, and for every
/// one that takes them back, in the commit that writes it; by default there is none. Calls and
/// expiries are not reported to it.
#[derive(Clone, Default)]
pub struct Listener(Option<Arc<OnEntry>>);

impl Listener {
    /// Makes a listener. An error of the listener also rolls back the entry.
    pub fn new(
        on_entry: impl Fn(&mut Tx<'_>, &Entry) -> Result<()> + Send + Sync + 'static,
    ) -> Listener {
        Listener(Some(Arc::new(on_entry)))
    }

    fn notify(&self, tx: &mut Tx<'_>, entries: &[Entry]) -> Result<()> {
        let Some(on_entry) = &self.0 else {
            return Ok(());
        };
        // What is taken back of a grant in the commit that makes it went back earlier, and was
        // reported then. A grant's number is that of its entry.
        let first = entries.first().map_or(i64::MAX, |entry| entry.seq);
        let is_told = |entry: &&Entry| {
            let is_older = matches!(entry.body, Body::Lot { lot, .. } if lot < first);
            let takes_back = match entry.kind {
                EntryKind::Clawback | EntryKind::Freeze => is_older,
                kind => kind == EntryKind::Adjust,
            };
            takes_back || entry.posted_delta.is_positive()
        };
        entries
            .iter()
            .filter(is_told)
            .try_for_each(|entry| on_entry(tx, entry))
    }
}

impl std::fmt::Debug for Listener {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let listens = self.0.is_some();
        f.debug_tuple("Listener").field(&listens).finish()
    }
}

/// Decides `requests` of one account in order, inside the caller's job: a sync's rows and its
/// ledger commands are one commit.
pub fn execute(
    tx: &mut Tx<'_>,
    rules: &Rules,
    account: i64,
    requests: &[Request],
    now: Timestamp,
) -> Result<Vec<Decision>> {
    let requests: Vec<&Request> = requests.iter().collect();
    decide(tx, rules, account, &requests, now)
}

/// Has every account's plan computed again, at its next command or by the sweep, after another
/// catalog became effective at `now`.
pub fn expire_plans(tx: &mut Tx<'_>, now: Timestamp) -> Result<u64> {
    tx.execute(
        "update wallet set plan_valid_until = $1 where plan_valid_until > $1",
        args![now],
    )
}

/// Applies what is due for an account: expirations, and its allowance. Returns the resulting
/// ledger, with every grant that has credits and every pending hold.
pub fn settle(tx: &mut Tx<'_>, rules: &Rules, account: i64, now: Timestamp) -> Result<Ledger> {
    let mut loaded = load::load(tx, account, &[])?;
    pass_time(tx, rules, &mut loaded, now, true)?;
    let entries = save::save(tx, &mut loaded, now)?;
    rules.listener.notify(tx, &entries)?;
    Ok(loaded.ledger)
}

/// The plan of an account, computed from the current rows.
pub fn plan(tx: &mut Tx<'_>, rules: &Rules, account: i64, now: Timestamp) -> Result<Plan> {
    let plan_facts = facts::account_facts(tx, &rules.mailboxes, account)?;
    Ok(plan_at(&plan_facts, &rules.catalog, rules.plan, now))
}

/// Whether [`settle`] must run before a read.
pub fn is_due(wallet: Option<&WalletRow>, now: Timestamp) -> bool {
    wallet.is_none_or(|wallet| {
        wallet.plan_valid_until <= now || wallet.next_due_at.is_some_and(|due| due <= now)
    })
}

fn decide(
    tx: &mut Tx<'_>,
    rules: &Rules,
    account: i64,
    requests: &[&Request],
    now: Timestamp,
) -> Result<Vec<Decision>> {
    let mut loaded = load::load(tx, account, requests)?;
    pass_time(tx, rules, &mut loaded, now, false)?;
    let decisions = requests
        .iter()
        .map(|request| loaded.ledger.apply(request, now))
        .collect::<Vec<_>>();
    let entries = save::save(tx, &mut loaded, now)?;
    watch::note_refused(tx, &loaded, requests, &decisions, now)?;
    rules.listener.notify(tx, &entries)?;
    Ok(decisions)
}

/// Recomputes the plan if it may have changed, and settles what is due.
fn pass_time(
    tx: &mut Tx<'_>,
    rules: &Rules,
    loaded: &mut Loaded,
    now: Timestamp,
    always: bool,
) -> Result<()> {
    let plan_is_old = loaded.plan_valid_until <= now || always;
    if !plan_is_old && !loaded.ledger.is_due(now) {
        return Ok(());
    }
    let account = loaded.ledger.account;
    load::load_pending_holds(tx, &mut loaded.ledger)?;
    let (plan_facts, status) = facts::facts_and_status(tx, &rules.mailboxes, account)?;
    let plan = plan_at(&plan_facts, &rules.catalog, rules.plan, now);
    loaded.ledger.terms.status = status;
    let granted = facts::allowances_granted(tx, account, plan.month_start, now)?;
    let mut due = allowance_due(&plan_facts, &plan, &granted, now);
    let is_free = rules.catalog.free().name == plan.access_tier;
    let month = (plan.month_start, plan.month_end);
    // Another account of the same address may have got it since the plan was read.
    if is_free && due.is_some() && !free_allowances::claim(tx, &rules.mailboxes, account, month)? {
        due = None;
    }
    loaded.ledger.terms.period_start = plan.month_start;
    loaded.ledger.terms.calls_limit = plan.calls_limit;
    let next = next_by_hand(&plan, &granted, now);
    loaded.plan_valid_until = next.map_or(plan.valid_until, |next| next.min(plan.valid_until));
    loaded.is_changed = true;
    loaded.ledger.keep(plan.turn, now);
    let tier = rules.catalog.tier(&plan.access_tier);
    let mut grants = loaded
        .ledger
        .rollover_due(tier.and_then(|tier| tier.rollover), now);
    grants.extend(due);
    loaded.ledger.settle(&grants, now);
    reverse(tx, rules, loaded, &plan_facts, now)
}

/// Makes the allowances match what went back of the plan's payments, and freezes those whose
/// payment is disputed. An allowance that is granted after its payment was reversed in part is
/// treated alike.
fn reverse(
    tx: &mut Tx<'_>,
    rules: &Rules,
    loaded: &mut Loaded,
    plan_facts: &AccountFacts,
    now: Timestamp,
) -> Result<()> {
    let commands = reversals(tx, rules, &mut loaded.ledger, &plan_facts.invoices)?;
    for command in commands {
        let reversed = loaded.ledger.apply(&Request::internal(command), now);
        debug_assert!(reversed.is_ok(), "a grant that exists can be reversed");
    }
    Ok(())
}

/// The commands that make the allowances match what went back, with the grants that they name
/// loaded.
fn reversals(
    tx: &mut Tx<'_>,
    rules: &Rules,
    ledger: &mut Ledger,
    invoices: &[PlanInvoice],
) -> Result<Vec<Command>> {
    let touched = invoices.iter();
    let touched = touched.filter(|invoice| invoice.reversed > 0 || invoice.is_disputed);
    let since = touched
        .filter_map(|invoice| invoice.period)
        .map(|period| period.0);
    // A change within a period concerns the month that had begun before it.
    let never = Timestamp::from_micros(i64::MAX);
    let since = since.min().map_or(never, |at| at.plus_months(-1));
    let mut allowances = facts::reversible(tx, ledger.account, since)?;
    let granted = ledger.lots.values().filter(|lot| {
        lot.kind == GrantKind::Allowance
            && lot.effective_at >= since
            && !allowances.iter().any(|(key, _)| *key == lot.source_key)
    });
    let granted: Vec<_> = granted
        .map(|lot| (lot.source_key.clone(), lot.amount))
        .collect();
    allowances.extend(granted);
    let mut commands = Vec::new();
    let claims = claims(&allowances, invoices, &rules.catalog);
    if !claims.is_empty() {
        load::load_allowances(tx, ledger, since)?;
    }
    for claim in claims {
        let Some(lot) = ledger.lot_by_source(&claim.source_key) else {
            continue;
        };
        commands.push(Command::Clawback {
            source_key: claim.source_key.clone(),
            reversed: claim.reversed.micros(),
            whole: lot.amount.micros(),
        });
        commands.push(Command::Freeze {
            source_key: claim.source_key,
            frozen: claim.is_frozen,
        });
    }
    Ok(commands)
}

/// Source keys and amounts of allowances.
pub type Allowances = Vec<(String, Credits)>;

/// What a plan's payment brought, to preview a refund of it: its invoice and those that share its
/// periods, and the allowances. Adds these to `ledger`.
pub fn brought_by(
    tx: &mut Tx<'_>,
    rules: &Rules,
    ledger: &mut Ledger,
    invoice: &str,
) -> Result<(Vec<PlanInvoice>, Allowances)> {
    let invoices = facts::plan_invoices(tx, ledger.account, Some(invoice))?;
    let mut all = invoices.clone();
    for one in all.iter_mut().filter(|one| one.id == invoice) {
        // An invoice that was read before charges were stored has none.
        one.reversed = one.charged.max(1);
    }
    let mut brought = Vec::new();
    for command in reversals(tx, rules, ledger, &all)? {
        if let Command::Clawback {
            source_key, whole, ..
        } = command
        {
            brought.push((source_key, Credits::from_micros(whole)));
        }
    }
    Ok((invoices, brought))
}

/// The ledger of an account as stored, without applying what is due, for reads. It takes no lock.
pub fn loaded(tx: &mut Tx<'_>, account: i64) -> Result<Ledger> {
    Ok(load::read_only(tx, account)?.ledger)
}

/// Like [`loaded()`], including what `requests` name, so that their outcome can be previewed.
pub fn loaded_for(tx: &mut Tx<'_>, account: i64, requests: &[Request]) -> Result<Ledger> {
    let requests: Vec<&Request> = requests.iter().collect();
    Ok(load::read_only_for(tx, account, &requests)?.ledger)
}
