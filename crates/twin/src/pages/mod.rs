//! The HTML pages: Checkout, the billing portal, invoices, the control page and the mailbox.
//!
//! Every page works without JavaScript. A page's view holds ready-made text; its template computes
//! nothing.

pub(crate) mod actions;
pub(crate) mod board;
pub(crate) mod card;
pub(crate) mod checkout;
mod format;
pub(crate) mod invoice;
pub(crate) mod mailbox;
pub(crate) mod portal;
pub(crate) mod portal_flow;

use askama::Template;
use axum::http::{StatusCode, header};
use axum::response::{Html, IntoResponse, Response};

use crate::core::PayError;

/// One message of an error summary, with the field it belongs to. An empty field means
/// the whole form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FormError {
    pub field: &'static str,
    pub text: String,
}

impl FormError {
    /// A message about the whole form.
    fn of_form(text: impl Into<String>) -> Self {
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
            tracing::error!(%error, "Failed to render a page of the twin");
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

/// The page for an object or a URL that doesn't exist.
pub(crate) fn not_found(text: &str) -> Response {
    message(StatusCode::NOT_FOUND, "Not found", text, None)
}

/// Redirects the browser to `to` after a form was posted.
fn see_other(to: &str) -> Response {
    let location = header::HeaderValue::try_from(to);
    let location = location.unwrap_or(header::HeaderValue::from_static("/"));
    (StatusCode::SEE_OTHER, [(header::LOCATION, location)]).into_response()
}

/// The page for an action that failed for a reason outside its form.
fn refused(error: &PayError, back: &str) -> Response {
    match error {
        PayError::NotFound => not_found("There's nothing at this address."),
        other => message(
            StatusCode::CONFLICT,
            "This isn't possible",
            &other.to_string(),
            Some((back, "Back")),
        ),
    }
}
