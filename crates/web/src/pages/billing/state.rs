//! The billing page from the rows of an account.

use billing::actors::SignedIn;
use billing::app::App;
use billing::payments::addons;
use billing::payments::next_charge::Next;
use billing::summary::View;
use domain::catalog::Catalog;
use domain::plan::{AccountStatus, Plan, PlanStatus};
use domain::time::Timestamp;
use views::billing::{BillingPage, CreditsPanel, NextCharge, PlanPanel};
use views::components::{Action, Badge, Fact, Meter, Prose};
use views::icons::Icon;
use views::layout::Nav;
use views::{banners, format, labels, offer};

use crate::frame::account_shell;
use crate::pages::billing::banners::{
    card_banner, exception_banners, limit_banner, owed_banners, pending_banners, plan_banners,
};
use crate::pages::billing::history::history;
use crate::pages::billing::paid::{paid_title, price, scheduled};
use crate::pages::billing::rows::{CHART_DAYS, Rows};
use crate::pages::standing::{CreditState, credit_banner, credit_state, day, ending, method};
use crate::pages::usage_chart;

/// For example "3 × Extra seats, $15.00 per month".
fn addon(held: &addons::Held) -> String {
    let count = (held.quantity != 1).then(|| format!("{} \u{d7} ", held.quantity));
    let price = held
        .amount
        .map(|amount| format!(", {} per month", offer::money(amount)));
    let (count, price) = (count.unwrap_or_default(), price.unwrap_or_default());
    format!("{count}{}{price}", held.title)
}

/// The page for an account, from its rows.
pub fn page(app: &App, caller: &SignedIn, view: &View, rows: &Rows) -> BillingPage {
    let catalog = app.catalog();
    let now = app.now();
    let usage = usage_chart::chart(
        "use",
        "Credits used per day",
        &rows.usage,
        now.day() - CHART_DAYS + 1,
        now.day(),
    );
    let is_suspended = caller.account.status == AccountStatus::Suspended;
    let mut banners = if is_suspended {
        vec![banners::suspended()]
    } else {
        plan_banners(&catalog, view, rows, now)
    };
    banners.extend(exception_banners(&catalog, view, rows, is_suspended));
    banners.extend(card_banner(view, rows, now));
    banners.extend(owed_banners(rows));
    banners.extend(pending_banners(rows, now));
    banners.extend(limit_banner(&catalog, view));
    banners.extend(credit_banner(view, rows.week));
    let held = rows.live.as_ref().map(|live| addons::of(app, live));
    let addons = held.unwrap_or_default().iter().map(addon).collect();
    let manage = rows
        .has_customer
        .then(|| banners::portal("Manage subscription").icon(Icon::External));
    let page = BillingPage {
        shell: account_shell(app, caller, Nav::Billing),
        lead: format!("Plan, credits and payments for {}", caller.account.name),
        banners,
        plan: plan_panel(&catalog, view, rows, addons, now),
        credits: credits_panel(&catalog, view, rows),
        next: next_charge(rows, now),
        usage,
        history: history(&catalog, rows),
        manage,
    };
    if is_suspended {
        page.while_suspended(view.plan.is_paused && view.plan.status.is_running())
    } else {
        page
    }
}

fn plan_panel(
    catalog: &Catalog,
    view: &View,
    rows: &Rows,
    addons: Vec<String>,
    now: Timestamp,
) -> PlanPanel {
    let plan = &view.plan;
    let title = offer::title(catalog, &plan.tier);
    let badge = match plan.cancel_at {
        Some(end) if plan.status == PlanStatus::Active => {
            let text = format::day_short(end.micros());
            Badge::warn(format!("Ends {text}"))
        }
        _ => labels::subscription_badge(plan.status.word()),
    };
    let mut actions = vec![Action::link("Upgrade", "/dashboard/billing/upgrade").primary()];
    if rows.live.is_some() && plan.cancel_at.is_none() {
        let cancel = format!("{}?act=cancel", banners::PLAN);
        actions.push(Action::link("Cancel plan", cancel).quiet());
    }
    PlanPanel {
        name: title,
        price: price(
            catalog,
            plan,
            rows.live.as_ref().filter(|_| is_on_plan(plan)),
        ),
        badge,
        text: plan_text(catalog, view, rows, now),
        addons,
        actions,
    }
}

/// Whether the plan that is paid for grants access.
fn is_on_plan(plan: &Plan) -> bool {
    plan.status.is_running()
}

fn plan_text(catalog: &Catalog, view: &View, rows: &Rows, now: Timestamp) -> Prose {
    let plan = &view.plan;
    let title = offer::title(catalog, &plan.tier);
    let here = || match catalog.tier(&plan.access_tier) {
        Some(tier) => Prose::new(offer::in_short(tier)),
        None => Prose::default(),
    };
    if let Some((next, at)) = scheduled(catalog, rows) {
        return Prose::new(format!("{title} until "))
            .time(day(at))
            .text(format!(", then {next}."));
    }
    match (plan.status, plan.cancel_at, plan.grace_until) {
        (PlanStatus::Active | PlanStatus::Trialing, Some(end), _) => {
            Prose::new(format!("{title} until "))
                .time(day(end))
                .text(", then Free.")
        }
        (PlanStatus::Active, None, _) if plan.is_paused => {
            Prose::new(format!("Payments are paused. {title} continues meanwhile."))
        }
        (PlanStatus::Active, None, _) => {
            Prose::new("Renews on ")
                .time(day(plan.period_end))
                .text(format!(
                    ". You can cancel any time and keep {title} until then."
                ))
        }
        (PlanStatus::Trialing, None, _) => Prose::new("The trial ends on ")
            .time(day(plan.trial_end.unwrap_or(plan.period_end)))
            .text("; you can cancel before then."),
        (PlanStatus::PastDue, _, Some(until)) if now < until => {
            Prose::new(format!("{title} keeps working until "))
                .time(day(until))
                .text(".")
        }
        (PlanStatus::PastDue | PlanStatus::Unpaid, ..) => {
            Prose::new("You're on Free until the open invoice is paid.")
        }
        (PlanStatus::Paused, ..) => Prose::new("You're on Free until the plan resumes."),
        (PlanStatus::Incomplete, ..) => {
            let paid = paid_title(catalog, plan, rows.latest.as_ref());
            Prose::new(format!(
                "{paid} starts when its first payment is confirmed."
            ))
        }
        _ => here(),
    }
}

fn credits_panel(catalog: &Catalog, view: &View, rows: &Rows) -> CreditsPanel {
    let plan = &view.plan;
    let used = view.calls_this_period.unsigned_abs();
    let meter = plan.calls_limit.map(|limit| {
        let limit = limit.unsigned_abs();
        let text = format!("{} of {}", format::count(used), format::count(limit));
        Meter::new("Calls this period", text, used, limit)
    });
    let mut notes = Vec::new();
    if view.held.is_positive() {
        let held = format::credits(view.held.micros());
        notes.push(format!("{held} more are held for calls in progress."));
    }
    notes.extend(expiry(view));
    let worth = offer::worth(catalog, view.available.micros());
    CreditsPanel {
        available: format::credits(view.available.micros()),
        worth: worth.map_or_else(String::new, |worth| format!("worth {worth}")),
        badge: match credit_state(view, rows.week) {
            CreditState::Fine => None,
            CreditState::Low => Some(Badge::warn("Low")),
            CreditState::Empty => Some(Badge::bad("Empty")),
            CreditState::Debt => Some(Badge::bad("Debt")),
        },
        meter,
        note: notes.join(" "),
        actions: vec![
            Action::link("Add credits", "/dashboard/billing/credits"),
            Action::link("Usage", "/dashboard/usage").quiet(),
        ],
    }
}

/// "1,000 of them expire on 22 Dec 2026.": the credits that expire on the next day on which any do.
fn expiry(view: &View) -> Option<String> {
    let (soonest, left) = ending(view, Timestamp::from_micros(i64::MAX))?;
    let on = day(soonest).text;
    Some(if left < view.posted {
        format!("{} of them expire on {on}.", format::credits(left.micros()))
    } else {
        format!("{} expire on {on}.", format::credits_worded(left.micros()))
    })
}

fn next_charge(rows: &Rows, now: Timestamp) -> NextCharge {
    let method = rows.card.as_ref().map(|card| method(card, now));
    let nothing = |why: String| NextCharge {
        when: None,
        lines: Vec::new(),
        none: why,
        note: String::new(),
        method: method.clone(),
    };
    match &rows.next {
        Next::Charge(charge) => {
            let lines = charge.lines.iter();
            let mut lines: Vec<Fact> = lines
                .map(|(name, amount)| Fact::new(name.clone(), offer::money(*amount)))
                .collect();
            lines.push(Fact::total("Total", offer::money(charge.amount)));
            let note = charge
                .is_old
                .then(|| format!("As of {}.", day(charge.as_of).text));
            NextCharge {
                when: Some(day(charge.at)),
                lines,
                none: String::new(),
                note: note.unwrap_or_default(),
                method,
            }
        }
        other => nothing(why_nothing(other)),
    }
}

/// Why nothing is charged next.
fn why_nothing(next: &Next) -> String {
    match next {
        Next::Ends => "No upcoming charge: the plan ends.".to_owned(),
        Next::CollectionPaused(behavior, resumes) => {
            let what = match behavior.as_str() {
                "keep_as_draft" => {
                    "Invoices are kept as drafts, and may be charged when payments continue."
                }
                "mark_uncollectible" => "Invoices are written off.",
                _ => "Invoices are voided.",
            };
            let until = resumes.map(|at| format!(" Payments continue on {}.", day(at).text));
            let until = until.unwrap_or_default();
            format!("No upcoming charge: payments are paused. {what}{until}")
        }
        Next::PlanPaused => "No charge while the plan is paused.".to_owned(),
        Next::Unpaid => "Pay the open invoice first.".to_owned(),
        Next::Unknown => "The amount is being fetched from Stripe.".to_owned(),
        Next::Nothing | Next::Charge(_) => "No upcoming charge.".to_owned(),
    }
}
