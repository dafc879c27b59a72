//! The configuration of Stripe's customer portal.

use stripe::Form;

use crate::app::App;
use crate::error::Result;
use crate::payments::portal::CONFIGURATION;
use crate::setup::{ITEMS_MAX, MARK, Report, Sold};

/// Sets up what customers can do in the portal: switch plans, cancel at the period's end, change
/// the card, see invoices.
pub(super) async fn run(app: &App, plans: &[Sold], check: bool, report: &mut Report) -> Result<()> {
    let wanted = portal_form(app, plans);
    let fingerprint = fingerprint(&wanted);
    let known = app
        .stripe
        .list_portal_configurations(&Form::new(), ITEMS_MAX)
        .await?
        .data;
    let ours = known
        .into_iter()
        .find(|one| one.active && one.metadata.contains_key(MARK));
    // Changes made in Stripe's dashboard differ, too, although the metadata is still ours.
    let same = ours.as_ref().is_some_and(|one| {
        one.metadata.get(MARK) == Some(&fingerprint) && allows(&one.features, &wanted)
    });
    if !same {
        report.changes.push("portal configuration".to_owned());
    }
    if check {
        return Ok(());
    }
    let form = wanted.metadata(MARK, &fingerprint);
    let install = &app.instance;
    let id = match ours {
        Some(one) if same => one.id,
        Some(one) => {
            let key = app.new_id("setup");
            app.stripe
                .update_portal_configuration(&one.id, &form, &key)
                .await?
                .id
        }
        None => {
            let key = format!("setup-portal-{install}-{fingerprint}");
            app.stripe
                .create_portal_configuration(&form, &key)
                .await?
                .id
        }
    };
    let now = app.now();
    app.write(0, move |tx| {
        store::settings::put(tx, CONFIGURATION, &id, now)
    })
    .await?;
    Ok(())
}

fn portal_form(app: &App, plans: &[Sold]) -> Form {
    let origin = &app.settings.service.base_url;
    let form = Form::new()
        .push("business_profile[headline]", &app.settings.service.name)
        .push("default_return_url", format!("{origin}/dashboard/billing"))
        .push("features[subscription_cancel][enabled]", "true")
        .push("features[subscription_cancel][mode]", "at_period_end")
        .push("features[payment_method_update][enabled]", "true")
        .push("features[invoice_history][enabled]", "true")
        .push("features[customer_update][enabled]", "true")
        .push("features[customer_update][allowed_updates][0]", "email")
        .push("features[customer_update][allowed_updates][1]", "address");
    // Switching needs at least two prices.
    if plans.iter().map(|plan| plan.prices.len()).sum::<usize>() < 2 {
        return form;
    }
    let update = "features[subscription_update]";
    let form = form
        .push(format!("{update}[enabled]"), "true")
        .push(format!("{update}[default_allowed_updates][0]"), "price")
        // An upgrade during a trial must be paid for, so it ends the trial.
        .push(format!("{update}[trial_update_behavior]"), "end_trial")
        // An upgrade is paid immediately; a downgrade waits for the end of the paid period.
        .push(format!("{update}[proration_behavior]"), "always_invoice")
        .push(
            format!("{update}[schedule_at_period_end][conditions][0][type]"),
            "decreasing_item_amount",
        )
        // So does a change from a year to a month.
        .push(
            format!("{update}[schedule_at_period_end][conditions][1][type]"),
            "shortening_interval",
        );
    plans.iter().enumerate().fold(form, |form, (index, plan)| {
        let product = format!("{update}[products][{index}]");
        let form = form.push(format!("{product}[product]"), &plan.product);
        plan.prices
            .iter()
            .enumerate()
            .fold(form, |form, (place, price)| {
                form.push(format!("{product}[prices][{place}]"), price)
            })
    })
}

/// Whether a configuration has the wanted features. Products may be in any order.
fn allows(features: &serde_json::Value, wanted: &Form) -> bool {
    let mut sold = Vec::new();
    for (name, value) in wanted.iter() {
        let Some(path) = name.strip_prefix("features[") else {
            continue;
        };
        let path: Vec<&str> = path.trim_end_matches(']').split("][").collect();
        if path.get(1) == Some(&"products") {
            sold.push(value.to_owned());
            continue;
        }
        let found = features.pointer(&format!("/{}", path.join("/")));
        let is_same = found.is_some_and(|found| match found.as_str() {
            Some(text) => text == value,
            None => {
                serde_json::from_str(value).is_ok_and(|value: serde_json::Value| value == *found)
            }
        });
        if !is_same {
            return false;
        }
    }
    // Stripe may omit the list; then only the fingerprint is compared.
    let Some(products) = features["subscription_update"]["products"].as_array() else {
        return true;
    };
    let mut offered: Vec<String> = Vec::new();
    for product in products {
        let prices = product["prices"].as_array();
        let prices = prices.map_or(&[][..], Vec::as_slice);
        let ids = std::iter::once(&product["product"]).chain(prices);
        offered.extend(ids.filter_map(|id| id.as_str().map(ToOwned::to_owned)));
    }
    sold.sort();
    offered.sort();
    sold == offered
}

pub(super) fn fingerprint(form: &Form) -> String {
    let digest = crate::secrets::hash(&form.encode());
    hex::encode(&digest[..8])
}
