//! Hosted Checkout at `/c/pay/{session}`.

use askama::Template;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;

use super::card::{CardForm, Field, TEST_CARDS};
use stripe::objects::{CheckoutMode, CheckoutPaymentStatus, CheckoutStatus};

use super::format::{day, line, money};
use super::{FormError, message, not_found, page, refused, see_other};
use crate::app::App;
use crate::core::{CheckoutView, PayError};

const UNKNOWN: &str = "This Checkout session doesn't exist.";

#[derive(Template)]
#[template(path = "checkout.html")]
struct CheckoutPage<'a> {
    title: &'a str,
    action: String,
    back_url: &'a str,
    total: String,
    total_note: String,
    lines: Vec<(String, String)>,
    discounts: Vec<(String, String)>,
    due_label: &'static str,
    due: String,
    takes_promotion: bool,
    needs_payment: bool,
    promotion_code: &'a str,
    takes_delayed: bool,
    is_delayed: bool,
    pay_title: &'static str,
    button: String,
    fields: Vec<Field>,
    error_title: &'static str,
    errors: &'a [FormError],
    test_cards: &'static [(&'static str, &'static str)],
}

#[derive(Template)]
#[template(path = "authenticate.html")]
pub(super) struct AuthenticatePage {
    pub total: String,
    pub action: String,
}

fn address(session: &str) -> String {
    format!("/c/pay/{session}")
}

/// `GET /c/pay/{session}`
pub(crate) async fn show(State(app): State<App>, Path(session): Path<String>) -> Response {
    let Some(view) = app.read(|core| core.checkout_view(&session)) else {
        return not_found(UNKNOWN);
    };
    if view.status == CheckoutStatus::Open && view.awaits_authentication {
        return see_other(&format!("{}/authenticate", address(&session)));
    }
    let form = CardForm::empty(view.customer_email.is_none());
    shown(&view, &form, &[], StatusCode::OK, "")
}

/// `POST /c/pay/{session}`
pub(crate) async fn pay(
    State(app): State<App>,
    Path(session): Path<String>,
    body: Bytes,
) -> Response {
    let Some(view) = app.read(|core| core.checkout_view(&session)) else {
        return not_found(UNKNOWN);
    };
    let form = CardForm::read(&body, view.customer_email.is_none());
    if view.status != CheckoutStatus::Open {
        return see_other(&address(&session));
    }
    let payment = if view.needs_payment {
        form.payment(app.twin.clock.now_seconds()).map(Some)
    } else {
        let errors = form.email_errors();
        if errors.is_empty() {
            Ok(None)
        } else {
            Err(errors)
        }
    };
    let payment = match payment {
        Ok(payment) => payment,
        Err(errors) => return shown(&view, &form, &errors, StatusCode::BAD_REQUEST, ""),
    };
    let email = form.value("email");
    let paid = app.change(|core, now| {
        core.set_checkout_email(&session, email);
        match payment {
            Some(payment) => core.pay_checkout(&session, payment, now),
            None => core.finish_free_checkout(&session, now),
        }
    });
    match paid {
        Ok(_) => done(&app, &session),
        Err(PayError::RequiresAuthentication) => {
            see_other(&format!("{}/authenticate", address(&session)))
        }
        Err(PayError::Card { message, .. }) => {
            let errors = [FormError::of_form(message)];
            shown(&view, &form, &errors, StatusCode::PAYMENT_REQUIRED, "")
        }
        Err(error) => refused(&error, &address(&session)),
    }
}

/// `POST /c/pay/{session}/promotion`
pub(crate) async fn promotion(
    State(app): State<App>,
    Path(session): Path<String>,
    body: Bytes,
) -> Response {
    let form = CardForm::read(&body, false);
    let code = form.value("promotion_code").to_owned();
    let applied = app.change(|core, now| core.apply_promotion_code(&session, &code, now));
    let Err(error) = applied else {
        return see_other(&address(&session));
    };
    let view = app.read(|core| core.checkout_view(&session));
    match (view, error) {
        (Some(view), PayError::NotPossible(sentence)) => {
            let errors = [FormError {
                field: "promotion_code",
                text: sentence,
            }];
            let form = CardForm::empty(view.customer_email.is_none());
            shown(&view, &form, &errors, StatusCode::BAD_REQUEST, &code)
        }
        (_, error) => refused(&error, &address(&session)),
    }
}

/// `GET /c/pay/{session}/authenticate`
pub(crate) async fn ask(State(app): State<App>, Path(session): Path<String>) -> Response {
    match app.read(|core| core.checkout_view(&session)) {
        None => not_found(UNKNOWN),
        Some(view) if !view.awaits_authentication => see_other(&address(&session)),
        Some(view) => page(
            StatusCode::OK,
            &AuthenticatePage {
                total: money(view.amount_total, &view.currency),
                action: format!("{}/authenticate", address(&session)),
            },
        ),
    }
}

/// `POST /c/pay/{session}/authenticate`
pub(crate) async fn authenticate(
    State(app): State<App>,
    Path(session): Path<String>,
    body: Bytes,
) -> Response {
    let succeeded = CardForm::read(&body, false).value("outcome") == "complete";
    let answered = app.change(|core, now| core.authenticate_checkout(&session, succeeded, now));
    let view = app.read(|core| core.checkout_view(&session));
    match (answered, view) {
        (Ok(_), _) => done(&app, &session),
        (Err(PayError::Card { message, .. }), Some(view)) => {
            let form = CardForm::empty(view.customer_email.is_none());
            let errors = [FormError::of_form(message)];
            shown(&view, &form, &errors, StatusCode::PAYMENT_REQUIRED, "")
        }
        (Err(error), _) => refused(&error, &address(&session)),
    }
}

/// Redirects to the store, or to this page, which then shows that the order is complete.
fn done(app: &App, session: &str) -> Response {
    let view = app.read(|core| core.checkout_view(session));
    let store = view.and_then(|view| view.success_url);
    see_other(&store.unwrap_or_else(|| address(session)))
}

fn shown(
    view: &CheckoutView,
    form: &CardForm,
    errors: &[FormError],
    status: StatusCode,
    promotion_code: &str,
) -> Response {
    let back = view.cancel_url.as_deref().unwrap_or_default();
    match view.status {
        CheckoutStatus::Complete => {
            let text = if view.payment_status == CheckoutPaymentStatus::Unpaid {
                "Your bank debit is processing. It settles later."
            } else {
                "You don't need to do anything else."
            };
            let store = view.success_url.as_deref().map(|url| (url, "Continue"));
            message(status, "This order is complete", text, store)
        }
        CheckoutStatus::Expired => {
            let text = "You weren't charged. Go back to the store to start again.";
            let store = (!back.is_empty()).then_some((back, "Back"));
            message(status, "This Checkout session has expired", text, store)
        }
        CheckoutStatus::Open | CheckoutStatus::Other(_) => {
            page(status, &open(view, form, errors, promotion_code))
        }
    }
}

fn open<'a>(
    view: &'a CheckoutView,
    form: &CardForm,
    errors: &'a [FormError],
    promotion_code: &'a str,
) -> CheckoutPage<'a> {
    let due = money(view.amount_total, &view.currency);
    let mut discounts = Vec::new();
    if view.amount_discount != 0 {
        let off = money(-view.amount_discount, &view.currency);
        discounts.push(("Discount".to_owned(), off));
    }
    if view.amount_tax != 0 {
        let label = if view.includes_tax {
            "Tax (included)"
        } else {
            "Tax"
        };
        discounts.push((label.to_owned(), money(view.amount_tax, &view.currency)));
    }
    let (pay_title, button) = match (&view.mode, view.trial_days) {
        (CheckoutMode::Setup, _) => ("Save a card", "Save card".to_owned()),
        (CheckoutMode::Subscription, Some(_)) if !view.needs_payment || view.amount_total == 0 => {
            ("Start your trial", "Start trial".to_owned())
        }
        (CheckoutMode::Subscription, None) if !view.needs_payment => {
            ("Subscribe", "Subscribe".to_owned())
        }
        (CheckoutMode::Payment, _) if !view.needs_payment => {
            ("Complete your order", "Complete order".to_owned())
        }
        (CheckoutMode::Subscription, Some(_)) => {
            ("Start your trial", format!("Start trial and pay {due} now"))
        }
        (CheckoutMode::Subscription, None) => ("Subscribe", format!("Subscribe and pay {due}")),
        (CheckoutMode::Payment | CheckoutMode::Other(_), _) => ("Pay", format!("Pay {due}")),
    };
    CheckoutPage {
        title: &view.title,
        action: address(&view.id),
        back_url: view.cancel_url.as_deref().unwrap_or_default(),
        total: due.clone(),
        total_note: note(view),
        lines: view
            .lines
            .iter()
            .map(|row| line(row, &view.currency))
            .collect(),
        discounts,
        due_label: "Due now",
        due,
        takes_promotion: view.allows_promotion_codes,
        promotion_code,
        needs_payment: view.needs_payment,
        takes_delayed: view.needs_payment && view.mode != CheckoutMode::Setup,
        is_delayed: form.is_delayed(),
        pay_title,
        button,
        fields: form
            .fields(errors)
            .into_iter()
            .filter(|field| view.needs_payment || !field.is_card)
            .collect(),
        error_title: "Your payment didn't go through",
        errors,
        test_cards: &TEST_CARDS,
    }
}

fn note(view: &CheckoutView) -> String {
    let until = format!("This page expires on {}.", day(view.expires_at));
    match view.trial_days {
        Some(days) => format!("{days} days free. {until}"),
        None => until,
    }
}
