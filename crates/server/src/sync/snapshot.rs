//! Fetches everything of an account that a projection reads.

use domain::projection::Snapshot;
use stripe::Form;
use stripe::objects;

use super::{Held, charge, checkout_session, invoice, subscription, subscription_schedule};
use crate::app::App;
use crate::http::error::{Error, Result};

/// Objects of one kind and customer that are fetched at most.
const ITEMS_MAX: usize = 1_000;

/// A snapshot with what else was fetched.
#[derive(Clone, Debug, Default)]
pub struct Fetched {
    /// What the projection reads.
    pub snapshot: Snapshot,
    /// The current customer's card: brand, last four digits, month and year of expiry.
    pub card: Option<(String, String, i64, i64)>,
    /// Customers that were deleted at Stripe.
    pub deleted: Vec<String>,
    /// The last event that came before the fetch, which this snapshot answers.
    pub last_event: i64,
}

/// Everything of the account, from all the customers it has or had.
pub async fn fetch(app: &App, account: i64, held: &Held) -> Result<Fetched> {
    let mut fetched = Fetched {
        last_event: held.last_event,
        ..Fetched::default()
    };
    for customer in &held.customers {
        of_customer(
            app,
            &customer.customer_id,
            customer.state == "current",
            held,
            &mut fetched,
        )
        .await?;
    }
    tracing::debug!(
        account,
        subscriptions = fetched.snapshot.subscriptions.len(),
        invoices = fetched.snapshot.invoices.len(),
        "Fetched an account"
    );
    Ok(fetched)
}

async fn of_customer(
    app: &App,
    customer: &str,
    is_current: bool,
    held: &Held,
    fetched: &mut Fetched,
) -> Result<()> {
    let by_customer = Form::new().push("customer", customer);
    let stripe = &app.stripe;
    let object = match stripe.retrieve_customer(customer).await {
        Ok(object) => object,
        // It was made under other keys, or its data was removed: there is nothing to fetch.
        Err(stripe::Error::NotFound { .. }) => {
            fetched.deleted.push(customer.to_owned());
            return Ok(());
        }
        Err(error) => return Err(error.into()),
    };
    // One after the other, in this order: a session read after the invoices is never older than
    // what it led to, so a payment keeps one name in our rows.
    let subscriptions = stripe.list_subscriptions(&by_customer, ITEMS_MAX).await?;
    let invoices = stripe.list_invoices(&by_customer, ITEMS_MAX).await?;
    let sessions = stripe
        .list_checkout_sessions(&by_customer, ITEMS_MAX)
        .await?;
    let charges = stripe.list_charges(&by_customer, ITEMS_MAX).await?;
    let schedules = stripe
        .list_subscription_schedules(&by_customer, ITEMS_MAX)
        .await?;
    let lists = [
        schedules.has_more,
        subscriptions.has_more,
        invoices.has_more,
        sessions.has_more,
        charges.has_more,
    ];
    if lists.contains(&true) {
        let detail = "An account has more objects at Stripe than one sync reads.";
        return Err(Error::bug(detail));
    }
    let snapshot = &mut fetched.snapshot;
    snapshot
        .subscriptions
        .extend(subscriptions.data.iter().map(subscription::read));
    snapshot
        .schedules
        .extend(schedules.data.iter().map(subscription_schedule::read));
    for one in &invoices.data {
        snapshot.invoices.extend(invoice::read(one));
    }
    for one in &sessions.data {
        snapshot
            .sessions
            .push(checkout_session::read(app, one, held).await?);
    }
    for one in &charges.data {
        snapshot.charges.push(charge::read(app, one).await?);
    }
    if object.deleted {
        fetched.deleted.push(customer.to_owned());
    } else if is_current {
        fetched.card = card(app, &object, &subscriptions.data).await?;
    }
    Ok(())
}

/// The card that the next invoice is charged to: the subscription's own, else the customer's.
async fn card(
    app: &App,
    customer: &objects::Customer,
    subscriptions: &[objects::Subscription],
) -> Result<Option<(String, String, i64, i64)>> {
    let own = subscriptions
        .iter()
        .filter(|subscription| subscription.ended_at.is_none())
        .find_map(|subscription| subscription.default_payment_method.id());
    let Some(id) = own.or_else(|| customer.default_payment_method().id()) else {
        return Ok(None);
    };
    let method = match app.stripe.retrieve_payment_method(id).await {
        Ok(method) => method,
        Err(stripe::Error::NotFound { .. }) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let card = method
        .card
        .and_then(|card| Some((card.brand?, card.last4?, card.exp_month?, card.exp_year?)));
    Ok(card)
}
