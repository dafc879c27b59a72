//! The rows that a sync writes, built from a projection's result.

use domain::projection::{
    Addon, CreditNote, DesiredDispute, DesiredInvoice, DesiredSubscription, Transaction,
    TransactionType,
};
use domain::time::Timestamp;
use serde_json::json;
use store::payment_methods::PaymentMethod;
use store::transactions::NewTransaction;
use store::{Tx, credit_notes, disputes, invoices, payment_methods, subscriptions, transactions};

/// A row that a sync keeps equal to its Stripe object.
pub(super) trait Synced: Sized {
    /// Whether the row stores the time of every sync, and so is written even if nothing changed.
    const NOTES_EVERY_SYNC: bool = false;

    /// Reads the stored row.
    fn held(&self, tx: &mut Tx<'_>) -> store::Result<Option<Self>>;

    /// Whether the stored row has the same content.
    fn is_same(&self, held: &Self) -> bool;

    /// The change in words, if changes of this kind of row are reported.
    fn change(&self) -> Option<String>;

    /// Inserts or overwrites the row.
    fn put(&self, tx: &mut Tx<'_>) -> store::Result<()>;
}

impl Synced for subscriptions::Subscription {
    const NOTES_EVERY_SYNC: bool = true;

    fn held(&self, tx: &mut Tx<'_>) -> store::Result<Option<Self>> {
        subscriptions::find(tx, self.account_id, &self.subscription_id)
    }

    fn is_same(&self, held: &Self) -> bool {
        let synced_at = held.synced_at;
        *held
            == Self {
                synced_at,
                ..self.clone()
            }
    }

    fn change(&self) -> Option<String> {
        let (id, status) = (&self.subscription_id, self.status.word());
        Some(format!("subscription {id} is {status}"))
    }

    fn put(&self, tx: &mut Tx<'_>) -> store::Result<()> {
        subscriptions::put(tx, self)
    }
}

impl Synced for invoices::Invoice {
    fn held(&self, tx: &mut Tx<'_>) -> store::Result<Option<Self>> {
        invoices::find(tx, self.account_id, &self.invoice_id)
    }

    fn is_same(&self, held: &Self) -> bool {
        self == held
    }

    fn change(&self) -> Option<String> {
        Some(format!("invoice {} is {}", self.invoice_id, self.status))
    }

    fn put(&self, tx: &mut Tx<'_>) -> store::Result<()> {
        invoices::put(tx, self)
    }
}

impl Synced for disputes::Dispute {
    fn held(&self, tx: &mut Tx<'_>) -> store::Result<Option<Self>> {
        disputes::find(tx, self.account_id, &self.dispute_id)
    }

    fn is_same(&self, held: &Self) -> bool {
        let (decision, decided_by) = (held.decision.clone(), held.decided_by.clone());
        *held
            == Self {
                decision,
                decided_by,
                ..self.clone()
            }
    }

    fn change(&self) -> Option<String> {
        Some(format!("dispute {} is {}", self.dispute_id, self.status))
    }

    fn put(&self, tx: &mut Tx<'_>) -> store::Result<()> {
        disputes::put(tx, self)
    }
}

impl Synced for credit_notes::CreditNote {
    fn held(&self, tx: &mut Tx<'_>) -> store::Result<Option<Self>> {
        credit_notes::find(tx, self.account_id, &self.credit_note_id)
    }

    fn is_same(&self, held: &Self) -> bool {
        self == held
    }

    fn change(&self) -> Option<String> {
        let (id, status) = (&self.credit_note_id, &self.status);
        Some(format!("credit note {id} is {status}"))
    }

    fn put(&self, tx: &mut Tx<'_>) -> store::Result<()> {
        credit_notes::put(tx, self)
    }
}

impl Synced for PaymentMethod {
    const NOTES_EVERY_SYNC: bool = true;

    fn held(&self, tx: &mut Tx<'_>) -> store::Result<Option<Self>> {
        payment_methods::of_account(tx, self.account_id)
    }

    fn is_same(&self, held: &Self) -> bool {
        self == held
    }

    /// A change of card concerns only the account, so it isn't reported.
    fn change(&self) -> Option<String> {
        None
    }

    fn put(&self, tx: &mut Tx<'_>) -> store::Result<()> {
        payment_methods::put(tx, self).map(|_| ())
    }
}

/// The row of a subscription. `current` is the account's current customer, for a subscription whose
/// own customer is unknown.
pub(super) fn subscription(
    account: i64,
    current: String,
    wanted: &DesiredSubscription,
    now: Timestamp,
) -> subscriptions::Subscription {
    let (fetched, facts) = (&wanted.fetched, &wanted.facts);
    subscriptions::Subscription {
        subscription_id: fetched.id.clone(),
        account_id: account,
        // A former customer's subscription keeps that customer, not the current one.
        customer_id: fetched.customer_id.clone().unwrap_or(current),
        status: facts.status.clone(),
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
            let terms = change.terms.as_ref();
            let price = terms.map(|terms| {
                let (amount, currency) = (terms.price.decimal_text(), terms.price.currency.code());
                json!({ "amount": amount, "currency": currency })
            });
            let interval = terms.map(|terms| &terms.interval);
            json!({ "kind": kind, "tier": tier, "at": at, "interval": interval, "price": price })
                .to_string()
        }),
        schedule_id: fetched.schedule_id.clone(),
        live: facts.status.is_live(),
        created_at: fetched.created_at,
        synced_at: now,
        items: items_json(&fetched.addons),
        anchor_at: fetched.anchor_at,
        quantity: fetched.quantity,
        monthly_minor: fetched.monthly_minor,
        discount_ends_at: fetched.discount_ends_at,
        paused_by_us: fetched.is_paused_by_us,
        pause_behavior: fetched.pause_behavior.clone(),
        resumes_at: fetched.resumes_at,
    }
}

pub(super) fn invoice(account: i64, desired: &DesiredInvoice) -> invoices::Invoice {
    let wanted = &desired.fetched;
    invoices::Invoice {
        invoice_id: wanted.id.clone(),
        account_id: account,
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
        tier: desired.tier.clone(),
        prorated: wanted.is_proration,
        charged_minor: desired.charged,
        reversed_minor: desired.reversed,
        disputed: desired.is_disputed,
    }
}

pub(super) fn dispute(account: i64, wanted: &DesiredDispute) -> disputes::Dispute {
    let fetched = &wanted.fetched;
    disputes::Dispute {
        dispute_id: fetched.id.clone(),
        account_id: account,
        charge_id: wanted.charge.clone(),
        payment_intent_id: wanted.payment_intent.clone(),
        subscription_id: wanted.subscription.clone(),
        status: fetched.status.clone(),
        amount_minor: fetched.amount.max(0),
        currency: fetched.currency.code().to_owned(),
        reason: fetched.reason.clone(),
        due_by: fetched.due_by,
        decision: None,
        decided_by: None,
        created_at: fetched.created_at,
    }
}

pub(super) fn credit_note(account: i64, wanted: &CreditNote) -> credit_notes::CreditNote {
    credit_notes::CreditNote {
        credit_note_id: wanted.id.clone(),
        account_id: account,
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
    }
}

pub(super) fn card(
    account: i64,
    (brand, last4, month, year): &(String, String, i64, i64),
    now: Timestamp,
) -> PaymentMethod {
    PaymentMethod {
        account_id: account,
        brand: brand.clone(),
        last4: last4.clone(),
        exp_month: *month,
        exp_year: *year,
        synced_at: now,
    }
}

/// The natural key under which a transaction is written, and the stored row. An invoice has one
/// row, under the key by which it was first seen.
pub(super) fn held_transaction(
    tx: &mut Tx<'_>,
    account: i64,
    wanted: &Transaction,
) -> store::Result<(String, Option<transactions::Transaction>)> {
    let held = match &wanted.invoice {
        Some(invoice) => transactions::of_invoice(tx, account, wanted.kind, invoice)?,
        None => None,
    };
    if let Some(held) = held {
        return Ok((held.natural_key.clone(), Some(held)));
    }
    let key = wanted.natural_key.clone();
    let held = transactions::by_natural_key(tx, account, &key)?;
    Ok((key, held))
}

/// The row of a transaction, under its natural key.
pub(super) fn transaction<'a>(
    account: i64,
    public_id: &'a str,
    natural_key: &'a str,
    wanted: &'a Transaction,
) -> NewTransaction<'a> {
    let session = wanted.session.as_deref();
    let is_topup = wanted.kind == TransactionType::CreditTopup || wanted.credits.is_some();
    NewTransaction {
        public_id,
        account_id: account,
        user_id: wanted.user,
        stripe_payment_intent_id: wanted.payment_intent.as_deref(),
        stripe_checkout_session_id: session.filter(|_| natural_key == wanted.natural_key),
        stripe_invoice_id: wanted.invoice.as_deref(),
        stripe_refund_id: wanted.refund.as_deref(),
        natural_key,
        kind: wanted.kind,
        status: wanted.status,
        amount_minor: wanted.amount.amount,
        currency: wanted.amount.currency.code(),
        refunded_minor: wanted.refunded_minor.min(wanted.amount.amount),
        product_type: if is_topup {
            "credit_topup"
        } else {
            "subscription"
        },
        subscription_tier: wanted.tier.as_deref(),
        credits_purchased_micros: wanted.credits.map(domain::money::Credits::micros),
        description: Some(&wanted.description),
        metadata: None,
        failure: wanted.failure.as_deref(),
        attempts: wanted.attempts,
        receipt_url: wanted.receipt_url.as_deref(),
        occurred_at: wanted.occurred_at,
        disputed: wanted.is_disputed,
    }
}

/// The items besides the plan as JSON; none if there are none.
fn items_json(addons: &[Addon]) -> Option<String> {
    let items = addons.iter().map(|addon| {
        let price = addon.price;
        json!({
            "price": addon.price_id,
            "quantity": addon.quantity,
            "amount": price.map(|price| price.amount),
            "currency": price.map(|price| price.currency.code().to_owned()),
            "interval": addon.interval,
        })
    });
    let items: Vec<serde_json::Value> = items.collect();
    (!items.is_empty()).then(|| json!(items).to_string())
}
