//! What a change to another plan costs today, according to Stripe's invoice preview.

use std::cmp::Ordering;

use domain::catalog::{Catalog, Interval, Tier, length_of};
use domain::money::MinorUnits;
use domain::plan::SubscriptionStatus;
use domain::time::Timestamp;
use store::subscriptions::Subscription;
use stripe::Form;

use crate::actors::SignedIn;
use crate::app::App;
use crate::error::{Error, Result};
use crate::payments::checkout::{self, PlanPrice};
use crate::payments::plan::in_progress;
use crate::payments::preview;

/// How long a quote can be confirmed, in seconds; its amount is calculated for its time.
pub const QUOTE_SECONDS: i64 = 600;

/// Maximum number of a subscription's discounts that are looked at; Stripe allows 20.
const DISCOUNTS_MAX: usize = 20;

/// The plan that a caller chose.
#[derive(Clone, Copy, Debug)]
pub struct Choice<'a> {
    /// The name of the tier.
    pub plan: &'a str,
    /// How often it is paid: as often as the current plan, if the caller doesn't say.
    pub interval: Option<Interval>,
}

/// The direction of a plan change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// An upgrade: takes effect now and charges the difference.
    Up,
    /// A downgrade: takes effect with the next period.
    Down,
}

/// A change to another plan, before it is confirmed.
#[derive(Clone, Debug)]
pub struct Quote {
    /// The current subscription.
    pub held: Subscription,
    /// The plan to change to.
    pub tier: Tier,
    /// Its price per period for this account.
    pub price: MinorUnits,
    /// Its billing interval: `month` or `year`.
    pub interval: String,
    /// Whether it is an upgrade or a downgrade, which determines when it takes effect.
    pub way: Way,
    /// The time as of which the proration is calculated, in Unix seconds.
    pub date: i64,
    /// The amount due today.
    pub due: MinorUnits,
    /// The lines that add up to the amount due.
    pub lines: Vec<(String, MinorUnits)>,
    /// What each period costs after the change, with quantity, add-ons, tax and lasting discounts,
    /// according to Stripe's preview; `None` if that isn't certain.
    pub recurring: Option<MinorUnits>,
    pub(crate) price_id: String,
    item: String,
    /// The quantity of the plan's item: Stripe sets it to 1 with a new price unless it is sent.
    quantity: Option<i64>,
}

impl Quote {
    /// The value that the form sends to confirm this quote: `date:amount`.
    pub fn name(&self) -> String {
        format!("{}:{}", self.date, self.due.amount)
    }

    /// Parses a quote's time and amount from its [`name`](Quote::name).
    pub fn read(name: &str) -> Option<(i64, i64)> {
        let (date, due) = name.split_once(':')?;
        Some((date.parse().ok()?, due.parse().ok()?))
    }

    /// What the plan costs per period, with its quantity and before discounts and tax.
    pub fn listed(&self) -> MinorUnits {
        let amount = self.price.amount.saturating_mul(self.quantity.unwrap_or(1));
        MinorUnits::new(amount, self.price.currency)
    }

    /// When the new plan takes effect.
    pub fn starts_at(&self) -> Timestamp {
        let now = Timestamp::from_seconds(self.date);
        match self.way {
            Way::Up => now,
            Way::Down => self.held.period_end.unwrap_or(now),
        }
    }

    /// Whether an upgrade begins a new period, because its interval differs.
    pub fn begins_period(&self) -> bool {
        let interval = self.held.billing_interval.as_deref();
        self.way == Way::Up
            && self.held.status != SubscriptionStatus::Trialing
            && interval.is_some_and(|interval| interval != self.interval)
    }

    /// When the new plan is charged next, after what is due today.
    pub fn next_at(&self) -> Option<Timestamp> {
        if !self.begins_period() {
            return self.held.period_end;
        }
        let months = if self.interval == "year" { 12 } else { 1 };
        Some(Timestamp::from_seconds(self.date).plus_months(months))
    }

    /// The subscription update that makes the change. Until it is paid, the old plan stays in
    /// effect and the change is pending.
    pub(crate) fn change(&self) -> Form {
        Form::new()
            .push("items[0][id]", &self.item)
            .push("items[0][price]", &self.price_id)
            .push_opt("items[0][quantity]", self.quantity)
            .push("proration_behavior", "always_invoice")
            .push("proration_date", self.date)
            .push("payment_behavior", "pending_if_incomplete")
    }
}

/// Whether a quote of this time can still be confirmed.
pub(crate) fn is_fresh(date: i64, now: i64) -> bool {
    (now - QUOTE_SECONDS..=now).contains(&date)
}

/// Quotes the change as of `date`.
pub(crate) async fn at(
    app: &App,
    caller: &SignedIn,
    held: Subscription,
    choice: Choice<'_>,
    date: i64,
) -> Result<Quote> {
    let wanted = wanted(app, caller, &held, choice).await?;
    in_progress::refuse_change(app, &held.subscription_id).await?;
    let at_stripe = app
        .stripe
        .retrieve_subscription(&held.subscription_id)
        .await?;
    let item = plan_item(&at_stripe, held.price_id.as_deref());
    let item = item
        .cloned()
        .ok_or_else(|| Error::bug("a live subscription has no item"))?;
    refuse_mixed_intervals(&at_stripe, &item.id, &wanted.interval)?;
    let mut quote = Quote {
        due: MinorUnits::new(0, wanted.price.currency),
        lines: Vec::new(),
        recurring: None,
        held,
        tier: wanted.tier,
        price: wanted.price,
        interval: wanted.interval,
        way: wanted.way,
        date,
        price_id: wanted.price_id,
        quantity: item.quantity,
        item: item.id,
    };
    if quote.way == Way::Up {
        (quote.due, quote.lines) = due(app, &quote).await?;
    }
    quote.recurring = recurring(app, &quote, &at_stripe).await;
    Ok(quote)
}

/// Refuses a price whose interval differs from that of the items besides the plan: Stripe keeps one
/// interval in a subscription.
fn refuse_mixed_intervals(
    at_stripe: &stripe::objects::Subscription,
    plan: &str,
    interval: &str,
) -> Result<()> {
    let others = at_stripe.items.data.iter().filter(|item| item.id != plan);
    let prices = others.filter_map(|item| item.price.as_ref()?.recurring.as_ref());
    let mut intervals = prices.map(|one| (one.interval.as_str(), one.interval_count));
    if intervals.all(|other| other == (interval, 1)) {
        return Ok(());
    }
    let detail = format!(
        "Your add-ons are paid at another interval, which a plan paid by the {interval} can't be \
         combined with. Remove them first, or contact support."
    );
    Err(Error::conflict("addon_interval", detail))
}

/// The preview's parameters for the subscription with the new plan.
fn previewed(quote: &Quote) -> Form {
    const ITEM: &str = "subscription_details[items][0]";
    Form::new()
        .push("subscription", &quote.held.subscription_id)
        .push(format!("{ITEM}[id]"), &quote.item)
        .push(format!("{ITEM}[price]"), &quote.price_id)
        .push_opt(format!("{ITEM}[quantity]"), quote.quantity)
}

/// What each period costs after the change, from Stripe's preview of what recurs. `None` if it failed,
/// or if a discount may end: its preview would promise it for longer.
async fn recurring(
    app: &App,
    quote: &Quote,
    at_stripe: &stripe::objects::Subscription,
) -> Option<MinorUnits> {
    let params = previewed(quote)
        .push("subscription_details[proration_behavior]", "none")
        .push("preview_mode", "recurring");
    let preview = match app.stripe.preview_invoice(&params).await {
        Ok(preview) => preview,
        Err(error) => {
            tracing::warn!(%error, "Failed to preview what a change of plan costs each period");
            return None;
        }
    };
    if preview.discount() != 0 && !have_lasting_discounts(app, at_stripe).await {
        return None;
    }
    preview::money(&preview.currency, preview.total).ok()
}

/// Whether the subscription and its items have discounts of their own, and all of them apply forever. A
/// discount of the customer isn't among them.
async fn have_lasting_discounts(app: &App, at_stripe: &stripe::objects::Subscription) -> bool {
    let items = at_stripe.items.data.iter();
    let all = items
        .flat_map(|item| &item.discounts)
        .chain(&at_stripe.discounts);
    let mut is_any = false;
    for discount in all.take(DISCOUNTS_MAX) {
        let Some(discount) = discount.get().filter(|one| one.end.is_none()) else {
            return false;
        };
        let Some(coupon) = discount.coupon().id() else {
            return false;
        };
        match app.coupons.read(&app.stripe, &discount.id, coupon).await {
            Ok(coupon) if coupon.duration.as_deref() == Some("forever") => is_any = true,
            _ => return false,
        }
    }
    is_any
}

/// The subscription item of the plan, by the price that the sync stored; the others are add-ons.
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

/// The amount due today and its lines, from Stripe's preview.
async fn due(app: &App, quote: &Quote) -> Result<(MinorUnits, Vec<(String, MinorUnits)>)> {
    let params = previewed(quote)
        .push("subscription_details[proration_behavior]", "always_invoice")
        .push("subscription_details[proration_date]", quote.date);
    let preview = app.stripe.preview_invoice(&params).await?;
    // Nothing is due now in a trial; the preview is of the first payment after it.
    if quote.held.status == SubscriptionStatus::Trialing {
        return Ok((quote.due, Vec::new()));
    }
    let money = |minor| preview::money(&preview.currency, minor);
    let lines = preview::lines(&preview).into_iter();
    let lines = lines.map(|line| Ok((line.name, money(line.minor)?)));
    Ok((money(preview.amount_due)?, lines.collect::<Result<_>>()?))
}

struct Target {
    tier: Tier,
    price: MinorUnits,
    interval: String,
    price_id: String,
    way: Way,
}

/// The plan to change to and its price, if the current subscription can be changed to it now.
async fn wanted(
    app: &App,
    caller: &SignedIn,
    held: &Subscription,
    choice: Choice<'_>,
) -> Result<Target> {
    let catalog = app.catalog();
    let tier = catalog.tier(choice.plan).cloned();
    let tier = tier.ok_or_else(|| Error::field("planId", "There is no such plan."))?;
    if tier.is_free() {
        let detail = "To move to the free plan, cancel the one you have.";
        return Err(Error::conflict("plan_is_free", detail));
    }
    let usual = held.billing_interval.as_deref();
    let usual = usual
        .and_then(Interval::from_word)
        .unwrap_or(Interval::Month);
    let (account, asked) = (caller.account.id, choice.interval);
    let sold = checkout::plan_price(app, account, &tier, asked, usual).await?;
    let way = way(&catalog, held, &tier, &sold)?;
    if held.cancel_at.is_some() || held.cancel_at_period_end {
        let detail = "Your plan is set to end. Keep it first, then change it.";
        return Err(Error::conflict("plan_ends", detail));
    }
    if held.status == SubscriptionStatus::Paused {
        let detail = "Your plan is paused. Resume it first, then change it.";
        return Err(Error::conflict("plan_paused", detail));
    }
    if !matches!(
        held.status,
        SubscriptionStatus::Active | SubscriptionStatus::Trialing
    ) {
        let detail = "You have an unpaid invoice. Pay it before you change plans.";
        return Err(Error::conflict("plan_unpaid", detail));
    }
    // An upgrade always requires payment: only a plan with a trial itself can continue a running
    // trial.
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

/// The direction of a change: up to a higher tier or a longer interval, and down to a lower tier or a
/// shorter interval, which wait for the end of what was paid. Within a tier and interval, the price
/// decides.
fn way(catalog: &Catalog, held: &Subscription, tier: &Tier, sold: &PlanPrice) -> Result<Way> {
    let here = held.tier.as_deref().and_then(|name| catalog.tier(name));
    let paid = held.amount_minor.unwrap_or(0);
    let interval = held.billing_interval.as_deref().unwrap_or("month");
    let longer = length_of(&sold.interval).cmp(&length_of(interval));
    match here {
        Some(here) if tier.rank < here.rank || longer == Ordering::Less => Ok(Way::Down),
        Some(here) if tier.rank == here.rank && longer == Ordering::Equal => {
            let is_other = held.price_id.as_deref() != Some(&sold.id) && paid != sold.price.amount;
            if !is_other {
                let detail = "This is already your plan.";
                return Err(Error::conflict("same_plan", detail));
            }
            Ok(if sold.price.amount < paid {
                Way::Down
            } else {
                Way::Up
            })
        }
        _ => Ok(Way::Up),
    }
}
