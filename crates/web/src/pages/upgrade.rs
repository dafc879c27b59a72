//! `/dashboard/billing/upgrade`: the plans, the preview of a change with the amount due now, and
//! the comparison of plans.

use std::cmp::Ordering;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use billing::actors::SignedIn;
use billing::app::App;
use billing::error::{Error, Kind as ErrorKind, Result, STRIPE_UNAVAILABLE};
use billing::payments::plan::quote::{Quote, Way};
use billing::payments::plan::{Changed, Choice, Pending, Waiting, quote};
use billing::payments::{checkout, plan};
use billing::summary::{View, view_with};
use billing::trials;
use domain::catalog::{Catalog, Interval, Tier};
use domain::money::{Currency, MinorUnits};
use serde::Deserialize;
use store::Tx;
use store::account_prices::AccountPrice;
use store::payment_methods::PaymentMethod as Card;
use views::components::{Action, Badge, Banner, Fact, Kind, Prose};
use views::layout::Nav;
use views::upgrade::{Review, UPGRADE, UpgradePage, choose_by};
use views::{banners, format, offer};

use crate::frame::{account_shell, page, redirect};
use crate::http::error::{HttpResult, status_of};
use crate::http::form::Fields;
use crate::http::params::Params;
use crate::pages::offer::{asked, interval_of};
use crate::pages::standing;

/// From this percentage of the plan's calls on, the next plan is suggested.
const SUGGEST_FROM_PERCENT: i64 = 70;

/// The plan to preview.
#[derive(Debug, Deserialize)]
pub struct Query {
    #[serde(rename = "planId")]
    plan_id: Option<String>,
    /// How often the plans are paid; as often as the current one, if it isn't said.
    interval: Option<String>,
}

/// `GET /dashboard/billing/upgrade`; with `planId`, previews what changing to it costs today.
pub async fn show(
    State(app): State<App>,
    caller: SignedIn,
    Params(query): Params<Query>,
) -> HttpResult<Response> {
    let interval = asked(query.interval.as_deref());
    let (mut plans, card) = chooser(&app, &caller, interval).await?;
    let Some(plan_id) = query.plan_id.filter(|_| plans.has_live) else {
        return page(StatusCode::OK, &plans);
    };
    let choice = Choice {
        plan: &plan_id,
        interval,
    };
    match quote(&app, &caller, choice).await {
        Ok(quote) => {
            plans.review = Some(review(&app.catalog(), card.as_ref(), &quote));
            page(StatusCode::OK, &plans)
        }
        Err(error) => refused(plans, error),
    }
}

/// `POST /dashboard/billing/plan` with `act=change`: charges the previewed amount and changes the
/// plan, or schedules a downgrade. If the amount has changed since, it is previewed again
/// (requirement 5.2).
pub(crate) async fn change(
    app: &App,
    caller: &SignedIn,
    choice: Choice<'_>,
    quote: Option<&str>,
) -> HttpResult<Response> {
    let quoted = quote.and_then(Quote::read);
    let changed = plan::change(app, caller, choice, quoted).await;
    let (mut plans, card) = chooser(app, caller, choice.interval).await?;
    match changed {
        Ok(Changed::Done | Changed::Scheduled(_)) => {
            Ok(redirect(caller, "/dashboard/billing").into_response())
        }
        Ok(Changed::Waits(waiting)) => {
            plans.banners = vec![waits(waiting)];
            page(StatusCode::OK, &plans)
        }
        Ok(Changed::Differs(quote)) => {
            plans.banners = vec![banners::quote_changed()];
            plans.review = Some(review(&app.catalog(), card.as_ref(), &quote));
            page(StatusCode::CONFLICT, &plans)
        }
        Err(error) => refused(plans, error),
    }
}

/// `POST /dashboard/billing/plan` with `act=resume`: keeps a plan that is set to end, or resumes a
/// paused one. What could not be charged is shown with the way to pay it.
pub(crate) async fn resume(app: &App, caller: &SignedIn) -> HttpResult<Response> {
    let resumed = plan::resume(app, caller).await;
    if let Ok(None) = resumed {
        return Ok(redirect(caller, "/dashboard/billing").into_response());
    }
    let (mut plans, _) = chooser(app, caller, None).await?;
    match resumed {
        Ok(waiting) => {
            plans.banners = waiting.map(waits).into_iter().collect();
            page(StatusCode::OK, &plans)
        }
        Err(error) => refused(plans, error),
    }
}

/// The banner about a payment that a change waits for.
fn waits(waiting: Waiting) -> Banner {
    let url = waiting.url;
    let url = url.unwrap_or_else(|| "/dashboard/billing".to_owned());
    let due = offer::money(waiting.due);
    match waiting.declined {
        Some(said) => banners::change_declined(&due, Some(&said), &url),
        None => banners::confirm_with_bank(&due, &url),
    }
}

/// The plans, with the error.
fn refused(mut plans: UpgradePage, error: Error) -> HttpResult<Response> {
    let Some(banner) = refusal(&error, UPGRADE) else {
        return Err(error.into());
    };
    plans.banners = vec![banner];
    page(status_of(error.0.kind), &plans)
}

fn review(catalog: &Catalog, card: Option<&Card>, quote: &Quote) -> Review {
    if quote.way == Way::Down {
        return review_down(catalog, quote);
    }
    let here = quote.held.tier.as_deref().unwrap_or_default();
    let (from, to) = titles(catalog, quote);
    let due = offer::money(quote.due);
    let mut text = Prose::new(format!(
        "{to} starts as soon as this is paid. After that {}",
        each_period(quote)
    ));
    if let Some(end) = quote.next_at() {
        text = text.text(", from ").time(format::day(end.micros()));
    }
    let mut lines: Vec<Fact> = quote
        .lines
        .iter()
        .map(|(name, amount)| Fact::new(name.clone(), offer::money(*amount)))
        .collect();
    lines.push(Fact::total("Due today", due.clone()));
    let label = if quote.due.amount > 0 {
        format!("Pay {due} and upgrade")
    } else {
        format!("Upgrade to {to}")
    };
    Review {
        title: format!("Review your change: {from} to {to}"),
        badge: Badge::info("Valid for 10 minutes"),
        text: text.text("."),
        points: points(catalog, here, &quote.tier, quote.begins_period()),
        lines,
        confirm: Action::post(label, banners::PLAN)
            .field("act", "change")
            .field("planId", &quote.tier.name)
            .field("interval", &quote.interval)
            .field("quote", quote.name())
            .primary()
            .block(),
        note: match card {
            Some(card) => format!("Charged to {}.", standing::card_name(card)).into(),
            None => "Charged to your payment method at Stripe.".into(),
        },
    }
}

/// What is charged after a change; the price alone if the amount isn't certain.
fn each_period(quote: &Quote) -> String {
    let interval = &quote.interval;
    match quote.recurring {
        Some(amount) => format!("{} per {interval}", offer::money(amount)),
        None => format!(
            "the plan costs {} per {interval} before discounts and tax",
            offer::money(quote.listed())
        ),
    }
}

/// The preview of a downgrade: it costs nothing today and starts with the next period.
fn review_down(catalog: &Catalog, quote: &Quote) -> Review {
    let here = quote.held.tier.as_deref().unwrap_or_default();
    let (from, to) = titles(catalog, quote);
    let starts = format::day(quote.starts_at().micros());
    let price = each_period(quote);
    let text = Prose::new(format!("{from} stays until "))
        .time(starts.clone())
        .text(format!(
            ", the end of the period you paid for. After that {price}."
        ));
    let mut points = if here == quote.tier.name {
        vec!["Your credits and limits stay as they are.".to_owned()]
    } else {
        standing::what_ends(catalog.tier(here), &quote.tier)
    };
    points.push("You can undo this at any time until then.".to_owned());
    Review {
        title: format!("Review your change: {from} to {to}"),
        badge: Badge::info("At the end of the period"),
        text,
        points,
        lines: vec![Fact::total(
            "Due today",
            offer::money(MinorUnits::new(0, quote.price.currency)),
        )],
        confirm: Action::post(format!("Move to {to} on {}", starts.text), banners::PLAN)
            .field("act", "change")
            .field("planId", &quote.tier.name)
            .field("interval", &quote.interval)
            .primary()
            .block(),
        note: "Nothing is charged or refunded today.".into(),
    }
}

/// The names of the plans before and after; with their intervals if those differ: "Pro, yearly".
fn titles(catalog: &Catalog, quote: &Quote) -> (String, String) {
    let here = quote.held.tier.as_deref().unwrap_or_default();
    let (from, to) = (offer::title(catalog, here), quote.tier.title.clone());
    let interval = quote.held.billing_interval.as_deref().unwrap_or("month");
    if interval == quote.interval {
        return (from, to);
    }
    let named = |title: String, interval: &str| format!("{title}, {}", format::often(interval));
    (named(from, interval), named(to, &quote.interval))
}

fn points(catalog: &Catalog, here: &str, to: &Tier, is_new_period: bool) -> Vec<String> {
    let mut points = Vec::new();
    let from = catalog.tier(here).and_then(|tier| tier.calls_limit);
    if let (Some(from), Some(to)) = (from, to.calls_limit)
        && from < to
    {
        let (from, to) = (from.unsigned_abs(), to.unsigned_abs());
        let (from, to) = (format::count(from), format::count(to));
        points.push(format!(
            "Your call limit rises from {from} to {to} immediately."
        ));
    }
    let credits = format::credits_worded(to.allowance.micros());
    points.push(if is_new_period {
        format!("You keep your credits. We add {credits} now, and each month.")
    } else {
        format!(
            "You keep your credits. We add {credits} each month from the next one, and a share \
             for the remaining days now."
        )
    });
    points
}

/// The plan that was chosen. Anything else that a client sends is ignored.
#[derive(Debug, Deserialize)]
pub struct Chosen {
    #[serde(rename = "planId")]
    plan_id: String,
    interval: Option<String>,
}

/// `POST /dashboard/billing/upgrade`: redirects to Checkout, or shows the plans with the error.
pub async fn start(
    State(app): State<App>,
    caller: SignedIn,
    Fields(chosen): Fields<Chosen>,
) -> HttpResult<Response> {
    let interval = chosen.interval.as_deref();
    let started = match checkout::read_plan(&app.catalog(), &app, &chosen.plan_id, interval) {
        Ok(purchase) => checkout::start(&app, &caller, &purchase, None).await,
        Err(error) => Err(error),
    };
    let error = match started {
        Ok(url) => return Ok(Redirect::to(&url).into_response()),
        Err(error) => error,
    };
    let Some(banner) = refusal(&error, UPGRADE) else {
        return Err(error.into());
    };
    let (mut plans, _) = chooser(&app, &caller, asked(interval)).await?;
    plans.banners = vec![banner];
    page(status_of(error.0.kind), &plans)
}

/// The banner for an error that a purchase page can explain; `again` is the URL to retry at.
pub(crate) fn refusal(error: &Error, again: &str) -> Option<Banner> {
    match error.0.kind {
        ErrorKind::Unavailable if error.0.code == STRIPE_UNAVAILABLE => {
            Some(banners::stripe_unreachable(again))
        }
        ErrorKind::BadRequest
        | ErrorKind::PaymentRequired
        | ErrorKind::Conflict
        | ErrorKind::Unprocessable
        | ErrorKind::TooManyRequests => {
            let text = error.0.detail.clone();
            Some(Banner::new(Kind::Warn, "Nothing was bought", text))
        }
        _ => None,
    }
}

/// The plans to choose from, and the card that a change is charged to.
async fn chooser(
    app: &App,
    caller: &SignedIn,
    asked: Option<Interval>,
) -> Result<(UpgradePage, Option<Card>)> {
    let account = caller.account.id;
    let one_trial = app.settings.billing.trial_once_per_account;
    let read = move |tx: &mut Tx<'_>, _: &View| {
        let live = store::subscriptions::live(tx, account)?;
        let may_try = live.is_empty() && trials::may_have(tx, account, one_trial)?;
        let agreed = store::account_prices::of_account(tx, account)?;
        let card = store::payment_methods::of_account(tx, account)?;
        Ok((live, may_try, agreed, card))
    };
    let (view, (live, may_try, agreed, card)) = view_with(app, account, read).await?;
    let catalog = with_agreed(app.catalog(), &agreed);
    let has_live = !live.is_empty();
    let waiting = live.first().and_then(Pending::of);
    let waiting = waiting.filter(|pending| !pending.is_unpaid());
    let current = view.plan.tier.as_str();
    let pick = suggested(&app.catalog().tiers, &view);
    let note = match &pick {
        Some((_, why)) => format!("{} {why}", offer::note(&catalog)),
        None => offer::note(&catalog),
    };
    let pick = pick.map(|(tier, _)| tier);
    let held = live.first().and_then(|row| row.tier.as_deref());
    let rank = held
        .and_then(|tier| catalog.tier(tier))
        .map(|tier| tier.rank);
    let rank = rank.or(has_live.then_some(usize::MAX));
    let held_interval = live.first().and_then(interval_of);
    let interval = asked.or(held_interval).unwrap_or(Interval::Month);
    let shown = offer::Shown {
        interval,
        current: Some((current, held_interval)),
        pick: pick.as_deref(),
    };
    let from = From {
        rank,
        interval: held_interval,
        shown: interval,
        may_try,
    };
    let mut plans = offer::plan_cards(&catalog, shown, |tier| match &waiting {
        Some(pending) if pending.tier == tier.name && is_shown(pending, tier, interval) => {
            Action::off("Scheduled")
        }
        _ => change_to(app, tier, from),
    });
    offer::say_trials(&mut plans, &catalog, may_try, "");
    crate::pages::offer::say_years(&mut plans, &agreed);
    for plan in &mut plans {
        if Some(&plan.id) == pick.as_ref() {
            plan.action = plan.action.clone().primary();
        }
    }
    let page = UpgradePage {
        shell: account_shell(app, caller, Nav::Plans),
        lead: lead(&offer::title(&catalog, current), &view, has_live),
        banners: match waiting {
            Some(pending) => standing::waiting_banner(&catalog, &live, &pending),
            None => Vec::new(),
        },
        intervals: offer::intervals(&catalog, interval, UPGRADE),
        plans,
        note,
        review: None,
        compare: offer::comparison(&catalog, Some(current)),
        has_live,
    };
    Ok((page, card))
}

/// The catalog with the account's agreed prices.
fn with_agreed(mut catalog: Catalog, agreed: &[AccountPrice]) -> Catalog {
    for row in agreed.iter().filter(|row| row.is_current) {
        let price = Currency::parse(&row.currency)
            .map(|currency| MinorUnits::new(row.amount_minor, currency));
        for tier in catalog
            .tiers
            .iter_mut()
            .filter(|tier| tier.name == row.tier)
        {
            tier.price = price.or(tier.price);
            // The agreed price is the only one.
            tier.price_yearly = None;
        }
    }
    catalog
}

fn lead(title: &str, view: &View, has_live: bool) -> Prose {
    let on = format!("You are on {title}. ");
    match (has_live, view.plan.cancel_at) {
        (false, _) => Prose::new(on).text("Your new plan starts as soon as payment goes through."),
        (true, Some(end)) => Prose::new(on)
            .text("It ends on ")
            .time(format::day(end.micros()))
            .text(". To change it, keep it first."),
        (true, None) => Prose::new(on)
            .text("It renews on ")
            .time(format::day(view.plan.period_end.micros()))
            .text(
                ". Upgrades start now and you pay the difference. Downgrades start on that date.",
            ),
    }
}

/// The next larger plan and why, for accounts that use most of their calls.
fn suggested(tiers: &[Tier], view: &View) -> Option<(String, String)> {
    let limit = view.plan.calls_limit.filter(|limit| *limit > 0)?;
    let used = view.calls_this_period;
    if i128::from(used) * 100 < i128::from(limit) * i128::from(SUGGEST_FROM_PERCENT) {
        return None;
    }
    let here = tiers.iter().find(|tier| tier.name == view.plan.tier)?;
    let next = tiers
        .iter()
        .find(|tier| tier.rank > here.rank && tier.price.is_some())?;
    let share = format::percent(used.unsigned_abs(), limit.unsigned_abs());
    let why = format!(
        "{} is suggested because you used {share} of the calls of {} this period.",
        next.title, here.title
    );
    Some((next.name.clone(), why))
}

/// Whether a scheduled change is to the price that the card of its tier shows.
fn is_shown(pending: &Pending, tier: &Tier, shown: Interval) -> bool {
    let to = pending.interval.as_deref();
    tier.price_yearly.is_none() || to.is_none_or(|to| to == shown.word())
}

/// What an account has, and what is shown to it.
#[derive(Clone, Copy)]
struct From {
    /// The rank of its plan, if it has one that can be changed.
    rank: Option<usize>,
    /// How often that is paid.
    interval: Option<Interval>,
    /// The interval whose prices are shown.
    shown: Interval,
    may_try: bool,
}

/// The button of a plan.
fn change_to(app: &App, tier: &Tier, from: From) -> Action {
    let to = format!("to {}", tier.title);
    // A price that was agreed, or the only one, needs no interval.
    let interval = tier.price_yearly.map(|_| from.shown);
    let by = interval.map_or_else(String::new, |interval| format!("&interval={interval}"));
    let review = format!("{UPGRADE}?planId={}{by}#review", tier.name);
    match (tier.price, from.rank) {
        (None, _) => crate::pages::offer::contact(app),
        (Some(_), Some(_)) if tier.is_free() => {
            Action::link("Downgrade", format!("{}?act=cancel", banners::PLAN)).spoken(to)
        }
        (Some(_), None) if tier.is_free() => Action::off("Included"),
        (Some(_), None) => match tier.trial_days.filter(|_| from.may_try) {
            Some(days) => choose_by(format!("Try {days} days free"), &tier.name, interval)
                .spoken(format!("of {}", tier.title)),
            None => choose_by("Upgrade", &tier.name, interval).spoken(to),
        },
        (Some(_), Some(rank)) => {
            let here = from.interval.unwrap_or(Interval::Month);
            let way = interval.unwrap_or(here).cmp(&here);
            let label = match (tier.rank.cmp(&rank), way) {
                (Ordering::Greater, Ordering::Less) => "Change",
                (Ordering::Greater, _) => "Upgrade",
                (Ordering::Less, _) => "Downgrade",
                (Ordering::Equal, Ordering::Greater) => "Pay yearly",
                (Ordering::Equal, Ordering::Less) => "Pay monthly",
                (Ordering::Equal, Ordering::Equal) => "Change",
            };
            Action::link(label, review).spoken(to)
        }
    }
}
