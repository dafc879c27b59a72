//! `/admin/plans`: the catalog, its prices at Stripe, and whether Stripe matches it.

use std::time::Duration;

use axum::extract::State;
use axum::response::Html;
use billing::actors::Operator;
use billing::app::App;
use billing::setup;
use domain::amounts::amount as money;
use domain::catalog::Operation;
use domain::money::{Credits, MinorUnits};
use views::admin::parts::{ListPage, Table};
use views::components::{Banner, Kind, Prose};
use views::format;
use views::layout::Nav;

use crate::frame;
use crate::http::error::HttpResult;
use crate::pages::admin::operator_shell;

/// Longest wait for Stripe; after that the page is shown without its data.
const STRIPE_MAX: Duration = Duration::from_secs(5);

/// Maximum number of catalog versions that are shown.
const VERSIONS_MAX: i64 = 20;

/// `GET /admin/plans`.
pub async fn show(
    State(app): State<App>,
    Operator(operator): Operator,
) -> HttpResult<Html<String>> {
    let (prices, versions) = app
        .read(|tx| {
            let prices = store::catalog::prices(tx)?;
            Ok((prices, store::catalog::versions(tx, VERSIONS_MAX)?))
        })
        .await?;
    let version = |row: &(i64, String, domain::time::Timestamp)| {
        vec![
            format::count(row.0.unsigned_abs()).into(),
            Prose::default().time(format::second(row.2.micros())),
            Prose::default().code(row.1.chars().take(16).collect::<String>()),
        ]
    };
    let price = |row: &store::catalog::Price| {
        let currency = domain::money::Currency::parse(&row.currency);
        let amount = currency.map(|currency| money(MinorUnits::new(row.amount_minor, currency)));
        vec![
            Prose::default().code(&row.price_id),
            Prose::new(format!("{} ", row.kind)).code(&row.name),
            amount.unwrap_or_default().into(),
            format!("from version {}", row.first_version).into(),
        ]
    };
    let versions_of = [
        ("Version", "r num"),
        ("Since (UTC)", "num"),
        ("Digest", "wide-only"),
    ];
    let prices_of = [
        ("Price at Stripe", ""),
        ("Sells", ""),
        ("Amount", "r num"),
        ("Known", "wide-only"),
    ];
    let mut tables = sold(&app);
    tables.push(
        Table::new(
            "Prices, old ones included",
            &prices_of,
            "`setup` has not run yet.",
        )
        .rows(prices.iter().map(price)),
    );
    tables.push(
        Table::new("Versions of the catalog", &versions_of, "").rows(versions.iter().map(version)),
    );
    frame::html(&ListPage {
        banners: at_stripe(&app).await,
        tables,
        ..ListPage::new(
            operator_shell(&app, &operator, Nav::AdminPlans),
            "Catalog",
            format!(
                "What catalog version {} sells. To change it, edit the catalog file; each change \
                 is a new version.",
                app.catalog().version
            ),
        )
    })
}

fn sold(app: &App) -> Vec<Table> {
    let (catalog, prices) = (app.catalog(), app.prices());
    let code = |id: Option<&String>| match id {
        Some(id) => Prose::default().code(id),
        None => "none".into(),
    };
    let tiers = catalog.tiers.iter().map(|tier| {
        vec![
            Prose::new(format!("{} ", tier.title)).code(&tier.name),
            tier.price.map_or("by agreement".to_owned(), money).into(),
            tier.calls_limit
                .map_or("no limit".to_owned(), |limit| {
                    format::count(limit.unsigned_abs())
                })
                .into(),
            format::credits(tier.allowance.micros()).into(),
            code(prices.price_of_tier.get(&tier.name)),
        ]
    });
    let packs = catalog.packs.iter().map(|pack| {
        vec![
            format::count(pack.credits.unsigned_abs()).into(),
            money(pack.price).into(),
            pack.expires_after_days
                .map_or("never".to_owned(), |days| format!("after {days} days"))
                .into(),
            code(prices.price_of_pack.get(&pack.credits)),
        ]
    });
    let operations = catalog.operations.iter().map(|operation| {
        vec![
            Prose::new(format!("{} ", operation.title)).code(&operation.name),
            rates(operation).into(),
        ]
    });
    let tiers_of = [
        ("Plan", ""),
        ("A month", "r num"),
        ("Calls", "r num wide-only"),
        ("Credits", "r num"),
        ("Price at Stripe", "wide-only"),
    ];
    let packs_of = [
        ("Credits", "num"),
        ("Price", "r num"),
        ("Ends", "wide-only"),
        ("Price at Stripe", "wide-only"),
    ];
    let operations_of = [("Operation", ""), ("Credits per unit", "r num")];
    vec![
        Table::new("Plans", &tiers_of, "").rows(tiers),
        Table::new("Packs", &packs_of, "None.").rows(packs),
        Table::new("Operations", &operations_of, "None.").rows(operations),
    ]
}

/// The result of `setup --check`, if Stripe answers in time.
async fn at_stripe(app: &App) -> Vec<Banner> {
    let mut banners = Vec::new();
    if let Ok(Ok(report)) = tokio::time::timeout(STRIPE_MAX, setup::run(app, true)).await {
        if report.changes.is_empty() {
            let text = "Products, prices, portal and webhook endpoint match the catalog.";
            banners.push(Banner::new(Kind::Ok, "Stripe agrees", text));
        } else {
            let text = format!("{} Run `setup`.", report.changes.join("; "));
            banners.push(Banner::new(Kind::Warn, "Stripe differs", text));
        }
        if !report.warnings.is_empty() {
            let text = report.warnings.join("; ");
            banners.push(Banner::new(Kind::Info, "Worth a look", text));
        }
    } else {
        let text = "Stripe could not be reached to compare. Shown is what we know.";
        banners.push(Banner::new(Kind::Warn, "Stripe does not answer", text));
    }
    banners
}

/// What a unit of an operation costs: "2", or "0.002 input, 0.008 output".
fn rates(operation: &Operation) -> String {
    let text = |(meter, rate): (Option<&str>, Credits)| match meter {
        Some(meter) => format!("{rate} {meter}"),
        None => rate.to_string(),
    };
    let rates = operation.rates().into_iter().map(text);
    rates.collect::<Vec<_>>().join(", ")
}
