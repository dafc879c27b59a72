//! Audits what is counted or paid in addition to the grants: usage, limits and payments.

use domain::ledger::{GrantKind, Lot};
use domain::projection::TransactionStatus;
use domain::time::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use store::Tx;
use store::ledger::audit as rows;
use store::ledger::audit::{Topup, UsageDay};
use store::transactions::unexplained;

use super::{Audit, PAYMENTS_MAX, PENDING_HOURS_MAX, Part};

impl Audit<'_> {
    pub(super) fn usage(&mut self, tx: &mut Tx<'_>) -> store::Result<()> {
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
        self.meters(tx)
    }

    fn meters(&mut self, tx: &mut Tx<'_>) -> store::Result<()> {
        let rows = rows::meters(tx, self.ledger.account)?;
        let is = rows.into_iter().map(|row| {
            let key = (row.day, row.operation, row.api_key_id);
            ((key, row.meter), row.units)
        });
        let is: BTreeMap<_, _> = is.collect();
        let wanted = std::mem::take(&mut self.meters);
        let keys: BTreeSet<_> = is.keys().chain(wanted.keys()).collect();
        for one in keys {
            let (is, should) = (is.get(one), wanted.get(one));
            if is != should {
                let ((day, operation, key), meter) = one;
                let row = format!("usage of day {day}, {operation}, key {key}, {meter}");
                let [is, should] = [is, should].map(|units| units.copied().unwrap_or(0));
                self.find(row, format!("{is} millionths; by the journal {should}"));
            }
        }
        Ok(())
    }

    /// Compares limits with what the journal says was spent and is set aside now.
    pub(super) fn limits(&mut self, tx: &mut Tx<'_>, now: Timestamp) -> store::Result<()> {
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

    /// Every paid top-up must have one purchase grant of the same amount, and vice versa (I12).
    pub(super) fn payments(
        &mut self,
        tx: &mut Tx<'_>,
        lots: &[Lot],
        now: Timestamp,
    ) -> store::Result<()> {
        let mut bought: BTreeMap<&str, &Lot> = lots
            .iter()
            .filter(|lot| lot.kind == GrantKind::Purchase)
            .filter_map(|lot| Some((lot.source_key.strip_prefix("topup:")?, lot)))
            .collect();
        let mut seen = BTreeSet::new();
        for payment in rows::payments(tx, self.ledger.account, PAYMENTS_MAX)? {
            let row = format!("transaction {}", payment.public_id);
            let age_hours = (now.seconds() - payment.occurred_at.seconds()) / 3_600;
            if payment.status == TransactionStatus::Pending && age_hours > PENDING_HOURS_MAX {
                self.warn(&row, format!("it has been PENDING for {age_hours} hours"));
            }
            // A payment that nothing explains brought nothing; it is a finding of its sync.
            let is_unexplained = payment.natural_key.starts_with(unexplained::PREFIX);
            if !payment.is_topup || !payment.status.is_paid() || is_unexplained {
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

    /// Checks a pack whose whole price a promotion code covered.
    pub(super) fn gift(&mut self, row: &str, payment: &Topup, lots: &[Lot]) {
        let sold = payment.credits_micros.unwrap_or_default();
        let granted = lots
            .iter()
            .find(|lot| lot.kind == GrantKind::Promo && lot.source_key == payment.natural_key);
        if granted.is_none_or(|lot| lot.amount.micros() < sold) {
            let what = "it is completed and no credits were granted for it".to_owned();
            self.find_in(Part::Payment, row, what);
        }
    }

    pub(super) fn topup(
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
