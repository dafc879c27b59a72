//! Prices agreed with individual accounts.

use serde::Deserialize;
use serde_json::json;
use store::account_prices::AccountPrice;
use store::accounts::Account;
use stripe::objects::Price;
use utoipa::ToSchema;

use crate::app::App;
use crate::error::{Error, Kind, Result};
use crate::operators::audit_log::{Action, Author};
use crate::operators::reason::read_reason;

/// A price to agree with an account.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewAgreedPrice {
    /// Stripe's id of the price. It must be active, monthly or yearly, and in the service's
    /// currency.
    price_id: String,
    /// The reason, for the audit log.
    reason: String,
}

/// Agrees a price for a plan with an account. From now on the account's checkouts and plan changes
/// use it; running subscriptions stay as they are.
pub async fn agree(
    app: &App,
    account: &Account,
    plan: &str,
    new: &NewAgreedPrice,
    actor: &str,
    request_id: &str,
) -> Result<AccountPrice> {
    check_plan(app, plan)?;
    let reason = read_reason(&new.reason)?;
    let (currency, amount_minor, billing_interval) = usable(app, &new.price_id).await?;
    let row = AccountPrice {
        account_id: account.id,
        price_id: new.price_id.clone(),
        tier: plan.to_owned(),
        currency,
        amount_minor,
        billing_interval,
        is_current: true,
        created_at: app.now(),
    };
    let author = Author::new(app, actor).with_request(Some(request_id));
    let (kept, subject) = (row.clone(), account.public_id.clone());
    app.write(account.id, move |tx| {
        store::account_prices::set(tx, &kept)?;
        author
            .act(Action::PriceAgree, &subject)
            .with("plan", json!(kept.tier))
            .with("price", json!(kept.price_id))
            .reason(&reason)
            .append(tx)
    })
    .await?;
    Ok(row)
}

/// Ends the account's agreed price for a plan; subscriptions at that price stay as they are.
pub async fn end(
    app: &App,
    account: &Account,
    plan: &str,
    actor: &str,
    request_id: &str,
) -> Result<()> {
    let author = Author::new(app, actor).with_request(Some(request_id));
    let (id, subject, plan) = (account.id, account.public_id.clone(), plan.to_owned());
    let ended = app
        .write(id, move |tx| {
            let ended = store::account_prices::end(tx, id, &plan)?;
            if ended > 0 {
                let act = author.act(Action::PriceEnd, &subject);
                act.with("plan", json!(plan)).append(tx)?;
            }
            Ok(ended)
        })
        .await?;
    if ended == 0 {
        return Err(Error::not_found(
            "This account has no price of its own there.",
        ));
    }
    Ok(())
}

/// Rejects a plan that isn't in the catalog or is free.
fn check_plan(app: &App, plan: &str) -> Result<()> {
    let catalog = app.catalog();
    let tier = catalog.tier(plan);
    let tier = tier.ok_or_else(|| Error::not_found("There is no such plan."))?;
    if tier.is_free() {
        return Err(Error::field("plan", "The free plan has no price."));
    }
    Ok(())
}

/// The currency, amount and interval of a price, if it can be sold here.
async fn usable(app: &App, id: &str) -> Result<(String, i64, String)> {
    let price = match app.stripe.retrieve_price(id).await {
        Ok(price) => price,
        Err(stripe::Error::NotFound { .. } | stripe::Error::Unsendable(_)) => {
            return Err(unusable("Stripe has no such price."));
        }
        Err(error) => return Err(error.into()),
    };
    let wanted = app.catalog().currency;
    let interval = price.recurring.as_ref().filter(|recurring| {
        let interval = recurring.interval.as_str();
        recurring.interval_count == 1 && matches!(interval, "month" | "year")
    });
    let interval = interval.ok_or_else(|| unusable("The price must be monthly or yearly."))?;
    match &price {
        Price { active: false, .. } => Err(unusable("The price is not active at Stripe.")),
        Price { currency, .. } if currency.as_deref() != Some(wanted.code()) => {
            Err(unusable(&format!("Prices must be in {wanted}.")))
        }
        Price {
            unit_amount: Some(amount),
            ..
        } if *amount > 0 => Ok((
            wanted.code().to_owned(),
            *amount,
            interval.interval.as_str().to_owned(),
        )),
        _ => Err(unusable("The price must be a whole amount above zero.")),
    }
}

fn unusable(detail: &str) -> Error {
    Error::new(Kind::Unprocessable, "unusable_price", detail).with("field", json!("priceId"))
}
