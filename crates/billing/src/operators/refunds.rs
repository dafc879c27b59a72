//! Refunds by operators: previewed first, then made with one call to Stripe under an idempotency
//! key that was stored before. The credits that a refund claws back follow from the charge as every
//! sync reads it, so the webhook that arrives later changes nothing.

mod earlier;
mod preview;

use domain::letters::Letter;
use domain::money::{Currency, MinorUnits};
use serde::Deserialize;
use serde_json::json;
use sha2::{Digest, Sha256};
use store::Tx;
use store::accounts::Account;
use store::intents::{Intent, IntentKind, IntentState, NewIntent};
use store::transactions::Transaction;
use stripe::{Form, objects};
use utoipa::ToSchema;

use crate::app::App;
use crate::error::{Error, Kind, Result};
use crate::intents::{is_stale, note_failure, start_call};
use crate::operators::audit_log::{Action, Author};
use crate::operators::refunds::earlier::{finish_earlier, refund_of};
use crate::sync;
use crate::sync::checkout_session;

pub use crate::operators::refunds::preview::{Before, Preview, before, preview};

const KIND: IntentKind = IntentKind::Refund;

const INTENT_KEY: &str = checkout_session::INTENT_KEY;

/// The parameter that distinguishes a credit note from a refund.
const INVOICE: &str = "invoice";

/// Stripe's reasons for a refund.
pub const REASONS: [&str; 3] = ["requested_by_customer", "duplicate", "fraudulent"];

/// Maximum length of a note.
pub const NOTE_CHARS_MAX: usize = 500;

/// Maximum number of charges of a payment that are searched.
const CHARGES_MAX: usize = 20;

/// Maximum number of disputes of a charge that are checked.
const DISPUTES_MAX: usize = 10;

/// Maximum number of refunds of a payment that are searched for one whose response was lost.
const REFUNDS_MAX: usize = 100;

/// Seconds after which a call has certainly ended, whatever its outcome.
const CALL_OVER_SECONDS: i64 = 60;

/// A refund to create.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewRefund {
    /// The payment to refund: its `txn_...` id, or one of Stripe's ids of it.
    pub payment: String,
    /// The amount to refund, as a decimal string in the currency's main unit such as `5.00`. The
    /// default is everything that was not refunded yet.
    pub amount: Option<String>,
    /// The reason for the refund: `requested_by_customer`, `duplicate` or `fraudulent`.
    pub reason: String,
    /// A note for other operators, up to 500 characters. It can be erased later.
    pub note: Option<String>,
    /// The `refunded` amount of the preview. If the payment has been refunded further since then,
    /// the request fails with `changed_meanwhile`.
    pub refunded: Option<String>,
    /// Whether to refund through a credit note for the payment's invoice. The default is false.
    #[serde(default)]
    pub credit_note: bool,
    /// The name of the actor in the audit log.
    #[serde(skip)]
    pub actor: String,
}

/// A refund that was made.
#[derive(Clone, Debug)]
pub struct Made {
    /// Stripe's id of the refund: `re_...`.
    pub refund: String,
    /// The status of the refund at Stripe: `succeeded` or `pending`.
    pub status: String,
    /// The amount that was refunded.
    pub money_back: MinorUnits,
    /// The payment that was refunded.
    pub payment: Transaction,
    /// The account that paid.
    pub account: Account,
    /// Whether an earlier request with the same key made it.
    pub replayed: bool,
}

/// Finds the payment that an operator names, and the account that paid it.
pub async fn payment(app: &App, name: &str) -> Result<(Transaction, Account)> {
    let name = name.to_owned();
    let found = app.read(move |tx| find(tx, &name)).await?;
    found.ok_or_else(no_payment)
}

/// Finds a payment by one of its ids, and the account that paid it.
fn find(tx: &mut Tx<'_>, name: &str) -> store::Result<Option<(Transaction, Account)>> {
    let found = match store::transactions::about(tx, name)? {
        Some(found) => Some(found),
        None => store::transactions::paying(tx, name)?,
    };
    let Some(payment) = found else {
        return Ok(None);
    };
    let account = store::accounts::find(tx, payment.account_id)?;
    Ok(account.map(|account| (payment, account)))
}

fn no_payment() -> Error {
    Error::not_found("There is no such payment.")
}

/// Makes the refund, once per key.
pub async fn make(app: &App, ask: &NewRefund, key: &str) -> Result<Made> {
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
    // A later refund may have closed this one if the outcome of its call remained unknown.
    if matches!(intent.state, IntentState::Failed | IntentState::Closed) {
        let detail = "Stripe refused this refund, or a later one replaced it. Check the payment \
                      and start again.";
        return Err(Error::conflict("refund_failed", detail));
    }
    let refund = call(app, &intent).await?;
    settle(app, ask, &intent, &payment, &account, &refund).await?;
    // The clawback follows from the charge, as in every other sync.
    if let Err(error) = sync::account(app, account.id).await {
        tracing::warn!(%error, "A refunded account will be synced later");
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

fn check(ask: &NewRefund) -> Result<()> {
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

/// The intent's id is derived from the payment and the caller's key, so that a retry finds it.
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

/// Stores the refund with its parameters, which are final from here on. An account has at most one
/// refund in progress.
async fn reserve(app: &App, ask: &NewRefund, id: String) -> Result<Intent> {
    let look = preview(app, &ask.payment, ask.amount.as_deref()).await?;
    if let Some(before) = &ask.refunded
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
                user_id: operator.map(|operator| operator.id),
                credits_micros: Some(credits),
                amount_minor: Some(money.amount),
                currency: Some(money.currency.code()),
                ..NewIntent::new(&id, account, KIND, &params)
            };
            match store::intents::insert(tx, &new, now)? {
                Some(intent) => Ok(Some(intent)),
                // A double click: the same intent, inserted a moment ago.
                None => store::intents::find(tx, account, &id),
            }
        })
        .await?;
    made.ok_or_else(under_way)
}

/// The parameters for Stripe: a refund of the payment, or a credit note for its invoice that
/// refunds.
fn params(ask: &NewRefund, look: &Preview) -> Result<Form> {
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
        // Our own email notifies the customer.
        .push("email_type", "none")
        .push("reason", note_reason(&ask.reason)))
}

/// The credit note reason for a refund reason.
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

async fn call(app: &App, intent: &Intent) -> Result<objects::Refund> {
    if is_stale(intent, app.now()) {
        let detail = "This refund is too old to repeat. Check the payment and start again.";
        return Err(Error::conflict("refund_stale", detail));
    }
    if !start_call(app, intent).await? {
        let detail = "A later refund replaced this one. Check the payment.";
        return Err(Error::conflict("refund_failed", detail));
    }
    let params = Form::decode(&intent.params);
    let called = match params.get(INVOICE) {
        Some(_) => match app.stripe.create_credit_note(&params, &intent.id).await {
            // If this read fails, a retry under the same key gets the same credit note.
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

/// The error for a refund that Stripe refused; an operator sees Stripe's reason, unlike a customer.
fn refused(error: stripe::Error) -> Error {
    let stripe::Error::Refused { message, .. } = &error else {
        return error.into();
    };
    let said = message.as_deref().unwrap_or("no reason was given");
    let detail = format!("Stripe refused the refund: {said}");
    Error::new(Kind::Unprocessable, "stripe_refused", detail).cause(&error)
}

/// Records the result in one commit: closes the intent, appends the audit log entry, stores the
/// note and queues the email.
async fn settle(
    app: &App,
    ask: &NewRefund,
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
