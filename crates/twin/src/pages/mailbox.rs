//! The mailbox at `/_twin/mailbox`: what the service mailed.

use askama::Template;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{Html, IntoResponse, Response};

use super::{not_found, page};
use crate::mail::Mail;
use crate::routes::App;

/// Mails on the page.
const ROWS_MAX: usize = 200;

const UNKNOWN: &str = "There is no such mail.";

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
    mails: Vec<Row>,
}

/// A stretch of a mail's text: words, or an address to follow.
#[derive(Debug, PartialEq, Eq)]
struct Piece<'a> {
    text: &'a str,
    is_link: bool,
}

#[derive(Template)]
#[template(path = "mail.html")]
struct MailPage<'a> {
    id: u64,
    subject: String,
    from: &'a str,
    to: String,
    at: &'a str,
    at_text: String,
    text: Vec<Piece<'a>>,
    has_html: bool,
}

fn subject_of(mail: &Mail) -> String {
    if mail.subject.trim().is_empty() {
        "(no subject)".to_owned()
    } else {
        mail.subject.clone()
    }
}

/// `2026-12-15T09:30:00Z` as `2026-12-15 09:30:00 UTC`
fn readable(at: &str) -> String {
    at.replace('T', " ").replace('Z', " UTC")
}

/// `GET /_twin/mailbox`
pub(crate) async fn list(State(app): State<App>) -> Response {
    let mails = {
        let mailbox = app.twin.mailbox();
        let rows = mailbox.newest_first().take(ROWS_MAX).map(|mail| Row {
            id: mail.id,
            subject: subject_of(mail),
            to: mail.to.join(", "),
            at: mail.received_at.clone(),
            at_text: readable(&mail.received_at),
        });
        rows.collect()
    };
    page(StatusCode::OK, &MailboxPage { mails })
}

/// `GET /_twin/mailbox/{mail}`
pub(crate) async fn show(State(app): State<App>, Path(id): Path<u64>) -> Response {
    let Some(mail) = app.twin.mailbox().get(id).cloned() else {
        return not_found(UNKNOWN);
    };
    let mail_page = MailPage {
        id,
        subject: subject_of(&mail),
        from: &mail.from,
        to: mail.to.join(", "),
        at: &mail.received_at,
        at_text: readable(&mail.received_at),
        text: pieces_of(&mail.text),
        has_html: !mail.html.is_empty(),
    };
    page(StatusCode::OK, &mail_page)
}

/// `GET /_twin/mailbox/{mail}/html`: the part alone, for a frame in which nothing can run.
pub(crate) async fn html(State(app): State<App>, Path(id): Path<u64>) -> Response {
    let Some(mail) = app.twin.mailbox().get(id).cloned() else {
        return not_found(UNKNOWN);
    };
    let policy = "sandbox allow-popups allow-popups-to-escape-sandbox \
                  allow-top-navigation-by-user-activation; default-src 'none'; \
                  style-src 'unsafe-inline'; img-src data:; frame-ancestors 'self'";
    // Links leave the frame.
    let body = format!("<base target=\"_top\">{}", mail.html);
    ([(header::CONTENT_SECURITY_POLICY, policy)], Html(body)).into_response()
}

/// Cuts the text at its `http` and `https` addresses.
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
    fn addresses_in_a_mail_become_links_without_the_full_stop_after_them() {
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
    fn a_script_is_no_link() {
        assert!(
            pieces_of("javascript:alert(1)")
                .iter()
                .all(|piece| !piece.is_link)
        );
    }
}
