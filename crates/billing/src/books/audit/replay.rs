//! Audits the journal itself: the hash chain is intact, and the entries replay.

use domain::ledger::{Body, Entry, EntryKind, Hold, HoldState, chain_hash};
use domain::units::Quantity;
use std::panic::{AssertUnwindSafe, catch_unwind};
use store::Tx;
use store::ledger::audit as rows;
use store::ledger::audit::JournalLine;

use super::{Audit, EXPIRED_HOLD_DAYS_KEPT, PAGE, Part, UNNAMED};

impl Audit<'_> {
    pub(super) fn journal(&mut self, tx: &mut Tx<'_>) -> store::Result<()> {
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

    pub(super) fn line(&mut self, line: &JournalLine) {
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
        // Continue from the stored hash, so that one changed row is one finding.
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

    pub(super) fn differing_columns(&self, line: &JournalLine, entry: &Entry) -> String {
        let hold = match &entry.body {
            Body::Hold { hold, .. } | Body::Settlement { hold, .. } => Some(hold),
            _ => None,
        };
        let units = entry.context.units.as_ref();
        let exact_units = units.filter(|units| units.as_whole().is_none());
        let exact_units = exact_units.map(Quantity::to_string);
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
            ("units", line.units == units.and_then(Quantity::as_whole)),
            ("exact_units", line.exact_units == exact_units),
            ("api_key_id", line.api_key_id == entry.context.api_key),
            ("charged", line.charged == entry.charged().micros()),
        ];
        let names = pairs.iter().filter(|(_, same)| !same);
        names.map(|(name, _)| *name).collect::<Vec<_>>().join(", ")
    }

    pub(super) fn replay(&mut self, row: &str, entry: &Entry) {
        if !self.replays {
            return;
        }
        // A tampered entry may contradict the ledger, which panics in that case.
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

    pub(super) fn count_usage(&mut self, entry: &Entry) {
        let operation = entry.context.operation.clone();
        let key = (
            entry.at.day(),
            operation.unwrap_or_else(|| UNNAMED.to_owned()),
            entry.context.api_key.unwrap_or(0),
        );
        for (meter, units) in entry.context.units.iter().flat_map(Quantity::meters) {
            let used = self.meters.entry((key.clone(), meter.to_owned()));
            let used = used.or_default();
            *used = used.saturating_add(units.micros());
        }
        let (calls, credits) = self.usage.entry(key).or_default();
        *calls += 1;
        *credits = credits.saturating_add(entry.charged().micros());
    }

    /// Compares and drops holds that no later entry can change.
    pub(super) fn drop_settled_holds(&mut self, tx: &mut Tx<'_>) -> store::Result<()> {
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

    pub(super) fn hold(&mut self, tx: &mut Tx<'_>, should: &Hold) -> store::Result<()> {
        let row = format!("hold {}", should.id);
        match rows::hold(tx, self.ledger.account, &should.id) {
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
}
