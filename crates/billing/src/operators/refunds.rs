//! Refunds by operators: previewed first, then made as a chain of one step, whose parameters and
//! idempotency key were stored before. The credits that a refund claws back follow from the charge as every
//! sync reads it, so the webhook that arrives later changes nothing.

mod earlier;
mod preview;
mod steps;

use domain::ledger::Refusal;
use domain::money::{Currency, MinorUnits};
use serde::Deserialize;
use serde_json::json;
use sha2::{Digest, Sha256};
use store::Tx;
use store::accounts::Account;
use store::intent_steps;
use store::intents::unfinished;
use store::intents::{Intent, IntentKind, IntentState, NewIntent};
use store::transactions::Transaction;
use stripe::{Form, objects};
use utoipa::ToSchema;

use crate::app::App;
use crate::error::{Error, Kind, Result};
use crate::intents::INTENT_KEY;
use crate::intents::chain::{self, Progress};
use crate::operators::refunds::earlier::finish_earlier;
use crate::operators::refunds::steps::{is_of_another, with_request};

pub use crate::operators::refunds::preview::{Before, Preview, before, preview};
pub(crate) use crate::operators::refunds::steps::OperatorRefund;

const KIND: IntentKind = IntentKind::Refund;

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

/// Makes the refund, once per key. Another request under the same key is refused.
pub async fn make(app: &App, ask: &NewRefund, key: &str) -> Result<Made> {
    check(ask)?;
    let (payment, account) = payment(app, &ask.payment).await?;
    let id = intent_id(&payment, key);
    let (wanted, number) = (id.clone(), account.id);
    let known = app
        .read(move |tx| store::intents::find(tx, number, &wanted))
        .await?;
    let asked = (ask.actor.clone(), key.to_owned());
    let earlier = app
        .read(move |tx| store::operator_requests::find(tx, &asked.0, &asked.1))
        .await?;
    let is_reused = earlier.is_some_and(|earlier| earlier != hash_of(ask, &payment));
    if is_reused
        || known
            .as_ref()
            .is_some_and(|known| is_of_another(known, &ask.actor))
    {
        return Err(Error::refused(
            &Refusal::KeyReused,
            &app.links_of(&account.public_id),
        ));
    }
    let is_known = known.is_some();
    let intent = match known {
        Some(intent) => intent,
        None => reserve(app, ask, id, key).await?,
    };
    let refund = match intent.stripe_object_id.clone() {
        Some(refund) => refund,
        None => call(app, intent.clone()).await?,
    };
    let at_stripe = app.stripe.retrieve_refund(&refund).await?;
    let currency = Currency::parse(&at_stripe.currency).unwrap_or(Currency::USD);
    Ok(Made {
        status: status_of(&at_stripe),
        money_back: MinorUnits::new(at_stripe.amount, currency),
        refund,
        payment,
        account,
        replayed: is_known,
    })
}

/// A hash of what is requested, except the preview that it is compared with.
fn hash_of(ask: &NewRefund, payment: &Transaction) -> String {
    let amount = ask.amount.as_deref().map(str::trim).unwrap_or_default();
    let note = ask.note.as_deref().map(str::trim).unwrap_or_default();
    let asked = json!([payment.public_id, amount, ask.reason, note, ask.credit_note]);
    format!("refund:{}", hex::encode(Sha256::digest(asked.to_string())))
}

/// Takes the steps of the refund, and returns Stripe's id of it. One that Stripe refused before is
/// tried again under a new key.
async fn call(app: &App, intent: Intent) -> Result<String> {
    let (account, id, now) = (intent.account_id, intent.id.clone(), app.now());
    let intent = match intent.state {
        IntentState::Failed => {
            let reopened = app.write(account, move |tx| {
                if !unfinished::reopen(tx, &id, now)? {
                    return Ok(None);
                }
                for step in intent_steps::of_intent(tx, account, &id)? {
                    let place = (&*step.intent_id, step.position);
                    intent_steps::change_key(tx, place, step.key_number, now)?;
                }
                store::intents::find(tx, account, &id)
            });
            reopened.await?.ok_or_else(under_way)?
        }
        _ => intent,
    };
    let progress = match chain::run::<OperatorRefund>(app, &intent).await {
        // It is retried automatically, so the operator must not request another one.
        Err(error) if error.0.kind == Kind::Unavailable => {
            tracing::warn!(account, intent = intent.id, %error, "A refund is delayed");
            Progress::Owed
        }
        progress => progress?,
    };
    let (account, id) = (intent.account_id, intent.id.clone());
    let now_known = app
        .read(move |tx| store::intents::find(tx, account, &id))
        .await?;
    let made = now_known.and_then(|intent| intent.stripe_object_id);
    made.ok_or_else(|| match progress {
        Progress::Owed => {
            let detail = "The refund can't be made yet. It is tried again automatically.";
            Error::unavailable("refund_delayed", detail)
        }
        Progress::Finished | Progress::Over => {
            let detail = "Nothing was left to refund, or a later refund replaced this one. Check \
                          the payment.";
            Error::conflict("refund_failed", detail)
        }
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

/// Stores the refund with its parameters, which are final from here on. An account has at most one
/// refund in progress.
async fn reserve(app: &App, ask: &NewRefund, id: String, key: &str) -> Result<Intent> {
    let look = preview(app, &ask.payment, ask.amount.as_deref()).await?;
    if let Some(before) = &ask.refunded
        && *before != look.refunded.decimal_text()
    {
        let detail = "This payment was refunded in the meantime. Preview it again.";
        return Err(Error::conflict("changed_meanwhile", detail));
    }
    finish_earlier(app, &look).await?;
    let params = params(ask, &look)?.metadata(INTENT_KEY, &id);
    let params = with_request(params, ask, &look.payment).encode();
    let (hash, key) = (hash_of(ask, &look.payment), key.to_owned());
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
            if !store::operator_requests::claim(tx, (&actor, &key), &hash, now)? {
                return Ok(None);
            }
            match chain::insert::<OperatorRefund>(tx, &new, now)? {
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

fn unfinished_earlier() -> Error {
    let detail = "An earlier refund of this account isn't finished. Try it again or end it on the \
                  account's page.";
    Error::conflict("refund_under_way", detail)
}

fn under_way() -> Error {
    let detail = "Another refund of this account is in progress. Try again in a minute.";
    Error::conflict("refund_under_way", detail)
}
