//! The pages people see: Checkout, the billing portal, invoices, the control page, the mailbox.
//!
//! Each works without script. A page's view holds ready-made text; its template computes nothing.

pub(crate) mod board;
pub(crate) mod card;
pub(crate) mod checkout;
pub(crate) mod invoice;
pub(crate) mod mailbox;
pub(crate) mod portal;
mod words;

use askama::Template;
use axum::http::{StatusCode, header};
use axum::response::{Html, IntoResponse, Response};

use crate::core::PayError;

/// One sentence of an error summary, and the field it is about (perhaps none).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FormError {
    pub field: &'static str,
    pub text: String,
}

impl FormError {
    /// About the whole form.
    fn of_all(text: impl Into<String>) -> Self {
        Self {
            field: "",
            text: text.into(),
        }
    }
}

#[derive(Template)]
#[template(path = "message.html")]
struct Message<'a> {
    title: &'a str,
    text: &'a str,
    link_url: &'a str,
    link_text: &'a str,
}

fn page(status: StatusCode, template: &impl Template) -> Response {
    match template.render() {
        Ok(html) => (status, Html(html)).into_response(),
        Err(error) => {
            tracing::error!(%error, "A page of the twin cannot be rendered");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

fn message(status: StatusCode, title: &str, text: &str, link: Option<(&str, &str)>) -> Response {
    let (link_url, link_text) = link.unwrap_or_default();
    page(
        status,
        &Message {
            title,
            text,
            link_url,
            link_text,
        },
    )
}

/// A page that is not there.
pub(crate) fn not_found(text: &str) -> Response {
    message(StatusCode::NOT_FOUND, "Not found", text, None)
}

/// After a form: the browser fetches `to`.
fn see_other(to: &str) -> Response {
    let location = header::HeaderValue::try_from(to);
    let location = location.unwrap_or(header::HeaderValue::from_static("/"));
    (StatusCode::SEE_OTHER, [(header::LOCATION, location)]).into_response()
}

/// The page for a payment that ended otherwise than in its form.
fn refused(error: &PayError, back: &str) -> Response {
    match error {
        PayError::NotFound => not_found("There is nothing at this address."),
        other => message(
            StatusCode::CONFLICT,
            "That is not possible",
            &other.to_string(),
            Some((back, "Back")),
        ),
    }
}
