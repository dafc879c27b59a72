//! The billing portal: its configurations and sessions.

use serde_json::{Value, json};

use super::errors::{Answer, ApiError, refuse_param};
use super::params::metadata;
use super::urls::check_url;
use super::value::{copy_or_null, flag, get, has, list, opt, or_null, owned, required, set, text};
use super::{Call, Core};

/// `POST /v1/billing_portal/configurations`
pub(super) fn create_configuration(core: &mut Core, call: &Call) -> Answer {
    let id = core.new_configuration(&call.params, false)?;
    core.need("billing_portal.configuration", &id, "id")
}

/// `POST /v1/billing_portal/configurations/{configuration}`
pub(super) fn update_configuration(core: &mut Core, call: &Call) -> Answer {
    let kind = ("billing_portal.configuration", "id");
    let events = ["billing_portal.configuration.updated"];
    core.update(kind, call, &events, |core, after| {
        after["updated"] = core.now.into();
        core.fill_configuration(after, &call.params)
    })
}

/// `POST /v1/billing_portal/sessions`
pub(super) fn create_session(core: &mut Core, call: &Call) -> Answer {
    let sent = &call.params;
    let customer = required(sent, "customer")?;
    core.need("customer", customer, "customer")?;
    let configuration = match opt(sent, "configuration") {
        Some(id) => core.need("billing_portal.configuration", id, "configuration")?,
        None => core.default_configuration()?,
    };
    check_url(sent, "return_url")?;
    let back = or_null(sent, "return_url");
    let back = if back.is_null() {
        configuration["default_return_url"].clone()
    } else {
        back
    };
    let flow = core.flow_of(sent, customer, &configuration)?;
    let id = core.rng.id("bps");
    let secret = format!("test_{}", core.rng.text(48));
    let url = format!("{}/p/session/{secret}", core.public_url);
    let session = json!({
        "id": id, "object": "billing_portal.session", "configuration": configuration["id"],
        "created": core.now, "customer": customer, "customer_account": null, "flow": flow,
        "livemode": false, "locale": or_null(sent, "locale"), "on_behalf_of": null,
        "return_url": back, "url": url,
    });
    core.store.put(&id, session);
    core.store
        .put(&format!("token:{secret}"), json!({ "portal": id }));
    core.emit("billing_portal.session.created", &id);
    core.need("billing_portal.session", &id, "id")
}

impl Core {
    /// Takes the default portal settings away, as in an account whose owner never saved them. Without
    /// them and without a `configuration`, portal sessions are refused, as at Stripe.
    pub fn remove_portal_defaults(&mut self) {
        let rows = self.store.all("billing_portal.configuration");
        let defaults = rows.filter(|row| flag(row, "is_default"));
        let ids: Vec<String> = defaults.map(|row| owned(row, "id")).collect();
        for id in ids {
            self.store.remove(&id);
        }
    }

    /// Saves the default portal settings, as the owner of an account does once in the dashboard. A
    /// new account of the twin has them.
    pub fn save_portal_defaults(&mut self) -> String {
        let known = self
            .store
            .all("billing_portal.configuration")
            .find(|row| flag(row, "is_default"));
        if let Some(known) = known {
            return owned(known, "id");
        }
        let features = json!({
            "customer_update": {"enabled": true, "allowed_updates": ["email", "tax_id"]},
            "invoice_history": {"enabled": true}, "payment_method_update": {"enabled": true},
            "subscription_cancel": {"enabled": true, "mode": "at_period_end"},
            "subscription_update": {"enabled": false}});
        self.new_configuration(&json!({ "features": features }), true)
            .expect("the default settings are valid")
    }

    fn default_configuration(&self) -> Answer {
        let known = self
            .store
            .all("billing_portal.configuration")
            .find(|row| flag(row, "is_default"));
        known.cloned().ok_or_else(|| {
            let message = "No configuration provided and your test mode default configuration has not been created. Provide a configuration or create your default by saving your customer portal settings in test mode at https://dashboard.stripe.com/test/settings/billing/portal.";
            ApiError::invalid(message)
        })
    }

    fn new_configuration(&mut self, sent: &Value, is_default: bool) -> Answer<String> {
        let id = self.rng.id("bpc");
        let mut row = json!({
            "id": id, "object": "billing_portal.configuration", "active": true,
            "application": null,
            "business_profile": {"headline": null, "privacy_policy_url": null,
                                 "terms_of_service_url": null},
            "created": self.now, "default_return_url": null,
            "features": {
                "customer_update": {"allowed_updates": [], "enabled": false},
                "invoice_history": {"enabled": false},
                "payment_method_update": {"enabled": false, "payment_method_configuration": null},
                "subscription_cancel": {"cancellation_reason": {"enabled": false,
                    "options": ["too_expensive", "missing_features", "switched_service", "unused", "other"]},
                    "enabled": false, "mode": "at_period_end", "proration_behavior": "none"},
                "subscription_update": {"billing_cycle_anchor": null, "default_allowed_updates": [],
                    "enabled": false, "products": [], "proration_behavior": "none",
                    "schedule_at_period_end": {"conditions": []},
                    "trial_update_behavior": "end_trial"}},
            "is_default": is_default, "livemode": false,
            "login_page": {"enabled": false, "url": null}, "metadata": {}, "name": null,
            "updated": self.now,
        });
        self.fill_configuration(&mut row, sent)?;
        self.store.put(&id, row);
        self.emit("billing_portal.configuration.created", &id);
        Ok(id)
    }

    fn fill_configuration(&self, row: &mut Value, sent: &Value) -> Answer<()> {
        for (feature, members) in get(sent, "features").as_object().into_iter().flatten() {
            for (name, value) in members.as_object().into_iter().flatten() {
                let value = if value == "" {
                    json!([])
                } else {
                    value.clone()
                };
                set(row, &format!("features.{feature}.{name}"), value);
            }
        }
        let products = row["features"]["subscription_update"]["products"].as_array_mut();
        for product in products.into_iter().flatten() {
            if product["adjustable_quantity"].is_null() {
                product["adjustable_quantity"] =
                    json!({"enabled": false, "maximum": null, "minimum": 0});
            }
        }
        for name in ["headline", "privacy_policy_url", "terms_of_service_url"] {
            if has(sent, &format!("business_profile.{name}")) {
                let value = or_null(sent, &format!("business_profile.{name}"));
                set(row, &format!("business_profile.{name}"), value);
            }
        }
        if has(sent, "login_page.enabled") {
            let enabled = flag(sent, "login_page.enabled");
            let url = format!("{}/p/login/{}", self.public_url, text(row, "id"));
            row["login_page"] = json!({"enabled": enabled, "url": enabled.then_some(url)});
        }
        check_url(sent, "default_return_url")?;
        copy_or_null(row, sent, &["default_return_url", "name"]);
        if has(sent, "active") {
            row["active"] = get(sent, "active").clone();
        }
        row["metadata"] = metadata(&row["metadata"], get(sent, "metadata"))?;
        self.check_products(row)
    }

    /// Checks that plan switching has products and that each price belongs to its product.
    fn check_products(&self, row: &Value) -> Answer<()> {
        let update = get(row, "features.subscription_update");
        let products = list(update, "products");
        if flag(update, "enabled") && products.is_empty() {
            return Err(ApiError::required(
                "features[subscription_update][products]",
            ));
        }
        for (index, product) in products.iter().enumerate() {
            let named = format!("features[subscription_update][products][{index}]");
            self.need(
                "product",
                text(product, "product"),
                &format!("{named}[product]"),
            )?;
            for (place, price) in list(product, "prices").iter().enumerate() {
                let param = format!("{named}[prices][{place}]");
                let found = self.need("price", price.as_str().unwrap_or(""), &param)?;
                if found["product"] != product["product"] {
                    let message = "The price does not belong to the product.";
                    return refuse_param("", &param, message);
                }
            }
        }
        Ok(())
    }
}
