//! `/login` and `/login/confirm`: signing in with an emailed link. No passwords.

use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use billing::app::App;
use billing::error::Error;
use billing::people::sign_in::{is_own_path, send_link};
use billing::secrets::hash;
use serde::Deserialize;
use views::components::Action;
use views::format::counted;
use views::layout::Nav;
use views::login::{LoginConfirmPage, LoginPage};

use crate::frame::{page, public_shell};
use crate::http::address::ClientAddress;
use crate::http::callers::MaybeVisitor;
use crate::http::error::{HttpResult, status_of};
use crate::http::form::Fields;
use crate::http::params::Params;
use crate::sign_in::host_session::reason;

/// Why the visitor is on the page, and where to go after the sign-in.
#[derive(Debug, Deserialize)]
pub struct Query {
    next: Option<String>,
    why: Option<String>,
}

/// `GET /login`
pub async fn show(
    State(app): State<App>,
    MaybeVisitor(visitor): MaybeVisitor,
    Params(query): Params<Query>,
) -> HttpResult<Response> {
    let next = query.next.filter(|next| is_own_path(next));
    if visitor.is_some() {
        let home = next.unwrap_or_else(|| "/".to_owned());
        return Ok(Redirect::to(&home).into_response());
    }
    let why = query.why.as_deref().and_then(reason);
    let view = LoginPage {
        banner: match why {
            Some(why) => Some(LoginPage::host_session(why)),
            None => next.as_ref().map(|_| LoginPage::sign_in_first()),
        },
        others: others(&app, next.as_deref()),
        next,
        ..empty(&app)
    };
    page(StatusCode::OK, &view)
}

/// The organization's own sign-in, if configured.
fn others(app: &App, next: Option<&str>) -> Vec<Action> {
    let oidc = &app.settings.oidc;
    if oidc.issuer.is_empty() {
        return Vec::new();
    }
    let next = next.map(|next| form_urlencoded::byte_serialize(next.as_bytes()).collect());
    let query = next.map_or_else(String::new, |next: String| format!("?next={next}"));
    vec![Action::link(&oidc.label, format!("/api/auth/oidc{query}")).block()]
}

/// The email address to sign in with.
#[derive(Debug, Deserialize)]
pub struct NewLogin {
    email: String,
    next: Option<String>,
}

/// `POST /login`: emails a link. The page doesn't reveal whether the address is known (A8).
pub async fn send(
    State(app): State<App>,
    from: ClientAddress,
    Fields(form): Fields<NewLogin>,
) -> HttpResult<Response> {
    let next = form.next.filter(|next| is_own_path(next));
    match send_link(&app, &form.email, next.as_deref(), &from.network()).await {
        Ok(()) => {
            let sent = LoginPage {
                link_lives: link_lives(&app),
                mailbox: mailbox(&app),
                ..LoginPage::sent(public_shell(&app, None, Nav::None), form.email.trim())
            };
            page(StatusCode::OK, &sent)
        }
        Err(error) => refused(&app, form.email, next, error),
    }
}

/// The form again, with what was typed and the error.
fn refused(app: &App, email: String, next: Option<String>, error: Error) -> HttpResult<Response> {
    let status = status_of(error.0.kind);
    let asked = LoginPage {
        email,
        next,
        ..empty(app)
    };
    match (status, error.0.retry_after) {
        (StatusCode::BAD_REQUEST, _) => {
            let email_error = Some(error.0.detail.clone());
            page(
                status,
                &LoginPage {
                    email_error,
                    ..asked
                },
            )
        }
        (StatusCode::TOO_MANY_REQUESTS, Some(seconds)) => {
            let wait = counted(seconds, "second", "seconds");
            let banner = Some(LoginPage::too_many(&wait));
            let mut response = page(status, &LoginPage { banner, ..asked })?;
            let seconds = HeaderValue::from(seconds);
            response.headers_mut().insert(header::RETRY_AFTER, seconds);
            Ok(response)
        }
        _ => Err(error.into()),
    }
}

/// The token in an emailed link.
#[derive(Debug, Deserialize)]
pub struct Token {
    token: Option<String>,
}

/// `GET /login/confirm`: shows a button that signs in. A GET doesn't use up the link, since email
/// scanners open links.
pub async fn confirm(State(app): State<App>, Params(asked): Params<Token>) -> HttpResult<Response> {
    let token = asked.token.unwrap_or_default();
    let (digest, now) = (hash(&token), app.real_now());
    let link = app
        .read(move |tx| store::login_links::find(tx, &digest))
        .await?;
    let link = link.filter(|link| link.used_at.is_none() && now < link.expires_at);
    let Some(link) = link else {
        let banner = Some(LoginPage::link_expired());
        let over = LoginPage {
            banner,
            ..empty(&app)
        };
        return page(StatusCode::BAD_REQUEST, &over);
    };
    let view = LoginConfirmPage {
        shell: public_shell(&app, None, Nav::None),
        // A link that was found has one of our tokens: 64 hexadecimal digits.
        action: format!("/api/auth/link/{token}"),
        email: Some(link.email),
        next: None,
    };
    page(StatusCode::OK, &view)
}

fn empty(app: &App) -> LoginPage {
    LoginPage {
        link_lives: link_lives(app),
        mailbox: mailbox(app),
        ..LoginPage::ask(public_shell(app, None, Nav::None))
    }
}

fn link_lives(app: &App) -> String {
    let minutes = app.settings.session.link_minutes.unsigned_abs();
    counted(minutes, "minute", "minutes")
}

/// The URL of the demo's mailbox.
fn mailbox(app: &App) -> Option<String> {
    let twin = app
        .twin_url
        .as_ref()
        .filter(|_| !app.settings.stripe.is_live());
    twin.map(|twin| format!("{twin}/_twin/mailbox"))
}
