//! `/dashboard/billing/cancel`: the customer left Checkout without paying.

use axum::extract::State;
use axum::response::Html;
use billing::actors::SignedIn;
use billing::app::App;
use store::intents::{Intent, IntentKind};
use views::cancel::CancelPage;
use views::components::Action;
use views::layout::Nav;
use views::{format, offer};

use crate::frame::{account_shell, html};
use crate::http::error::HttpResult;
use crate::pages::billing::rows;

/// `GET /dashboard/billing/cancel`: reads only (case K15).
pub async fn show(State(app): State<App>, caller: SignedIn) -> HttpResult<Html<String>> {
    let (account, now) = (caller.account.id, app.now());
    let open = app
        .read(move |tx| {
            let plan = store::intents::usable(tx, account, IntentKind::CheckoutSubscription, now)?;
            let pack = store::intents::usable(tx, account, IntentKind::CheckoutTopup, now)?;
            let last = plan
                .into_iter()
                .chain(pack)
                .max_by_key(|intent| intent.created_at);
            // A Checkout that was paid after all isn't offered again.
            Ok(match last {
                Some(intent) if rows::is_open(tx, &intent)? => Some(intent),
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
    })
}

/// What was about to be bought, and the link to continue.
fn choice(app: &App, intent: &Intent) -> Option<(String, Action)> {
    let (what, to) = bought(app, intent)?;
    let go_on = Action::link(format!("Continue with {what}"), to);
    Some((format!("{what} for {}", price(intent)?), go_on))
}

/// "5,000 credits" or "Pro", and the URL of the page that sells it.
pub(crate) fn bought(app: &App, intent: &Intent) -> Option<(String, String)> {
    if let Some(tier) = &intent.tier {
        let title = offer::title(&app.catalog(), tier);
        return Some((title, "/dashboard/billing/upgrade".to_owned()));
    }
    let micros = intent.credits_micros?;
    let amount = domain::money::Credits::from_micros(micros).floor();
    let to = format!("/dashboard/billing/credits?amount={amount}");
    Some((format::credits_worded(micros), to))
}

/// For example "$5.00".
pub(crate) fn price(intent: &Intent) -> Option<String> {
    let currency = domain::money::Currency::parse(intent.currency.as_deref()?)?;
    let amount = domain::money::MinorUnits::new(intent.amount_minor?, currency);
    Some(offer::money(amount))
}
