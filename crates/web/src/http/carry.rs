//! Links, forms and redirects of an answer carry the account that its request was about, so that
//! somebody in several accounts never acts on another than the one in front of them.
//!
//! Done here once for all pages, on finished markup: text of people is escaped in it, so what
//! looks like an attribute of ours is one.

use std::sync::{Arc, OnceLock};

use axum::body::{Body, to_bytes};
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::Response;
use billing::actors::SignedIn;

/// The account that a page is about, for the links of the answer: set where a request is let in,
/// read where it leaves. Empty for somebody with one account, who cannot mix them up.
#[derive(Clone, Debug, Default)]
pub struct Carry(Arc<OnceLock<String>>);

impl Carry {
    /// The one of this request.
    pub fn of(parts: &Parts) -> Carry {
        parts.extensions.get::<Carry>().cloned().unwrap_or_default()
    }

    /// Sets the account of somebody who belongs to several; the first one stays.
    pub fn set(&self, caller: &SignedIn) {
        if caller.places.len() > 1 {
            let _ = self.0.set(caller.account.public_id.clone());
        }
    }

    /// The account, when links must carry one.
    pub fn get(&self) -> Option<&str> {
        self.0.get().map(String::as_str)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Carry {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        Ok(Carry::of(parts))
    }
}

/// Addresses that are about an account.
const ABOUT_ACCOUNTS: &[&str] = &["/dashboard", "/api/stripe/", "/api/dashboard/", "/api/v1/"];

/// Attributes that hold an address.
const ATTRIBUTES: &[&str] = &["href", "action", "formaction", "data-refresh-to"];

/// Largest page that is read back.
const PAGE_BYTES_MAX: usize = 8 << 20;

/// The answer with the account in all its addresses.
pub async fn along(response: Response, account: &str) -> Response {
    let account: String = form_urlencoded::byte_serialize(account.as_bytes()).collect();
    let (mut parts, body) = response.into_parts();
    if let Some(to) = location(&parts.headers) {
        if let Ok(to) = HeaderValue::from_str(&address(to, &account, "&")) {
            parts.headers.insert(header::LOCATION, to);
        }
        return Response::from_parts(parts, body);
    }
    if !is_html(&parts.headers) {
        return Response::from_parts(parts, body);
    }
    // Our own pages are in memory already; one that cannot be read is cut, not sent wrong.
    let Ok(bytes) = to_bytes(body, PAGE_BYTES_MAX).await else {
        return Response::from_parts(parts, Body::empty());
    };
    parts.headers.remove(header::CONTENT_LENGTH);
    let html = page(&String::from_utf8_lossy(&bytes), &account);
    Response::from_parts(parts, Body::from(html))
}

fn location(headers: &HeaderMap) -> Option<&str> {
    headers.get(header::LOCATION)?.to_str().ok()
}

fn is_html(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE);
    kind.and_then(|kind| kind.to_str().ok())
        .is_some_and(|kind| kind.starts_with("text/html"))
}

/// An address with the account in its query, unless it has one or is about none.
fn address(to: &str, account: &str, and: &str) -> String {
    let is_about = ABOUT_ACCOUNTS.iter().any(|prefix| to.starts_with(prefix));
    if !is_about || to.contains("?account=") || to.contains("&account=") || to.contains(";account=")
    {
        return to.to_owned();
    }
    // A fragment begins at the first hash that is not part of an escape such as `&#38;`.
    let hashes = to.match_indices('#').map(|(at, _)| at);
    let end = hashes
        .filter(|at| !to[..*at].ends_with('&'))
        .min()
        .unwrap_or(to.len());
    let (address, fragment) = to.split_at(end);
    let join = if address.contains('?') { and } else { "?" };
    format!("{address}{join}account={account}{fragment}")
}

fn page(html: &str, account: &str) -> String {
    let mut carried = String::with_capacity(html.len() + 1_024);
    let mut rest = html;
    while let Some((text, tag, after)) = next_tag(rest) {
        carried.push_str(text);
        write_tag(&mut carried, tag, account);
        rest = after;
    }
    carried.push_str(rest);
    carried
}

/// What stands before the next tag, the tag from `<` to `>`, and what follows it.
fn next_tag(html: &str) -> Option<(&str, &str, &str)> {
    let start = html.find('<')?;
    let end = start + html[start..].find('>')? + 1;
    Some((&html[..start], &html[start..end], &html[end..]))
}

fn write_tag(to: &mut String, tag: &str, account: &str) {
    let mut is_about = false;
    for (number, piece) in tag.split('"').enumerate() {
        if number > 0 {
            to.push('"');
        }
        let is_value = number % 2 == 1;
        let name = tag_before(tag, piece);
        if is_value && ATTRIBUTES.contains(&name) {
            let carried = address(piece, account, "&#38;");
            is_about |= name == "action" && ABOUT_ACCOUNTS.iter().any(|p| piece.starts_with(p));
            to.push_str(&carried);
        } else if is_value && name == "content" && piece.contains(";url=/") {
            let (seconds, url) = piece.split_once(";url=").unwrap_or((piece, ""));
            to.push_str(seconds);
            to.push_str(";url=");
            to.push_str(&address(url, account, "&#38;"));
        } else {
            to.push_str(piece);
        }
    }
    // The query of a form that is sent by GET is made of its fields alone.
    if is_about && tag.starts_with("<form") && tag.contains(" method=\"get\"") {
        to.push_str("<input type=\"hidden\" name=\"account\" value=\"");
        to.push_str(account);
        to.push_str("\">");
    }
}

/// The name of the attribute whose value `piece`, a part of `tag`, is.
fn tag_before<'a>(tag: &'a str, piece: &str) -> &'a str {
    let at = piece.as_ptr() as usize - tag.as_ptr() as usize;
    let before = tag[..at].strip_suffix("=\"").unwrap_or("");
    before.rsplit([' ', '\n', '\t']).next().unwrap_or("")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_forms_and_refreshes_about_an_account_carry_it() {
        let html = concat!(
            r#"<a href="/dashboard/billing">x</a><a class="b" href="/dashboard/usage?a=1&#38;b=2#top">"#,
            r#"<form method="post" action="/api/stripe/customer-portal">"#,
            r#"<form method="get" action="/dashboard/usage"><p data-refresh-to="/dashboard/x?try=1">"#,
            r#"<meta http-equiv="refresh" content="3;url=/dashboard/x?try=1">"#,
        );

        let carried = page(html, "acc_1");

        assert_eq!(
            carried,
            concat!(
                r#"<a href="/dashboard/billing?account=acc_1">x</a>"#,
                r#"<a class="b" href="/dashboard/usage?a=1&#38;b=2&#38;account=acc_1#top">"#,
                r#"<form method="post" action="/api/stripe/customer-portal?account=acc_1">"#,
                r#"<form method="get" action="/dashboard/usage?account=acc_1">"#,
                r#"<input type="hidden" name="account" value="acc_1">"#,
                r#"<p data-refresh-to="/dashboard/x?try=1&#38;account=acc_1">"#,
                r#"<meta http-equiv="refresh" content="3;url=/dashboard/x?try=1&#38;account=acc_1">"#,
            )
        );
    }

    #[test]
    fn what_names_an_account_already_or_is_about_none_stays() {
        let html = concat!(
            r#"<a href="/dashboard?account=acc_2">/dashboard</a><a href="/pricing">"#,
            r#"<a href="/dashboard/x?b=1&#38;account=acc_2"><a href="https://x.example/dashboard">"#,
            r#"<input value="/dashboard"><p title="href=">&#34;/dashboard&#34;</p>"#,
        );

        assert_eq!(page(html, "acc_1"), html);
    }
}
