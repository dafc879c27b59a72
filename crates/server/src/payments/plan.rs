//! Changes of a plan that is held: a larger one now, for the price that was quoted; the end with
//! its period; that taken back.

use axum::http::StatusCode;
use domain::catalog::Tier;
use domain::money::{Currency, MinorUnits};
use serde_json::json;
use store::intents::{Intent, NewIntent};
use store::subscriptions::Subscription;
use stripe::Form;

use super::{is_stale, note_failure, setup_missing};
use crate::app::App;
use crate::http::callers::SignedIn;
use crate::http::error::{Error, Result};
use crate::http::rate_limit;
use crate::sync;

const KIND: &str = "plan_change";
/// Our own parameter in the frozen ones: whose change it is. Not sent.
const SUBSCRIPTION: &str = "subscription";
/// How long a quote may be confirmed: the amount is worked out for its moment.
const QUOTE_SECONDS: i64 = 600;
/// Reasons that Stripe keeps statistics of.
const FEEDBACK: [&str; 5] = [
    "too_expensive",
    "missing_features",
    "unused",
    "switched_service",
    "other",
];

/// The account's subscription that can still charge: the newest.
pub async fn live(app: &App, account: i64) -> Result<Option<Subscription>> {
    let live = app
        .read(move |tx| store::subscriptions::live(tx, account))
        .await?;
    Ok(live.into_iter().next())
}

/// Ends the plan with the period that is paid. Once it is set to end, this changes nothing.
pub async fn cancel(app: &App, caller: &SignedIn, feedback: Option<&str>) -> Result<()> {
    let held = allowed(app, caller).await?;
    if held.cancel_at.is_some() || held.cancel_at_period_end {
        return Ok(());
    }
    let feedback = feedback.filter(|feedback| FEEDBACK.contains(feedback));
    let change = Form::new()
        .push("cancel_at_period_end", "true")
        .push_opt("cancellation_details[feedback]", feedback);
    apply(app, caller, &held, change).await.map(|_| ())
}

/// Takes a cancellation back while the plan still runs.
pub async fn resume(app: &App, caller: &SignedIn) -> Result<()> {
    let held = allowed(app, caller).await?;
    // A date that somebody set at Stripe is taken back by its own field.
    let change = match (held.cancel_at_period_end, held.cancel_at) {
        (true, _) => Form::new().push("cancel_at_period_end", "false"),
        (false, Some(_)) => Form::new().push("cancel_at", ""),
        (false, None) => return Ok(()),
    };
    apply(app, caller, &held, change).await.map(|_| ())
}

async fn allowed(app: &App, caller: &SignedIn) -> Result<Subscription> {
    if !app.settings.billing.enabled {
        return Err(Error::not_found("Billing is switched off."));
    }
    caller.may_pay()?;
    let limit = app.settings.limits.portal_per_minute;
    let account = caller.account.id;
    rate_limit::take(app, &format!("plan:{}", caller.user.id), limit, account).await?;
    let nothing = || Error::conflict("no_plan", "There is no plan to change.");
    live(app, account).await?.ok_or_else(nothing)
}

/// What a larger plan costs today, from Stripe's own preview.
#[derive(Clone, Debug)]
pub struct Quote {
    /// The plan that is held.
    pub held: Subscription,
    /// The plan that is wanted.
    pub tier: Tier,
    /// The moment the rest of the period is counted from, in unix seconds.
    pub date: i64,
    /// What is paid today.
    pub due: MinorUnits,
    /// What it is made of.
    pub lines: Vec<(String, MinorUnits)>,
    price_id: String,
    item: String,
}

/// What became of a change.
#[derive(Clone, Debug)]
pub enum Changed {
    /// It is paid and done.
    Done,
    /// The bank wants the cardholder's word: the invoice's page and its amount.
    Waits(Option<String>, MinorUnits),
    /// It costs something else by now: ask again.
    Differs(Box<Quote>),
}

/// Quotes the change to a larger plan. Changes nothing.
pub async fn quote(app: &App, caller: &SignedIn, plan: &str) -> Result<Quote> {
    let held = allowed(app, caller).await?;
    quote_at(app, held, plan, app.now().seconds()).await
}

/// Changes to a larger plan, if that still costs `quoted` minor units as of `date`. Both come from
/// the page that was confirmed; they are compared and never used as a price (F1).
pub async fn change(
    app: &App,
    caller: &SignedIn,
    plan: &str,
    date: i64,
    quoted: i64,
) -> Result<Changed> {
    let held = allowed(app, caller).await?;
    let now = app.now().seconds();
    // A moment of the caller's choice would make the rest of the period as short as they like.
    let is_fresh = (now - QUOTE_SECONDS..=now).contains(&date);
    let at = if is_fresh { date } else { now };
    let quote = quote_at(app, held, plan, at).await?;
    if !is_fresh || quote.due.amount != quoted {
        return Ok(Changed::Differs(Box::new(quote)));
    }
    let change = Form::new()
        .push("items[0][id]", &quote.item)
        .push("items[0][price]", &quote.price_id)
        .push("proration_behavior", "always_invoice")
        .push("proration_date", quote.date)
        // Unpaid, the old plan stays and the change waits.
        .push("payment_behavior", "pending_if_incomplete");
    let updated = apply(app, caller, &quote.held, change).await?;
    if updated.pending_update.is_none() {
        return Ok(Changed::Done);
    }
    let account = caller.account.id;
    let open = app
        .read(move |tx| Ok(store::invoices::unpaid(tx, account)?.pop()))
        .await?;
    let url = open.and_then(|invoice| invoice.hosted_url);
    Ok(Changed::Waits(url, quote.due))
}

async fn quote_at(app: &App, held: Subscription, plan: &str, date: i64) -> Result<Quote> {
    let (tier, price_id) = larger(app, &held, plan)?;
    let at_stripe = app
        .stripe
        .retrieve_subscription(&held.subscription_id)
        .await?;
    let item = at_stripe.items.data.into_iter().next();
    let item = item.ok_or_else(|| Error::bug("a live subscription has no item"))?;
    let params = Form::new()
        .push("subscription", &held.subscription_id)
        .push("subscription_details[items][0][id]", &item.id)
        .push("subscription_details[items][0][price]", &price_id)
        .push("subscription_details[proration_behavior]", "always_invoice")
        .push("subscription_details[proration_date]", date);
    let preview = app.stripe.preview_invoice(&params).await?;
    let currency = Currency::parse(&preview.currency);
    let currency = currency.ok_or_else(|| Error::bug("a preview without a currency"))?;
    let money = |amount| MinorUnits::new(amount, currency);
    let mut lines: Vec<(String, MinorUnits)> = preview
        .lines
        .data
        .iter()
        .map(|line| {
            (
                line.description.clone().unwrap_or_default(),
                money(line.amount),
            )
        })
        .collect();
    let sum: i64 = preview.lines.data.iter().map(|line| line.amount).sum();
    for (name, rest) in [
        ("Tax and discounts", preview.total - sum),
        ("From your balance", preview.amount_due - preview.total),
    ] {
        if rest != 0 {
            lines.push((name.to_owned(), money(rest)));
        }
    }
    Ok(Quote {
        held,
        tier,
        date,
        due: money(preview.amount_due),
        lines,
        price_id,
        item: item.id,
    })
}

/// The wanted plan and its price, if it is larger than the one that is held and the held one can be
/// changed now.
fn larger(app: &App, held: &Subscription, plan: &str) -> Result<(Tier, String)> {
    let catalog = app.catalog();
    let tier = catalog.tier(plan).cloned();
    let tier = tier.ok_or_else(|| Error::field("planId", "There is no such plan."))?;
    if tier.price.is_none() {
        let detail = "This plan's price is agreed in person; please contact us.";
        let url = json!(app.settings.billing.contact_url);
        return Err(Error::conflict("contact_sales", detail).with("contactUrl", url));
    }
    let rank = held.tier.as_deref().and_then(|tier| catalog.tier(tier));
    if rank.is_some_and(|here| tier.rank <= here.rank) {
        let detail = "Only a larger plan starts at once; a smaller one is chosen on Stripe's page.";
        return Err(Error::conflict("not_larger", detail));
    }
    if held.cancel_at.is_some() || held.cancel_at_period_end {
        let detail = "Your plan is set to end. Keep it first, then change it.";
        return Err(Error::conflict("plan_ends", detail));
    }
    if !matches!(held.status.as_str(), "active" | "trialing") {
        let detail = "Your plan has an open payment. Mend that first, then change it.";
        return Err(Error::conflict("plan_unpaid", detail));
    }
    let price_id = app.prices().price_of_tier.get(&tier.name).cloned();
    let price_id = price_id.ok_or_else(setup_missing)?;
    Ok((tier, price_id))
}

/// Asks Stripe, then looks at what it says. What is held changes by that look alone.
async fn apply(
    app: &App,
    caller: &SignedIn,
    held: &Subscription,
    change: Form,
) -> Result<stripe::objects::Subscription> {
    let params = with_subscription(&held.subscription_id, &change).encode();
    let intent = reserve(app, caller, &params).await?;
    // Stripe refuses these fields while a schedule rules the subscription.
    if let Some(schedule) = &held.schedule_id {
        let key = format!("{}-release", intent.id);
        let released = app
            .stripe
            .release_subscription_schedule(schedule, &Form::new(), &key)
            .await;
        match released {
            // Released before, or gone with its subscription: nothing rules any more.
            Ok(_) | Err(stripe::Error::Refused { .. } | stripe::Error::NotFound { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    let called = app
        .stripe
        .update_subscription(&held.subscription_id, &change, &intent.id)
        .await;
    let updated = match called {
        Ok(updated) => updated,
        Err(error) => {
            note_failure(app, &intent, &error).await?;
            return Err(declined(error));
        }
    };
    let (id, now) = (intent.id, app.now());
    app.write(caller.account.id, move |tx| {
        store::intents::close(tx, &id, now)
    })
    .await?;
    sync::account(app, caller.account.id).await?;
    Ok(updated)
}

/// A declined card is the buyer's to mend, and said so.
fn declined(error: stripe::Error) -> Error {
    let stripe::Error::Card { message, .. } = &error else {
        return error.into();
    };
    let detail = message.as_deref().unwrap_or("Your card was declined.");
    let status = StatusCode::PAYMENT_REQUIRED;
    Error::new(status, "card_declined", "Card declined", detail).cause(&error)
}

fn with_subscription(id: &str, change: &Form) -> Form {
    let named = Form::new().push(SUBSCRIPTION, id);
    let pairs = change.iter();
    pairs.fold(named, |form, (name, value)| form.push(name, value))
}

/// The row whose id is the idempotency key: that of an earlier try of the same change whose outcome
/// is not known, else a new one.
async fn reserve(app: &App, caller: &SignedIn, params: &str) -> Result<Intent> {
    let (id, now, params) = (app.new_id("int"), app.now(), params.to_owned());
    let (account, user) = (caller.account.id, caller.user.id);
    let intent = app
        .write(account, move |tx| {
            if let Some(earlier) = store::intents::under_way(tx, account, KIND)? {
                if earlier.params == params && !is_stale(&earlier, now) {
                    return Ok(Some(earlier));
                }
                store::intents::close(tx, &earlier.id, now)?;
            }
            let new = NewIntent {
                id: &id,
                account_id: account,
                user_id: Some(user),
                kind: KIND,
                params: &params,
                ..NewIntent::default()
            };
            match store::intents::insert(tx, &new, now)? {
                Some(intent) => Ok(Some(intent)),
                None => store::intents::under_way(tx, account, KIND),
            }
        })
        .await?;
    intent.ok_or_else(|| Error::unavailable("claimed", "Another request is doing this; try again."))
}
