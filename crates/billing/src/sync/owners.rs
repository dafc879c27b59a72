//! Which purchase or invoice each paid charge belongs to. Those that the lists don't show are looked
//! up at Stripe, so that no payment stays without a row (G2).

use std::collections::HashSet;

use store::foreign::ForeignKind;
use store::transactions::unexplained;
use stripe::{Form, objects};

use crate::app::App;
use crate::error::Result;
use crate::sync::history::Raw;
use crate::sync::ours::is_paid;
use crate::sync::{Held, invoice};

/// A charge that nothing among what was read owns.
struct Orphan {
    payment: String,
    invoice: Option<String>,
    /// Whether it was listed: then its session would have been listed with it, since a session
    /// that is paid is at most a day older.
    is_listed: bool,
}

/// Adds the session or the invoice of every paid charge to `raw`.
pub async fn read(app: &App, held: &Held, raw: &mut Raw) -> Result<()> {
    let orphans = orphans(held, raw);
    // With a whole history, there is nothing older that could own them.
    if orphans.is_empty() || !raw.is_partial {
        return Ok(());
    }
    let payments: Vec<String> = orphans.iter().map(|one| one.payment.clone()).collect();
    let rows = app
        .read(move |tx| {
            let mut rows = Vec::with_capacity(payments.len());
            for payment in &payments {
                rows.push(store::transactions::about(tx, payment)?);
            }
            Ok(rows)
        })
        .await?;
    for (orphan, row) in orphans.into_iter().zip(rows) {
        let is_open = |key: &str| key.starts_with(unexplained::PREFIX);
        match row.filter(|row| row.account_id == held.account) {
            // Its purchase is recorded, and was read by id or is gone at Stripe.
            Some(row) if !is_open(&row.natural_key) => {
                raw.explained.insert(orphan.payment);
            }
            // It was looked up before, and nothing was found.
            Some(_) if held.progress.until.is_some() => {}
            _ => look_up(app, held, raw, orphan).await?,
        }
    }
    Ok(())
}

fn orphans(held: &Held, raw: &Raw) -> Vec<Orphan> {
    let mut owned: HashSet<&str> = raw.invoices.iter().flat_map(invoice::payments_of).collect();
    owned.extend(
        raw.sessions
            .iter()
            .filter_map(|one| one.payment_intent.id()),
    );
    owned.extend(held.foreign_payments());
    let is_orphan = |charge: &&objects::Charge| {
        let payment = charge.payment_intent.id().unwrap_or_default();
        is_paid(charge) && !owned.contains(payment) && held.order_of_payment(charge).is_none()
    };
    let charges = raw.charges.iter().filter(is_orphan);
    charges
        .filter_map(|charge| {
            Some(Orphan {
                payment: charge.payment_intent.id()?.to_owned(),
                invoice: charge.invoice.id().map(str::to_owned),
                is_listed: raw.listed_charges.contains(&charge.id),
            })
        })
        .collect()
}

async fn look_up(app: &App, held: &Held, raw: &mut Raw, orphan: Orphan) -> Result<()> {
    if !orphan.is_listed {
        let filter = Form::new().push("payment_intent", &orphan.payment);
        let sessions = app.stripe.list_checkout_sessions(&filter, 1).await?.data;
        if let Some(session) = sessions.into_iter().find(|one| held.has(&one.customer)) {
            raw.add_session(session);
            return Ok(());
        }
    }
    let invoice = match orphan.invoice {
        Some(invoice) => Some(invoice),
        None => invoice_of(app, &orphan.payment).await?,
    };
    let Some(invoice) = invoice else {
        return Ok(());
    };
    if !raw.has(&invoice) {
        let object = app.stripe.retrieve_invoice(&invoice).await?;
        if held.has(&object.customer) {
            raw.add_invoice(object);
        }
    }
    // An invoice that was paid in parts shows only one of its payments.
    raw.invoice_of.insert(orphan.payment, invoice);
    Ok(())
}

async fn invoice_of(app: &App, payment: &str) -> Result<Option<String>> {
    let paid = app.stripe.list_invoice_payments_of(payment, 1).await?.data;
    let paid = paid.first().and_then(|one| one.invoice.id());
    Ok(paid.map(str::to_owned))
}

/// The paid charges that neither a purchase with an order of ours nor an invoice of a plan of ours
/// explains.
pub fn unexplained(held: &Held, raw: &Raw) -> HashSet<String> {
    let of_plans: HashSet<&str> = raw
        .invoices
        .iter()
        .filter(|one| !one.subscription().is_absent())
        .map(|one| one.id.as_str())
        .collect();
    let invoices = raw.invoices.iter();
    let mut explained: HashSet<&str> = invoices
        .filter(|one| of_plans.contains(one.id.as_str()))
        .flat_map(invoice::payments_of)
        .collect();
    let parts = raw.invoice_of.iter();
    explained.extend(
        parts
            .filter(|(_, invoice)| of_plans.contains(invoice.as_str()))
            .map(|(payment, _)| payment.as_str()),
    );
    let sessions = raw.sessions.iter();
    explained.extend(
        sessions
            .filter(|one| held.intent_of(&one.metadata, &one.id).is_some())
            .filter_map(|one| one.payment_intent.id()),
    );
    explained.extend(raw.explained.iter().map(String::as_str));
    let charges = raw.charges.iter().filter(|charge| is_paid(charge));
    charges
        .filter(|charge| {
            let Some(payment) = charge.payment_intent.id() else {
                return true;
            };
            !explained.contains(payment) && held.order_of_payment(charge).is_none()
        })
        .map(|charge| charge.id.clone())
        .collect()
}

impl Held {
    /// The payment intents that are known to be another product's. When a whole history is read,
    /// only an operator's decisions count: everything else is looked at again.
    fn foreign_payments(&self) -> impl Iterator<Item = &str> {
        let is_whole = self.progress.until.is_none();
        self.foreign
            .values()
            .filter(move |row| row.kind == ForeignKind::Payment && (row.is_decided || !is_whole))
            .map(|row| row.object_id.as_str())
    }

    /// The same, owned.
    pub(super) fn known_foreign_payments(&self) -> Vec<String> {
        self.foreign_payments().map(str::to_owned).collect()
    }
}
