//! Brings Stripe in line with the catalog: products, prices, the portal configuration, the webhook
//! endpoint. Finds them by lookup key and metadata, so a second run changes nothing.

mod portal;

use domain::catalog::{Addon, Interval, Pack, Tier};
use domain::money::MinorUnits;
use secrecy::ExposeSecret;
use serde::Serialize;
use store::catalog::PriceKind;
use stripe::Form;
use stripe::objects::{Price, WebhookEndpoint};

use crate::app::App;
use crate::binding;
use crate::error::{Error, Result};
use crate::setup::portal::fingerprint;

/// Metadata key that marks objects created by setup.
const MARK: &str = "localboxs";

/// Maximum number of objects of a kind that are searched.
const ITEMS_MAX: usize = 200;

/// Share of a pack's price, in percent, above which setup warns of the card fee (seed 21.3).
const FEE_SHARE_WARNED: i64 = 15;

/// The differences that setup found, and any warnings.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// What was created or changed; with `check`, what would be.
    pub changes: Vec<String>,
    /// Warnings for the operator.
    pub warnings: Vec<String>,
}

/// Brings Stripe in line with the catalog; with `check`, only reports differences.
pub async fn run(app: &App, check: bool) -> Result<Report> {
    binding::check(app).await?;
    let mut report = Report::default();
    let catalog = app.catalog();
    let mut plans = Vec::new();
    for tier in &catalog.tiers {
        plans.extend(tier_prices(app, tier, check, &mut report).await?);
    }
    for pack in &catalog.packs {
        pack_price(app, pack, check, &mut report).await?;
        warn_of_fee(pack, &mut report);
    }
    for addon in &catalog.addons {
        addon_price(app, addon, check, &mut report).await?;
    }
    if !check {
        app.load_prices().await.map_err(Error::bug)?;
    }
    portal::run(app, &plans, check, &mut report).await?;
    webhook(app, check, &mut report).await?;
    Ok(report)
}

/// A price as the catalog defines it.
struct PriceDefinition {
    /// What the price sells; `None` for an add-on.
    kind: Option<PriceKind>,
    name: String,
    title: String,
    lookup_key: String,
    price: MinorUnits,
    /// How often it is paid; `None` for what is paid once.
    interval: Option<Interval>,
    /// The product at Stripe that another price of the same plan has.
    product: Option<String>,
}

/// A product at Stripe with its prices.
struct Sold {
    product: String,
    prices: Vec<String>,
}

/// The prices of a plan by the month and by the year, on one product.
async fn tier_prices(
    app: &App,
    tier: &Tier,
    check: bool,
    report: &mut Report,
) -> Result<Vec<Sold>> {
    let mut sold: Vec<Sold> = Vec::new();
    for interval in Interval::ALL {
        let price = tier.price_by(interval);
        let Some(price) = price.filter(|price| price.amount > 0) else {
            continue;
        };
        let wanted = PriceDefinition {
            kind: Some(PriceKind::Tier),
            name: tier.name.clone(),
            title: format!("{} {}", app.settings.service.name, tier.title),
            lookup_key: tier.lookup_key_by(interval),
            price,
            interval: Some(interval),
            product: sold.first().map(|sold| sold.product.clone()),
        };
        let Some(found) = one_price(app, &wanted, check, report).await? else {
            continue;
        };
        // A price that was created manually may have a product of its own.
        match sold.iter_mut().find(|one| one.product == found.product) {
            Some(known) => known.prices.extend(found.prices),
            None => sold.push(found),
        }
    }
    Ok(sold)
}

async fn pack_price(app: &App, pack: &Pack, check: bool, report: &mut Report) -> Result<()> {
    let wanted = PriceDefinition {
        kind: Some(PriceKind::Pack),
        name: pack.credits.to_string(),
        title: format!("{} credits", pack.credits),
        lookup_key: pack.lookup_key(),
        price: pack.price,
        interval: None,
        product: None,
    };
    one_price(app, &wanted, check, report).await?;
    Ok(())
}

async fn addon_price(app: &App, addon: &Addon, check: bool, report: &mut Report) -> Result<()> {
    let wanted = PriceDefinition {
        kind: None,
        name: addon.name.clone(),
        title: format!("{} {}", app.settings.service.name, addon.title),
        lookup_key: addon.lookup_key(),
        price: addon.price,
        interval: Some(Interval::Month),
        product: None,
    };
    one_price(app, &wanted, check, report).await?;
    Ok(())
}

/// The price with the wanted lookup key and amount: used if it exists; otherwise created, taking
/// the lookup key over from an older price, which stays mapped. None if it is missing and `check`
/// is set.
async fn one_price(
    app: &App,
    wanted: &PriceDefinition,
    check: bool,
    report: &mut Report,
) -> Result<Option<Sold>> {
    let filter = Form::new().push("lookup_keys[0]", &wanted.lookup_key);
    let found = app.stripe.list_prices(&filter, ITEMS_MAX).await?.data;
    let fits = |price: &&Price| {
        price.active
            && price.unit_amount == Some(wanted.price.amount)
            && price.currency.as_deref() == Some(wanted.price.currency.code())
            && has_interval(price, wanted.interval)
    };
    if let Some(price) = found.iter().find(fits) {
        keep_price(app, wanted, &price.id, check).await?;
        let product = price.product.id().map(ToOwned::to_owned);
        let price = price.id.clone();
        let prices = vec![price];
        return Ok(product.map(|product| Sold { product, prices }));
    }
    if !check {
        let archived: Vec<_> = found
            .iter()
            .filter(|price| !price.active)
            .cloned()
            .collect();
        forget_archived(app, archived).await?;
    }
    let amount = wanted.price.decimal_text();
    let currency = wanted.price.currency;
    report.changes.push(format!(
        "price {} of {amount} {currency}",
        wanted.lookup_key
    ));
    if check {
        return Ok(None);
    }
    let kind = wanted.kind.map_or("addon", PriceKind::word);
    let known = found.first().and_then(|price| price.product.id());
    let product = if let Some(product) = known.or(wanted.product.as_deref()) {
        product.to_owned()
    } else {
        let form = Form::new()
            .push("name", &wanted.title)
            .metadata(MARK, format!("{kind}:{}", wanted.name));
        let key = format!("setup-product-{}-{}", wanted.lookup_key, app.instance);
        app.stripe.create_product(&form, &key).await?.id
    };
    let mut form = Form::new()
        .push("product", &product)
        .push("unit_amount", wanted.price.amount)
        .push("currency", currency.code())
        .push("lookup_key", &wanted.lookup_key)
        .push("transfer_lookup_key", "true")
        .metadata(MARK, format!("{kind}:{}", wanted.name));
    if let Some(interval) = wanted.interval {
        form = form.push("recurring[interval]", interval.word());
    }
    let install = &app.instance;
    // The current price is part of the key; otherwise, after a price was archived, Stripe could
    // replay the earlier creation.
    let before = found.first().map_or("none", |price| price.id.as_str());
    let key = format!(
        "setup-price-{}-{amount}-{currency}-{before}-{install}",
        wanted.lookup_key
    );
    let price = app.stripe.create_price(&form, &key).await?;
    keep_price(app, wanted, &price.id, false).await?;
    let prices = vec![price.id];
    Ok(Some(Sold { product, prices }))
}

/// Whether a price is paid as often as wanted: once in each interval, or once if there is none.
fn has_interval(price: &Price, wanted: Option<Interval>) -> bool {
    let recurring = price.recurring.as_ref();
    let found = recurring.map(|recurring| (recurring.interval.as_str(), recurring.interval_count));
    found == wanted.map(|interval| (interval.word(), 1))
}

/// Stops selling prices that were archived at Stripe.
async fn forget_archived(app: &App, archived: Vec<Price>) -> Result<()> {
    let now = app.now();
    app.write(0, move |tx| {
        for price in &archived {
            store::catalog::archive_price(tx, &price.id, now)?;
        }
        Ok(())
    })
    .await?;
    Ok(())
}

async fn keep_price(app: &App, wanted: &PriceDefinition, id: &str, check: bool) -> Result<()> {
    if check {
        return Ok(());
    }
    let row = store::catalog::Price {
        price_id: id.to_owned(),
        lookup_key: wanted.lookup_key.clone(),
        // Add-ons are stored in their own table, which has no kind.
        kind: wanted.kind.unwrap_or(PriceKind::Tier),
        name: wanted.name.clone(),
        currency: wanted.price.currency.code().to_owned(),
        amount_minor: wanted.price.amount,
        billing_interval: wanted
            .interval
            .filter(|_| wanted.kind == Some(PriceKind::Tier))
            .map(|interval| interval.word().to_owned()),
        first_version: app.catalog().version,
        archived_at: None,
    };
    let is_addon = wanted.kind.is_none();
    app.write(0, move |tx| {
        if is_addon {
            store::catalog::put_addon(tx, &row)
        } else {
            store::catalog::put_price(tx, &row)
        }
    })
    .await?;
    Ok(())
}

/// Warns of high card fees; in the US 2.9% and 30 cents (stripe.com/pricing).
fn warn_of_fee(pack: &Pack, report: &mut Report) {
    if pack.price.currency.code() != "usd" {
        return;
    }
    let fee = 30 + pack.price.amount * 29 / 1_000;
    let share = fee * 100 / pack.price.amount.max(1);
    if share > FEE_SHARE_WARNED {
        report.warnings.push(format!(
            "card fees take about {share}% of the {} credit pack ({})",
            pack.credits,
            pack.price.decimal_text()
        ));
    }
}

/// The id of the Stripe account that the configured key belongs to.
pub async fn stripe_account(app: &App) -> std::result::Result<String, stripe::Error> {
    app.stripe
        .retrieve_account()
        .await
        .map(|account| account.id)
}

/// The webhook endpoints at Stripe that deliver to this service.
pub async fn registered_endpoints(
    app: &App,
) -> std::result::Result<Vec<WebhookEndpoint>, stripe::Error> {
    let url = webhook_url(app);
    let all = Form::new();
    let known = app.stripe.list_webhook_endpoints(&all, ITEMS_MAX).await?;
    let known = known.data.into_iter();
    Ok(known.filter(|endpoint| endpoint.url == url).collect())
}

/// The URL that Stripe delivers events to.
pub fn webhook_url(app: &App) -> String {
    format!("{}/api/stripe/webhook", app.settings.service.base_url)
}

/// Sets up the endpoint for exactly the events that the code handles. Stripe returns its secret
/// only on creation, so it is stored.
async fn webhook(app: &App, check: bool, report: &mut Report) -> Result<()> {
    let url = webhook_url(app);
    let ours = registered_endpoints(app).await?.into_iter().next();
    let mut form = Form::new();
    for (index, event) in stripe::HANDLED_EVENTS.iter().enumerate() {
        form = form.push(format!("enabled_events[{index}]"), *event);
    }
    if let Some(endpoint) = ours {
        let mut registered: Vec<&str> =
            endpoint.enabled_events.iter().map(String::as_str).collect();
        registered.sort_unstable();
        let mut handled: Vec<&str> = stripe::HANDLED_EVENTS.to_vec();
        handled.sort_unstable();
        if registered != handled {
            report
                .changes
                .push(format!("events of the webhook endpoint {}", endpoint.id));
            if !check {
                // Repeating an update is harmless, and one that was reverted since must be made
                // again.
                let key = app.new_id("setup");
                app.stripe
                    .update_webhook_endpoint(&endpoint.id, &form, &key)
                    .await?;
            }
        }
        if app.webhook_secrets().is_empty() {
            report.warnings.push(format!(
                "the secret of the webhook endpoint {} is not known here: set \
                 STRIPE_WEBHOOK_SECRET",
                endpoint.id
            ));
        }
        return Ok(());
    }
    report.changes.push(format!("webhook endpoint {url}"));
    if check {
        return Ok(());
    }
    let form = form
        .push("url", &url)
        .push("api_version", &app.settings.stripe.api_version);
    let key = format!("setup-webhook-{}-{}", app.instance, fingerprint(&form));
    let endpoint = app.stripe.create_webhook_endpoint(&form, &key).await?;
    if let Some(secret) = endpoint.secret {
        app.add_webhook_secret(secret.expose_secret())
            .await
            .map_err(Error::bug)?;
    }
    Ok(())
}
