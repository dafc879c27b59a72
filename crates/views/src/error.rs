//! Error pages: what went wrong, what it means, what to do, with the code and the request id for
//! support.

use askama::Template;

use crate::components::Action;
use crate::layout::{Shell, page};
use crate::links::filters;

#[cfg(any(test, feature = "samples"))]
mod samples;

/// A refusal or an error as a page.
#[derive(Clone, Debug, Template)]
#[template(path = "error.html")]
pub struct ErrorPage {
    pub shell: Shell,
    /// The HTTP status: 404.
    pub status: u16,
    /// For example "This page does not exist".
    pub title: String,
    pub detail: String,
    pub advice: String,
    /// The stable error code: "`not_found`".
    pub code: String,
    /// The id of the request, as in the log.
    pub request_id: Option<String>,
    pub actions: Vec<Action>,
}

page!(ErrorPage);

impl ErrorPage {
    /// A page for any problem, with advice that depends on its status.
    pub fn new(
        shell: Shell,
        status: u16,
        code: impl Into<String>,
        title: impl Into<String>,
        detail: impl Into<String>,
    ) -> Self {
        let home = match shell.viewer {
            Some(_) if shell.billing_enabled => Action::link("Back to billing", shell.home()),
            Some(_) => Action::link("See usage", shell.home()),
            None => Action::link("See pricing", "/pricing"),
        };
        Self {
            shell,
            status,
            title: title.into(),
            detail: detail.into(),
            advice: advice(status).to_owned(),
            code: code.into(),
            request_id: None,
            actions: vec![home.primary()],
        }
    }

    pub fn request(mut self, id: impl Into<String>) -> Self {
        self.request_id = Some(id.into());
        self
    }

    /// The page doesn't exist, or the reader has no access to it.
    pub fn not_found(shell: Shell) -> Self {
        Self::new(
            shell,
            404,
            "not_found",
            "This page does not exist",
            "The address may be mistyped, or the page belongs to another account.",
        )
    }

    /// The billing feature flag is off.
    pub fn billing_is_off(shell: Shell) -> Self {
        let mut page = Self::new(
            shell,
            404,
            "billing_disabled",
            "Billing is not available yet",
            "Billing is switched off for your account. API calls and credits work as usual.",
        );
        page.advice = "Ask support when it becomes available.".to_owned();
        page
    }
}

fn advice(status: u16) -> &'static str {
    match status {
        400 | 413 | 415 | 422 => "Go back, check what you entered, and send it again.",
        401 => "Sign in and try again.",
        402 => "Add credits or choose a larger plan, then try again.",
        403 => "Ask an owner of this account, or sign in as someone else.",
        404 => "Check the address, or start from your billing page.",
        409 => "Reload the page to see the current state, then try again.",
        429 => "Wait a minute, then try again.",
        502..=504 => {
            "Try again in a moment. If it keeps failing, send support the request id below."
        }
        _ => "Try again. If it keeps failing, send support the request id below.",
    }
}
