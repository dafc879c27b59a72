//! `/login`: signing in with a link sent by email.

use askama::Template;

use crate::components::{Action, Banner, Kind};
use crate::icons::Icon;
use crate::layout::{Shell, page};
use crate::links::filters;

#[cfg(any(test, feature = "samples"))]
mod samples;

/// Asks for an email address, or confirms that the link was sent.
#[derive(Clone, Debug, Template)]
#[template(path = "login.html")]
pub struct LoginPage {
    pub shell: Shell,
    /// Whether the form is shown or the link was sent.
    pub step: LoginStep,
    pub email: String,
    pub email_error: Option<String>,
    /// Why the reader is back on this page: a used link, too many attempts.
    pub banner: Option<Banner>,
    /// The path to continue to after signing in.
    pub next: Option<String>,
    /// How long a link is valid: "15 minutes".
    pub link_lives: String,
    /// The address of the twin's mailbox, in test mode.
    pub mailbox: Option<String>,
    /// Other ways to sign in, such as single sign-on.
    pub others: Vec<Action>,
}

page!(LoginPage);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoginStep {
    /// The form for the email address.
    Ask,
    /// A link was sent if the address may sign in; the page never reveals whether it may.
    Sent,
}

impl LoginPage {
    pub fn ask(shell: Shell) -> Self {
        Self {
            shell,
            step: LoginStep::Ask,
            email: String::new(),
            email_error: None,
            banner: None,
            next: None,
            link_lives: "15 minutes".to_owned(),
            mailbox: None,
            others: Vec::new(),
        }
    }

    /// The page that says "Check your email".
    pub fn sent(shell: Shell, email: impl Into<String>) -> Self {
        Self {
            step: LoginStep::Sent,
            email: email.into(),
            ..Self::ask(shell)
        }
    }

    /// The link was already used or has expired.
    pub fn link_expired() -> Banner {
        Banner::new(
            Kind::Warn,
            "This sign-in link no longer works",
            "A link works once and only for a short time. Request a new one below.",
        )
    }

    /// Too many links were requested in a short time.
    pub fn too_many(wait: &str) -> Banner {
        Banner::new(
            Kind::Warn,
            "Too many sign-in links",
            format!("Try again in {wait}. A link you already have still works."),
        )
    }

    /// A page that requires a session was requested without one.
    pub fn sign_in_first() -> Banner {
        Banner::new(
            Kind::Info,
            "Sign in to continue",
            "We'll take you straight back.",
        )
    }

    /// The application's session was not accepted, for this reason.
    pub fn host_session(why: &str) -> Banner {
        Banner::new(Kind::Warn, "Sign in to continue", why)
    }

    fn is_sent(&self) -> bool {
        self.step == LoginStep::Sent
    }
}

/// The page that an emailed link opens. Email scanners follow links, so the link alone signs no one
/// in; the button does.
#[derive(Clone, Debug, Template)]
#[template(path = "login_confirm.html")]
pub struct LoginConfirmPage {
    pub shell: Shell,
    /// The address that the button posts to: `/api/auth/link/{token}`.
    pub action: String,
    /// The email address of the user who signs in, if it may be shown.
    pub email: Option<String>,
    /// The path to continue to after signing in.
    pub next: Option<String>,
}

page!(LoginConfirmPage);
