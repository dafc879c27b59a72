//! Writes what a projection calls for: rows, ledger commands and emails in one commit, fenced by
//! the lease.

mod manual;
mod rows;
mod set_aside;

use domain::projection::{
    Desired, DesiredDispute, Finding, Mail, PaymentStatus, SessionStatus, Transaction,
};
use std::sync::{Arc, Mutex, PoisonError};
use store::events::EventState;
use store::intents::{IntentKind, NewIntent};

use domain::ids::new_id;
use domain::ledger::Request;
use domain::time::Timestamp;
use store::Tx;
use store::ledger::Rules;
use store::sync::Lease;

use crate::app::App;
use crate::config::AfterLostDispute;
use crate::error::Result;
use crate::intents::chain;
use crate::letters;
use crate::sync::apply::rows::Synced;
use crate::sync::snapshot::Fetched;
use crate::sync::{
    Held, NAMED_MAX, Report, disputed_plan, duplicate_subscription, late_payment, suspension,
};

/// Everything the job needs, owned, since the writer may run the job again.
struct Plan {
    lease: Lease,
    fetched: Fetched,
    wanted: Desired,
    /// Objects by id that events referred to, and whether there may be more of them.
    named: Vec<store::sync::NamedObject>,
    has_more_named: bool,
    /// Findings for manual review, in sentences.
    findings: Vec<String>,
    /// Intents for duplicate purchases to undo at Stripe: id, object and parameters.
    undo: Vec<(String, String, String)>,
    rules: Arc<Rules>,
    /// Ids for new transactions, one per wanted row.
    ids: Vec<String>,
    /// What happens to a plan whose payment is lost in a dispute, and the id of an intent to end it.
    after_lost_dispute: (AfterLostDispute, String),
    /// The id of an intent to pause or resume what charges the account, and the beginning of those of
    /// refunds on a closed one.
    intent: String,
    now: Timestamp,
    real_now: Timestamp,
    /// Whether nothing is kept: a comparison.
    is_dry: bool,
}

/// Applies `wanted` under `lease`. Returns the changes in words.
pub async fn apply(
    app: &App,
    lease: &Lease,
    held: &Held,
    fetched: Fetched,
    wanted: Desired,
    now: Timestamp,
) -> Result<Report> {
    let plan = Plan::new(app, lease, held, fetched, wanted, now);
    let report = app.write(lease.account_id, move |tx| plan.run(tx)).await?;
    app.email_due.notify_one();
    app.webhook_due.notify_one();
    Ok(report)
}

/// The reason with which a dry run rolls back.
const COMPARED: &str = "compared";

/// What an apply would change, in words. Everything is written and then rolled back.
pub async fn differences(
    app: &App,
    account: i64,
    held: &Held,
    fetched: Fetched,
    wanted: Desired,
    now: Timestamp,
) -> Result<Vec<String>> {
    let lease = Lease {
        account_id: account,
        dirty_gen: 0,
        token: 0,
        attempts: 0,
        last_synced_at: None,
    };
    let mut plan = Plan::new(app, &lease, held, fetched, wanted, now);
    plan.is_dry = true;
    let found = Arc::new(Mutex::new(Vec::new()));
    let report_to = found.clone();
    let compared = app.db.write(account, move |tx| -> store::Result<()> {
        // A change that is only due to time isn't a difference.
        store::ledger::settle(tx, &plan.rules, account, plan.now)?;
        plan.show_plan(tx, &mut Report::default())?;
        let report = plan.write_rows(tx)?;
        let lines = [report.changes, report.refused].concat();
        *report_to.lock().unwrap_or_else(PoisonError::into_inner) = lines;
        Err(store::Error::Abandoned(COMPARED.to_owned()))
    });
    match compared.await {
        Err(store::Error::Abandoned(why)) if why == COMPARED => {}
        Err(error) => return Err(error.into()),
        Ok(()) => {}
    }
    let lines = std::mem::take(&mut *found.lock().unwrap_or_else(PoisonError::into_inner));
    Ok(lines)
}

impl Plan {
    fn new(
        app: &App,
        lease: &Lease,
        held: &Held,
        fetched: Fetched,
        wanted: Desired,
        now: Timestamp,
    ) -> Plan {
        let undo = wanted.undo.iter();
        let undo = undo.map(|one| {
            let params = duplicate_subscription::params(one);
            (app.new_id("int"), one.object().to_owned(), params)
        });
        let ids = wanted
            .transactions
            .iter()
            .map(|_| new_id("txn", now, &*app.rng))
            .collect();
        Plan {
            lease: lease.clone(),
            findings: manual::findings(held, &wanted),
            undo: undo.collect(),
            named: held.named.clone(),
            has_more_named: i64::try_from(held.named.len()).is_ok_and(|count| count >= NAMED_MAX),
            fetched,
            wanted,
            rules: app.rules(),
            ids,
            after_lost_dispute: (
                app.settings.billing.plan_after_lost_dispute(),
                app.new_id("int"),
            ),
            intent: app.new_id("int"),
            now,
            real_now: app.real_now(),
            is_dry: false,
        }
    }

    fn run(&self, tx: &mut Tx<'_>) -> store::Result<Report> {
        let account = self.lease.account_id;
        let mut report = self.write_rows(tx)?;
        for mail in &self.wanted.mails {
            self.enqueue(tx, mail, &mut report)?;
        }
        self.notify_of_disputes(tx)?;
        self.close_events(tx, &report)?;
        self.write_undo(tx)?;
        suspension::check(tx, account, &self.wanted, (&self.intent, self.now))?;
        for named in &self.named {
            store::sync::forget_object(tx, account, named)?;
        }
        let read = store::sync::Read {
            until: self.fetched.progress.until,
            backfill: self.fetched.progress.backfill,
            findings: self.all_findings(tx, &report)?,
        };
        store::sync::note_read(tx, account, &read)?;
        // Fails if the lease was lost, so that nothing of this is committed.
        store::sync::finish(tx, &self.lease, self.real_now)?;
        store::alerts::succeeded(tx)?;
        self.go_on(tx)?;
        Ok(report)
    }

    fn notify_of_disputes(&self, tx: &mut Tx<'_>) -> store::Result<()> {
        let account = self.lease.account_id;
        for dispute in &self.wanted.disputes {
            let fetched = &dispute.fetched;
            let amount = (fetched.amount, fetched.currency.code());
            let (charge, status) = (&dispute.charge, &fetched.status);
            crate::notices::dispute(tx, account, charge, status, amount, self.real_now)?;
        }
        Ok(())
    }

    /// Writes the rows and runs the ledger's commands.
    fn write_rows(&self, tx: &mut Tx<'_>) -> store::Result<Report> {
        let account = self.lease.account_id;
        let mut report = Report::default();
        self.retire_customers(tx, &mut report)?;
        self.set_aside(tx, &mut report)?;
        self.recover_orders(tx, &mut report)?;
        for subscription in &self.wanted.subscriptions {
            let customer = store::customers::current(tx, account)?.unwrap_or_default();
            let row = rows::subscription(account, customer, subscription, self.now);
            self.put(tx, &row, &mut report)?;
        }
        for next in &self.fetched.next.fetched {
            store::next_charges::put(tx, next)?;
        }
        for subscription in &self.fetched.next.none {
            store::next_charges::remove(tx, account, subscription)?;
        }
        for subscription in &self.fetched.next.stale {
            store::next_charges::mark_stale(tx, account, subscription)?;
        }
        for invoice in &self.wanted.invoices {
            self.put(tx, &rows::invoice(account, invoice), &mut report)?;
        }
        for note in &self.wanted.credit_notes {
            self.put(tx, &rows::credit_note(account, note), &mut report)?;
        }
        for dispute in &self.wanted.disputes {
            self.put_dispute(tx, dispute, &mut report)?;
        }
        for (row, id) in self.wanted.transactions.iter().zip(&self.ids) {
            self.put_transaction(tx, row, id, &mut report)?;
        }
        match &self.fetched.card {
            Some(card) => self.put(tx, &rows::card(account, card, self.now), &mut report)?,
            None => {
                store::payment_methods::remove(tx, account)?;
            }
        }
        self.close_intents(tx)?;
        let before = store::ledger::wallet(tx, account)?.map_or(0, |wallet| wallet.seq);
        let requests: Vec<Request> = self
            .wanted
            .commands
            .iter()
            .cloned()
            .map(Request::internal)
            .collect();
        let decisions = store::ledger::execute(tx, &self.rules, account, &requests, self.now)?;
        // A refusal is a finding: it doesn't keep the account's other rows and commands from being
        // written (G11), and the next sync tries again.
        let refused = requests.iter().zip(&decisions);
        report.refused = refused
            .filter_map(|(request, decision)| {
                manual::refused_text(request, decision.as_ref().err()?)
            })
            .collect();
        // The plan may have changed, so settle the period's allowance and limits again.
        store::ledger::settle(tx, &self.rules, account, self.now)?;
        self.show_plan(tx, &mut report)?;
        self.report_entries(tx, before, &mut report)?;
        Ok(report)
    }

    /// Records duplicate purchases to undo; the calls are made after the commit.
    fn write_undo(&self, tx: &mut Tx<'_>) -> store::Result<()> {
        for (id, object, params) in &self.undo {
            let account = self.lease.account_id;
            let new = NewIntent {
                stripe_object_id: Some(object),
                ..NewIntent::new(id, account, IntentKind::DuplicateSubscription, params)
            };
            chain::insert::<duplicate_subscription::Undo>(tx, &new, self.now)?;
        }
        Ok(())
    }

    /// Parks an account with an unknown price; marks an account with more to read for another sync.
    fn go_on(&self, tx: &mut Tx<'_>) -> store::Result<()> {
        let account = self.lease.account_id;
        if let Some((price, why)) = self.unknown_price() {
            store::sync::wait_for_price(tx, account, &price, &why, self.real_now)?;
        } else if self.has_new_subscriptions() {
            store::sync::forget_read(tx, account)?;
            store::sync::mark_for_sync(tx, account, self.real_now)?;
        } else if self.fetched.progress.backfill.is_some() || self.has_more_named {
            store::sync::mark_for_sync(tx, account, self.real_now)?;
        }
        Ok(())
    }

    fn unknown_price(&self) -> Option<(String, String)> {
        self.wanted
            .findings
            .iter()
            .find_map(|finding| match finding {
                Finding::UnknownPrice { price, .. } => Some((price.clone(), finding.text())),
                Finding::DuplicateSubscription { .. }
                | Finding::FailedRefund { .. }
                | Finding::StrayItem { .. } => None,
            })
    }

    fn retire_customers(&self, tx: &mut Tx<'_>, report: &mut Report) -> store::Result<()> {
        for customer in &self.fetched.deleted {
            if store::customers::retire(tx, self.lease.account_id, customer)? > 0 {
                store::accounts::show_customer(tx, self.lease.account_id, None, self.now)?;
                report
                    .changes
                    .push(format!("customer {customer} is gone at Stripe"));
            }
        }
        Ok(())
    }

    /// Writes a row that differs from the stored one, and reports the change.
    fn put<R: Synced>(&self, tx: &mut Tx<'_>, row: &R, report: &mut Report) -> store::Result<()> {
        let is_same = row.held(tx)?.is_some_and(|held| row.is_same(&held));
        if !is_same {
            report.changes.extend(row.change());
        }
        if !is_same || R::NOTES_EVERY_SYNC {
            row.put(tx)?;
        }
        Ok(())
    }

    fn put_dispute(
        &self,
        tx: &mut Tx<'_>,
        wanted: &DesiredDispute,
        report: &mut Report,
    ) -> store::Result<()> {
        let account = self.lease.account_id;
        let row = rows::dispute(account, wanted);
        let held = row.held(tx)?;
        self.put(tx, &row, report)?;
        let was_open = held.is_some_and(|held| held.is_open());
        if row.is_open() && !was_open {
            let (key, reason) = (
                format!("{account}:{}", row.dispute_id),
                "a payment is disputed",
            );
            let times = (self.now, self.real_now);
            crate::reactions::stop_auto_topup(tx, account, &key, reason, times)?;
        }
        if wanted.fetched.is_lost() {
            let (rule, intent) = &self.after_lost_dispute;
            let new = (intent.as_str(), self.now);
            disputed_plan::note_loss(tx, account, &row, was_open, *rule, new)?;
        }
        Ok(())
    }

    fn put_transaction(
        &self,
        tx: &mut Tx<'_>,
        wanted: &Transaction,
        id: &str,
        report: &mut Report,
    ) -> store::Result<()> {
        let account = self.lease.account_id;
        let (natural_key, held) = rows::held_transaction(tx, account, wanted)?;
        if held.is_none() && wanted.is_nothing() {
            return Ok(());
        }
        if self.is_explained(tx, wanted)? {
            return Ok(());
        }
        let earlier = self.replaced(tx, wanted)?;
        let id = earlier.as_deref().unwrap_or(id);
        let new = rows::transaction(account, id, &natural_key, wanted);
        let row = store::transactions::put(tx, &new, self.now)?;
        store::transactions::note_tax(tx, account, &natural_key, wanted.tax_minor)?;
        let is_new = held.is_none();
        if !self.is_dry {
            let before = held.as_ref().map(|held| held.status);
            let new = (self.intent.as_str(), self.now);
            late_payment::note(tx, account, wanted, before, new)?;
        }
        if self.is_dry && is_new && self.is_unpaid_page(wanted) {
            return Ok(());
        }
        if held.is_none_or(|held| {
            held.status != row.status
                || held.refunded_minor != row.refunded_minor
                || held.disputed != row.disputed
        }) {
            report.changes.push(format!(
                "transaction {} is {}",
                wanted.natural_key, row.status
            ));
            crate::notices::transaction(tx, &row, self.real_now)?;
        }
        Ok(())
    }

    /// Closes the intents of pages that were paid or have expired, so that they aren't reused. An
    /// automatic payment that has arrived, if only after days, ends a series of declines.
    fn close_intents(&self, tx: &mut Tx<'_>) -> store::Result<()> {
        let over = self
            .fetched
            .snapshot
            .sessions
            .iter()
            .filter(|session| session.status() != Some(SessionStatus::Open))
            // A failed automatic payment is settled by the job that requested it.
            .filter(|session| {
                !session.is_automatic || session.payment_status() == Some(PaymentStatus::Paid)
            });
        for session in over {
            let Some(intent) = &session.intent else {
                continue;
            };
            let is_closed = store::intents::close(tx, &intent.id, self.now)?;
            if is_closed && session.is_automatic {
                store::auto_topup::set_declines(tx, self.lease.account_id, 0)?;
            }
        }
        Ok(())
    }

    /// Stores the account's shown plan, a projection of its subscriptions for lists and the seed's
    /// fields. Access never depends on it.
    fn show_plan(&self, tx: &mut Tx<'_>, report: &mut Report) -> store::Result<()> {
        let account = self.lease.account_id;
        let changed = crate::summary::show_plan(tx, &self.rules, account, self.now, self.real_now)?;
        if let Some(plan) = changed {
            let change = format!("plan is {} {}", plan.tier, plan.status);
            report.changes.push(change);
        }
        Ok(())
    }

    fn report_entries(
        &self,
        tx: &mut Tx<'_>,
        before: i64,
        report: &mut Report,
    ) -> store::Result<()> {
        for entry in store::ledger::journal_after(tx, self.lease.account_id, before, 100)? {
            let (kind, delta) = (entry.kind.word(), entry.posted_delta);
            report.changes.push(format!("ledger: {kind} {delta}"));
        }
        Ok(())
    }

    fn enqueue(&self, tx: &mut Tx<'_>, mail: &Mail, report: &mut Report) -> store::Result<()> {
        let account = self.lease.account_id;
        if letters::notify_payers(tx, account, &mail.key, &mail.letter, self.real_now)? {
            report.changes.push(format!("mail {}", mail.key));
        }
        Ok(())
    }

    /// Marks the events that this sync covers as done, with the outcome; those of an account with
    /// an unknown price are parked for manual review.
    fn close_events(&self, tx: &mut Tx<'_>, report: &Report) -> store::Result<()> {
        let unknown = self.unknown_price();
        let outcome = match (&unknown, report.changes.is_empty()) {
            (Some((_, fault)), _) => fault.clone(),
            (None, _) if !report.refused.is_empty() => report.refused.join("; "),
            (None, true) => "no effect: everything agreed already".to_owned(),
            (None, false) => report.changes.join("; "),
        };
        let state = if unknown.is_some() {
            EventState::Parked
        } else {
            EventState::Done
        };
        store::events::settle_account(
            tx,
            self.lease.account_id,
            self.fetched.last_event,
            state,
            &outcome,
            self.now,
        )?;
        Ok(())
    }
}
