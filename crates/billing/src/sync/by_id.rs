//! Objects fetched by id in addition to the lists, which may not reach back far enough: what may
//! still change, what an event referred to, and what belongs to the objects that were read.

use std::collections::{BTreeSet, HashSet};

use stripe::{Form, objects};

use crate::app::App;
use crate::error::Result;
use crate::sync::Held;
use crate::sync::history::Raw;

/// Maximum number of charges that are read per payment.
const TRIES_MAX: usize = 100;

/// Maximum number of invoices per status that are read while the history is still being read.
const OPEN_MAX: usize = 100;

/// Objects that may still change without an event, according to our rows.
#[derive(Clone, Debug, Default)]
pub struct Open {
    /// Stripe's ids of the subscriptions to fetch.
    pub subscriptions: Vec<String>,
    /// Stripe's ids of the invoices to fetch.
    pub invoices: Vec<String>,
    /// Stripe's ids of the Checkout sessions to fetch.
    pub sessions: Vec<String>,
    /// Stripe's ids of the subscription schedules to fetch.
    pub schedules: Vec<String>,
    /// Stripe's ids of the payments of which a refund of ours failed.
    pub payments: Vec<String>,
}

/// Stripe's type of a dispute.
const DISPUTE: &str = "dispute";

/// Adds to a partial read the objects that it needs to be projected correctly, such as these
/// disputed charges.
pub async fn complete(
    app: &App,
    held: &Held,
    raw: &mut Raw,
    disputed: &HashSet<String>,
) -> Result<()> {
    if !raw.is_partial {
        return Ok(());
    }
    let own: BTreeSet<&str> = held
        .customers
        .iter()
        .map(|customer| customer.customer_id.as_str())
        .collect();
    let mut reader = Reader { app, own, raw };
    for id in &held.open.subscriptions {
        reader.subscription(id).await?;
    }
    for id in &held.open.invoices {
        reader.invoice(id).await?;
    }
    for id in &held.open.sessions {
        reader.session(id).await?;
    }
    for id in &held.open.schedules {
        reader.schedule(id).await?;
    }
    for id in &held.open.payments {
        reader.payment(id).await?;
    }
    if held.progress.until.is_none() || held.progress.backfill.is_some() {
        reader.unpaid_invoices().await?;
    }
    for charge in disputed {
        reader.charge(charge).await?;
    }
    for named in &held.named {
        reader.named(&named.object_type, &named.object_id).await?;
    }
    reader.latest_invoices(held.account).await?;
    reader.owners_of_charges().await?;
    reader.sessions_of_invoices().await?;
    reader.charges_of_payments().await
}

/// The charges of the disputes that an event referred to, or that were open when they were last read:
/// a charge may no longer show a dispute that was won.
pub async fn charges_of_disputes(app: &App, held: &Held) -> Result<HashSet<String>> {
    let named = held.named.iter();
    let named = named.filter(|named| named.object_type == DISPUTE);
    let named = named.map(|named| &named.object_id);
    let disputes: BTreeSet<&String> = named.chain(&held.open_disputes).collect();
    let mut charges = HashSet::new();
    for dispute in disputes {
        let dispute = app.stripe.retrieve_dispute(dispute).await?;
        charges.extend(dispute.charge.id().map(str::to_owned));
    }
    Ok(charges)
}

struct Reader<'a> {
    app: &'a App,
    /// The account's customers; objects of other customers are skipped, whatever referred to them.
    own: BTreeSet<&'a str>,
    raw: &'a mut Raw,
}

/// Turns "not found" into `None`: a draft invoice may have been deleted. Nothing else can be, so
/// that the answer means that Stripe doesn't show it at this moment, and the sync is tried again.
fn found<T>(answer: stripe::Result<T>) -> Result<Option<T>> {
    match answer {
        Ok(object) => Ok(Some(object)),
        Err(stripe::Error::NotFound { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

impl Reader<'_> {
    fn is_own(&self, customer: &stripe::objects::Expandable<objects::Customer>) -> bool {
        customer.id().is_some_and(|id| self.own.contains(id))
    }

    async fn subscription(&mut self, id: &str) -> Result<()> {
        if self.raw.has(id) {
            return Ok(());
        }
        let object = self.app.stripe.retrieve_subscription(id).await?;
        if self.is_own(&object.customer) {
            self.raw.add_subscription(object);
        }
        Ok(())
    }

    async fn invoice(&mut self, id: &str) -> Result<()> {
        if !self.raw.has(id)
            && let Some(object) = found(self.app.stripe.retrieve_invoice(id).await)?
            && self.is_own(&object.customer)
        {
            self.raw.add_invoice(object);
        }
        Ok(())
    }

    /// Adds the invoices of the subscriptions' current periods, unless they are known: a period that
    /// turned after the invoices were listed has one that isn't paid yet.
    async fn latest_invoices(&mut self, account: i64) -> Result<()> {
        let all = self.raw.subscriptions.iter();
        let latest = all.filter_map(|one| one.latest_invoice.id().map(str::to_owned));
        for id in latest.collect::<Vec<String>>() {
            let sought = id.clone();
            let find = move |tx: &mut store::Tx<'_>| store::invoices::find(tx, account, &sought);
            if !self.raw.has(&id) && self.app.read(find).await?.is_none() {
                self.invoice(&id).await?;
            }
        }
        Ok(())
    }

    /// Adds an invoice and its subscription, whose row also says whether a payment is due: an
    /// invoice may be voided after its subscription ended.
    async fn named_invoice(&mut self, id: &str) -> Result<()> {
        self.invoice(id).await?;
        let mut invoices = self.raw.invoices.iter();
        let invoice = invoices.find(|invoice| invoice.id == id);
        let subscription = invoice.and_then(|invoice| invoice.subscription().id());
        match subscription.map(str::to_owned) {
            Some(subscription) => self.subscription(&subscription).await,
            None => Ok(()),
        }
    }

    async fn session(&mut self, id: &str) -> Result<()> {
        if self.raw.has(id) {
            return Ok(());
        }
        let object = self.app.stripe.retrieve_checkout_session(id).await?;
        if self.is_own(&object.customer) {
            self.raw.add_session(object);
        }
        Ok(())
    }

    async fn schedule(&mut self, id: &str) -> Result<()> {
        if self.raw.has(id) {
            return Ok(());
        }
        let object = self.app.stripe.retrieve_subscription_schedule(id).await?;
        if self.is_own(&object.customer) {
            self.raw.add_schedule(object);
        }
        Ok(())
    }

    async fn credit_note(&mut self, id: &str) -> Result<()> {
        if self.raw.has(id) {
            return Ok(());
        }
        let object = self.app.stripe.retrieve_credit_note(id).await?;
        if self.is_own(&object.customer) {
            // The invoice it corrects and the refunded payment may be old, too.
            if let Some(invoice) = object.invoice.id().map(str::to_owned) {
                self.invoice(&invoice).await?;
            }
            self.raw.add_credit_note(object);
        }
        Ok(())
    }

    async fn charge(&mut self, id: &str) -> Result<()> {
        if self.raw.has(id) {
            return Ok(());
        }
        let object = self.app.stripe.retrieve_charge(id).await?;
        if self.is_own(&object.customer) {
            self.raw.add_charge(object);
        }
        Ok(())
    }

    /// Adds the charges of a payment.
    async fn payment(&mut self, id: &str) -> Result<()> {
        let filter = Form::new().push("payment_intent", id);
        let charges = self.app.stripe.list_charges(&filter, TRIES_MAX).await?;
        for charge in charges.data {
            if self.is_own(&charge.customer) {
                self.raw.add_charge(charge);
            }
        }
        Ok(())
    }

    async fn named(&mut self, kind: &str, id: &str) -> Result<()> {
        let stripe = &self.app.stripe;
        match kind {
            "subscription" => self.subscription(id).await,
            "invoice" => self.named_invoice(id).await,
            "checkout.session" => self.session(id).await,
            "subscription_schedule" => self.schedule(id).await,
            "credit_note" => self.credit_note(id).await,
            "charge" => self.charge(id).await,
            "payment_intent" => self.payment(id).await,
            "refund" => {
                let refund = stripe.retrieve_refund(id).await?;
                self.charge_of(refund.charge.id().map(str::to_owned)).await
            }
            // The customer and its card are always fetched, and so are the charges of disputes.
            _ => Ok(()),
        }
    }

    async fn charge_of(&mut self, charge: Option<String>) -> Result<()> {
        match charge {
            Some(charge) => self.charge(&charge).await,
            None => Ok(()),
        }
    }

    /// While our rows are incomplete, lists the unpaid invoices: the grace period depends on them.
    async fn unpaid_invoices(&mut self) -> Result<()> {
        let customers: Vec<String> = self.own.iter().map(|&id| id.to_owned()).collect();
        for customer in customers {
            for status in ["open", "uncollectible", "draft"] {
                let filter = Form::new()
                    .push("customer", &customer)
                    .push("status", status);
                let listed = self.app.stripe.list_invoices(&filter, OPEN_MAX).await?.data;
                listed.into_iter().for_each(|one| self.raw.add_invoice(one));
            }
        }
        Ok(())
    }

    /// Adds the invoices and sessions that the charges paid, according to our rows: a refund needs
    /// the sale it belongs to.
    async fn owners_of_charges(&mut self) -> Result<()> {
        let mut paid: HashSet<&str> = HashSet::new();
        paid.extend(
            self.raw
                .invoices
                .iter()
                .filter_map(|one| one.payment_intent().id()),
        );
        paid.extend(
            self.raw
                .sessions
                .iter()
                .filter_map(|one| one.payment_intent.id()),
        );
        let charges = self.raw.charges.iter();
        let payments = charges.filter_map(|charge| charge.payment_intent.id());
        let orphans: BTreeSet<String> = payments
            .filter(|payment| !paid.contains(payment))
            .map(str::to_owned)
            .collect();
        for payment in orphans {
            let row = self
                .app
                .read(move |tx| store::transactions::about(tx, &payment))
                .await?;
            let Some(row) = row else { continue };
            if let Some(invoice) = &row.stripe_invoice_id {
                self.invoice(invoice).await?;
            }
            if let Some(session) = &row.stripe_checkout_session_id {
                self.session(session).await?;
            }
        }
        Ok(())
    }

    /// Adds the session that led to a first invoice: it identifies the buyer.
    async fn sessions_of_invoices(&mut self) -> Result<()> {
        let known: HashSet<&str> = self
            .raw
            .sessions
            .iter()
            .filter_map(|session| session.invoice.id())
            .collect();
        let first = self.raw.invoices.iter().filter(|invoice| {
            let reason = invoice.billing_reason.as_ref();
            reason.is_some_and(|reason| reason.as_str() == "subscription_create")
                && !known.contains(invoice.id.as_str())
        });
        let subscriptions: Vec<String> = first
            .filter_map(|invoice| invoice.subscription().id().map(str::to_owned))
            .collect();
        for subscription in subscriptions {
            let filter = Form::new().push("subscription", &subscription);
            let listed = self.app.stripe.list_checkout_sessions(&filter, 1).await?;
            listed
                .data
                .into_iter()
                .for_each(|one| self.raw.add_session(one));
        }
        Ok(())
    }

    /// Adds the charges of the payments that were read: refunds are found on the charge.
    async fn charges_of_payments(&mut self) -> Result<()> {
        let known: HashSet<&str> = self
            .raw
            .charges
            .iter()
            .filter_map(|charge| charge.payment_intent.id())
            .collect();
        let invoices = self
            .raw
            .invoices
            .iter()
            .filter_map(|one| one.payment_intent().id());
        let sessions = self
            .raw
            .sessions
            .iter()
            .filter_map(|one| one.payment_intent.id());
        let missing: HashSet<String> = invoices
            .chain(sessions)
            .filter(|payment| !known.contains(payment))
            .map(str::to_owned)
            .collect();
        for payment in missing {
            self.payment(&payment).await?;
        }
        Ok(())
    }
}
