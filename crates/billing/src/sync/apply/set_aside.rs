//! Writes what a sync set aside or recovered: another product's objects, lost orders, payments that
//! nothing explains.

use domain::money::{Currency, MinorUnits};
use domain::projection::{SessionStatus, Transaction};
use serde_json::json;
use store::Tx;
use store::foreign::{Foreign, ForeignKind};
use store::intents::Intent;
use store::transactions::unexplained;

use crate::sync::Report;
use crate::sync::apply::Plan;

/// Maximum number of unexplained payments that findings name; the rest are counted.
const NAMED_MAX: i64 = 20;

/// Maximum number of another product's objects that are searched for findings.
const FOREIGN_MAX: i64 = 1_000;

impl Plan {
    /// Records what belongs to another product, and removes what earlier versions took for ours.
    pub(super) fn set_aside(&self, tx: &mut Tx<'_>, report: &mut Report) -> store::Result<()> {
        let account = self.lease.account_id;
        for id in &self.fetched.aside.ours_again {
            store::foreign::remove(tx, account, id)?;
        }
        for row in &self.fetched.aside.foreign {
            store::foreign::put(tx, row)?;
            let id = &row.object_id;
            let was_ours = match row.kind {
                ForeignKind::Subscription => {
                    store::foreign::take_out_subscription(tx, account, id)?
                }
                ForeignKind::Payment => {
                    store::disputes::take_out(tx, account, id)?;
                    unexplained::take_out(tx, account, id)?.is_some()
                }
                ForeignKind::Customer => false,
            };
            if was_ours {
                let kind = row.kind;
                report
                    .changes
                    .push(format!("{kind} {id} belongs to another product"));
            }
        }
        for refund in &self.fetched.aside.refunds {
            unexplained::take_out_refund(tx, account, refund)?;
        }
        Ok(())
    }

    /// Records the orders that were lost, so that every later sync finds them.
    pub(super) fn recover_orders(&self, tx: &mut Tx<'_>, report: &mut Report) -> store::Result<()> {
        for order in &self.fetched.recovered {
            let order = Intent {
                updated_at: self.now,
                ..order.clone()
            };
            if store::intents::recover(tx, &order)? {
                let object = order.stripe_object_id.as_deref().unwrap_or_default();
                report
                    .changes
                    .push(format!("the order of {object} was lost and is recovered"));
            }
        }
        Ok(())
    }

    /// Removes the row that the payment had while nothing explained it. Returns its public id, which
    /// the new row keeps.
    pub(super) fn replaced(
        &self,
        tx: &mut Tx<'_>,
        wanted: &Transaction,
    ) -> store::Result<Option<String>> {
        let Some(payment) = &wanted.payment_intent else {
            return Ok(None);
        };
        if wanted.natural_key.starts_with(unexplained::PREFIX) {
            return Ok(None);
        }
        unexplained::take_out(tx, self.lease.account_id, payment)
    }

    /// Whether a payment that this sync could not explain has the row of its purchase already. Stripe's
    /// lists are read one after the other: a payment that was made in between may be found without
    /// its purchase. Rows of purchases are written first.
    pub(super) fn is_explained(
        &self,
        tx: &mut Tx<'_>,
        wanted: &Transaction,
    ) -> store::Result<bool> {
        let Some(payment) = &wanted.payment_intent else {
            return Ok(false);
        };
        if !wanted.natural_key.starts_with(unexplained::PREFIX) {
            return Ok(false);
        }
        let row = store::transactions::about(tx, payment)?;
        Ok(row.is_some_and(|row| {
            row.account_id == self.lease.account_id && row.natural_key != wanted.natural_key
        }))
    }

    /// Whether a row is about a page that is still open or was never paid: until its sync writes
    /// the row, that is no difference.
    pub(super) fn is_unpaid_page(&self, wanted: &Transaction) -> bool {
        let Some(page) = &wanted.session else {
            return false;
        };
        let mut sessions = self.fetched.snapshot.sessions.iter();
        let session = sessions.find(|session| session.id == *page);
        session.is_some_and(|session| {
            matches!(
                session.status(),
                Some(SessionStatus::Open | SessionStatus::Expired)
            )
        })
    }

    /// Whether a subscription that was another product's is ours now: its whole history is read.
    pub(super) fn has_new_subscriptions(&self) -> bool {
        let ids = self.fetched.aside.ours_again.iter();
        ids.into_iter().any(|id| id.starts_with("sub_"))
    }

    /// The findings as they are stored: a JSON array of sentences.
    pub(super) fn all_findings(
        &self,
        tx: &mut Tx<'_>,
        report: &Report,
    ) -> store::Result<Option<String>> {
        let account = self.lease.account_id;
        let mut all = self.findings.clone();
        all.extend(report.refused.iter().cloned());
        let foreign = store::foreign::of_account(tx, account, FOREIGN_MAX)?;
        all.extend(foreign.iter().filter_map(namesake));
        let open = unexplained::of_account(tx, account, NAMED_MAX)?;
        all.extend(open.iter().map(unexplained_text));
        Ok((!all.is_empty()).then(|| json!(all).to_string()))
    }
}

/// The finding about a customer that was made elsewhere.
fn namesake(row: &Foreign) -> Option<String> {
    (row.kind == ForeignKind::Customer && !row.is_decided).then(|| {
        format!(
            "customer {} has the account's address and the live plan {}, and is not linked; to \
             link it: sync ACCOUNT --adopt --customer {} --apply",
            row.object_id, row.status, row.object_id
        )
    })
}

/// The finding about a payment that nothing explains.
fn unexplained_text(row: &store::transactions::Transaction) -> String {
    let payment = row.natural_key.trim_start_matches(unexplained::PREFIX);
    let money = match Currency::parse(&row.currency) {
        Some(currency) => MinorUnits::new(row.amount_minor, currency).decimal_text(),
        None => row.amount_minor.to_string(),
    };
    let (currency, day) = (row.currency.to_uppercase(), row.occurred_at.date_text());
    format!(
        "payment {payment} of {money} {currency} on {day} brought neither credits nor a plan; \
         `repair` shows what can be done"
    )
}
