//! The seed's `getOrCreateStripeCustomer`: one customer per account, even with concurrent requests.

use domain::plan::AccountStatus;
use domain::time::Timestamp;
use store::intent_steps::{NewStep, Step};
use store::intents::{Intent, IntentKind, NewIntent};
use stripe::Form;

use crate::actors::SignedIn;
use crate::app::App;
use crate::binding;
use crate::error::Result;
use crate::intents::chain::{self, Chain, Taken, Trouble};
use crate::intents::{INTENT_KEY, claimed, key_of};
use crate::sync;
use crate::sync::mark;

/// Maximum number of customers that are checked before one is created.
const ORPHANS_MAX: usize = 100;

/// The account's customer at Stripe, created if there is none.
pub async fn get_or_create(app: &App, caller: &SignedIn) -> Result<String> {
    let account = caller.account.id;
    let current = move |tx: &mut store::Tx<'_>| store::customers::current(tx, account);
    if let Some(customer) = app.read(current).await? {
        return Ok(customer);
    }
    binding::check(app).await?;
    let intent = match claim(app, caller).await? {
        Claim::Known(customer) => return Ok(customer),
        Claim::Mine(intent) => *intent,
    };
    chain::run::<Creation>(app, &intent).await?;
    let created = app.read(current).await?.ok_or_else(claimed)?;
    note_namesakes(app, caller).await;
    send_change(app, account).await;
    Ok(created)
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
        .metadata(INTENT_KEY, &id)
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
            let mine = chain::insert::<Creation>(tx, &new, now)?;
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

/// The creation of a customer: one call, and the search for what an earlier attempt created.
pub(crate) struct Creation;

impl Chain for Creation {
    const KIND: IntentKind = IntentKind::Customer;

    fn steps(_: &Intent) -> Vec<NewStep> {
        vec![NewStep::call()]
    }

    async fn take(app: &App, intent: &Intent, step: &Step) -> std::result::Result<Taken, Trouble> {
        if let Some(customer) = made(app, intent).await? {
            return Ok(Taken::Done(Some(customer)));
        }
        let (params, key) = (Form::decode(&intent.params), key_of(&intent.id, step));
        let customer = app.stripe.create_customer(&params, &key).await?;
        Ok(Taken::Done(Some(customer.id)))
    }

    async fn finish(app: &App, intent: &Intent, steps: &[Step]) -> Result<()> {
        let customer = steps.first().and_then(|step| step.result_id.clone());
        keep(app, intent, &customer.unwrap_or_default()).await
    }
}

/// A customer that carries the account's mark: an earlier attempt created it and its response was
/// lost, or it is younger than the backup that this database is. Searched among those with the
/// address, which are listed at once, and in Stripe's index, which lags by up to a minute.
async fn made(app: &App, intent: &Intent) -> std::result::Result<Option<String>, Trouble> {
    let account = intent.account_id;
    let row = app
        .read(move |tx| store::accounts::find(tx, account))
        .await?;
    let mark = mark::of(app, &row.map(|row| row.public_id).unwrap_or_default());
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

/// Stores the customer. If it was created with an outdated name or email address, records the change
/// to send.
async fn keep(app: &App, intent: &Intent, customer: &str) -> Result<()> {
    let (intent, customer, now) = (intent.clone(), customer.to_owned(), app.now());
    let (account, id) = (intent.account_id, app.new_id("int"));
    app.write(account, move |tx| {
        store::intents::set_done(tx, &intent.id, &customer, None, None, now)?;
        store::intents::close(tx, &intent.id, now)?;
        if store::customers::current(tx, account)?.is_some() {
            return Ok(());
        }
        let row = store::accounts::find(tx, account)?;
        let name = row.map(|row| row.name).unwrap_or_default();
        let user = match intent.user_id {
            Some(user) => store::users::find(tx, user)?,
            None => None,
        };
        let email = user.map(|user| user.email);
        let sent = Form::decode(&intent.params);
        if sent.get("name") != Some(&*name) || sent.get("email") != email.as_deref() {
            note_change(tx, account, &id, &name, email.as_deref(), now)?;
        }
        store::customers::insert(tx, &customer, account, now)?;
        store::accounts::show_customer(tx, account, Some(&customer), now).map(|_| ())
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
    chain::insert::<Change>(tx, &new, now).map(|_| ())
}

/// Sends the account's new name and email address to Stripe, if a change was recorded.
pub async fn send_change(app: &App, account: i64) {
    chain::run_latest::<Change>(app, account).await;
}

/// The update of a customer's name or email address.
pub(crate) struct Change;

impl Chain for Change {
    const KIND: IntentKind = IntentKind::CustomerChange;

    fn steps(_: &Intent) -> Vec<NewStep> {
        vec![NewStep::call()]
    }

    async fn take(app: &App, intent: &Intent, step: &Step) -> std::result::Result<Taken, Trouble> {
        let account = intent.account_id;
        let customer = app
            .read(move |tx| {
                let row = store::accounts::find(tx, account)?;
                // The name of a closed account must not be sent to Stripe again.
                let is_open = row.is_some_and(|row| row.status != AccountStatus::Closed);
                let customer = store::customers::current(tx, account)?;
                Ok(customer.filter(|_| is_open))
            })
            .await?;
        let Some(customer) = customer else {
            return Ok(Taken::Dropped);
        };
        let (params, key) = (Form::decode(&intent.params), key_of(&intent.id, step));
        match app.stripe.update_customer(&customer, &params, &key).await {
            Ok(_) => Ok(Taken::Done(None)),
            // The sync finds out whether the customer is missing, and raises the alert.
            Err(stripe::Error::NotFound { .. }) => {
                app.mark_for_sync(account).await?;
                Ok(Taken::Dropped)
            }
            Err(error) => Err(error.into()),
        }
    }
}
