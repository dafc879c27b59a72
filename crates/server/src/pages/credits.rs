//! `/dashboard/billing/credits`: credit packs to buy, and where the credits are.

use askama::Template;
use askama::filters::HtmlSafe;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use domain::ledger::{GrantKind, Lot};
use serde::Deserialize;

use super::components::{Badge, Banner, Choice, Prose};
use super::format::When;
use super::icons::Icon;
use super::layout::{Nav, Shell};
use super::plans::PackCard;
use super::serve::{Fields, account_shell, page, while_billing_is_on};
use super::{billing, format, offer, pricing, upgrade, usage};
use crate::account::{View, view};
use crate::actors::SignedIn;
use crate::app::App;
use crate::error::{Error, Kind, Result};
use crate::http::error::{HttpResult, status_of};
use crate::http::params::Params;
use crate::payments::checkout;
use crate::preferences;

/// This page.
const CREDITS: &str = "/dashboard/billing/credits";

/// The pack that is chosen at first.
#[derive(Debug, Deserialize)]
pub struct Asked {
    amount: Option<String>,
}

/// `GET /dashboard/billing/credits`
pub async fn show(
    State(app): State<App>,
    caller: SignedIn,
    Params(asked): Params<Asked>,
) -> HttpResult<Response> {
    while_billing_is_on(&app)?;
    let amount = asked.amount.unwrap_or_default();
    page(StatusCode::OK, &shop(&app, &caller, &amount).await?)
}

/// The pack that is bought. Nothing else that a client sends is looked at.
#[derive(Debug, Deserialize)]
pub struct Purchase {
    amount: Option<String>,
    attempt: Option<String>,
}

/// `POST /dashboard/billing/credits`: on to Stripe's page, or the packs again with why not.
pub async fn start(
    State(app): State<App>,
    caller: SignedIn,
    Fields(form): Fields<Purchase>,
) -> HttpResult<Response> {
    while_billing_is_on(&app)?;
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
    let view = view(app, account).await?;
    let week = usage::spent_in_week(app, account).await?;
    let packs = packs(app, &view, week, amount);
    let chosen = packs.iter().find(|pack| pack.selected);
    let order = chosen.map_or_else(Order::default, |pack| Order {
        credits: format!("{} credits", pack.credits),
        price: pack.price.clone(),
        balance_after: pack.balance_after.clone(),
        lasts: pack.lasts.clone().unwrap_or_default(),
    });
    let lead = pricing::packs_note(&app.catalog());
    let auto = match caller.may_pay() {
        Ok(()) => Some(AutoTopUp::of(app, &preferences::read(app, account).await?)),
        Err(_) => None,
    };
    Ok(CreditsPage {
        shell: account_shell(app, caller, Nav::Credits),
        lead,
        banners: billing::credit_banner(&view, week).into_iter().collect(),
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
        auto,
        grants: grants(&view),
    })
}

/// The packs that have a price at Stripe. The one asked for is chosen, else the third.
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
        // Debt is paid first, so less than the pack may be left to spend.
        let after = view.available.micros().saturating_add(bought.micros());
        let after = after.saturating_sub(view.debt.micros()).max(0);
        PackCard {
            amount: pack.credits.to_string(),
            credits: format::credits(bought.micros()),
            price: offer::money(pack.price),
            unit_price: format!("{} per credit", offer::unit_price(pack)),
            lasts: (week > 0).then(|| usage::lasts(after, week)),
            balance_after: format::credits(after),
            selected: place == chosen,
        }
    };
    packs.iter().enumerate().map(card).collect()
}

/// What is left, in the order in which it is spent.
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
    let kind = match lot.kind {
        GrantKind::Purchase => "Top-up",
        GrantKind::Bonus => "Bonus",
        GrantKind::Allowance => "Monthly credits of your plan",
        GrantKind::Promo => "Promotion",
        GrantKind::Adjustment => "Adjustment",
        GrantKind::Rollover => "Carried over",
        GrantKind::Reinstatement => "Given back",
    };
    if lot.frozen {
        format!("{kind}, set aside while its payment is disputed")
    } else {
        kind.to_owned()
    }
}

/// The page on which credits are bought.
#[derive(Clone, Debug, Template)]
#[template(path = "credits.html")]
pub struct CreditsPage {
    /// The frame.
    pub shell: Shell,
    /// "1 credit pays for 1 standard API call ($0.001). ..."
    pub lead: String,
    /// What needs attention: low credits, a debt, Stripe silent.
    pub banners: Vec<Banner>,
    /// Names this attempt, so that a double click opens one checkout.
    pub attempt: String,
    /// The packs; empty says that nothing is sold.
    pub packs: Vec<PackCard>,
    /// How the days are estimated.
    pub packs_note: String,
    /// Why the last choice was refused.
    pub error: Option<String>,
    /// The order, as chosen at first.
    pub order: Order,
    /// Buys by itself when credits are low; none hides it.
    pub auto: Option<AutoTopUp>,
    /// The grants with something left, in the order in which they are spent.
    pub grants: Vec<GrantRow>,
}

/// The chosen pack in the order summary.
#[derive(Clone, Debug, Default)]
pub struct Order {
    /// "5,000 credits"
    pub credits: String,
    /// "$5.00"
    pub price: String,
    /// "6,228"
    pub balance_after: String,
    /// "about 18 days"; empty when there is too little usage to tell.
    pub lasts: String,
}

/// The setting that buys a pack by itself: a card of its own, here and on the settings page.
#[derive(Clone, Debug, Template)]
#[template(path = "components/auto_top_up.html")]
pub struct AutoTopUp {
    /// "On", "Off", "Stopped".
    pub badge: Badge,
    /// On now; the button then turns it off.
    pub is_on: bool,
    /// Why it stopped, or what it lacks.
    pub reason: Option<String>,
    /// When below.
    pub thresholds: Vec<Choice>,
    /// Buy.
    pub packs: Vec<Choice>,
    /// At most per month, as typed: "50.00".
    pub cap: String,
    /// The sign before it: "USD".
    pub currency: String,
    /// What it spent this month; empty for nothing.
    pub spent: String,
    /// What is wrong with what was typed.
    pub cap_error: Option<String>,
    /// The field that is wrong, and why.
    pub error: Option<(String, String)>,
}

impl HtmlSafe for AutoTopUp {}

/// One grant.
#[derive(Clone, Debug)]
pub struct GrantRow {
    /// "Top-up, 10,000"
    pub source: String,
    /// When it was added.
    pub added: When,
    /// What is left: "1,240".
    pub left: String,
    /// What it had: "10,000".
    pub of: String,
    /// "Never" or the day.
    pub expires: Prose,
}

impl CreditsPage {
    /// The first purchase, a typical one, nothing for sale, a refused choice, the worst names.
    pub fn samples() -> Vec<(&'static str, Self)> {
        samples::all()
    }
}

/// The card of the samples.
pub(super) fn sample_auto() -> AutoTopUp {
    samples::auto()
}

/// The card that stopped, with a cap that cannot be read.
pub(super) fn sample_auto_refused() -> AutoTopUp {
    let detail = "monthlyMax is an amount of usd such as 50.00.".to_owned();
    AutoTopUp {
        badge: Badge::bad("Stopped"),
        reason: Some("It was turned off, because the bank declined the card.".to_owned()),
        cap: "lots".to_owned(),
        cap_error: Some(detail.clone()),
        error: Some(("cap".to_owned(), detail)),
        spent: "$5.00 of it was spent this month.".to_owned(),
        ..samples::auto()
    }
}

mod samples {
    use super::super::layout::Nav;
    use super::super::samples::{self, EVIL, LONG, day};
    use super::super::{format, words};
    use super::*;

    pub fn all() -> Vec<(&'static str, CreditsPage)> {
        let mut first = page(samples::customer(Nav::Credits));
        first.grants.clear();
        first.order.lasts.clear();
        for pack in &mut first.packs {
            pack.lasts = None;
        }
        let mut closed = page(samples::customer(Nav::Credits));
        closed.packs.clear();
        closed.banners = vec![words::stripe_unreachable("/dashboard/billing/credits")];
        let mut refused = page(samples::customer(Nav::Credits));
        refused.error = Some("Choose one of the packs.".to_owned());
        refused.auto = Some(AutoTopUp {
            cap_error: Some("The cap is an amount such as 50.00.".to_owned()),
            cap: EVIL.to_owned(),
            ..auto()
        });
        let mut worst = page(samples::worst(Nav::Credits));
        worst.packs = vec![evil_pack(); 12];
        worst.grants = vec![evil_grant(); 50];
        vec![
            ("first", first),
            (
                "typical",
                page(samples::customer_in_test_mode(Nav::Credits)),
            ),
            ("nothing-for-sale", closed),
            ("refused", refused),
            ("worst", worst),
        ]
    }

    fn page(shell: Shell) -> CreditsPage {
        let pack = |amount: &str, credits: &str, price: &str, after: &str, days: &str| PackCard {
            amount: amount.to_owned(),
            credits: credits.to_owned(),
            price: price.to_owned(),
            unit_price: "$0.001 per credit".to_owned(),
            lasts: Some(format!("about {days} days")),
            balance_after: after.to_owned(),
            selected: amount == "5000",
        };
        CreditsPage {
            shell,
            lead: "1 credit pays for 1 standard API call. Purchased credits never expire."
                .to_owned(),
            banners: Vec::new(),
            attempt: "att_01JD9QK6".to_owned(),
            packs: vec![
                pack("500", "500", "$0.50", "1,728", "5"),
                pack("1000", "1,000", "$1.00", "2,228", "6"),
                pack("5000", "5,000", "$5.00", "6,228", "18"),
                pack("10000", "10,000", "$10.00", "11,228", "32"),
            ],
            packs_note: "Days are estimated from your last 7 days (346 credits per day)."
                .to_owned(),
            error: None,
            order: Order {
                credits: "5,000 credits".to_owned(),
                price: "$5.00".to_owned(),
                balance_after: "6,228".to_owned(),
                lasts: "about 18 days".to_owned(),
            },
            auto: Some(auto()),
            grants: vec![
                grant(
                    "Pro plan, November",
                    -7,
                    "0",
                    "1,000",
                    Prose::default().time(day(23)),
                ),
                grant("Top-up, 10,000", -14, "1,240", "10,000", "Never".into()),
            ],
        }
    }

    pub fn auto() -> AutoTopUp {
        AutoTopUp {
            badge: Badge::plain("Off"),
            is_on: false,
            reason: None,
            spent: String::new(),
            error: None,
            thresholds: Choice::list(&[("500", "500 credits"), ("1000", "1,000 credits")], "1000"),
            packs: Choice::list(
                &[("5000", "5,000 for $5.00"), ("10000", "10,000 for $10.00")],
                "",
            ),
            cap: "50.00".to_owned(),
            currency: "USD".to_owned(),
            cap_error: None,
        }
    }

    fn grant(source: &str, days: i64, left: &str, of: &str, expires: Prose) -> GrantRow {
        GrantRow {
            source: source.to_owned(),
            added: day(days),
            left: left.to_owned(),
            of: of.to_owned(),
            expires,
        }
    }

    fn evil_pack() -> PackCard {
        PackCard {
            amount: "\"><script>".to_owned(),
            credits: format::credits(i64::MAX),
            price: format::money(i64::MAX, "kwd", 3),
            unit_price: EVIL.to_owned(),
            lasts: Some(EVIL.to_owned()),
            balance_after: format::credits(i64::MAX),
            selected: false,
        }
    }

    fn evil_grant() -> GrantRow {
        let source = format!("{LONG} {EVIL}");
        grant(
            &source,
            0,
            &format::credits(i64::MIN),
            &format::credits(i64::MAX),
            EVIL.into(),
        )
    }
}
