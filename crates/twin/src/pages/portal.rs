//! The billing portal at `/p/session/{session}`.

use askama::Template;
use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;
use stripe::objects::SubscriptionStatus;

use super::card::{CardForm, Field, TEST_CARDS};
use super::format::{day, iso, money, per, plain};
use super::invoice::badge_of;
use super::portal_flow::{
    UNKNOWN, address, after, back_of, instead_of, instead_of_homepage, view_of,
};
use super::{FormError, not_found, page, see_other};
use crate::app::App;
use crate::core::{PayError, PortalTask, PortalView, SubscriptionView};

struct Subscription {
    name: String,
    price: String,
    status: String,
    badge: &'static str,
    sentence: String,
    cancel_url: String,
    resume_url: String,
    plan_url: String,
    can_cancel: bool,
    can_resume: bool,
    can_switch: bool,
    id: String,
}

struct Invoice {
    number: String,
    url: String,
    date: String,
    date_iso: String,
    amount: String,
    status: String,
    badge: &'static str,
}

#[derive(Template)]
#[template(path = "portal.html")]
struct PortalPage {
    customer: String,
    return_url: String,
    subscriptions: Vec<Subscription>,
    shows_card: bool,
    card: String,
    card_url: String,
    shows_invoices: bool,
    invoices: Vec<Invoice>,
}

#[derive(Template)]
#[template(path = "portal_cancel.html")]
struct CancelPage {
    name: String,
    sentence: String,
    action: String,
    back_url: String,
    subscription: String,
}

#[derive(Template)]
#[template(path = "portal_card.html")]
struct CardPage<'a> {
    action: String,
    back_url: String,
    fields: Vec<Field>,
    error_title: &'static str,
    errors: &'a [FormError],
    test_cards: &'static [(&'static str, &'static str)],
}

struct Choice {
    price: String,
    label: String,
    is_current: bool,
}

#[derive(Template)]
#[template(path = "portal_plan.html")]
struct PlanPage {
    action: String,
    back_url: String,
    subscription: String,
    choices: Vec<Choice>,
}

/// The query that selects a subscription. Without an id, it selects the newest one.
#[derive(Debug, Deserialize)]
pub(crate) struct Selection {
    subscription: Option<String>,
}

fn selected<'a>(view: &'a PortalView, id: Option<&str>) -> Option<&'a SubscriptionView> {
    match id {
        Some(id) => view.subscriptions.iter().find(|one| one.id == id),
        None => view.subscriptions.first(),
    }
}

/// `GET /p/session/{session}`
pub(crate) async fn show(State(app): State<App>, Path(session): Path<String>) -> Response {
    let Some(view) = view_of(&app, &session) else {
        return not_found(UNKNOWN);
    };
    let here = address(&session);
    if let Some(response) = instead_of_homepage(&view, &here) {
        return response;
    }
    let portal_page = PortalPage {
        customer: view
            .customer_name
            .clone()
            .or_else(|| view.customer_email.clone())
            .unwrap_or_else(|| view.customer.clone()),
        return_url: view.return_url.clone().unwrap_or_default(),
        subscriptions: view
            .subscriptions
            .iter()
            .map(|one| subscription(&view, one, &here))
            .collect(),
        shows_card: view.allows.update_card,
        card: card_of(&view),
        card_url: format!("{here}/card"),
        shows_invoices: view.allows.invoices,
        invoices: invoices_of(&view),
    };
    page(StatusCode::OK, &portal_page)
}

fn card_of(view: &PortalView) -> String {
    view.card.as_ref().map_or_else(
        || "You haven't saved a card.".to_owned(),
        |card| {
            let (brand, last4) = (capitalized(&card.brand), &card.last4);
            format!(
                "{brand} ending in {last4}, expires {:02} / {}",
                card.exp_month, card.exp_year
            )
        },
    )
}

/// Capitalizes a card brand: `visa` becomes `Visa`.
fn capitalized(word: &str) -> String {
    let mut letters = word.chars();
    let first = letters.next().map(|first| first.to_ascii_uppercase());
    first.into_iter().chain(letters).collect()
}

fn invoices_of(view: &PortalView) -> Vec<Invoice> {
    let rows = view.invoices.iter().map(|one| Invoice {
        number: one.number.clone().unwrap_or_else(|| "Draft".to_owned()),
        url: format!("/i/{}", one.token),
        date: day(one.created),
        date_iso: iso(one.created),
        amount: money(one.total, &one.currency),
        status: plain(one.status.as_str()),
        badge: badge_of(&one.status),
    });
    rows.collect()
}

fn subscription(view: &PortalView, one: &SubscriptionView, here: &str) -> Subscription {
    let ends = day(one.cancel_at.unwrap_or(one.current_period_end));
    let sentence = if one.cancel_at.is_some() {
        format!("Canceled. Ends on {ends}.")
    } else if let Some(plan) = &one.scheduled_change {
        format!("Changes to {plan} on {ends}.")
    } else if let Some(trial_end) = one.trial_end {
        format!("Free until {}. Renews after that.", day(trial_end))
    } else {
        format!("Renews on {ends}.")
    };
    let link = |step: &str| format!("{here}/{step}?subscription={}", one.id);
    Subscription {
        name: one.name.clone(),
        price: format!(
            "{}{}",
            money(one.amount, &one.currency),
            per(Some(&one.interval), 1)
        ),
        status: plain(one.status.as_str()),
        badge: match one.status {
            SubscriptionStatus::Active | SubscriptionStatus::Trialing => "ok",
            SubscriptionStatus::PastDue | SubscriptionStatus::Unpaid => "bad",
            _ => "warn",
        },
        sentence,
        cancel_url: link("cancel"),
        resume_url: format!("{here}/resume"),
        plan_url: link("plan"),
        can_cancel: view.allows.cancel && one.cancel_at.is_none(),
        can_resume: view.allows.cancel && one.cancel_at.is_some(),
        can_switch: view.allows.switch_plan && one.plans.iter().any(|plan| !plan.current),
        id: one.id.clone(),
    }
}

/// `GET /p/session/{session}/cancel`: asks for confirmation.
pub(crate) async fn ask_cancel(
    State(app): State<App>,
    Path(session): Path<String>,
    Query(selection): Query<Selection>,
) -> Response {
    let Some(view) = view_of(&app, &session) else {
        return not_found(UNKNOWN);
    };
    let here = address(&session);
    let Some(one) = selected(&view, selection.subscription.as_deref()) else {
        return see_other(&here);
    };
    if let Some(response) = instead_of(&view, PortalTask::Cancel, Some(&one.id), &here) {
        return response;
    }
    let sentence = if view.allows.cancel_immediately {
        "Your plan ends immediately and isn't refunded.".to_owned()
    } else {
        format!(
            "You can use your plan until {}. It won't renew.",
            day(one.current_period_end)
        )
    };
    let cancel_page = CancelPage {
        name: one.name.clone(),
        sentence,
        action: format!("{here}/cancel"),
        back_url: back_of(&view, &here),
        subscription: one.id.clone(),
    };
    page(StatusCode::OK, &cancel_page)
}

/// `POST /p/session/{session}/cancel`
pub(crate) async fn cancel(
    State(app): State<App>,
    Path(session): Path<String>,
    body: Bytes,
) -> Response {
    let form = CardForm::read(&body, false);
    let one = form.value("subscription");
    let done = app.change(|core, now| core.portal_cancel(&session, one, now));
    after(&app, done, &session)
}

/// `POST /p/session/{session}/resume`
pub(crate) async fn resume(
    State(app): State<App>,
    Path(session): Path<String>,
    body: Bytes,
) -> Response {
    let form = CardForm::read(&body, false);
    let one = form.value("subscription");
    let done = app.change(|core, now| core.portal_resume(&session, one, now));
    after(&app, done, &session)
}

/// `GET /p/session/{session}/card`
pub(crate) async fn ask_card(State(app): State<App>, Path(session): Path<String>) -> Response {
    let Some(view) = view_of(&app, &session) else {
        return not_found(UNKNOWN);
    };
    let here = address(&session);
    instead_of(&view, PortalTask::UpdateCard, None, &here)
        .unwrap_or_else(|| card_page(&view, &here, &CardForm::empty(false), &[], StatusCode::OK))
}

/// `POST /p/session/{session}/card`
pub(crate) async fn set_card(
    State(app): State<App>,
    Path(session): Path<String>,
    body: Bytes,
) -> Response {
    let Some(view) = view_of(&app, &session) else {
        return not_found(UNKNOWN);
    };
    let here = address(&session);
    let form = CardForm::read(&body, false);
    let payment = match form.payment(app.twin.clock.now_seconds()) {
        Ok(payment) => payment,
        Err(errors) => return card_page(&view, &here, &form, &errors, StatusCode::BAD_REQUEST),
    };
    match app.change(|core, now| core.portal_set_card(&session, payment, now)) {
        Err(PayError::Card { message, .. }) => {
            let errors = [FormError::of_form(message)];
            card_page(&view, &here, &form, &errors, StatusCode::PAYMENT_REQUIRED)
        }
        done => after(&app, done, &session),
    }
}

fn card_page(
    view: &PortalView,
    here: &str,
    form: &CardForm,
    errors: &[FormError],
    status: StatusCode,
) -> Response {
    let card_page = CardPage {
        action: format!("{here}/card"),
        back_url: back_of(view, here),
        fields: form.fields(errors),
        error_title: "Your card wasn't saved",
        errors,
        test_cards: &TEST_CARDS,
    };
    page(status, &card_page)
}

/// `GET /p/session/{session}/plan`
pub(crate) async fn ask_plan(
    State(app): State<App>,
    Path(session): Path<String>,
    Query(selection): Query<Selection>,
) -> Response {
    let Some(view) = view_of(&app, &session) else {
        return not_found(UNKNOWN);
    };
    let here = address(&session);
    let Some(one) = selected(&view, selection.subscription.as_deref()) else {
        return see_other(&here);
    };
    if let Some(response) = instead_of(&view, PortalTask::SwitchPlan, Some(&one.id), &here) {
        return response;
    }
    let choices = one.plans.iter().map(|plan| {
        let price = money(plan.unit_amount, &plan.currency);
        Choice {
            price: plan.price.clone(),
            label: format!("{}, {price}{}", plan.name, per(Some(&plan.interval), 1)),
            is_current: plan.current,
        }
    });
    let plan_page = PlanPage {
        action: format!("{here}/plan"),
        back_url: back_of(&view, &here),
        subscription: one.id.clone(),
        choices: choices.collect(),
    };
    page(StatusCode::OK, &plan_page)
}

/// `POST /p/session/{session}/plan`
pub(crate) async fn switch_plan(
    State(app): State<App>,
    Path(session): Path<String>,
    body: Bytes,
) -> Response {
    let form = CardForm::read(&body, false);
    let (one, price) = (form.value("subscription"), form.value("price"));
    if price.is_empty() {
        return see_other(&format!("{}/plan?subscription={one}", address(&session)));
    }
    let done = app.change(|core, now| core.portal_switch_plan(&session, one, price, now));
    after(&app, done, &session)
}
