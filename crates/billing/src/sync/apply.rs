//! Writes what a projection wants: rows, ledger commands and mails in one commit, fenced by the
//! lease.

use std::sync::{Arc, Mutex, PoisonError};

use domain::ids::new_id;
use domain::ledger::Request;
use domain::projection::{
    CreditNote, Extra, Finding, Invoice, Mail, Transaction, TransactionType, Wanted,
    WantedSubscription,
};
use domain::time::Timestamp;
use serde_json::json;
use store::Tx;
use store::ledger::Rules;
use store::sync::Lease;

use crate::app::App;
use crate::error::Result;
use crate::letters::{enqueue, payers};
use crate::sync::snapshot::Fetched;
use crate::sync::{Held, NAMED_MAX, Report, duplicate_subscription};

/// Everything the job needs, owned: the writer may run it again.
struct Plan {
    lease: Lease,
    fetched: Fetched,
    wanted: Wanted,
    /// Objects by id that events asked for, and whether there may be more of them.
    named: Vec<store::sync::NamedObject>,
    has_more_named: bool,
    /// Sentences for a person, as a JSON array.
    findings: Option<String>,
    /// Intents for what is undone at Stripe, one for each.
    undo: Vec<(String, String, String)>,
    rules: Arc<Rules>,
    /// Ids for new transactions, one for each wanted row.
    ids: Vec<String>,
    now: Timestamp,
    real_now: Timestamp,
}

/// Applies `wanted` under `lease`. Answers what changed, in words.
pub async fn apply(
    app: &App,
    lease: &Lease,
    held: &Held,
    fetched: Fetched,
    wanted: Wanted,
    now: Timestamp,
) -> Result<Report> {
    let plan = Plan::new(app, lease, held, fetched, wanted, now);
    let report = app.write(lease.account_id, move |tx| plan.run(tx)).await?;
    app.email_due.notify_one();
    app.webhook_due.notify_one();
    Ok(report)
}

/// What a dry run ends with, so that nothing of it stays.
const COMPARED: &str = "compared";

/// What an apply would change, in words. Everything is written and taken back.
pub async fn differences(
    app: &App,
    account: i64,
    held: &Held,
    fetched: Fetched,
    wanted: Wanted,
    now: Timestamp,
) -> Result<Vec<String>> {
    let lease = Lease {
        account_id: account,
        dirty_gen: 0,
        token: 0,
        attempts: 0,
        last_synced_at: None,
    };
    let plan = Plan::new(app, &lease, held, fetched, wanted, now);
    let found = Arc::new(Mutex::new(Vec::new()));
    let told = found.clone();
    let compared = app.db.write(account, move |tx| -> store::Result<()> {
        // What time alone would change is no difference.
        store::ledger::settle(tx, &plan.rules, account, plan.now)?;
        plan.show_plan(tx, &mut Report::default())?;
        let report = plan.write_rows(tx)?;
        *told.lock().unwrap_or_else(PoisonError::into_inner) = report.changes;
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
        wanted: Wanted,
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
            .map(|_| new_id("txn", now, &*app.chance))
            .collect();
        Plan {
            lease: lease.clone(),
            findings: findings(held, &wanted),
            undo: undo.collect(),
            named: held.named.clone(),
            has_more_named: i64::try_from(held.named.len()).is_ok_and(|count| count >= NAMED_MAX),
            fetched,
            wanted,
            rules: app.rules(),
            ids,
            now,
            real_now: app.real_now(),
        }
    }

    fn run(&self, tx: &mut Tx<'_>) -> store::Result<Report> {
        let account = self.lease.account_id;
        let mut report = self.write_rows(tx)?;
        for mail in &self.wanted.mails {
            self.enqueue(tx, mail, &mut report)?;
        }
        self.tell_of_disputes(tx)?;
        self.close_events(tx, &report)?;
        self.write_undo(tx)?;
        for named in &self.named {
            store::sync::forget_object(tx, account, named)?;
        }
        let read = store::sync::Read {
            until: self.fetched.progress.until,
            backfill: self.fetched.progress.backfill,
            findings: self.findings.clone(),
        };
        store::sync::note_read(tx, account, &read)?;
        // Conditional on the token: overtaken means nothing of this is written.
        store::sync::finish(tx, &self.lease, self.real_now)?;
        store::alerts::succeeded(tx)?;
        self.go_on(tx)?;
        Ok(report)
    }

    fn tell_of_disputes(&self, tx: &mut Tx<'_>) -> store::Result<()> {
        for charge in &self.fetched.snapshot.charges {
            if let Some(status) = &charge.dispute {
                let amount = (charge.amount, charge.currency.code());
                let account = self.lease.account_id;
                crate::notices::dispute(tx, account, &charge.id, status, amount, self.real_now)?;
            }
        }
        Ok(())
    }

    /// Rows and ledger.
    fn write_rows(&self, tx: &mut Tx<'_>) -> store::Result<Report> {
        let account = self.lease.account_id;
        let mut report = Report::default();
        self.retire_customers(tx, &mut report)?;
        for subscription in &self.wanted.subscriptions {
            self.put_subscription(tx, subscription, &mut report)?;
        }
        for invoice in &self.wanted.invoices {
            self.put_invoice(tx, invoice, &mut report)?;
        }
        for note in &self.wanted.credit_notes {
            self.put_credit_note(tx, note, &mut report)?;
        }
        for (row, id) in self.wanted.transactions.iter().zip(&self.ids) {
            self.put_transaction(tx, row, id, &mut report)?;
        }
        self.put_card(tx)?;
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
        for decision in decisions {
            if let Err(refusal) = decision {
                return Err(store::Error::Abandoned(format!(
                    "the ledger refused: {refusal}"
                )));
            }
        }
        // The plan may have changed: the period's allowance and limits are looked at anew.
        store::ledger::settle(tx, &self.rules, account, self.now)?;
        self.show_plan(tx, &mut report)?;
        self.report_entries(tx, before, &mut report)?;
        Ok(report)
    }

    /// What was bought twice is written down; the calls are made when this is on disk.
    fn write_undo(&self, tx: &mut Tx<'_>) -> store::Result<()> {
        for (id, object, params) in &self.undo {
            let new = store::intents::NewIntent {
                id,
                account_id: self.lease.account_id,
                kind: duplicate_subscription::KIND,
                params,
                stripe_object_id: Some(object),
                ..store::intents::NewIntent::default()
            };
            store::intents::insert(tx, &new, self.now)?;
        }
        Ok(())
    }

    /// An account with a price nobody knows waits for it; one with more to read is read on.
    fn go_on(&self, tx: &mut Tx<'_>) -> store::Result<()> {
        let account = self.lease.account_id;
        if let Some((price, why)) = self.unknown_price() {
            store::sync::wait_for_price(tx, account, &price, &why, self.real_now)?;
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
                Finding::SecondSubscription { .. } | Finding::StrayItem { .. } => None,
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

    fn put_subscription(
        &self,
        tx: &mut Tx<'_>,
        wanted: &WantedSubscription,
        report: &mut Report,
    ) -> store::Result<()> {
        let (fetched, facts) = (&wanted.fetched, &wanted.facts);
        let account = self.lease.account_id;
        let held = store::subscriptions::find(tx, account, &fetched.id)?;
        let customer = store::customers::current(tx, account)?.unwrap_or_default();
        let row = store::subscriptions::Subscription {
            subscription_id: fetched.id.clone(),
            account_id: account,
            // Of a former customer's subscription it is that one, not the current.
            customer_id: fetched.customer_id.clone().unwrap_or(customer),
            status: facts.status.word().to_owned(),
            tier: facts.tier.clone(),
            price_id: fetched.price_id.clone(),
            currency: fetched.price.map(|price| price.currency.code().to_owned()),
            amount_minor: fetched.price.map(|price| price.amount),
            billing_interval: fetched.interval.clone(),
            period_start: Some(fetched.period_start),
            period_end: Some(fetched.period_end),
            cancel_at: facts.cancel_at,
            cancel_at_period_end: fetched.cancel_at_period_end,
            canceled_at: fetched.canceled_at,
            ended_at: fetched.ended_at,
            trial_end: fetched.trial_end,
            paused: fetched.is_paused,
            past_due_since: facts.past_due_since,
            pending_change: wanted.pending.as_ref().map(|change| {
                let (kind, tier, at) = (change.kind.word(), &change.tier, change.at.rfc3339());
                json!({ "kind": kind, "tier": tier, "at": at }).to_string()
            }),
            schedule_id: fetched.schedule_id.clone(),
            live: facts.status.is_live(),
            created_at: fetched.created_at,
            synced_at: self.now,
            items: extras_json(&fetched.extras),
        };
        let same = held.is_some_and(|held| {
            held == store::subscriptions::Subscription {
                synced_at: held.synced_at,
                ..row.clone()
            }
        });
        if !same {
            report.changes.push(format!(
                "subscription {} is {}",
                row.subscription_id, row.status
            ));
        }
        store::subscriptions::put(tx, &row)
    }

    fn put_invoice(
        &self,
        tx: &mut Tx<'_>,
        wanted: &Invoice,
        report: &mut Report,
    ) -> store::Result<()> {
        let row = store::invoices::Invoice {
            invoice_id: wanted.id.clone(),
            account_id: self.lease.account_id,
            subscription_id: wanted.subscription_id.clone(),
            number: wanted.number.clone(),
            status: wanted.status.clone(),
            billing_reason: Some(wanted.billing_reason.clone()),
            amount_due: wanted.amount_due,
            amount_paid: wanted.amount_paid,
            discount_minor: wanted.discount,
            currency: wanted.currency.code().to_owned(),
            created_at: wanted.created_at,
            period_start: wanted.period.map(|period| period.0),
            period_end: wanted.period.map(|period| period.1),
            attempt_count: wanted.attempt_count,
            next_payment_attempt: wanted.next_payment_attempt,
            hosted_url: wanted.hosted_url.clone(),
            pdf_url: wanted.pdf_url.clone(),
            paid_at: wanted.paid_at,
        };
        let held = store::invoices::find(tx, self.lease.account_id, &wanted.id)?;
        if held.as_ref() != Some(&row) {
            report
                .changes
                .push(format!("invoice {} is {}", row.invoice_id, row.status));
            store::invoices::put(tx, &row)?;
        }
        Ok(())
    }

    fn put_credit_note(
        &self,
        tx: &mut Tx<'_>,
        wanted: &CreditNote,
        report: &mut Report,
    ) -> store::Result<()> {
        let row = store::credit_notes::CreditNote {
            credit_note_id: wanted.id.clone(),
            account_id: self.lease.account_id,
            invoice_id: wanted.invoice_id.clone(),
            number: wanted.number.clone(),
            status: wanted.status.clone(),
            amount_minor: wanted.amount,
            refunded_minor: wanted.refunded,
            out_of_band_minor: wanted.out_of_band,
            pre_payment_minor: wanted.pre_payment,
            currency: wanted.currency.code().to_owned(),
            reason: wanted.reason.clone(),
            pdf_url: wanted.pdf_url.clone(),
            created_at: wanted.created_at,
            voided_at: wanted.voided_at,
        };
        let held = store::credit_notes::find(tx, self.lease.account_id, &wanted.id)?;
        if held.as_ref() != Some(&row) {
            let line = format!("credit note {} is {}", wanted.id, wanted.status);
            report.changes.push(line);
            store::credit_notes::put(tx, &row)?;
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
        let held = match &wanted.invoice {
            Some(invoice) => {
                store::transactions::of_invoice(tx, account, wanted.kind.word(), invoice)?
            }
            None => None,
        };
        // An invoice has one row, under the name it was first seen by.
        let natural_key = held
            .as_ref()
            .map_or(wanted.natural_key.clone(), |held| held.natural_key.clone());
        let session = wanted
            .session
            .as_deref()
            .filter(|_| natural_key == wanted.natural_key);
        let held = match held {
            Some(held) => Some(held),
            None => store::transactions::by_natural_key(tx, account, &natural_key)?,
        };
        let is_topup = wanted.kind == TransactionType::CreditTopup || wanted.credits.is_some();
        let new = store::transactions::NewTransaction {
            public_id: id,
            account_id: account,
            user_id: wanted.user,
            stripe_payment_intent_id: wanted.payment_intent.as_deref(),
            stripe_checkout_session_id: session,
            stripe_invoice_id: wanted.invoice.as_deref(),
            stripe_refund_id: wanted.refund.as_deref(),
            natural_key: &natural_key,
            kind: wanted.kind.word(),
            status: wanted.status.word(),
            amount_minor: wanted.amount.amount,
            currency: wanted.amount.currency.code(),
            refunded_minor: wanted.refunded_minor.min(wanted.amount.amount),
            product_type: if is_topup {
                "credit_topup"
            } else {
                "subscription"
            },
            subscription_tier: wanted.tier.as_deref(),
            credits_purchased_micros: wanted.credits.map(|credits| credits.micros()),
            description: Some(&wanted.description),
            metadata: None,
            failure: wanted.failure.as_deref(),
            attempts: wanted.attempts,
            receipt_url: wanted.receipt_url.as_deref(),
            occurred_at: wanted.occurred_at,
        };
        let row = store::transactions::put(tx, &new, self.now)?;
        if held.is_none_or(|held| {
            held.status != row.status || held.refunded_minor != row.refunded_minor
        }) {
            report.changes.push(format!(
                "transaction {} is {}",
                wanted.natural_key, row.status
            ));
            crate::notices::transaction(tx, &row, self.real_now)?;
        }
        Ok(())
    }

    /// A page that was paid or has expired is not handed out again.
    fn close_intents(&self, tx: &mut Tx<'_>) -> store::Result<()> {
        let over = self
            .fetched
            .snapshot
            .sessions
            .iter()
            .filter(|session| session.status != "open")
            // One that failed is settled by the job that asked for it.
            .filter(|session| !session.is_automatic || session.payment_status == "paid");
        for intent in over.filter_map(|session| session.intent.as_ref()) {
            store::intents::close(tx, &intent.id, self.now)?;
        }
        Ok(())
    }

    fn put_card(&self, tx: &mut Tx<'_>) -> store::Result<()> {
        let account = self.lease.account_id;
        match &self.fetched.card {
            Some((brand, last4, month, year)) => {
                let row = store::payment_methods::PaymentMethod {
                    account_id: account,
                    brand: brand.clone(),
                    last4: last4.clone(),
                    exp_month: *month,
                    exp_year: *year,
                    synced_at: self.now,
                };
                store::payment_methods::put(tx, &row)?;
            }
            None => {
                store::payment_methods::remove(tx, account)?;
            }
        }
        Ok(())
    }

    /// Writes the account's shown plan: a projection of its subscriptions for lists and the seed's
    /// fields. Access is never read from it.
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
        for recipient in payers(tx, account)? {
            let key = format!("{}:{recipient}", mail.key);
            let now = self.real_now;
            if enqueue(tx, &key, Some(account), &recipient, &mail.letter, now)? {
                report.changes.push(format!("mail {}", mail.key));
            }
        }
        Ok(())
    }

    /// The events this sync answers are done, with what came of them; those of an account with an
    /// unknown price wait for a person.
    fn close_events(&self, tx: &mut Tx<'_>, report: &Report) -> store::Result<()> {
        let unknown = self.unknown_price();
        let outcome = match (&unknown, report.changes.is_empty()) {
            (Some((_, fault)), _) => fault.clone(),
            (None, true) => "no effect: everything agreed already".to_owned(),
            (None, false) => report.changes.join("; "),
        };
        let state = if unknown.is_some() { "parked" } else { "done" };
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

/// What a person should look at: as found now, and what could not be undone.
fn findings(held: &Held, wanted: &Wanted) -> Option<String> {
    let failed = held.intents.values();
    let failed = failed
        .filter(|intent| intent.kind == duplicate_subscription::KIND && intent.state == "failed");
    let failed = failed.map(|intent| {
        let subscription = intent.stripe_object_id.as_deref().unwrap_or_default();
        let why = intent.error.as_deref().unwrap_or_default();
        format!("subscription {subscription} was bought twice and could not be undone: {why}")
    });
    let all: Vec<String> = wanted
        .findings
        .iter()
        .map(Finding::text)
        .chain(failed)
        .collect();
    (!all.is_empty()).then(|| json!(all).to_string())
}

/// The items beside the plan as they are kept; none where there are none.
fn extras_json(extras: &[Extra]) -> Option<String> {
    let items = extras.iter().map(|extra| {
        let price = extra.price;
        json!({
            "price": extra.price_id,
            "quantity": extra.quantity,
            "amount": price.map(|price| price.amount),
            "currency": price.map(|price| price.currency.code().to_owned()),
            "interval": extra.interval,
        })
    });
    let items: Vec<serde_json::Value> = items.collect();
    (!items.is_empty()).then(|| json!(items).to_string())
}
