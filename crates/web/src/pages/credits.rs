//! `/dashboard/billing/credits`: credit packs to buy, and the credits left by grant.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use billing::accounts::preferences;
use billing::actors::SignedIn;
use billing::app::App;
use billing::error::{Error, Kind, Result};
use billing::payments::checkout;
use billing::summary::{View, view_with};
use domain::ledger::Lot;
use serde::Deserialize;
use store::Tx;
use views::components::Prose;
use views::credits::{CreditsPage, GrantRow, Order};
use views::layout::Nav;
use views::plans::PackCard;
use views::{format, labels, offer};

use crate::frame::{account_shell, page};
use crate::http::error::{HttpResult, status_of};
use crate::http::form::Fields;
use crate::http::params::Params;
use crate::pages::settings::auto_top_up;
use crate::pages::{pricing, standing, upgrade, usage};

const CREDITS: &str = "/dashboard/billing/credits";

/// The pack that is preselected.
#[derive(Debug, Deserialize)]
pub struct Query {
    amount: Option<String>,
}

/// `GET /dashboard/billing/credits`
pub async fn show(
    State(app): State<App>,
    caller: SignedIn,
    Params(query): Params<Query>,
) -> HttpResult<Response> {
    let amount = query.amount.unwrap_or_default();
    page(StatusCode::OK, &shop(&app, &caller, &amount).await?)
}

/// The pack to buy. Anything else that a client sends is ignored.
#[derive(Debug, Deserialize)]
pub struct Purchase {
    amount: Option<String>,
    attempt: Option<String>,
}

/// `POST /dashboard/billing/credits`: redirects to Checkout, or shows the packs with the error.
pub async fn start(
    State(app): State<App>,
    caller: SignedIn,
    Fields(form): Fields<Purchase>,
) -> HttpResult<Response> {
    let amount = form.amount.unwrap_or_default();
    let error = match buy(&app, &caller, &amount, form.attempt.as_deref()).await {
        Ok(url) => return Ok(Redirect::to(&url).into_response()),
        Err(error) => error,
    };
    let Some(banner) = upgrade::refusal(&error, CREDITS) else {
        return Err(error.into());
    };
    let mut packs = shop(&app, &caller, &amount).await?;
    match error.0.kind {
        Kind::BadRequest => packs.error = Some(error.0.detail.clone()),
        _ => packs.banners = vec![banner],
    }
    page(status_of(error.0.kind), &packs)
}

async fn buy(app: &App, caller: &SignedIn, amount: &str, attempt: Option<&str>) -> Result<String> {
    let credits = amount
        .parse()
        .map_err(|_| Error::field("amount", "Choose one of the packs."))?;
    let purchase = checkout::read_pack(&app.catalog(), credits)?;
    checkout::start(app, caller, &purchase, attempt).await
}

async fn shop(app: &App, caller: &SignedIn, amount: &str) -> Result<CreditsPage> {
    let account = caller.account.id;
    let (now, currency) = (app.now(), app.catalog().currency);
    let may_pay = caller.may_pay().is_ok();
    let read = move |tx: &mut Tx<'_>, _: &View| {
        let week = usage::spent_in_week(tx, account, now.day())?;
        let chosen = if may_pay {
            Some(preferences::look(tx, account, now, currency)?)
        } else {
            None
        };
        Ok((week, chosen))
    };
    let (view, (week, preferences)) = view_with(app, account, read).await?;
    let packs = packs(app, &view, week, amount);
    let chosen = packs.iter().find(|pack| pack.selected);
    let order = chosen.map_or_else(Order::default, |pack| Order {
        credits: format!("{} credits", pack.credits),
        price: pack.price.clone(),
        balance_after: pack.balance_after.clone(),
        lasts: pack.lasts.clone().unwrap_or_default(),
    });
    let lead = pricing::packs_note(&app.catalog());
    Ok(CreditsPage {
        shell: account_shell(app, caller, Nav::Credits),
        lead,
        banners: standing::credit_banner(&view, week).into_iter().collect(),
        attempt: app.new_id("att"),
        packs,
        packs_note: match week {
            0 => String::new(),
            week => {
                let pace = format::credits_worded(week / 7);
                format!("Days are estimated from your last 7 days ({pace} per day).")
            }
        },
        error: None,
        order,
        auto: preferences.map(|chosen| auto_top_up(app, &chosen)),
        grants: grants(&view),
    })
}

/// The packs that have a price at Stripe. The requested one is selected, else the third.
fn packs(app: &App, view: &View, week: i64, amount: &str) -> Vec<PackCard> {
    let (catalog, prices) = (app.catalog(), app.prices());
    let for_sale = |pack: &&domain::catalog::Pack| prices.price_of_pack.contains_key(&pack.credits);
    let packs: Vec<_> = catalog.packs.iter().filter(for_sale).collect();
    let asked = packs
        .iter()
        .position(|pack| pack.credits.to_string() == amount);
    let chosen = asked.unwrap_or(2.min(packs.len().saturating_sub(1)));
    let card = |(place, pack): (usize, &&domain::catalog::Pack)| {
        let bought = domain::money::Credits::new(pack.credits);
        // Credits pay off debt first, so less than the pack may be left to spend.
        let after = view.available.micros().saturating_add(bought.micros());
        let after = after.saturating_sub(view.debt.micros()).max(0);
        PackCard {
            amount: pack.credits.to_string(),
            credits: format::credits(bought.micros()),
            price: offer::money(pack.price),
            unit_price: format!("{} per credit", offer::unit_price(pack)),
            lasts: (week > 0).then(|| views::usage::lasts(after, week)),
            balance_after: format::credits(after),
            selected: place == chosen,
        }
    };
    packs.iter().enumerate().map(card).collect()
}

/// The grants with credits left, in the order in which they are spent.
fn grants(view: &View) -> Vec<GrantRow> {
    let row = |lot: &&Lot| GrantRow {
        source: source(lot),
        added: format::day(lot.effective_at.micros()),
        left: format::credits(lot.remaining().micros()),
        of: format::credits(lot.amount.micros()),
        expires: match lot.expires_at {
            Some(at) => Prose::default().time(format::day(at.micros())),
            None => "Never".into(),
        },
    };
    view.lots_in_order().iter().map(row).collect()
}

fn source(lot: &Lot) -> String {
    let kind = labels::grant_kind(lot.kind);
    if lot.frozen {
        format!("{kind}, set aside while its payment is disputed")
    } else {
        kind.to_owned()
    }
}
