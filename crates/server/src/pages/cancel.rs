//! `/dashboard/billing/cancel`: Checkout was left.

use askama::Template;
use axum::extract::State;
use axum::response::Html;
use store::intents::Intent;

use super::components::{Action, Banner};
use super::layout::{Nav, Shell};
use super::serve::{account_shell, html, while_billing_is_on};
use super::{billing, format, offer};
use crate::actors::SignedIn;
use crate::app::App;
use crate::http::error::HttpResult;

/// `GET /dashboard/billing/cancel`: looks, and changes nothing (case K15).
pub async fn show(State(app): State<App>, caller: SignedIn) -> HttpResult<Html<String>> {
    while_billing_is_on(&app)?;
    let (account, now) = (caller.account.id, app.now());
    let open = app
        .read(move |tx| {
            let plan = store::intents::usable(tx, account, "checkout_subscription", now)?;
            let pack = store::intents::usable(tx, account, "checkout_topup", now)?;
            let last = plan
                .into_iter()
                .chain(pack)
                .max_by_key(|intent| intent.created_at);
            // One that was paid after all is not to be gone on with.
            Ok(match last {
                Some(intent) if billing::state::is_open(tx, &intent)? => Some(intent),
                _ => None,
            })
        })
        .await?;
    let choice = open.and_then(|intent| choice(&app, &intent));
    let (choice, retry) = match choice {
        Some((choice, retry)) => (Some(choice), retry),
        None => (
            None,
            Action::link("See the plans", "/dashboard/billing/upgrade"),
        ),
    };
    html(&CancelPage {
        shell: account_shell(&app, &caller, Nav::Billing),
        choice,
        retry: retry.primary(),
        banner: None,
    })
}

/// What was about to be bought, and the way back to it.
fn choice(app: &App, intent: &Intent) -> Option<(String, Action)> {
    let (what, to) = bought(app, intent)?;
    let go_on = Action::link(format!("Go on with {what}"), to);
    Some((format!("{what} for {}", price(intent)?), go_on))
}

/// "5,000 credits" or "Pro", and the page that sells it.
pub(super) fn bought(app: &App, intent: &Intent) -> Option<(String, String)> {
    if let Some(tier) = &intent.tier {
        let title = offer::title(&app.catalog(), tier);
        return Some((title, "/dashboard/billing/upgrade".to_owned()));
    }
    let micros = intent.credits_micros?;
    let amount = domain::money::Credits::from_micros(micros).floor();
    let to = format!("/dashboard/billing/credits?amount={amount}");
    Some((format::credits_worded(micros), to))
}

/// "$5.00"
pub(super) fn price(intent: &Intent) -> Option<String> {
    let currency = domain::money::Currency::parse(intent.currency.as_deref()?)?;
    let amount = domain::money::MinorUnits::new(intent.amount_minor?, currency);
    Some(offer::money(amount))
}

/// Says that nothing was charged and offers the way back.
#[derive(Clone, Debug, Template)]
#[template(path = "cancel.html")]
pub struct CancelPage {
    /// The frame.
    pub shell: Shell,
    /// What was about to be bought: "5,000 credits for $5.00"; none when that is not known.
    pub choice: Option<String>,
    /// Goes on where the reader left.
    pub retry: Action,
    /// Said when the checkout was paid after all, in another tab.
    pub banner: Option<Banner>,
}

impl CancelPage {
    /// With and without a choice that is still known.
    pub fn samples() -> Vec<(&'static str, Self)> {
        use super::layout::Nav;
        use super::samples::{self, EVIL};

        let retry = Action::link(
            "Go on with 5,000 credits",
            "/dashboard/billing/credits?amount=5000",
        );
        let known = Self {
            shell: samples::customer_in_test_mode(Nav::Billing),
            choice: Some("5,000 credits for $5.00".to_owned()),
            retry,
            banner: None,
        };
        let unknown = Self {
            choice: None,
            retry: Action::link("See the plans", "/dashboard/billing/upgrade"),
            ..known.clone()
        };
        let worst = Self {
            shell: samples::worst(Nav::Billing),
            choice: Some(EVIL.to_owned()),
            retry: Action::link(EVIL, "/\"><script>"),
            banner: Some(super::words::credits_added(EVIL, EVIL)),
        };
        vec![("known", known), ("unknown", unknown), ("worst", worst)]
    }
}
