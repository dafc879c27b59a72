//! Makes an operator's refund at Stripe and records it.

use domain::letters::Letter;
use serde_json::json;
use store::Tx;
use store::accounts::Account;
use store::intent_steps::{NewStep, Step, StepKind};
use store::intents::{Intent, IntentKind};
use store::transactions::Transaction;
use stripe::{Form, objects};

use super::{INVOICE, KIND, NewRefund, payment};
use crate::app::App;
use crate::error::{Error, Kind, Result};
use crate::intents::chain::{self, Chain, Taken, Trouble};
use crate::intents::refund::{Less, refund};
use crate::intents::{INTENT_KEY, key_of, may_be_made};
use crate::operators::audit_log::{Action, Author, COMMAND_LINE};
use crate::sync;

/// Our own entries in the frozen parameters begin with this. They are not sent to Stripe.
const OWN: &str = "request";

/// Maximum number of credit notes of an invoice that are searched for ours.
const NOTES_MAX: usize = 100;

/// Adds what the operator requested, so that a refund that is finished later is recorded completely.
pub(super) fn with_request(params: Form, ask: &NewRefund, payment: &Transaction) -> Form {
    let note = ask.note.as_ref().filter(|note| !note.trim().is_empty());
    params
        .push(format!("{OWN}[payment]"), &payment.public_id)
        .push(format!("{OWN}[actor]"), &ask.actor)
        .push(format!("{OWN}[reason]"), &ask.reason)
        .push_opt(format!("{OWN}[note]"), note)
}

/// Whether a refund was requested by someone else, so that its key says nothing about this request.
pub(super) fn is_of_another(intent: &Intent, actor: &str) -> bool {
    let params = Form::decode(&intent.params);
    let requested_by = params.get(&format!("{OWN}[actor]"));
    requested_by.is_some_and(|requested_by| requested_by != actor)
}

/// A refund of a payment, or a credit note for its invoice that refunds.
pub(crate) struct OperatorRefund;

impl Chain for OperatorRefund {
    const KIND: IntentKind = KIND;

    /// An operator sees the first refusal; a later one, after an unknown outcome, needs attention.
    fn is_owed(intent: &Intent) -> bool {
        intent.is_troubled()
    }

    fn refused(error: stripe::Error) -> Error {
        refused(error)
    }

    fn steps(intent: &Intent) -> Vec<NewStep> {
        let params = Form::decode(&intent.params);
        vec![NewStep {
            kind: StepKind::Refund,
            object_id: params.get("payment_intent").map(str::to_owned),
            amount_minor: intent.amount_minor,
            currency: intent.currency.clone(),
            is_done: false,
        }]
    }

    async fn take(app: &App, intent: &Intent, step: &Step) -> std::result::Result<Taken, Trouble> {
        let params = Form::decode(&intent.params);
        let Some(invoice) = params.get(INVOICE) else {
            let reason = params.get("reason").unwrap_or_default();
            return Ok(refund(app, step, &intent.id, reason, Less::IsRefused).await?);
        };
        if may_be_made(app, step)
            && let Some(note) = note_made(app, invoice, &intent.id).await?
        {
            return Ok(Taken::Done(refund_of(&note)));
        }
        let key = key_of(&intent.id, step);
        let note = app
            .stripe
            .create_credit_note(&for_stripe(&params), &key)
            .await?;
        Ok(Taken::Done(refund_of(&note)))
    }

    async fn finish(app: &App, intent: &Intent, steps: &[Step]) -> Result<()> {
        let made = steps.first().and_then(|step| step.result_id.clone());
        let Some(made) = made else {
            return chain::close(app, intent).await;
        };
        let made = app.stripe.retrieve_refund(&made).await?;
        let params = Form::decode(&intent.params);
        let own = params.get(&format!("{OWN}[payment]"));
        let name = own.or(params.get("payment_intent")).or(params.get(INVOICE));
        let (payment, account) = payment(app, name.unwrap_or_default()).await?;
        settle(app, intent, &payment, &account, &made).await?;
        // The clawback follows from the charge, as in every other sync.
        if let Err(error) = sync::account(app, account.id).await {
            tracing::warn!(%error, "A refunded account will be synced later");
            app.mark_for_sync(account.id).await?;
        }
        Ok(())
    }
}

fn for_stripe(params: &Form) -> Form {
    let sent = params.iter().filter(|(name, _)| !name.starts_with(OWN));
    sent.fold(Form::new(), |form, (name, value)| form.push(name, value))
}

async fn note_made(
    app: &App,
    invoice: &str,
    mark: &str,
) -> stripe::Result<Option<objects::CreditNote>> {
    let filter = Form::new().push(INVOICE, invoice);
    let listed = app.stripe.list_credit_notes(&filter, NOTES_MAX).await?;
    let is_ours =
        |note: &objects::CreditNote| note.metadata.get(INTENT_KEY).is_some_and(|own| own == mark);
    Ok(listed.data.into_iter().find(is_ours))
}

/// The refund that a credit note created.
fn refund_of(note: &objects::CreditNote) -> Option<String> {
    note.refund_ids().first().map(|id| (*id).to_owned())
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
    let params = Form::decode(&intent.params);
    let own = |name: &str| params.get(&format!("{OWN}[{name}]")).map(str::to_owned);
    let reason = own("reason").or_else(|| params.get("reason").map(str::to_owned));
    let (note, is_note) = (own("note"), params.get(INVOICE).is_some());
    let actor = match own("actor") {
        Some(actor) => actor,
        None => actor_of(app, intent.user_id).await?,
    };
    let (intent, refund) = (intent.clone(), refund.clone());
    let (author, payment) = (Author::new(app, &actor), payment.public_id.clone());
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
            .with("creditNote", json!(is_note))
            .reason(reason.as_deref().unwrap_or_default())
            .append(tx)?;
        if let Some(note) = &note {
            let name = format!("note:refund:{}", refund.id);
            store::settings::put_of_account(tx, number, &name, note, now)?;
        }
        let mail_key = format!("refunded:{}", refund.id);
        crate::letters::notify_payers(tx, number, &mail_key, &letter, real_now)?;
        Ok(())
    })
    .await?;
    app.email_due.notify_one();
    Ok(())
}

/// The operator of an intent from before requests were recorded with it.
async fn actor_of(app: &App, user: Option<i64>) -> Result<String> {
    let found = app
        .read(move |tx: &mut Tx<'_>| match user {
            Some(user) => store::users::find(tx, user),
            None => Ok(None),
        })
        .await?;
    Ok(found.map_or_else(|| COMMAND_LINE.to_owned(), |user| user.public_id))
}
