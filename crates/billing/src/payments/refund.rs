//! Money back by an operator: looked at first, then one call to Stripe under a key that was written
//! down before it. What a refund takes from the credits follows from the charge as every sync reads
//! it, so the webhook that comes later finds nothing to do.

use domain::ledger::{Command, Request};
use domain::letters::Letter;
use domain::money::{Credits, Currency, MinorUnits, share_of};
use domain::projection::TransactionType;
use serde_json::json;
use sha2::{Digest, Sha256};
use store::accounts::Account;
use store::intents::IntentState;
use store::intents::{Intent, NewIntent};
use store::transactions::Transaction;
use stripe::{Form, objects};

use crate::app::App;
use crate::error::{Error, Kind, Result};
use crate::intents::{is_stale, note_failure};
use crate::operators::audit_log::{Action, Author};
use crate::sync;
use crate::sync::checkout_session;

const KIND: &str = "refund";

/// Why money goes back, in Stripe's words.
pub const REASONS: [&str; 3] = ["requested_by_customer", "duplicate", "fraudulent"];

/// Longest note.
pub const NOTE_CHARS_MAX: usize = 500;

/// Tries of one payment that are looked at.
const CHARGES_MAX: usize = 20;

/// Disputes of one charge that are looked at.
const DISPUTES_MAX: usize = 10;

/// Refunds of one payment that are looked at for one whose answer was lost.
const REFUNDS_MAX: usize = 100;

/// A call is over by then, whatever came of it.
const CALL_OVER_SECONDS: i64 = 60;

/// What a refund would come to.
#[derive(Clone, Debug)]
pub struct Preview {
    /// The payment.
    pub payment: Transaction,
    /// Whose it is.
    pub account: Account,
    /// What was paid.
    pub paid: MinorUnits,
    /// What of it went back before.
    pub refunded: MinorUnits,
    /// What would go back now.
    pub money_back: MinorUnits,
    /// Credits that would be taken.
    pub credits_taken: Credits,
    /// Credits that may be spent afterwards.
    pub available_after: Credits,
    /// Debt afterwards: credits of the payment that were spent before.
    pub debt_after: Credits,
    /// Something the operator should know.
    pub note: Option<&'static str>,
}

impl Preview {
    /// What can go back at most.
    pub fn left(&self) -> MinorUnits {
        MinorUnits::new(self.paid.amount - self.refunded.amount, self.paid.currency)
    }
}

/// A refund to make.
#[derive(Clone, Debug)]
pub struct Ask {
    /// The payment: our id of it, or any of Stripe's.
    pub payment: String,
    /// How much; all that is left without.
    pub amount: Option<String>,
    /// One of [`REASONS`].
    pub reason: String,
    /// What a colleague should know.
    pub note: Option<String>,
    /// What had gone back when the operator looked: another refund meanwhile stops this one.
    pub refunded_before: Option<String>,
    /// Whether it is made as a credit note: a correction of the invoice on paper, which makes the
    /// refund itself.
    pub credit_note: bool,
    /// Who asks, for the audit log.
    pub actor: String,
}

/// A refund that was made.
#[derive(Clone, Debug)]
pub struct Made {
    /// `re_...`
    pub refund: String,
    /// `succeeded`, `pending`.
    pub status: String,
    /// What went back.
    pub money_back: MinorUnits,
    /// The payment.
    pub payment: Transaction,
    /// Whose it is.
    pub account: Account,
    /// Whether it was made before, under the same key.
    pub replayed: bool,
}

/// The payment that an operator names.
pub async fn payment(app: &App, name: &str) -> Result<(Transaction, Account)> {
    let name = name.to_owned();
    let found = app
        .read(move |tx| {
            let found = match store::transactions::about(tx, &name)? {
                Some(found) => Some(found),
                None => store::transactions::paying(tx, &name)?,
            };
            let Some(payment) = found else {
                return Ok(None);
            };
            let account = store::accounts::find(tx, payment.account_id)?;
            Ok(account.map(|account| (payment, account)))
        })
        .await?;
    found.ok_or_else(|| Error::not_found("There is no such payment."))
}

/// Looks at what a refund of `amount` would come to. Changes nothing.
pub async fn preview(app: &App, name: &str, amount: Option<&str>) -> Result<Preview> {
    let (payment, account) = payment(app, name).await?;
    let charge = charge(app, &payment).await?;
    let currency = Currency::parse(&charge.currency).unwrap_or(Currency::USD);
    let left = charge.amount_captured - charge.amount_refunded;
    let amount = amount_of(amount, left, currency)?;
    let after = charge.amount_refunded + amount;
    let effect = effect(app, &payment, &charge, after).await?;
    Ok(Preview {
        paid: MinorUnits::new(charge.amount_captured, currency),
        refunded: MinorUnits::new(charge.amount_refunded, currency),
        money_back: MinorUnits::new(amount, currency),
        credits_taken: effect.taken,
        available_after: effect.available,
        debt_after: effect.debt,
        note: effect.note,
        payment,
        account,
    })
}

fn amount_of(text: Option<&str>, left: i64, currency: Currency) -> Result<i64> {
    let left_text = MinorUnits::new(left, currency).decimal_text();
    if left <= 0 {
        let detail = "This payment was already refunded in full.";
        return Err(Error::conflict("already_refunded", detail));
    }
    let Some(text) = text.map(str::trim).filter(|text| !text.is_empty()) else {
        return Ok(left);
    };
    let amount = MinorUnits::parse(text, currency).map(|money| money.amount);
    let amount = amount.filter(|amount| (1..=left).contains(amount));
    let detail = format!("{text} can't be refunded. Enter an amount up to {left_text}.");
    amount.ok_or_else(|| Error::field("amount", detail))
}

/// The charge that paid, as it is at Stripe now, if money of it may go back (case M2).
async fn charge(app: &App, payment: &Transaction) -> Result<objects::Charge> {
    let is_payment = payment.kind().is_payment();
    let is_paid = payment.status().is_paid();
    let Some(intent) = payment
        .stripe_payment_intent_id
        .as_deref()
        .filter(|_| is_payment && is_paid)
    else {
        let detail = "Nothing was paid here, so there is nothing to refund.";
        return Err(Error::conflict("nothing_paid", detail));
    };
    let filter = Form::new().push("payment_intent", intent);
    let charges = app.stripe.list_charges(&filter, CHARGES_MAX).await?.data;
    let charge = charges.into_iter().find(|charge| charge.paid);
    let charge = charge
        .ok_or_else(|| Error::conflict("nothing_paid", "Stripe has no paid charge for it."))?;
    if charge.disputed {
        let filter = Form::new().push("charge", &charge.id);
        let disputes = app.stripe.list_disputes(&filter, DISPUTES_MAX).await?.data;
        let open = disputes.iter().find(|dispute| {
            let status = dispute.status.as_str();
            status != "won" && !status.starts_with("warning_")
        });
        if open.is_some() {
            let detail = "The payment is disputed. The bank decides and may take the money \
                          itself. Respond to the dispute at Stripe.";
            return Err(Error::conflict("disputed", detail));
        }
    }
    Ok(charge)
}

struct Effect {
    taken: Credits,
    available: Credits,
    debt: Credits,
    note: Option<&'static str>,
}

/// What the ledger would do when `reversed` of the charge went back: the same command that a sync
/// gives it, tried on a copy.
async fn effect(
    app: &App,
    payment: &Transaction,
    charge: &objects::Charge,
    reversed: i64,
) -> Result<Effect> {
    crate::summary::view(app, payment.account_id).await?;
    let account = payment.account_id;
    let is_topup = payment.kind() == TransactionType::CreditTopup;
    let intent = payment.stripe_payment_intent_id.clone();
    let source_key = format!("topup:{}", intent.unwrap_or_default());
    let (now, whole) = (app.now(), charge.amount);
    app.read(move |tx| {
        let claw = |reversed_minor| {
            Request::internal(Command::Clawback {
                source_key: source_key.clone(),
                reversed_minor,
            })
        };
        let mut ledger = store::ledger::loaded_for(tx, account, &[claw(0)])?;
        let before = ledger.wallet.posted;
        let paid = ledger.lot_by_source(&source_key).map(|lot| lot.paid);
        let mut note = None;
        if let Some(paid) = paid {
            let paid = paid.map_or(0, |paid| paid.amount);
            let minor = share_of(paid, reversed.clamp(0, whole), whole.max(1));
            if ledger.apply(&claw(minor), now).is_err() {
                note = Some("The ledger refuses to take the credits. Check the account first.");
            }
        } else if is_topup {
            note = Some(
                "The credits of this payment haven't been granted yet. Sync the account first.",
            );
        } else {
            note = Some("The plan continues. Cancel it separately if it should end.");
        }
        Ok(Effect {
            taken: before - ledger.wallet.posted,
            available: ledger.available(now),
            debt: ledger.wallet.debt,
            note,
        })
    })
    .await
}

/// Gives the money back, once per key.
pub async fn make(app: &App, ask: &Ask, key: &str) -> Result<Made> {
    check(ask)?;
    let (payment, account) = payment(app, &ask.payment).await?;
    let id = intent_id(&payment, key);
    let (wanted, number) = (id.clone(), account.id);
    let known = app
        .read(move |tx| store::intents::find(tx, number, &wanted))
        .await?;
    let (intent, is_known) = match known {
        Some(intent) => (intent, true),
        None => (reserve(app, ask, id).await?, false),
    };
    if let Some(refund) = intent.stripe_object_id.clone() {
        return replayed(app, intent, payment, account, refund).await;
    }
    // A later refund may have closed this one, whose call was never heard of again.
    if matches!(intent.state(), IntentState::Failed | IntentState::Closed) {
        let detail = "Stripe refused this refund, or a later one replaced it. Check the payment \
                      and start again.";
        return Err(Error::conflict("refund_failed", detail));
    }
    let refund = call(app, &intent).await?;
    settle(app, ask, &intent, &payment, &account, &refund).await?;
    // What it takes from the credits comes from the charge, as with every other look.
    if let Err(error) = sync::account(app, account.id).await {
        tracing::warn!(%error, "A refunded account is synced later");
        app.sync_due.notify_one();
    }
    let currency = Currency::parse(&refund.currency).unwrap_or(Currency::USD);
    Ok(Made {
        status: status_of(&refund),
        money_back: MinorUnits::new(refund.amount, currency),
        refund: refund.id,
        payment,
        account,
        replayed: is_known,
    })
}

fn check(ask: &Ask) -> Result<()> {
    if !REASONS.contains(&ask.reason.as_str()) {
        let detail = format!("reason must be one of {}.", REASONS.join(", "));
        return Err(Error::field("reason", detail));
    }
    let length = ask.note.as_ref().map_or(0, |note| note.chars().count());
    if length > NOTE_CHARS_MAX {
        let detail = format!("note can have at most {NOTE_CHARS_MAX} characters.");
        return Err(Error::field("note", detail));
    }
    Ok(())
}

/// The intent's id follows from the payment and the caller's key, so that a repetition finds it.
fn intent_id(payment: &Transaction, key: &str) -> String {
    let digest = Sha256::digest(format!("{}\n{key}", payment.public_id).as_bytes());
    format!("rfd_{}", hex::encode(&digest[..16]))
}

fn status_of(refund: &objects::Refund) -> String {
    let status = refund.status.as_ref();
    status
        .map_or("pending", |status| status.as_str())
        .to_owned()
}

async fn replayed(
    app: &App,
    intent: Intent,
    payment: Transaction,
    account: Account,
    refund: String,
) -> Result<Made> {
    let at_stripe = app.stripe.retrieve_refund(&refund).await?;
    let currency = intent.currency.as_deref().and_then(Currency::parse);
    Ok(Made {
        status: status_of(&at_stripe),
        money_back: MinorUnits::new(
            intent.amount_minor.unwrap_or(at_stripe.amount),
            currency.unwrap_or(Currency::USD),
        ),
        refund,
        payment,
        account,
        replayed: true,
    })
}

/// Writes the refund down with its parameters, which never change from now on. One of an account is
/// under way at a time.
async fn reserve(app: &App, ask: &Ask, id: String) -> Result<Intent> {
    let look = preview(app, &ask.payment, ask.amount.as_deref()).await?;
    if let Some(before) = &ask.refunded_before
        && *before != look.refunded.decimal_text()
    {
        let detail = "This payment was refunded in the meantime. Preview it again.";
        return Err(Error::conflict("changed_meanwhile", detail));
    }
    finish_earlier(app, &look).await?;
    let params = params(ask, &look)?.metadata(INTENT_KEY, &id).encode();
    let (account, money, now) = (look.account.id, look.money_back, app.now());
    let credits = look.credits_taken.micros();
    let actor = ask.actor.clone();
    let made = app
        .write(account, move |tx| {
            let operator = store::users::by_public_id(tx, &actor)?;
            let new = NewIntent {
                id: &id,
                account_id: account,
                user_id: operator.map(|operator| operator.id),
                kind: KIND,
                params: &params,
                credits_micros: Some(credits),
                amount_minor: Some(money.amount),
                currency: Some(money.currency.code()),
                ..NewIntent::default()
            };
            match store::intents::insert(tx, &new, now)? {
                Some(intent) => Ok(Some(intent)),
                // A double click: the same one, written a moment ago.
                None => store::intents::find(tx, account, &id),
            }
        })
        .await?;
    made.ok_or_else(under_way)
}

/// What Stripe is asked: a refund of the payment, or a credit note of its invoice that makes one.
fn params(ask: &Ask, look: &Preview) -> Result<Form> {
    let amount = look.money_back.amount;
    if !ask.credit_note {
        let intent = look.payment.stripe_payment_intent_id.clone();
        return Ok(Form::new()
            .push("payment_intent", intent.unwrap_or_default())
            .push("amount", amount)
            .push("reason", &ask.reason));
    }
    let invoice = look.payment.stripe_invoice_id.as_ref();
    let nothing = || {
        let detail = "This payment has no invoice that a credit note could correct.";
        Error::field("creditNote", detail)
    };
    Ok(Form::new()
        .push(INVOICE, invoice.ok_or_else(nothing)?)
        .push("amount", amount)
        .push("refund_amount", amount)
        // Our own letter tells of it.
        .push("email_type", "none")
        .push("reason", note_reason(&ask.reason)))
}

/// A credit note's word for a refund's reason.
fn note_reason(reason: &str) -> &str {
    match reason {
        "requested_by_customer" => "order_change",
        other => other,
    }
}

fn under_way() -> Error {
    let detail = "Another refund of this account is in progress. Try again in a minute.";
    Error::conflict("refund_under_way", detail)
}

const INTENT_KEY: &str = checkout_session::INTENT_KEY;

/// The parameter that a credit note has and a refund has not.
const INVOICE: &str = "invoice";

/// The refund that an earlier call made after all, and what it was of.
async fn earlier_made(app: &App, earlier: &Intent) -> Result<(String, Option<objects::Refund>)> {
    let params = Form::decode(&earlier.params);
    let is_ours = |metadata: &objects::Metadata| metadata.get(INTENT_KEY) == Some(&earlier.id);
    if let Some(invoice) = params.get(INVOICE) {
        let filter = Form::new().push(INVOICE, invoice);
        let notes = app
            .stripe
            .list_credit_notes(&filter, REFUNDS_MAX)
            .await?
            .data;
        let made = notes.into_iter().find(|note| is_ours(&note.metadata));
        let refund = match made {
            Some(note) => Some(refund_of(app, &note).await?),
            None => None,
        };
        return Ok((invoice.to_owned(), refund));
    }
    let intent = params.get("payment_intent").unwrap_or_default().to_owned();
    let filter = Form::new().push("payment_intent", &intent);
    let refunds = app.stripe.list_refunds(&filter, REFUNDS_MAX).await?.data;
    let made = refunds.into_iter().find(|refund| is_ours(&refund.metadata));
    Ok((intent, made))
}

/// The refund that a credit note made.
async fn refund_of(app: &App, note: &objects::CreditNote) -> Result<objects::Refund> {
    let ids = note.refund_ids();
    let id = ids
        .first()
        .ok_or_else(|| Error::bug("a credit note made no refund"))?;
    Ok(app.stripe.retrieve_refund(id).await?)
}

/// An earlier refund whose answer was lost is settled by what Stripe has, before another begins.
async fn finish_earlier(app: &App, look: &Preview) -> Result<()> {
    let account = look.account.id;
    let earlier = app
        .read(move |tx| store::intents::under_way(tx, account, KIND))
        .await?;
    let Some(earlier) = earlier else {
        return Ok(());
    };
    let now = app.now();
    if now < earlier.updated_at.plus_seconds(CALL_OVER_SECONDS) {
        return Err(under_way());
    }
    let (intent, made) = earlier_made(app, &earlier).await?;
    let params = Form::decode(&earlier.params);
    let Some(refund) = made else {
        // It never reached Stripe; its key is not used again.
        let id = earlier.id.clone();
        return app
            .write(account, move |tx| {
                store::intents::close(tx, &id, now).map(|_| ())
            })
            .await;
    };
    let (payment, owner) = payment(app, &intent).await?;
    let user = earlier.user_id;
    let actor = app
        .read(move |tx| match user {
            Some(user) => store::users::find(tx, user),
            None => Ok(None),
        })
        .await?;
    let ask = Ask {
        payment: intent,
        amount: None,
        reason: params.get("reason").unwrap_or_default().to_owned(),
        note: None,
        refunded_before: None,
        credit_note: params.get(INVOICE).is_some(),
        actor: actor.map_or_else(|| "cli".to_owned(), |user| user.public_id),
    };
    settle(app, &ask, &earlier, &payment, &owner, &refund).await?;
    let detail = "An earlier refund had already gone through. Check the payment again.";
    Err(Error::conflict("changed_meanwhile", detail))
}

async fn call(app: &App, intent: &Intent) -> Result<objects::Refund> {
    if is_stale(intent, app.now()) {
        let detail = "This refund is too old to repeat. Check the payment and start again.";
        return Err(Error::conflict("refund_stale", detail));
    }
    let (id, now) = (intent.id.clone(), app.now());
    let is_open = app
        .write(intent.account_id, move |tx| {
            store::intents::set_calling(tx, &id, now)
        })
        .await?;
    if !is_open {
        let detail = "A later refund replaced this one. Check the payment.";
        return Err(Error::conflict("refund_failed", detail));
    }
    let params = Form::decode(&intent.params);
    let called = match params.get(INVOICE) {
        Some(_) => match app.stripe.create_credit_note(&params, &intent.id).await {
            // Repeated under its key it answers the same, should this look fail.
            Ok(note) => return refund_of(app, &note).await,
            Err(error) => Err(error),
        },
        None => app.stripe.create_refund(&params, &intent.id).await,
    };
    match called {
        Ok(refund) => Ok(refund),
        Err(error) => {
            note_failure(app, intent, &error).await?;
            Err(refused(error))
        }
    }
}

/// Stripe's no, as an operator reads it: they are told why, a customer would not be.
fn refused(error: stripe::Error) -> Error {
    let stripe::Error::Refused { message, .. } = &error else {
        return error.into();
    };
    let said = message.as_deref().unwrap_or("no reason was given");
    let detail = format!("Stripe refused the refund: {said}");
    Error::new(Kind::Unprocessable, "stripe_refused", detail).cause(&error)
}

/// What was done, in one commit: the intent's end, the operator's act, the note, the letter.
async fn settle(
    app: &App,
    ask: &Ask,
    intent: &Intent,
    payment: &Transaction,
    account: &Account,
    refund: &objects::Refund,
) -> Result<()> {
    let letter = Letter::Refunded {
        amount: refund.amount,
        currency: refund.currency.clone(),
        credits: -intent.credits_micros.unwrap_or(0),
    };
    let note = ask.note.clone().filter(|note| !note.trim().is_empty());
    let (ask, intent, refund) = (ask.clone(), intent.clone(), refund.clone());
    let (author, payment) = (Author::new(app, &ask.actor), payment.public_id.clone());
    let (subject, number) = (account.public_id.clone(), account.id);
    let (now, real_now) = (app.now(), app.real_now());
    app.write(number, move |tx| {
        if !store::intents::set_done(tx, &intent.id, &refund.id, None, None, now)? {
            return Ok(());
        }
        store::intents::close(tx, &intent.id, now)?;
        author
            .act(Action::PaymentRefund, &subject)
            .with("payment", json!(payment))
            .with("refund", json!(refund.id))
            .with("amount", json!(refund.amount))
            .with("currency", json!(refund.currency))
            .with("creditNote", json!(ask.credit_note))
            .reason(&ask.reason)
            .append(tx)?;
        if let Some(note) = &note {
            let name = format!("note:refund:{}", refund.id);
            store::settings::put_of_account(tx, number, &name, note, now)?;
        }
        let mail_key = format!("refunded:{}", refund.id);
        crate::letters::notify_payers(tx, number, &mail_key, &letter, real_now)
    })
    .await?;
    app.email_due.notify_one();
    Ok(())
}
