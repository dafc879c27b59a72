//! What another plan costs today, from Stripe's own preview.

use domain::catalog::{Catalog, Tier};
use domain::money::{Currency, MinorUnits};
use domain::plan::SubscriptionStatus;
use domain::time::Timestamp;
use store::subscriptions::Subscription;
use stripe::Form;

use crate::actors::SignedIn;
use crate::app::App;
use crate::error::{Error, Result};
use crate::payments::checkout;

/// How long a quote may be confirmed: the amount is worked out for its moment.
pub const QUOTE_SECONDS: i64 = 600;

/// Which way a change goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// To a larger plan: now, for the difference.
    Up,
    /// To a smaller one: with the next period.
    Down,
}

/// A change to another plan, before it is confirmed.
#[derive(Clone, Debug)]
pub struct Quote {
    /// The plan that is held.
    pub held: Subscription,
    /// The plan that is wanted.
    pub tier: Tier,
    /// What a period of it costs this account.
    pub price: MinorUnits,
    /// How long a period of it is: `month` or `year`.
    pub interval: String,
    /// The time at which it starts.
    pub way: Way,
    /// The moment the rest of the period is counted from, in unix seconds.
    pub date: i64,
    /// What is paid today.
    pub due: MinorUnits,
    /// What it is made of.
    pub lines: Vec<(String, MinorUnits)>,
    pub(crate) price_id: String,
    item: String,
}

impl Quote {
    /// The name under which the form confirms it.
    pub fn name(&self) -> String {
        format!("{}:{}", self.date, self.due.amount)
    }

    /// Reads the moment and the amount of a quote from its name.
    pub fn read(name: &str) -> Option<(i64, i64)> {
        let (date, due) = name.split_once(':')?;
        Some((date.parse().ok()?, due.parse().ok()?))
    }

    /// The time at which the wanted plan starts.
    pub fn starts_at(&self) -> Timestamp {
        let now = Timestamp::from_seconds(self.date);
        match self.way {
            Way::Up => now,
            Way::Down => self.held.period_end.unwrap_or(now),
        }
    }

    /// The update that makes it true. Unpaid, the old plan stays and the change waits.
    pub(crate) fn change(&self) -> Form {
        Form::new()
            .push("items[0][id]", &self.item)
            .push("items[0][price]", &self.price_id)
            .push("proration_behavior", "always_invoice")
            .push("proration_date", self.date)
            .push("payment_behavior", "pending_if_incomplete")
    }
}

/// Whether a quote of this moment may still be confirmed.
pub(crate) fn is_fresh(date: i64, now: i64) -> bool {
    (now - QUOTE_SECONDS..=now).contains(&date)
}

/// Quotes the change as of `date`.
pub(crate) async fn at(
    app: &App,
    caller: &SignedIn,
    held: Subscription,
    plan: &str,
    date: i64,
) -> Result<Quote> {
    let wanted = wanted(app, caller, &held, plan).await?;
    let at_stripe = app
        .stripe
        .retrieve_subscription(&held.subscription_id)
        .await?;
    let item = plan_item(&at_stripe, held.price_id.as_deref());
    let item = item
        .cloned()
        .ok_or_else(|| Error::bug("a live subscription has no item"))?;
    let mut quote = Quote {
        due: MinorUnits::new(0, wanted.price.currency),
        lines: Vec::new(),
        held,
        tier: wanted.tier,
        price: wanted.price,
        interval: wanted.interval,
        way: wanted.way,
        date,
        price_id: wanted.price_id,
        item: item.id,
    };
    if quote.way == Way::Up {
        (quote.due, quote.lines) = due(app, &quote).await?;
    }
    Ok(quote)
}

/// The item that is the plan's, as the sync saw it; the others are add-ons.
pub(crate) fn plan_item<'a>(
    subscription: &'a stripe::objects::Subscription,
    price: Option<&str>,
) -> Option<&'a stripe::objects::SubscriptionItem> {
    let items = &subscription.items.data;
    let is_plan = |item: &&stripe::objects::SubscriptionItem| {
        item.price.as_ref().map(|price| price.id.as_str()) == price
    };
    items.iter().find(is_plan).or(items.first())
}

/// What is due today and its lines, by Stripe's preview.
async fn due(app: &App, quote: &Quote) -> Result<(MinorUnits, Vec<(String, MinorUnits)>)> {
    let params = Form::new()
        .push("subscription", &quote.held.subscription_id)
        .push("subscription_details[items][0][id]", &quote.item)
        .push("subscription_details[items][0][price]", &quote.price_id)
        .push("subscription_details[proration_behavior]", "always_invoice")
        .push("subscription_details[proration_date]", quote.date);
    let preview = app.stripe.preview_invoice(&params).await?;
    // In a trial nothing is due now, and the preview is of the first payment after it.
    if quote.held.status == SubscriptionStatus::Trialing {
        return Ok((quote.due, Vec::new()));
    }
    Ok((
        money(&preview.currency, preview.amount_due)?,
        lines(&preview)?,
    ))
}

pub(crate) fn money(currency: &str, amount: i64) -> Result<MinorUnits> {
    let currency = Currency::parse(currency);
    let currency = currency.ok_or_else(|| Error::bug("a preview without a currency"))?;
    Ok(MinorUnits::new(amount, currency))
}

/// The lines of a preview, so that they add up to what is due.
fn lines(preview: &stripe::objects::Invoice) -> Result<Vec<(String, MinorUnits)>> {
    let money = |amount| money(&preview.currency, amount);
    let mut lines = Vec::new();
    for line in &preview.lines.data {
        let name = line.description.clone().unwrap_or_default();
        lines.push((name, money(line.amount)?));
    }
    let sum: i64 = preview.lines.data.iter().map(|line| line.amount).sum();
    for (name, rest) in [
        ("Tax and discounts", preview.total - sum),
        ("From your balance", preview.amount_due - preview.total),
    ] {
        if rest != 0 {
            lines.push((name.to_owned(), money(rest)?));
        }
    }
    Ok(lines)
}

struct Target {
    tier: Tier,
    price: MinorUnits,
    interval: String,
    price_id: String,
    way: Way,
}

/// The wanted plan and its price, if the held one can be changed to it now.
async fn wanted(app: &App, caller: &SignedIn, held: &Subscription, plan: &str) -> Result<Target> {
    let catalog = app.catalog();
    let tier = catalog.tier(plan).cloned();
    let tier = tier.ok_or_else(|| Error::field("planId", "There is no such plan."))?;
    if tier.is_free() {
        let detail = "To move to the free plan, cancel the one you have.";
        return Err(Error::conflict("plan_is_free", detail));
    }
    let sold = checkout::plan_price(app, caller.account.id, &tier).await?;
    let way = way(&catalog, held, &tier, &sold.id, sold.price)?;
    if held.cancel_at.is_some() || held.cancel_at_period_end {
        let detail = "Your plan is set to end. Keep it first, then change it.";
        return Err(Error::conflict("plan_ends", detail));
    }
    if !matches!(
        held.status,
        SubscriptionStatus::Active | SubscriptionStatus::Trialing
    ) {
        let detail = "You have an unpaid invoice. Pay it before you change plans.";
        return Err(Error::conflict("plan_unpaid", detail));
    }
    // A larger plan is not had unpaid: only one that has a trial itself takes a running one over.
    if held.status == SubscriptionStatus::Trialing && way == Way::Up && tier.trial_days.is_none() {
        let detail = "This plan has no trial. You can change to it when your trial ends.";
        return Err(Error::conflict("in_trial", detail));
    }
    Ok(Target {
        tier,
        price: sold.price,
        interval: sold.interval,
        price_id: sold.id,
        way,
    })
}

/// The order of the tiers says which is larger; of two prices of one tier, the amount.
fn way(
    catalog: &Catalog,
    held: &Subscription,
    tier: &Tier,
    price_id: &str,
    price: MinorUnits,
) -> Result<Way> {
    let here = held.tier.as_deref().and_then(|name| catalog.tier(name));
    let paid = held.amount_minor.unwrap_or(0);
    match here {
        Some(here) if tier.rank < here.rank => Ok(Way::Down),
        Some(here) if tier.rank == here.rank => {
            let is_other = held.price_id.as_deref() != Some(price_id) && paid != price.amount;
            if !is_other {
                let detail = "This is already your plan.";
                return Err(Error::conflict("same_plan", detail));
            }
            Ok(if price.amount < paid {
                Way::Down
            } else {
                Way::Up
            })
        }
        _ => Ok(Way::Up),
    }
}
