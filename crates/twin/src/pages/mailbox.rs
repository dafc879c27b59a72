//! The mailbox at `/_twin/mailbox`: the emails that the service sent.

use askama::Template;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{Html, IntoResponse, Response};

use super::{not_found, page};
use crate::app::App;
use crate::mailbox::Email;

/// The number of emails on the page.
const ROWS_MAX: usize = 200;

const UNKNOWN: &str = "This email doesn't exist.";

struct Row {
    id: u64,
    subject: String,
    to: String,
    at: String,
    at_text: String,
}

#[derive(Template)]
#[template(path = "mailbox.html")]
struct MailboxPage {
    emails: Vec<Row>,
}

/// A piece of an email's text: plain text or a link.
#[derive(Debug, PartialEq, Eq)]
struct Piece<'a> {
    text: &'a str,
    is_link: bool,
}

#[derive(Template)]
#[template(path = "email.html")]
struct EmailPage<'a> {
    id: u64,
    subject: String,
    from: &'a str,
    to: String,
    at: &'a str,
    at_text: String,
    text: Vec<Piece<'a>>,
    has_html: bool,
}

fn subject_of(email: &Email) -> String {
    if email.subject.trim().is_empty() {
        "(no subject)".to_owned()
    } else {
        email.subject.clone()
    }
}

/// Formats `2026-12-15T09:30:00Z` as `2026-12-15 09:30:00 UTC`.
fn readable(at: &str) -> String {
    at.replace('T', " ").replace('Z', " UTC")
}

/// `GET /_twin/mailbox`
pub(crate) async fn list(State(app): State<App>) -> Response {
    let emails = {
        let mailbox = app.twin.mailbox();
        let rows = mailbox.newest_first().take(ROWS_MAX).map(|email| Row {
            id: email.id,
            subject: subject_of(email),
            to: email.to.join(", "),
            at: email.received_at.clone(),
            at_text: readable(&email.received_at),
        });
        rows.collect()
    };
    page(StatusCode::OK, &MailboxPage { emails })
}

/// `GET /_twin/mailbox/{email}`
pub(crate) async fn show(State(app): State<App>, Path(id): Path<u64>) -> Response {
    let Some(email) = app.twin.mailbox().get(id).cloned() else {
        return not_found(UNKNOWN);
    };
    let email_page = EmailPage {
        id,
        subject: subject_of(&email),
        from: &email.from,
        to: email.to.join(", "),
        at: &email.received_at,
        at_text: readable(&email.received_at),
        text: pieces_of(&email.text),
        has_html: !email.html.is_empty(),
    };
    page(StatusCode::OK, &email_page)
}

/// `GET /_twin/mailbox/{email}/html`: only the HTML part, for a sandboxed frame without scripts.
pub(crate) async fn html(State(app): State<App>, Path(id): Path<u64>) -> Response {
    let Some(email) = app.twin.mailbox().get(id).cloned() else {
        return not_found(UNKNOWN);
    };
    let policy = "sandbox allow-popups allow-popups-to-escape-sandbox \
                  allow-top-navigation-by-user-activation; default-src 'none'; \
                  style-src 'unsafe-inline'; img-src data:; frame-ancestors 'self'";
    // Links open outside the frame.
    let body = format!("<base target=\"_top\">{}", email.html);
    ([(header::CONTENT_SECURITY_POLICY, policy)], Html(body)).into_response()
}

/// Splits the text at its `http` and `https` links.
fn pieces_of(text: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some(start) = [rest.find("http://"), rest.find("https://")]
        .into_iter()
        .flatten()
        .min()
    {
        let (before, from) = rest.split_at(start);
        let length = from
            .find(|c: char| c.is_whitespace() || matches!(c, '<' | '>' | '"' | ')' | ']'))
            .unwrap_or(from.len());
        let link = from[..length].trim_end_matches(['.', ',', ';', ':', '!', '?', '\'']);
        for (text, is_link) in [(before, false), (link, true)] {
            if !text.is_empty() {
                pieces.push(Piece { text, is_link });
            }
        }
        rest = &from[link.len()..];
    }
    if !rest.is_empty() {
        pieces.push(Piece {
            text: rest,
            is_link: false,
        });
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_in_an_email_become_links_without_the_period_after_them() {
        let pieces = pieces_of("Go to http://a.test/x?y=1. Or <https://b.test>!");

        let links: Vec<_> = pieces
            .iter()
            .filter(|piece| piece.is_link)
            .map(|piece| piece.text)
            .collect();
        assert_eq!(links, ["http://a.test/x?y=1", "https://b.test"]);
        let whole: String = pieces.iter().map(|piece| piece.text).collect();
        assert_eq!(whole, "Go to http://a.test/x?y=1. Or <https://b.test>!");
    }

    #[test]
    fn a_javascript_url_is_not_a_link() {
        assert!(
            pieces_of("javascript:alert(1)")
                .iter()
                .all(|piece| !piece.is_link)
        );
    }
}
