//! The hosted invoice at `/i/{invoice}`, and its PDF.

use askama::Template;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use stripe::objects::InvoiceStatus;

use super::card::{CardForm, Field, TEST_CARDS};
use super::checkout::AuthenticatePage;
use super::format::{day, iso, money, plain};
use super::{FormError, not_found, page, refused, see_other};
use crate::app::App;
use crate::core::{InvoiceView, PayError};
use crate::pdf::{self, Line};

const UNKNOWN: &str = "This invoice doesn't exist.";

#[derive(Template)]
#[template(path = "invoice.html")]
struct InvoicePage<'a> {
    title: String,
    status: String,
    badge: &'static str,
    created: String,
    created_at: String,
    customer: String,
    lines: Vec<(String, String)>,
    total: String,
    paid: String,
    remaining: String,
    pdf_url: String,
    action: String,
    is_open: bool,
    button: String,
    fields: Vec<Field>,
    error_title: &'static str,
    errors: &'a [FormError],
    test_cards: &'static [(&'static str, &'static str)],
}

fn address(invoice: &str) -> String {
    format!("/i/{invoice}")
}

/// `GET /i/{invoice}`
pub(crate) async fn show(State(app): State<App>, Path(invoice): Path<String>) -> Response {
    match app.read(|core| core.invoice_view(&invoice)) {
        None => not_found(UNKNOWN),
        Some(view) if view.status == InvoiceStatus::Open && view.awaits_authentication => {
            see_other(&format!("{}/authenticate", address(&invoice)))
        }
        Some(view) => shown(
            &view,
            &invoice,
            &CardForm::empty(false),
            &[],
            StatusCode::OK,
        ),
    }
}

/// `POST /i/{invoice}`
pub(crate) async fn pay(
    State(app): State<App>,
    Path(invoice): Path<String>,
    body: Bytes,
) -> Response {
    let Some(view) = app.read(|core| core.invoice_view(&invoice)) else {
        return not_found(UNKNOWN);
    };
    let form = CardForm::read(&body, false);
    let payment = match form.payment(app.twin.clock.now_seconds()) {
        Ok(payment) => payment,
        Err(errors) => return shown(&view, &invoice, &form, &errors, StatusCode::BAD_REQUEST),
    };
    let paid = app.change(|core, now| core.pay_invoice_page(&invoice, payment, now));
    match paid {
        Ok(_) => see_other(&address(&invoice)),
        Err(PayError::RequiresAuthentication) => {
            see_other(&format!("{}/authenticate", address(&invoice)))
        }
        Err(PayError::Card { message, .. }) => {
            let errors = [FormError::of_form(message)];
            shown(
                &view,
                &invoice,
                &form,
                &errors,
                StatusCode::PAYMENT_REQUIRED,
            )
        }
        Err(error) => refused(&error, &address(&invoice)),
    }
}

/// `GET /i/{invoice}/authenticate`
pub(crate) async fn ask(State(app): State<App>, Path(invoice): Path<String>) -> Response {
    match app.read(|core| core.invoice_view(&invoice)) {
        None => not_found(UNKNOWN),
        Some(view) if !view.awaits_authentication => see_other(&address(&invoice)),
        Some(view) => page(
            StatusCode::OK,
            &AuthenticatePage {
                total: money(view.amount_remaining, &view.currency),
                action: format!("{}/authenticate", address(&invoice)),
            },
        ),
    }
}

/// `POST /i/{invoice}/authenticate`
pub(crate) async fn authenticate(
    State(app): State<App>,
    Path(invoice): Path<String>,
    body: Bytes,
) -> Response {
    let succeeded = CardForm::read(&body, false).value("outcome") == "complete";
    let answered = app.change(|core, now| core.authenticate_invoice(&invoice, succeeded, now));
    let view = app.read(|core| core.invoice_view(&invoice));
    match (answered, view) {
        (Ok(_), _) => see_other(&address(&invoice)),
        (Err(PayError::Card { message, .. }), Some(view)) => {
            let errors = [FormError::of_form(message)];
            let form = CardForm::empty(false);
            shown(
                &view,
                &invoice,
                &form,
                &errors,
                StatusCode::PAYMENT_REQUIRED,
            )
        }
        (Err(error), _) => refused(&error, &address(&invoice)),
    }
}

/// `GET /i/{invoice}/pdf`
pub(crate) async fn pdf(State(app): State<App>, Path(invoice): Path<String>) -> Response {
    let Some(view) = app.read(|core| core.invoice_view(&invoice)) else {
        return not_found(UNKNOWN);
    };
    let name = view.number.as_deref().unwrap_or(&view.id);
    let attached = format!("attachment; filename=\"invoice-{name}.pdf\"");
    let headers = [
        (header::CONTENT_TYPE, "application/pdf".to_owned()),
        (header::CONTENT_DISPOSITION, attached),
    ];
    (headers, pdf::document(&title_of(&view), &pdf_lines(&view))).into_response()
}

fn pdf_lines(view: &InvoiceView) -> Vec<Line> {
    let figure = |amount| money(amount, &view.currency);
    let mut lines = vec![
        Line::plain(format!("Date: {}", day(view.created)), ""),
        Line::plain(format!("Status: {}", plain(view.status.as_str())), ""),
        Line::plain(format!("Customer: {}", customer_of(view)), ""),
        Line::plain("", ""),
        Line::bold("Description", "Amount"),
    ];
    for row in &view.lines {
        let (label, amount) = (&row.description, figure(row.amount));
        lines.push(Line::plain(
            label.chars().take(70).collect::<String>(),
            amount,
        ));
    }
    lines.push(Line::plain("", ""));
    lines.extend(
        adjustments(view)
            .into_iter()
            .map(|(label, amount)| Line::plain(label, amount)),
    );
    lines.push(Line::bold("Total", figure(view.total)));
    lines.push(Line::plain("Amount due", figure(view.amount_due)));
    lines.push(Line::plain(
        "Amount remaining",
        figure(view.amount_remaining),
    ));
    lines.push(Line::plain("", ""));
    lines.push(Line::plain("Test mode: no money moves.", ""));
    lines
}

/// What comes between the lines and the total: discounts and tax.
fn adjustments(view: &InvoiceView) -> Vec<(String, String)> {
    let all = [
        ("Discount", -view.discount),
        ("Tax", view.tax),
        ("Tax (included)", view.included_tax),
    ];
    let shown = all.into_iter().filter(|(_, amount)| *amount != 0);
    shown
        .map(|(label, amount)| (label.to_owned(), money(amount, &view.currency)))
        .collect()
}

fn title_of(view: &InvoiceView) -> String {
    format!("Invoice {}", view.number.as_deref().unwrap_or("(draft)"))
}

fn customer_of(view: &InvoiceView) -> String {
    match (&view.customer_name, &view.customer_email) {
        (Some(name), Some(email)) => format!("{name}, {email}"),
        (Some(one), None) | (None, Some(one)) => one.clone(),
        (None, None) => "Unknown".to_owned(),
    }
}

/// The CSS class of the badge for an invoice's status.
pub(super) fn badge_of(status: &InvoiceStatus) -> &'static str {
    match status {
        InvoiceStatus::Paid => "ok",
        InvoiceStatus::Open => "warn",
        InvoiceStatus::Uncollectible => "bad",
        _ => "info",
    }
}

fn shown(
    view: &InvoiceView,
    invoice: &str,
    form: &CardForm,
    errors: &[FormError],
    status: StatusCode,
) -> Response {
    let figure = |amount| money(amount, &view.currency);
    let paid = view.amount_due.saturating_sub(view.amount_remaining);
    let invoice_page = InvoicePage {
        title: title_of(view),
        status: plain(view.status.as_str()),
        badge: badge_of(&view.status),
        created: day(view.created),
        created_at: iso(view.created),
        customer: customer_of(view),
        lines: view
            .lines
            .iter()
            .map(|row| (row.description.clone(), figure(row.amount)))
            .chain(adjustments(view))
            .collect(),
        total: figure(view.total),
        paid: figure(paid),
        remaining: figure(view.amount_remaining),
        pdf_url: format!("{}/pdf", address(invoice)),
        action: address(invoice),
        is_open: view.status == InvoiceStatus::Open,
        button: format!("Pay {}", figure(view.amount_remaining)),
        fields: form.fields(errors),
        error_title: "Your payment didn't go through",
        errors,
        test_cards: &TEST_CARDS,
    };
    page(status, &invoice_page)
}
