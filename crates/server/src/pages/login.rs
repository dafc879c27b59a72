//! `/login` and `/login/confirm`: signing in with a link by mail. No passwords.

use askama::Template;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;

use super::components::{Action, Banner, Kind};
use super::format::counted;
use super::icons::Icon;
use super::layout::{Nav, Shell};
use super::serve::{Fields, page, public_shell};
use crate::api::auth::{is_own_path, send_link};
use crate::app::App;
use crate::error::Error;
use crate::http::address::ClientAddress;
use crate::http::callers::MaybeVisitor;
use crate::http::error::{HttpResult, status_of};
use crate::http::params::Params;
use crate::secrets::hash;

/// Asks for a mail address, or says that the link is on its way.
#[derive(Clone, Debug, Template)]
#[template(path = "login.html")]
pub struct LoginPage {
    /// The frame.
    pub shell: Shell,
    /// Asking, or sent.
    pub step: LoginStep,
    /// The address, as typed.
    pub mail: String,
    /// What is wrong with it.
    pub mail_error: Option<String>,
    /// Why the reader is here again: a used link, too many tries.
    pub banner: Option<Banner>,
    /// Where to go afterwards, a path of ours.
    pub next: Option<String>,
    /// How long a link works: "15 minutes".
    pub link_lives: String,
    /// The twin's mailbox, in test mode: its address.
    pub mailbox: Option<String>,
    /// Other ways to sign in, such as the company's account.
    pub others: Vec<Action>,
}

/// How far the sign-in is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoginStep {
    /// The address is asked for.
    Ask,
    /// A link was sent, if the address may sign in; we never say whether it may.
    Sent,
}

impl LoginPage {
    /// The empty form.
    pub fn ask(shell: Shell) -> Self {
        Self {
            shell,
            step: LoginStep::Ask,
            mail: String::new(),
            mail_error: None,
            banner: None,
            next: None,
            link_lives: "15 minutes".to_owned(),
            mailbox: None,
            others: Vec::new(),
        }
    }

    /// "Check your mail".
    pub fn sent(shell: Shell, mail: impl Into<String>) -> Self {
        Self {
            step: LoginStep::Sent,
            mail: mail.into(),
            ..Self::ask(shell)
        }
    }

    /// A link that was used or is too old.
    pub fn link_is_over() -> Banner {
        Banner::new(
            Kind::Warn,
            "This sign-in link no longer works",
            "A link works once and only for a short time. Ask for a new one below.",
        )
    }

    /// Too many links in a short time.
    pub fn too_many(wait: &str) -> Banner {
        Banner::new(
            Kind::Warn,
            "Too many sign-in links",
            format!("Try again in {wait}. A link that you have already still works."),
        )
    }

    /// A page that needs a session was asked for without one.
    pub fn sign_in_first() -> Banner {
        Banner::new(
            Kind::Info,
            "Sign in to go on",
            "You are back on your page right after.",
        )
    }

    fn is_sent(&self) -> bool {
        self.step == LoginStep::Sent
    }

    /// Each step and each refusal.
    pub fn samples() -> Vec<(&'static str, Self)> {
        use super::samples::{self, EVIL};

        let ask = || Self::ask(samples::public());
        let mailbox = || Some("http://127.0.0.1:12111/mailbox".to_owned());
        vec![
            ("ask", ask()),
            (
                "ask-in-test-mode",
                Self {
                    mailbox: mailbox(),
                    next: Some("/dashboard".to_owned()),
                    ..ask()
                },
            ),
            (
                "sent",
                Self {
                    mailbox: mailbox(),
                    ..Self::sent(samples::public(), "maya@acme.example")
                },
            ),
            (
                "link-over",
                Self {
                    banner: Some(Self::link_is_over()),
                    ..ask()
                },
            ),
            (
                "too-many",
                Self {
                    banner: Some(Self::too_many("40 seconds")),
                    ..ask()
                },
            ),
            (
                "invalid",
                Self {
                    mail: "maya@".to_owned(),
                    mail_error: Some(
                        "Enter a whole address, such as maya@acme.example.".to_owned(),
                    ),
                    ..ask()
                },
            ),
            (
                "worst",
                Self {
                    mail: EVIL.to_owned(),
                    mail_error: Some(EVIL.to_owned()),
                    next: Some("/\"><script>".to_owned()),
                    others: vec![Action::link(EVIL, "/\"><script>").block()],
                    banner: Some(Banner::new(Kind::Bad, EVIL, EVIL)),
                    ..ask()
                },
            ),
            ("sent-worst", Self::sent(samples::public(), EVIL)),
        ]
    }
}

/// The page that a mailed link opens. Mail scanners follow links, so the link alone signs nobody
/// in; the button does.
#[derive(Clone, Debug, Template)]
#[template(path = "login_confirm.html")]
pub struct LoginConfirmPage {
    /// The frame.
    pub shell: Shell,
    /// Where the button posts: `/api/auth/link/{token}`.
    pub action: String,
    /// Whom it signs in, where that may be shown.
    pub mail: Option<String>,
    /// Where to go afterwards, a path of ours.
    pub next: Option<String>,
}

impl LoginConfirmPage {
    /// With and without an address.
    pub fn samples() -> Vec<(&'static str, Self)> {
        use super::samples::{self, EVIL};

        let page = Self {
            shell: samples::public(),
            action: "/api/auth/link/tok_1".to_owned(),
            mail: Some("maya@acme.example".to_owned()),
            next: None,
        };
        let worst = Self {
            action: "/\"><script>".to_owned(),
            mail: Some(EVIL.to_owned()),
            next: Some(EVIL.to_owned()),
            ..page.clone()
        };
        vec![
            ("known", page.clone()),
            ("unknown", Self { mail: None, ..page }),
            ("worst", worst),
        ]
    }
}

/// Why somebody is on the page, and where they want to go.
#[derive(Debug, Deserialize)]
pub struct Asked {
    next: Option<String>,
}

/// `GET /login`
pub async fn show(
    State(app): State<App>,
    MaybeVisitor(visitor): MaybeVisitor,
    Params(asked): Params<Asked>,
) -> HttpResult<Response> {
    let next = asked.next.filter(|next| is_own_path(next));
    if visitor.is_some() {
        let home = next.unwrap_or_else(|| "/".to_owned());
        return Ok(Redirect::to(&home).into_response());
    }
    let view = LoginPage {
        banner: next.as_ref().map(|_| LoginPage::sign_in_first()),
        others: others(&app, next.as_deref()),
        next,
        ..empty(&app)
    };
    page(StatusCode::OK, &view)
}

/// The organisation's own sign-in, where there is one.
fn others(app: &App, next: Option<&str>) -> Vec<Action> {
    let oidc = &app.settings.oidc;
    if oidc.issuer.is_empty() {
        return Vec::new();
    }
    let next = next.map(|next| form_urlencoded::byte_serialize(next.as_bytes()).collect());
    let query = next.map_or_else(String::new, |next: String| format!("?next={next}"));
    vec![Action::link(&oidc.label, format!("/api/auth/oidc{query}")).block()]
}

/// Who wants to sign in.
#[derive(Debug, Deserialize)]
pub struct NewLogin {
    email: String,
    next: Option<String>,
}

/// `POST /login`: mails a link. What is shown does not tell whether the address is known (A8).
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

/// The form again, with what was typed and why it was not enough.
fn refused(app: &App, mail: String, next: Option<String>, error: Error) -> HttpResult<Response> {
    let status = status_of(error.0.kind);
    let asked = LoginPage {
        mail,
        next,
        ..empty(app)
    };
    match (status, error.0.retry_after) {
        (StatusCode::BAD_REQUEST, _) => {
            let mail_error = Some(error.0.detail.clone());
            page(
                status,
                &LoginPage {
                    mail_error,
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

/// What a mailed link carries.
#[derive(Debug, Deserialize)]
pub struct Token {
    token: Option<String>,
}

/// `GET /login/confirm`: one button that signs in. Looking does not use the link up, since mail
/// scanners look.
pub async fn confirm(State(app): State<App>, Params(asked): Params<Token>) -> HttpResult<Response> {
    let token = asked.token.unwrap_or_default();
    let (digest, now) = (hash(&token), app.real_now());
    let link = app
        .read(move |tx| store::login_links::find(tx, &digest))
        .await?;
    let link = link.filter(|link| link.used_at.is_none() && now < link.expires_at);
    let Some(link) = link else {
        let banner = Some(LoginPage::link_is_over());
        let over = LoginPage {
            banner,
            ..empty(&app)
        };
        return page(StatusCode::BAD_REQUEST, &over);
    };
    let view = LoginConfirmPage {
        shell: public_shell(&app, None, Nav::None),
        // A link that was found has a token of ours: 64 hexadecimal digits.
        action: format!("/api/auth/link/{token}"),
        mail: Some(link.email),
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

/// Where mails of the demo end up.
fn mailbox(app: &App) -> Option<String> {
    let twin = app
        .twin_url
        .as_ref()
        .filter(|_| !app.settings.stripe.is_live());
    twin.map(|twin| format!("{twin}/_twin/mailbox"))
}
