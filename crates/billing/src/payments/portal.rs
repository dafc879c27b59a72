//! Sessions of Stripe's customer portal.

use domain::plan::AccountStatus;
use store::subscriptions::Subscription;
use stripe::Form;

use crate::actors::{SignedIn, access};
use crate::app::App;
use crate::binding;
use crate::error::{Error, Result};
use crate::payments::{customer, is_customer_gone};
use crate::rate_limit;

/// Name of the setting that stores the id of the portal configuration.
pub const CONFIGURATION: &str = "stripe.portal_configuration";

/// Restricts a session to what an account that is suspended or being closed may do, which must not buy
/// another plan: it ends its plan, or replaces its card. After that it leads back, instead of to the
/// portal's homepage, where everything is possible.
fn only_end(form: Form, live: Option<&Subscription>, back: &str) -> Form {
    const AFTER: &str = "flow_data[after_completion]";
    let ends = |row: &&Subscription| row.cancel_at.is_some() || row.cancel_at_period_end;
    let form = form
        .push(format!("{AFTER}[type]"), "redirect")
        .push(format!("{AFTER}[redirect][return_url]"), back);
    match live.filter(|row| !ends(row)) {
        Some(row) => form.push("flow_data[type]", "subscription_cancel").push(
            "flow_data[subscription_cancel][subscription]",
            &row.subscription_id,
        ),
        None => form.push("flow_data[type]", "payment_method_update"),
    }
}

/// Creates a portal session that returns to the billing page, and returns its URL.
pub async fn open(app: &App, caller: &SignedIn) -> Result<String> {
    if !app.settings.billing.enabled {
        return Err(Error::not_found("Billing is switched off."));
    }
    caller.may_pay()?;
    let limit = app.settings.limits.portal_per_minute;
    rate_limit::take(
        app,
        &format!("portal:{}", caller.user.id),
        limit,
        caller.account.id,
    )
    .await?;
    binding::check(app).await?;
    let account = caller.account.id;
    let (current, configuration, live, is_closing) = app
        .read(move |tx| {
            let current = store::customers::current(tx, account)?;
            let configuration = store::settings::get(tx, CONFIGURATION)?;
            let live = store::subscriptions::live(tx, account)?;
            let is_closing = access::is_closing(tx, account)?;
            Ok((current, configuration, live.into_iter().next(), is_closing))
        })
        .await?;
    let nothing = || {
        let detail = "There is nothing to manage yet. Choose a plan or buy credits first.";
        Error::conflict("no_customer", detail)
    };
    let customer = current.ok_or_else(nothing)?;
    let back = format!(
        "{}/dashboard/billing?account={}",
        app.settings.service.base_url, caller.account.public_id
    );
    let form = Form::new()
        .push("customer", &customer)
        .push("return_url", &back)
        .push_opt("configuration", configuration);
    let form = match caller.account.status {
        AccountStatus::Active if !is_closing => form,
        _ => only_end(form, live.as_ref(), &back),
    };
    match app.stripe.create_portal_session(&form).await {
        Ok(session) => Ok(session.url),
        Err(error) if is_customer_gone(&error) => {
            customer::retire_deleted(app, account, &customer).await?;
            Err(nothing())
        }
        Err(error) => Err(error.into()),
    }
}
