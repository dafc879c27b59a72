//! Hosted Checkout at `/c/pay/{session}`.

use askama::Template;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;

use super::card::{CardForm, Field, TEST_CARDS};
use super::words::{day, line, money};
use super::{FormError, message, not_found, page, refused, see_other};
use crate::core::{CheckoutView, PayError};
use crate::routes::App;

const UNKNOWN: &str = "There is no Checkout session at this address.";

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
    let Some(view) = app.twin.read(|core| core.checkout_view(&session)) else {
        return not_found(UNKNOWN);
    };
    if view.status == "open" && view.awaits_authentication {
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
    let Some(view) = app.twin.read(|core| core.checkout_view(&session)) else {
        return not_found(UNKNOWN);
    };
    let form = CardForm::read(&body, view.customer_email.is_none());
    if view.status != "open" {
        return see_other(&address(&session));
    }
    let payment = match form.payment(app.twin.clock.now_seconds()) {
        Ok(payment) => payment,
        Err(errors) => return shown(&view, &form, &errors, StatusCode::BAD_REQUEST, ""),
    };
    let email = form.value("email");
    let paid = app.twin.change(|core, now| {
        core.set_checkout_email(&session, email);
        core.pay_checkout(&session, payment, now)
    });
    match paid {
        Ok(_) => done(&app, &session),
        Err(PayError::RequiresAuthentication) => {
            see_other(&format!("{}/authenticate", address(&session)))
        }
        Err(PayError::Card { message, .. }) => {
            let errors = [FormError::of_all(message)];
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
    let applied = app
        .twin
        .change(|core, now| core.apply_promotion_code(&session, &code, now));
    let Err(error) = applied else {
        return see_other(&address(&session));
    };
    let view = app.twin.read(|core| core.checkout_view(&session));
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
    match app.twin.read(|core| core.checkout_view(&session)) {
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
    let answered = app
        .twin
        .change(|core, now| core.authenticate_checkout(&session, succeeded, now));
    let view = app.twin.read(|core| core.checkout_view(&session));
    match (answered, view) {
        (Ok(_), _) => done(&app, &session),
        (Err(PayError::Card { message, .. }), Some(view)) => {
            let form = CardForm::empty(view.customer_email.is_none());
            let errors = [FormError::of_all(message)];
            shown(&view, &form, &errors, StatusCode::PAYMENT_REQUIRED, "")
        }
        (Err(error), _) => refused(&error, &address(&session)),
    }
}

/// On to the shop, or to this page, which then says that all is done.
fn done(app: &App, session: &str) -> Response {
    let view = app.twin.read(|core| core.checkout_view(session));
    let shop = view.and_then(|view| view.success_url);
    see_other(&shop.unwrap_or_else(|| address(session)))
}

fn shown(
    view: &CheckoutView,
    form: &CardForm,
    errors: &[FormError],
    status: StatusCode,
    promotion_code: &str,
) -> Response {
    let back = view.cancel_url.as_deref().unwrap_or_default();
    match view.status.as_str() {
        "complete" => {
            let text = if view.payment_status == "unpaid" {
                "The bank debit is on its way; it settles later."
            } else {
                "Nothing is left to do here."
            };
            let shop = view.success_url.as_deref().map(|url| (url, "Continue"));
            message(status, "This order is complete", text, shop)
        }
        "expired" => {
            let text = "Nothing was charged. Begin again in the shop.";
            let shop = (!back.is_empty()).then_some((back, "Back"));
            message(status, "This Checkout session has expired", text, shop)
        }
        _ => page(status, &open(view, form, errors, promotion_code)),
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
    let (pay_title, button) = match (view.mode.as_str(), view.trial_days) {
        ("setup", _) => ("Save a card", "Save card".to_owned()),
        ("subscription", Some(_)) => ("Start the trial", format!("Start trial and pay {due} now")),
        ("subscription", None) => ("Subscribe", format!("Subscribe and pay {due}")),
        _ => ("Pay", format!("Pay {due}")),
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
        takes_delayed: view.mode != "setup",
        is_delayed: form.is_delayed(),
        pay_title,
        button,
        fields: form.fields(errors),
        error_title: "The payment did not go through",
        errors,
        test_cards: &TEST_CARDS,
    }
}

fn note(view: &CheckoutView) -> String {
    let until = format!("This page is open until {}.", day(view.expires_at));
    match view.trial_days {
        Some(days) => format!("{days} days free. {until}"),
        None => until,
    }
}
