//! Closing an account (F15): everything that could still charge is ended at Stripe first; only then
//! is personal data erased. The books remain.

use domain::people::UserRole;
use domain::plan::{AccountStatus, SubscriptionStatus};
use serde_json::json;
use store::auto_topup::{self, AutoTopupState};
use store::intent_steps::{NewStep, Step, StepKind};
use store::intents::unfinished;
use store::intents::{Intent, IntentKind, NewIntent};
use store::subscriptions::Subscription;
use stripe::Form;

use crate::actors::SignedIn;
use crate::app::App;
use crate::error::{CLOSING, Error, Result};
use crate::intents::chain::{self, Chain, Progress, Taken, Trouble};
use crate::intents::pages::end_pages;
use crate::intents::{claimed, key_of};
use crate::operators::audit_log::{Action, Author};
use crate::sync::suspension::is_being_paid;
use crate::{rate_limit, sync};

/// Maximum number of attempts per minute and account.
const PER_MINUTE: u32 = 3;

const KIND: IntentKind = IntentKind::Closing;

/// Maximum number of unpaid invoices that are voided; far more than Stripe leaves open.
const INVOICES_MAX: i64 = 100;

/// Maximum number of an account's unfinished requests that are searched for an earlier closing.
const OWED_MAX: i64 = 20;

/// Closes the caller's account. Until its first subscription is canceled, a failure of Stripe leaves
/// everything as it was; after that, or without one, the rest follows in the background, and nothing
/// can be bought.
pub async fn close(app: &App, caller: &SignedIn) -> Result<()> {
    caller.may_own()?;
    let account = caller.account.id;
    rate_limit::take(app, &format!("close:{account}"), PER_MINUTE, account).await?;
    // Use Stripe's current state, not the last one we stored.
    let is_known = app
        .read(move |tx| Ok(!store::customers::of_account(tx, account)?.is_empty()))
        .await?;
    if is_known {
        sync::account(app, account).await?;
        end_pages(app, account).await?;
    }
    let intent = write_down(app, caller).await?;
    match chain::run::<Closing>(app, &intent).await? {
        Progress::Finished | Progress::Over => Ok(()),
        Progress::Owed => Err(Error::unavailable(
            CLOSING,
            "We're closing this account. Stripe hasn't confirmed all of it yet; the rest follows \
             automatically, and nothing more is charged.",
        )),
    }
}

/// Subscriptions that can still charge, whatever their status.
async fn chargeable(app: &App, account: i64) -> Result<Vec<Subscription>> {
    let all = app
        .read(move |tx| store::subscriptions::of_account(tx, account))
        .await?;
    let is_over = |row: &Subscription| {
        row.ended_at.is_some()
            || matches!(
                row.status,
                SubscriptionStatus::Canceled | SubscriptionStatus::IncompleteExpired
            )
    };
    Ok(all.into_iter().filter(|row| !is_over(row)).collect())
}

/// The intent with the steps that close the account: the one in progress, or a new one.
async fn write_down(app: &App, caller: &SignedIn) -> Result<Intent> {
    let (account, user) = (caller.account.id, caller.user.id);
    let rows = chargeable(app, account).await?;
    let (id, now) = (app.new_id("int"), app.now());
    let intent = app
        .write(account, move |tx| {
            let earlier = unfinished::owed(tx, account, OWED_MAX)?;
            let earlier = earlier.into_iter().find(|earlier| earlier.kind == KIND);
            if earlier.is_some() {
                return Ok(earlier);
            }
            let customer = store::customers::current(tx, account)?;
            let ids = rows.iter().map(|row| row.subscription_id.as_str());
            let params = params(ids, customer.as_deref());
            if let Some(earlier) = store::intents::under_way(tx, account, KIND)? {
                if earlier.params == params {
                    return Ok(Some(earlier));
                }
                // Nothing was done under it yet.
                store::intents::close(tx, &earlier.id, now)?;
            }
            let new = NewIntent {
                user_id: Some(user),
                ..NewIntent::new(&id, account, KIND, &params)
            };
            chain::insert::<Closing>(tx, &new, now)
        })
        .await?;
    intent.ok_or_else(claimed)
}

fn params<'a>(subscriptions: impl Iterator<Item = &'a str>, customer: Option<&str>) -> String {
    let form = subscriptions
        .enumerate()
        .fold(Form::new(), |form, (index, id)| {
            form.push(format!("subscription[{index}]"), id)
        });
    form.push_opt("customer", customer).encode()
}

/// Cancels every subscription, removes name and email address from the Stripe customer, and erases
/// the account's personal data here.
pub(crate) struct Closing;

impl Chain for Closing {
    const KIND: IntentKind = KIND;

    /// Without a subscription to cancel, no step leaves everything as it was if its outcome is unknown.
    fn is_owed(intent: &Intent) -> bool {
        let params = Form::decode(&intent.params);
        !params.iter().any(|(name, _)| is_subscription(name))
    }

    fn steps(intent: &Intent) -> Vec<NewStep> {
        let params = Form::decode(&intent.params);
        let steps = params.iter().flat_map(|(name, id)| match name {
            _ if is_subscription(name) => vec![NewStep::about(StepKind::Cancel, id)],
            "customer" => vec![
                NewStep::of_kind(StepKind::ClosePages),
                NewStep::about(StepKind::Forget, id),
            ],
            _ => Vec::new(),
        });
        let erase = NewStep {
            kind: StepKind::Erase,
            ..NewStep::call()
        };
        steps.chain([erase]).collect()
    }

    async fn take(app: &App, intent: &Intent, step: &Step) -> std::result::Result<Taken, Trouble> {
        let object = step.object_id.as_deref().unwrap_or_default();
        match step.kind {
            StepKind::Cancel => end(app, object).await?,
            StepKind::ClosePages => {
                stop_auto_topup(app, intent.account_id).await?;
                end_pages(app, intent.account_id).await?;
            }
            StepKind::Forget => {
                let nobody = Form::new().push("email", "").push("name", "");
                let key = key_of(&format!("{}-forget", intent.id), step);
                match app.stripe.update_customer(object, &nobody, &key).await {
                    // Its invoices remain, as the law requires.
                    Ok(_) | Err(stripe::Error::NotFound { .. }) => {}
                    Err(error) => return Err(error.into()),
                }
            }
            _ => {
                // A page that was being made when the closing began may have been opened since.
                end_pages(app, intent.account_id).await?;
                end_rest(app, intent.account_id).await?;
                void_unpaid(app, intent, step).await?;
                forget(app, intent).await?;
            }
        }
        Ok(Taken::Done(None))
    }
}

/// Whether a parameter names a subscription.
fn is_subscription(name: &str) -> bool {
    name.starts_with("subscription")
}

/// Turns automatic top-up off, without an email: the owner has just asked for more.
async fn stop_auto_topup(app: &App, account: i64) -> Result<()> {
    let now = app.now();
    app.write(account, move |tx| {
        let reason = "the account is being closed";
        auto_topup::stop(tx, account, AutoTopupState::Off, reason, now).map(|_| ())
    })
    .await
}

/// Cancels a subscription immediately. Canceling twice changes nothing.
async fn end(app: &App, subscription: &str) -> stripe::Result<()> {
    match app
        .stripe
        .cancel_subscription(subscription, &Form::new())
        .await
    {
        Ok(_) | Err(stripe::Error::NotFound { .. }) => Ok(()),
        Err(error) => Err(error),
    }
}

/// Ends what started in the meantime, so that nothing can charge an account without members.
async fn end_rest(app: &App, account: i64) -> std::result::Result<(), Trouble> {
    let is_known = app
        .read(move |tx| Ok(!store::customers::of_account(tx, account)?.is_empty()))
        .await?;
    if !is_known {
        return Ok(());
    }
    sync::account(app, account).await?;
    let rest = chargeable(app, account).await?;
    for row in &rest {
        end(app, &row.subscription_id).await?;
    }
    if !rest.is_empty() {
        sync::account(app, account).await?;
        if !chargeable(app, account).await?.is_empty() {
            let detail = "A subscription started in the meantime. It is canceled first.";
            return Err(Error::unavailable("still_subscribed", detail).into());
        }
    }
    Ok(())
}

/// Voids the invoices of plans that were not paid: their pages at Stripe could still be paid, for an
/// account that nobody can use. One that is being paid, such as by a bank debit, is left: its payment
/// is refunded when it arrives.
async fn void_unpaid(app: &App, intent: &Intent, step: &Step) -> std::result::Result<(), Trouble> {
    let account = intent.account_id;
    let unpaid = app
        .read(move |tx| store::invoices::unsettled(tx, account, INVOICES_MAX))
        .await?;
    let mut is_changed = false;
    for invoice in &unpaid {
        match app.stripe.retrieve_invoice(invoice).await {
            Ok(found) if is_being_paid(app, &found).await? => continue,
            Ok(_) => {}
            Err(stripe::Error::NotFound { .. }) => continue,
            Err(error) => return Err(error.into()),
        }
        let key = key_of(&format!("{}-void-{invoice}", intent.id), step);
        match app.stripe.void_invoice(invoice, &key).await {
            Ok(_) => is_changed = true,
            // It was paid or voided in the meantime, or it is a draft, which nobody can pay.
            Err(stripe::Error::Refused { .. } | stripe::Error::NotFound { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    if is_changed {
        sync::account(app, account).await?;
    }
    Ok(())
}

/// In one commit: removes the members, erases the account's personal data, and erases users who now
/// belong to no account. Operators are kept, since they belong to the service.
async fn forget(app: &App, intent: &Intent) -> Result<()> {
    let (account, owner, now) = (intent.account_id, intent.user_id, app.now());
    let name = app
        .read(move |tx| match owner {
            Some(owner) => store::users::find(tx, owner),
            None => Ok(None),
        })
        .await?;
    let name = name.map(|user| user.public_id).unwrap_or_default();
    let (author, rules) = (Author::new(app, &name), app.rules());
    app.write(account, move |tx| {
        // Whoever joins at this moment waits, or is seen.
        store::accounts::lock(tx, account)?;
        let row = store::accounts::find(tx, account)?.ok_or(store::Error::NotFound)?;
        if row.status == AccountStatus::Closed {
            return Ok(());
        }
        let subject = row.public_id;
        let members = store::users::members(tx, account)?;
        // While the owner's address is known: it has had its free allowance for this month (G9).
        store::ledger::free_allowances::keep(tx, &rules, account, now)?;
        for member in &members {
            store::users::remove_member(tx, member.user_id, account)?;
        }
        store::erasure::account(tx, account, now)?;
        // The ledger refuses every call from now on, by any key.
        store::ledger::settle(tx, &rules, account, now)?;
        let mut forgotten = 0;
        for member in members {
            store::users::lock(tx, member.user_id)?;
            let is_elsewhere = !store::users::places(tx, member.user_id)?.is_empty();
            let user = store::users::find(tx, member.user_id)?;
            let is_customer = user.is_some_and(|user| user.role == UserRole::User);
            if !is_elsewhere && is_customer {
                store::erasure::user(tx, member.user_id, &member.email, now)?;
                forgotten += 1;
            }
        }
        let act = author.act(Action::AccountClose, &subject);
        act.with("usersForgotten", json!(forgotten)).append(tx)
    })
    .await?;
    app.keys.clear();
    Ok(())
}
