//! Automatic top-ups: buys a pack for an account whose available credits fell below its threshold.
//!
//! One attempt at a time: the intent row holds the request, its id is Stripe's idempotency key, and
//! the database allows one intent of this kind per account. Credits are granted only by the
//! ordinary sync, which finds the payment by the intent in its metadata. A declined card is retried
//! after a pause, and after repeated declines automatic top-up is turned off; a payment that
//! requires the cardholder's authentication is never retried automatically.

mod unsettled;

use domain::amounts::{amount as money, count};
use domain::catalog::Pack;
use domain::letters::Letter;
use domain::method_types::{can_pay, name_of};
use domain::money::{Credits, Currency, MinorUnits};
use store::auto_topup;
use store::auto_topup::{AutoTopup, AutoTopupState};
use store::intent_steps::{NewStep, Step};
use store::intents::{Intent, IntentKind, NewIntent};
use stripe::Form;
use stripe::objects::{PaymentIntent, PaymentIntentStatus};

use crate::app::App;
use crate::binding;
use crate::error::Result;
use crate::intents::chain::{self, Chain, Taken, Trouble};
use crate::intents::{INTENT_KEY, is_refusal, key_of, may_be_made};
use crate::letters;
use crate::links::TOP_UP;
use crate::payments::auto_topup::unsettled::is_unsettled;
use crate::payments::saved_card;
use crate::sync::mark;

/// Pause after a declined payment.
const BACK_OFF_SECONDS: i64 = 6 * 3_600;

/// Number of consecutive declines after which automatic top-up is turned off.
const DECLINES_MAX: i64 = 2;

/// Pause after an attempt to start a purchase failed.
const RETRY_SECONDS: i64 = 60;

/// Pause until a purchase in flight is looked at again.
const LOOK_SECONDS: i64 = 2;

/// Maximum number of a customer's payments that are searched for one whose answer was lost.
const PAYMENTS_MAX: usize = 100;

/// How far Stripe's clock may be behind ours.
const CLOCKS_APART_SECONDS: i64 = 3_600;

/// Takes the next step of the account's automatic top-up: starts a purchase, or continues the one
/// in progress. A failure delays this account's next step and doesn't affect other accounts.
pub async fn buy(app: &App, account: i64) -> Result<()> {
    if let Err(error) = attempt(app, account).await {
        tracing::warn!(account, %error, "An automatic top-up failed");
        put_off(app, account, RETRY_SECONDS).await?;
    }
    Ok(())
}

async fn attempt(app: &App, account: i64) -> Result<()> {
    let under_way = app
        .read(move |tx| store::intents::under_way(tx, account, IntentKind::AutoTopup))
        .await?;
    if under_way.is_some() {
        // It is continued on its own schedule.
        return put_off(app, account, LOOK_SECONDS).await;
    }
    if is_unsettled(app, account).await? {
        return Ok(());
    }
    match reserve(app, account).await? {
        Some(intent) => chain::run::<Purchase>(app, &intent).await.map(drop),
        None => put_off(app, account, LOOK_SECONDS).await,
    }
}

/// Records what will be requested from Stripe, or turns automatic top-up off with the reason.
async fn reserve(app: &App, account: i64) -> Result<Option<Intent>> {
    binding::check(app).await?;
    crate::summary::view(app, account).await?;
    let month = app.now().month_start();
    let (row, spent, customer) = app
        .read(move |tx| {
            let row = auto_topup::of_account(tx, account)?;
            let row = row.filter(|row| row.state == AutoTopupState::On);
            let is_due = auto_topup::is_low(tx, account)? && auto_topup::may_buy(tx, account)?;
            let spent = auto_topup::spent_since(tx, account, month)?;
            let customer = store::customers::current(tx, account)?;
            Ok((row.filter(|_| is_due), spent, customer))
        })
        .await?;
    let Some(row) = row else {
        return Ok(None);
    };
    let pack = app.catalog().pack(row.pack).cloned();
    let Some(pack) = pack else {
        stop(app, &row, "the pack is no longer sold").await?;
        return Ok(None);
    };
    if spent.saturating_add(pack.price.amount) > row.month_max_minor {
        let cap = MinorUnits::new(row.month_max_minor, pack.price.currency);
        let reason = format!("this month's cap of {} was reached", money(cap));
        stop(app, &row, &reason).await?;
        return Ok(None);
    }
    let card = match &customer {
        Some(customer) => saved_card(app, account, customer).await?,
        None => None,
    };
    let (Some(customer), Some(card)) = (customer, card) else {
        stop(app, &row, "there is no saved card").await?;
        return Ok(None);
    };
    let kind = app.stripe.retrieve_payment_method(&card).await?.kind;
    let kind = kind.unwrap_or_default();
    if !can_pay(&kind, pack.price.currency) {
        stop(app, &row, &cannot_pay(&kind, pack.price.currency)).await?;
        return Ok(None);
    }
    insert(app, &row, &pack, &customer, &card).await
}

async fn insert(
    app: &App,
    row: &AutoTopup,
    pack: &Pack,
    customer: &str,
    card: &str,
) -> Result<Option<Intent>> {
    let (id, now) = (app.new_id("int"), app.now());
    let account = row.account_id;
    let named = app
        .read(move |tx| store::accounts::find(tx, account))
        .await?;
    let public_id = named.map(|account| account.public_id).unwrap_or_default();
    let params = params(pack, customer, card, &public_id, &id);
    let params = params
        .metadata(mark::MARK, mark::of(app, &public_id))
        .encode();
    let (row, pack) = (row.clone(), pack.clone());
    app.write(account, move |tx| {
        let new = NewIntent {
            user_id: row.user_id,
            credits_micros: Some(Credits::new(pack.credits).micros()),
            amount_minor: Some(pack.price.amount),
            currency: Some(pack.price.currency.code()),
            ..NewIntent::new(&id, account, IntentKind::AutoTopup, &params)
        };
        // It was turned off, or another process bought, since this process read the row.
        let is_in_flight = store::intents::unused(tx, account, IntentKind::AutoTopup)?.is_some();
        let is_due = auto_topup::is_low(tx, account)? && auto_topup::may_buy(tx, account)?;
        if is_in_flight || !is_due || !auto_topup::claim(tx, account, now, now)? {
            return Ok(None);
        }
        // The claimed setting can't change until this commit.
        let spent = auto_topup::spent_since(tx, account, now.month_start())?;
        let total = spent.saturating_add(pack.price.amount);
        let held = auto_topup::of_account(tx, account)?;
        if !held.is_some_and(|held| held.pack == row.pack && total <= held.month_max_minor) {
            return Ok(None);
        }
        let Some(intent) = chain::insert::<Purchase>(tx, &new, now)? else {
            return Ok(None);
        };
        let bonus = Credits::new(pack.bonus).micros();
        store::intents::freeze_pack(tx, &id, bonus, pack.expires_after_days)?;
        Ok(Some(intent))
    })
    .await
}

/// Why a saved payment method can't pay, as the end of a sentence.
pub(crate) fn cannot_pay(kind: &str, currency: Currency) -> String {
    let currency = currency.code().to_ascii_uppercase();
    format!("your saved {} can't pay in {currency}", name_of(kind))
}

/// Parameters of an off-session payment with the saved card, confirmed immediately.
fn params(pack: &Pack, customer: &str, card: &str, account: &str, intent: &str) -> Form {
    Form::new()
        .push("amount", pack.price.amount)
        .push("currency", pack.price.currency.code())
        .push("customer", customer)
        .push("payment_method", card)
        .push("off_session", true)
        .push("confirm", true)
        .push("automatic_payment_methods[enabled]", true)
        .push("automatic_payment_methods[allow_redirects]", "never")
        .push("description", format!("{} credits", pack.credits))
        .push("metadata[accountId]", account)
        .push("metadata[type]", "topup")
        .push(format!("metadata[{INTENT_KEY}]"), intent)
}

/// One off-session payment: confirmed once, whatever happened to earlier attempts.
pub(crate) struct Purchase;

impl Chain for Purchase {
    const KIND: IntentKind = IntentKind::AutoTopup;

    /// After an unknown outcome it may be paid, so no refusal ends it.
    fn is_owed(intent: &Intent) -> bool {
        intent.attempts > 0
    }

    fn steps(_: &Intent) -> Vec<NewStep> {
        vec![NewStep::call()]
    }

    async fn take(app: &App, intent: &Intent, step: &Step) -> std::result::Result<Taken, Trouble> {
        let params = Form::decode(&intent.params);
        let is_wanted = is_wanted(app, intent.account_id).await?;
        if may_be_made(app, step) || !is_wanted {
            // A look that is refused says nothing about the payment.
            let made = made(app, intent, &params).await;
            if let Some(payment) = made.map_err(|error| Trouble::Own(error.into()))? {
                return Ok(outcome(app, intent, &payment).await?);
            }
        }
        if !is_wanted {
            return Ok(drop_it(app, intent).await?);
        }
        let key = key_of(&intent.id, step);
        match app.stripe.create_payment_intent(&params, &key).await {
            Ok(payment) => Ok(outcome(app, intent, &payment).await?),
            Err(error @ stripe::Error::Card { .. }) => {
                declined(app, intent, &error).await?;
                Ok(Taken::Dropped)
            }
            Err(error) if is_refusal(&error) => {
                tracing::warn!(intent = intent.id, %error, "Stripe refused an automatic top-up");
                refused(app, intent, &error).await?;
                Ok(Taken::Dropped)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// The step has settled the intent.
    async fn finish(_: &App, _: &Intent, _: &[Step]) -> Result<()> {
        Ok(())
    }
}

/// The payment that an earlier attempt made, by our mark in its metadata.
async fn made(app: &App, intent: &Intent, params: &Form) -> stripe::Result<Option<PaymentIntent>> {
    let since = intent.created_at.plus_seconds(-CLOCKS_APART_SECONDS);
    let filter = Form::new()
        .push_opt("customer", params.get("customer"))
        .push("created[gte]", since.seconds());
    let listed = app
        .stripe
        .list_payment_intents(&filter, PAYMENTS_MAX)
        .await?;
    let is_ours = |payment: &PaymentIntent| payment.metadata.get(INTENT_KEY) == Some(&intent.id);
    Ok(listed.data.into_iter().find(is_ours))
}

/// Settles the intent by what became of its payment.
async fn outcome(app: &App, intent: &Intent, payment: &PaymentIntent) -> Result<Taken> {
    if is_on_its_way(payment) {
        paid(app, intent, payment).await?;
        return Ok(Taken::Done(Some(payment.id.clone())));
    }
    match payment.status {
        PaymentIntentStatus::RequiresPaymentMethod | PaymentIntentStatus::Canceled => {
            let end = after_decline(app, intent, "the payment failed".to_owned()).await?;
            end_attempt(app, intent, end).await?;
        }
        _ => needs_owner(app, intent, &payment.id).await?,
    }
    Ok(Taken::Dropped)
}

/// Whether the account still wants a pack and may buy it.
async fn is_wanted(app: &App, account: i64) -> Result<bool> {
    if !app.settings.billing.enabled {
        return Ok(false);
    }
    app.read(move |tx| {
        let row = auto_topup::of_account(tx, account)?;
        let is_on = row.is_some_and(|row| row.state == AutoTopupState::On);
        Ok(is_on && auto_topup::is_low(tx, account)? && auto_topup::may_buy(tx, account)?)
    })
    .await
}

/// Ends an attempt that made no payment and is no longer wanted.
async fn drop_it(app: &App, intent: &Intent) -> Result<Taken> {
    let (id, now) = (intent.id.clone(), app.now());
    app.write(intent.account_id, move |tx| {
        store::intents::set_failed(tx, &id, "no longer wanted", now)
    })
    .await?;
    Ok(Taken::Dropped)
}

fn is_on_its_way(payment: &PaymentIntent) -> bool {
    matches!(
        payment.status,
        PaymentIntentStatus::Succeeded
            | PaymentIntentStatus::Processing
            | PaymentIntentStatus::RequiresCapture
    )
}

async fn paid(app: &App, intent: &Intent, payment: &PaymentIntent) -> Result<()> {
    let is_through = payment.status == PaymentIntentStatus::Succeeded;
    let (id, account, payment) = (intent.id.clone(), intent.account_id, payment.id.clone());
    let now = app.now();
    app.write_and_sync(account, move |tx| {
        store::intents::set_done(tx, &id, &payment, None, None, now)?;
        // A payment in progress may still be declined.
        if is_through {
            auto_topup::set_declines(tx, account, 0)?;
        }
        Ok(())
    })
    .await
}

/// The credits that an intent buys: "5,000 credits".
fn credits_text(intent: &Intent) -> String {
    let credits = Credits::from_micros(intent.credits_micros.unwrap_or(0)).floor();
    format!("{} credits", count(credits.unsigned_abs()))
}

/// The bank requires the cardholder's authentication: an email asks for it, and nothing is retried
/// until there are enough credits again or a member saves the settings.
async fn needs_owner(app: &App, intent: &Intent, payment: &str) -> Result<()> {
    let url = app.page_of(&app.public_id(intent.account_id).await?, TOP_UP);
    let letter = Letter::ConfirmPayment {
        description: credits_text(intent),
        tier: None,
        amount: intent.amount_minor.unwrap_or(0),
        currency: intent.currency.clone().unwrap_or_default(),
        url: Some(url),
    };
    let end = End {
        error: format!("the bank asks for the card's owner: {payment}"),
        state: AutoTopupState::Waiting,
        reason: "the bank asks you to confirm the payment".to_owned(),
        letter: Some(letter),
        declines: None,
        pause_seconds: 0,
    };
    end_attempt(app, intent, end).await
}

async fn declined(app: &App, intent: &Intent, error: &stripe::Error) -> Result<()> {
    let stripe::Error::Card {
        code,
        decline_code,
        payment_intent,
        ..
    } = error
    else {
        return Ok(());
    };
    let asks = |code: &Option<Box<str>>| code.as_deref() == Some("authentication_required");
    if asks(code) || asks(decline_code) {
        let payment = payment_intent.as_deref().unwrap_or_default().to_owned();
        return needs_owner(app, intent, &payment).await;
    }
    let end = after_decline(app, intent, error.to_string()).await?;
    end_attempt(app, intent, end).await
}

/// The consequence of a declined payment: a pause, or automatic top-up is turned off after several.
async fn after_decline(app: &App, intent: &Intent, error: String) -> Result<End> {
    let account = intent.account_id;
    let row = app
        .read(move |tx| auto_topup::of_account(tx, account))
        .await?;
    let declines = row.map_or(0, |row| row.declines) + 1;
    let is_last = declines >= DECLINES_MAX;
    let reason = "the bank declined the card".to_owned();
    Ok(End {
        error,
        state: if is_last {
            AutoTopupState::Off
        } else {
            AutoTopupState::On
        },
        letter: is_last.then(|| Letter::AutoTopupOff {
            reason: reason.clone(),
        }),
        reason,
        declines: Some(declines),
        pause_seconds: BACK_OFF_SECONDS,
    })
}

async fn refused(app: &App, intent: &Intent, error: &stripe::Error) -> Result<()> {
    let reason = "Stripe did not take the payment".to_owned();
    let end = End {
        error: error.to_string(),
        state: AutoTopupState::Off,
        letter: Some(Letter::AutoTopupOff {
            reason: reason.clone(),
        }),
        reason,
        declines: None,
        pause_seconds: 0,
    };
    end_attempt(app, intent, end).await
}

/// The outcome of an attempt that bought nothing.
struct End {
    error: String,
    state: AutoTopupState,
    reason: String,
    letter: Option<Letter>,
    declines: Option<i64>,
    pause_seconds: i64,
}

/// In one commit: marks the intent failed, sets when or whether the next attempt is made, and
/// queues the email. A second worker that got the same response only causes
/// another sync.
async fn end_attempt(app: &App, intent: &Intent, end: End) -> Result<()> {
    let (id, account) = (intent.id.clone(), intent.account_id);
    let (now, real_now) = (app.now(), app.real_now());
    // Synced so that the failed attempt is listed among the payments.
    app.write_and_sync(account, move |tx| {
        let is_first = store::intents::set_failed(tx, &id, &end.error, now)?
            || store::intents::set_undone(tx, &id, &end.error, now)?;
        if !is_first {
            return Ok(());
        }
        if let Some(declines) = end.declines {
            auto_topup::set_declines(tx, account, declines)?;
        }
        if end.state == AutoTopupState::On {
            let at = now.plus_seconds(end.pause_seconds);
            auto_topup::put_off(tx, account, at, now)?;
        } else {
            auto_topup::stop(tx, account, end.state, &end.reason, now)?;
        }
        if let Some(letter) = &end.letter {
            letters::notify_payers(tx, account, &format!("auto-topup:{id}"), letter, real_now)?;
        }
        Ok(())
    })
    .await?;
    app.email_due.notify_one();
    Ok(())
}

/// Turns automatic top-up off and emails the reason once.
async fn stop(app: &App, row: &AutoTopup, reason: &str) -> Result<()> {
    let (account, reason) = (row.account_id, reason.to_owned());
    let key = format!("auto-topup-off:{account}:{}", row.updated_at.micros());
    let (now, real_now) = (app.now(), app.real_now());
    app.write(account, move |tx| {
        if auto_topup::stop(tx, account, AutoTopupState::Off, &reason, now)? {
            let letter = Letter::AutoTopupOff {
                reason: reason.clone(),
            };
            letters::notify_payers(tx, account, &key, &letter, real_now)?;
        }
        Ok(())
    })
    .await?;
    app.email_due.notify_one();
    Ok(())
}

async fn put_off(app: &App, account: i64, seconds: i64) -> Result<()> {
    let now = app.now();
    app.write(account, move |tx| {
        auto_topup::put_off(tx, account, now.plus_seconds(seconds), now).map(|_| ())
    })
    .await
}
