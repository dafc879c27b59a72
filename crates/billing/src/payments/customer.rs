//! The seed's `getOrCreateStripeCustomer`: one customer per account, even with concurrent requests.

use domain::plan::AccountStatus;
use domain::time::Timestamp;
use store::accounts::Account;
use store::intents::{Intent, IntentKind, NewIntent};
use stripe::Form;

use crate::actors::SignedIn;
use crate::app::App;
use crate::binding;
use crate::error::Result;
use crate::intents::{Deferred, attempt_now, claimed, note_failure};
use crate::sync;
use crate::sync::mark;

/// Maximum number of customers that are checked before one is created.
const ORPHANS_MAX: usize = 10;

/// The account's customer at Stripe, created if there is none.
pub async fn get_or_create(app: &App, caller: &SignedIn) -> Result<String> {
    let account = caller.account.id;
    let current = app
        .read(move |tx| store::customers::current(tx, account))
        .await?;
    if let Some(customer) = current {
        return Ok(customer);
    }
    binding::check(app).await?;
    let intent = match claim(app, caller).await? {
        Claim::Known(customer) => return Ok(customer),
        Claim::Mine(intent) => *intent,
    };
    let customer = match orphan(app, &intent, &caller.account).await? {
        Some(customer) => customer,
        None => create(app, &intent).await?,
    };
    let kept = keep(app, caller, &intent, &customer).await?;
    note_namesakes(app, caller).await;
    send_change(app, account).await;
    Ok(kept)
}

enum Claim {
    /// Another request was faster and created this customer.
    Known(String),
    /// The intent to create it with.
    Mine(Box<Intent>),
}

/// The account's one open customer intent, created now or earlier; its parameters are frozen, so an
/// email address that changed between two attempts doesn't make Stripe reject the key (K23).
async fn claim(app: &App, caller: &SignedIn) -> Result<Claim> {
    let (id, now) = (app.new_id("int"), app.now());
    let params = Form::new()
        .push("email", &caller.user.email)
        .push("name", &caller.account.name)
        .metadata("accountId", &caller.account.public_id)
        .metadata(mark::MARK, mark::of(app, &caller.account.public_id))
        .metadata("userId", &caller.user.public_id)
        .encode();
    let (account, user) = (caller.account.id, caller.user.id);
    let claim = app
        .write(account, move |tx| {
            let new = NewIntent {
                user_id: Some(user),
                ..NewIntent::new(&id, account, IntentKind::Customer, &params)
            };
            // Insert the row before checking for a customer: whoever stored a customer closed its
            // own row in the same commit, so if our insert succeeds, we also see that customer.
            let mine = store::intents::insert(tx, &new, now)?;
            if let Some(customer) = store::customers::current(tx, account)? {
                if let Some(mine) = mine {
                    store::intents::close(tx, &mine.id, now)?;
                }
                return Ok(Some(Claim::Known(customer)));
            }
            let intent = match mine {
                Some(mine) => Some(mine),
                None => store::intents::under_way(tx, account, IntentKind::Customer)?,
            };
            Ok(intent.map(|intent| Claim::Mine(Box::new(intent))))
        })
        .await?;
    claim.ok_or_else(claimed)
}

/// A customer that carries the account's mark: an earlier attempt created it and its response was
/// lost, or it is younger than the backup that this database is. Searched among those with the
/// address, which are listed at once, and in Stripe's index, which lags by up to a minute.
async fn orphan(app: &App, intent: &Intent, account: &Account) -> Result<Option<String>> {
    let mark = mark::of(app, &account.public_id);
    let sent = Form::decode(&intent.params);
    let filter = Form::new().push_opt("email", sent.get("email"));
    let listed = app.stripe.list_customers(&filter, ORPHANS_MAX).await?;
    let found = app
        .stripe
        .search_customers_by_metadata(mark::MARK, &mark, ORPHANS_MAX)
        .await?;
    let all = listed.data.into_iter().chain(found.data);
    let mut ours = all.filter(|one| !one.deleted && one.metadata.get(mark::MARK) == Some(&mark));
    Ok(ours.next().map(|customer| customer.id))
}

async fn create(app: &App, intent: &Intent) -> Result<String> {
    match app
        .stripe
        .create_customer(&Form::decode(&intent.params), &intent.id)
        .await
    {
        Ok(customer) => Ok(customer.id),
        Err(error) => {
            note_failure(app, intent, &error).await?;
            Err(error.into())
        }
    }
}

/// Stores the customer. A concurrent request finds it stored, since the same key returned the same
/// customer. If it was created with an outdated name or email address, records the change to send.
async fn keep(app: &App, caller: &SignedIn, intent: &Intent, customer: &str) -> Result<String> {
    let (intent, customer, now) = (intent.clone(), customer.to_owned(), app.now());
    let account = intent.account_id;
    let (id, name, email) = (
        app.new_id("int"),
        caller.account.name.clone(),
        caller.user.email.clone(),
    );
    app.write(account, move |tx| {
        if let Some(current) = store::customers::current(tx, account)? {
            return Ok(current);
        }
        let sent = Form::decode(&intent.params);
        if sent.get("name") != Some(&*name) || sent.get("email") != Some(&*email) {
            note_change(tx, account, &id, &name, Some(&email), now)?;
        }
        store::customers::insert(tx, &customer, account, now)?;
        store::accounts::show_customer(tx, account, Some(&customer), now)?;
        store::intents::set_done(tx, &intent.id, &customer, None, None, now)?;
        store::intents::close(tx, &intent.id, now)?;
        Ok(customer.clone())
    })
    .await
}

/// Drops a customer that was deleted at Stripe, so that the next call creates a new one (K16). A
/// customer that Stripe doesn't know at all is an error: the key may be of another account.
pub async fn retire_deleted(app: &App, account: i64, customer: &str) -> Result<()> {
    match app.stripe.retrieve_customer(customer).await {
        Ok(object) if object.deleted => retire(app, account, customer).await,
        Ok(_) => Ok(()),
        Err(stripe::Error::NotFound { .. }) => {
            // The sync fails in the same way, which raises the alert.
            app.mark_for_sync(account).await?;
            Err(sync::snapshot::missing(customer))
        }
        Err(error) => Err(error.into()),
    }
}

/// Drops a customer that no longer exists at Stripe.
pub async fn retire(app: &App, account: i64, customer: &str) -> Result<()> {
    let (customer, now) = (customer.to_owned(), app.now());
    app.write(account, move |tx| {
        if store::customers::retire(tx, account, &customer)? > 0 {
            store::accounts::show_customer(tx, account, None, now)?;
        }
        Ok(())
    })
    .await?;
    Ok(())
}

/// Records as findings the customers that were made elsewhere with the account's verified address
/// and have a plan of ours: an operator can link them. A failure is only logged.
async fn note_namesakes(app: &App, caller: &SignedIn) {
    if caller.account.email_verified_at.is_none() {
        return;
    }
    let account = caller.account.id;
    let noted = async {
        let found = sync::lost::namesakes(app, account, &caller.user.email).await?;
        if found.is_empty() {
            return Ok(());
        }
        app.write_and_sync(account, move |tx| {
            for row in &found {
                store::foreign::put(tx, row)?;
            }
            Ok(())
        })
        .await
    };
    let noted: Result<()> = noted.await;
    if let Err(error) = noted {
        tracing::warn!(account, %error, "Failed to look for customers made elsewhere");
    }
}

/// Records a new name or email address for the customer at Stripe, in the commit that changes it.
/// [`send_change`] or the sweep then makes the call.
pub fn note_change(
    tx: &mut store::Tx<'_>,
    account: i64,
    id: &str,
    name: &str,
    email: Option<&str>,
    now: Timestamp,
) -> store::Result<()> {
    if let Some(earlier) = store::intents::under_way(tx, account, Change::KIND)? {
        store::intents::close(tx, &earlier.id, now)?;
    }
    let params = Form::new()
        .push("name", name)
        .push_opt("email", email)
        .encode();
    let new = NewIntent::new(id, account, Change::KIND, &params);
    store::intents::insert(tx, &new, now).map(|_| ())
}

/// Sends the account's new name and email address to Stripe, if a change was recorded.
pub async fn send_change(app: &App, account: i64) {
    attempt_now::<Change>(app, account).await;
}

/// The deferred update of a customer's name or email address.
pub(crate) struct Change;

impl Deferred for Change {
    const KIND: IntentKind = IntentKind::CustomerChange;
    const ROUND_MAX: i64 = 50;

    async fn carry_out(app: &App, intent: &Intent) -> Result<()> {
        change(app, intent).await
    }
}

async fn change(app: &App, intent: &Intent) -> Result<()> {
    let (account, id, now) = (intent.account_id, intent.id.clone(), app.now());
    let customer = app
        .write(account, move |tx| {
            let open = store::intents::set_calling(tx, &id, now)?;
            let row = store::accounts::find(tx, account)?;
            // The name of a closed account must not be sent to Stripe again.
            let is_active = row.is_some_and(|row| row.status == AccountStatus::Active);
            let customer = store::customers::current(tx, account)?;
            Ok(customer.filter(|_| open && is_active))
        })
        .await?;
    if let Some(customer) = customer {
        let params = Form::decode(&intent.params);
        match app
            .stripe
            .update_customer(&customer, &params, &intent.id)
            .await
        {
            Ok(_) => {}
            // The sync finds out whether the customer is missing, and raises the alert.
            Err(stripe::Error::NotFound { .. }) => {
                app.mark_for_sync(account).await?;
            }
            Err(error) => {
                note_failure(app, intent, &error).await?;
                return Err(error.into());
            }
        }
    }
    let id = intent.id.clone();
    app.write(account, move |tx| store::intents::close(tx, &id, now))
        .await?;
    Ok(())
}
