//! The billing portal: configurations, sessions, and what a customer does there.

use serde_json::{Value, json};

use super::changes::Change;
use super::errors::{Answer, ApiError};
use super::lists::{inner, matches};
use super::params::metadata;
use super::payments::By;
use super::subscriptions::note_cancellation;
use super::value::{flag, get, has, int, list, opt, opt_int, or_null, owned, set, text};
use super::{
    Call, CardView, Core, PayError, Payment, PlanView, PortalAllows, PortalView, SubscriptionView,
};

/// `GET /v1/billing_portal/configurations`
pub(super) fn configurations(core: &mut Core, call: &Call) -> Answer {
    core.page(call, "billing_portal.configuration", |row| {
        matches(&call.params, row, &["active", "is_default"])
    })
}

/// `GET /v1/billing_portal/configurations/{configuration}`
pub(super) fn configuration(core: &mut Core, call: &Call) -> Answer {
    core.need_path("billing_portal.configuration", call.id(), "id")
}

/// `POST /v1/billing_portal/configurations`
pub(super) fn create_configuration(core: &mut Core, call: &Call) -> Answer {
    let id = core.new_configuration(&call.params, false)?;
    core.need("billing_portal.configuration", &id, "id")
}

/// `POST /v1/billing_portal/configurations/{configuration}`
pub(super) fn update_configuration(core: &mut Core, call: &Call) -> Answer {
    let before = core.need_path("billing_portal.configuration", call.id(), "id")?;
    let mut after = before.clone();
    core.fill_configuration(&mut after, &call.params)?;
    after["updated"] = core.now.into();
    core.store.put(call.id(), after);
    core.emit_change("billing_portal.configuration.updated", call.id(), &before);
    core.need_path("billing_portal.configuration", call.id(), "id")
}

/// `POST /v1/billing_portal/sessions`
pub(super) fn create_session(core: &mut Core, call: &Call) -> Answer {
    let sent = &call.params;
    let customer = opt(sent, "customer").ok_or_else(|| ApiError::required("customer").boxed())?;
    core.need("customer", customer, "customer")?;
    let configuration = match opt(sent, "configuration") {
        Some(id) => core.need("billing_portal.configuration", id, "configuration")?,
        None => core.default_configuration()?,
    };
    let back = or_null(sent, "return_url");
    let back = if back.is_null() {
        configuration["default_return_url"].clone()
    } else {
        back
    };
    let flow = core.flow_of(sent, customer)?;
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
    /// Saves the account's default portal settings, as its owner does once in the dashboard. Without them
    /// (and without a `configuration`) portal sessions are refused, as at Stripe.
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
            ApiError::invalid(message).boxed()
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
        for name in ["default_return_url", "name"] {
            if has(sent, name) {
                row[name] = or_null(sent, name);
            }
        }
        if has(sent, "active") {
            row["active"] = get(sent, "active").clone();
        }
        row["metadata"] = metadata(&row["metadata"], get(sent, "metadata"))?;
        self.check_products(row)
    }

    /// Switching plans needs products, and each price must be one of its product.
    fn check_products(&self, row: &Value) -> Answer<()> {
        let update = get(row, "features.subscription_update");
        let products = list(update, "products");
        if flag(update, "enabled") && products.is_empty() {
            return Err(ApiError::required("features[subscription_update][products]").boxed());
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
                    return Err(ApiError::bad("", &param, message).boxed());
                }
            }
        }
        Ok(())
    }

    /// The deep link of a session, with everything Stripe answers.
    fn flow_of(&self, sent: &Value, customer: &str) -> Answer {
        let Some(kind) = opt(sent, "flow_data.type") else {
            return Ok(Value::Null);
        };
        let mut flow = json!({"after_completion": {"hosted_confirmation": null, "redirect": null,
            "type": "portal_homepage"}, "subscription_cancel": null, "subscription_update": null,
            "subscription_update_confirm": null, "type": kind});
        if let Some(after) = opt(sent, "flow_data.after_completion.type") {
            set(&mut flow, "after_completion.type", after);
            for name in ["hosted_confirmation", "redirect"] {
                let value = get(sent, &format!("flow_data.after_completion.{name}")).clone();
                set(&mut flow, &format!("after_completion.{name}"), value);
            }
        }
        if kind.starts_with("subscription") {
            let param = format!("flow_data[{kind}][subscription]");
            let id = opt(sent, &format!("flow_data.{kind}.subscription"))
                .ok_or_else(|| ApiError::required(&param).boxed())?;
            let row = self.need("subscription", id, &param)?;
            if text(&row, "customer") != customer {
                return Err(ApiError::missing("subscription", id, &param).boxed());
            }
            if matches!(text(&row, "status"), "canceled" | "incomplete_expired") {
                let message = "This subscription is canceled and cannot be changed.";
                return Err(ApiError::bad("", &param, message).boxed());
            }
            let mut data = get(sent, &format!("flow_data.{kind}")).clone();
            match kind {
                "subscription_cancel" => data["retention"] = Value::Null,
                "subscription_update_confirm" => data["discounts"] = Value::Null,
                _ => {}
            }
            flow[kind] = data;
        }
        Ok(flow)
    }
}

// What the portal's pages show and do.
impl Core {
    /// The portal as its page shows it, by the secret in its address or by its id.
    pub fn portal_view(&self, portal_session: &str) -> Option<PortalView> {
        let session = self.portal_behind(portal_session)?;
        let configuration = self.store.get(text(&session, "configuration"))?;
        let features = get(configuration, "features");
        let customer = self
            .store
            .get(text(&session, "customer"))
            .filter(|row| !flag(row, "deleted"))?;
        let id = text(customer, "id");
        let live = |row: &&Value| {
            text(row, "customer") == id
                && !matches!(
                    text(row, "status"),
                    "canceled" | "incomplete" | "incomplete_expired"
                )
        };
        let subscriptions: Vec<SubscriptionView> = self
            .store
            .all("subscription")
            .rev()
            .filter(live)
            .map(|row| self.subscription_view(row, configuration))
            .collect();
        let first = self
            .store
            .all("subscription")
            .rev()
            .find(live)
            .cloned()
            .unwrap_or_default();
        let invoices = self
            .store
            .all("invoice")
            .rev()
            .filter(|row| text(row, "customer") == id && text(row, "status") != "draft")
            .filter_map(|row| self.invoice_view(text(row, "id")))
            .collect();
        Some(PortalView {
            id: owned(&session, "id"),
            customer: id.to_owned(),
            customer_name: opt(customer, "name").map(str::to_owned),
            customer_email: opt(customer, "email").map(str::to_owned),
            subscriptions,
            card: self
                .default_method(&first, id)
                .and_then(|method| self.card_view(&method)),
            invoices,
            allows: PortalAllows {
                cancel: flag(features, "subscription_cancel.enabled"),
                cancel_immediately: text(features, "subscription_cancel.mode") == "immediately",
                switch_plan: flag(features, "subscription_update.enabled"),
                update_card: flag(features, "payment_method_update.enabled"),
                invoices: flag(features, "invoice_history.enabled"),
            },
            return_url: opt(&session, "return_url").map(str::to_owned),
            flow: opt(&session, "flow.type").map(str::to_owned),
        })
    }

    fn portal_behind(&self, secret_or_id: &str) -> Option<Value> {
        let token = self.store.get(&format!("token:{secret_or_id}"));
        let id = token.map_or(secret_or_id, |row| text(row, "portal"));
        self.store
            .get(id)
            .filter(|row| row["object"] == "billing_portal.session")
            .cloned()
    }

    fn card_view(&self, method: &str) -> Option<CardView> {
        let row = self.store.get(method)?;
        Some(CardView {
            id: method.to_owned(),
            brand: opt(row, "card.brand")?.to_owned(),
            last4: owned(row, "card.last4"),
            exp_month: int(row, "card.exp_month"),
            exp_year: int(row, "card.exp_year"),
        })
    }

    fn subscription_view(&self, row: &Value, configuration: &Value) -> SubscriptionView {
        let first = get(row, "items.data.0");
        let price = get(first, "price");
        let amount = inner(row, "items")
            .iter()
            .map(|item| int(item, "price.unit_amount") * int(item, "quantity"))
            .sum();
        SubscriptionView {
            id: owned(row, "id"),
            status: text(row, "status").into(),
            name: self.product_name(price),
            amount,
            currency: owned(row, "currency"),
            interval: owned(price, "recurring.interval"),
            current_period_end: int(first, "current_period_end"),
            cancel_at: opt_int(row, "cancel_at"),
            trial_end: opt_int(row, "trial_end").filter(|_| text(row, "status") == "trialing"),
            scheduled_change: self.scheduled_change(row),
            plans: if inner(row, "items").len() > 1 {
                Vec::new()
            } else {
                self.plans(configuration, text(price, "id"))
            },
        }
    }

    /// The plan a schedule switches to next.
    fn scheduled_change(&self, row: &Value) -> Option<String> {
        let schedule = self.store.get(opt(row, "schedule")?)?;
        let next = list(schedule, "phases")
            .iter()
            .find(|phase| int(phase, "start_date") > self.now)?;
        let price = self.store.get(text(next, "items.0.price"))?;
        (get(price, "id") != get(row, "items.data.0.price.id")).then(|| self.product_name(price))
    }

    fn plans(&self, configuration: &Value, current: &str) -> Vec<PlanView> {
        let update = get(configuration, "features.subscription_update");
        if !flag(update, "enabled") {
            return Vec::new();
        }
        list(update, "products")
            .iter()
            .flat_map(|product| list(product, "prices"))
            .filter_map(|id| self.store.get(id.as_str()?))
            .filter(|price| flag(price, "active") || text(price, "id") == current)
            .map(|price| PlanView {
                price: owned(price, "id"),
                name: self.product_name(price),
                unit_amount: int(price, "unit_amount"),
                currency: owned(price, "currency"),
                interval: owned(price, "recurring.interval"),
                current: text(price, "id") == current,
            })
            .collect()
    }

    /// The session's customer's subscription, if the configuration allows the feature.
    fn portal_subject(
        &self,
        portal: &str,
        subscription: &str,
        feature: &str,
    ) -> Result<(Value, Value), PayError> {
        let session = self.portal_behind(portal).ok_or(PayError::NotFound)?;
        let configuration = self
            .store
            .get(text(&session, "configuration"))
            .cloned()
            .ok_or(PayError::NotFound)?;
        let features = get(&configuration, &format!("features.{feature}")).clone();
        if !flag(&features, "enabled") {
            return Err(PayError::NotPossible(
                "This is not allowed here.".to_owned(),
            ));
        }
        let row = self
            .store
            .get(subscription)
            .filter(|row| row["object"] == "subscription" && row["customer"] == session["customer"])
            .ok_or(PayError::NotFound)?;
        if matches!(text(row, "status"), "canceled" | "incomplete_expired") {
            return Err(PayError::NotPossible(
                "This subscription has ended.".to_owned(),
            ));
        }
        Ok((row.clone(), features))
    }

    /// Cancels: at the period's end or at once, as the configuration says.
    pub fn portal_cancel(
        &mut self,
        portal: &str,
        subscription: &str,
        now: i64,
    ) -> Result<Value, PayError> {
        self.tick(now);
        let (row, features) = self.portal_subject(portal, subscription, "subscription_cancel")?;
        if let Some(schedule) = opt(&row, "schedule") {
            self.end_schedule(schedule, "released");
        }
        if text(&features, "mode") == "immediately" {
            self.end_subscription(subscription, "cancellation_requested");
        } else {
            let at = self.now;
            self.modify_and_tell("customer.subscription.updated", subscription, |row| {
                row["cancel_at_period_end"] = true.into();
                note_cancellation(row, at);
            });
        }
        self.store
            .get(subscription)
            .cloned()
            .ok_or(PayError::NotFound)
    }

    /// Takes a cancellation, or a scheduled change of plan, back.
    pub fn portal_resume(
        &mut self,
        portal: &str,
        subscription: &str,
        now: i64,
    ) -> Result<Value, PayError> {
        self.tick(now);
        let (row, _) = self.portal_subject(portal, subscription, "subscription_cancel")?;
        if let Some(schedule) = opt(&row, "schedule") {
            self.end_schedule(schedule, "released");
        }
        let at = self.now;
        self.modify_and_tell("customer.subscription.updated", subscription, |row| {
            row["cancel_at_period_end"] = false.into();
            row["cancel_at"] = Value::Null;
            note_cancellation(row, at);
        });
        self.store
            .get(subscription)
            .cloned()
            .ok_or(PayError::NotFound)
    }

    /// A new default card. Open invoices that failed are tried with it at once.
    pub fn portal_set_card(
        &mut self,
        portal: &str,
        payment: Payment,
        now: i64,
    ) -> Result<Value, PayError> {
        self.tick(now);
        let session = self.portal_behind(portal).ok_or(PayError::NotFound)?;
        let allowed = self
            .store
            .get(text(&session, "configuration"))
            .is_some_and(|row| flag(row, "features.payment_method_update.enabled"));
        if !allowed {
            return Err(PayError::NotPossible(
                "This is not allowed here.".to_owned(),
            ));
        }
        let customer = owned(&session, "customer");
        let method = self.on_page(|core| {
            let method = core.method_of(&payment)?;
            core.attach(&method, &customer, "payment_method")
        })?;
        self.modify_and_tell("customer.updated", &customer, |row| {
            set(
                row,
                "invoice_settings.default_payment_method",
                method.clone(),
            );
        });
        self.use_everywhere(&customer, &method);
        self.retry_open_invoices(&customer);
        self.store.get(&method).cloned().ok_or(PayError::NotFound)
    }

    /// Subscriptions with a card of their own take the new one.
    fn use_everywhere(&mut self, customer: &str, method: &str) {
        let own: Vec<String> = self
            .store
            .all("subscription")
            .filter(|row| text(row, "customer") == customer && has(row, "default_payment_method"))
            .filter(|row| !matches!(text(row, "status"), "canceled" | "incomplete_expired"))
            .map(|row| owned(row, "id"))
            .collect();
        for id in own {
            self.modify_and_tell("customer.subscription.updated", &id, |row| {
                row["default_payment_method"] = method.into();
            });
        }
    }

    /// Switches to another price: at once with the configured proration, or at the period's end by a
    /// schedule where the configuration says so for cheaper plans.
    pub fn portal_switch_plan(
        &mut self,
        portal: &str,
        subscription: &str,
        price: &str,
        now: i64,
    ) -> Result<Value, PayError> {
        self.tick(now);
        let (row, features) = self.portal_subject(portal, subscription, "subscription_update")?;
        let offered = list(&features, "products")
            .iter()
            .any(|one| list(one, "prices").contains(&json!(price)));
        let new = self
            .store
            .get(price)
            .cloned()
            .filter(|_| offered)
            .ok_or(PayError::NotFound)?;
        // As at Stripe: what has several products is cancelled here and changed elsewhere.
        if inner(&row, "items").len() > 1 {
            let message = "A subscription to several products cannot be changed here.";
            return Err(PayError::NotPossible(message.to_owned()));
        }
        let old = get(&row, "items.data.0.price");
        if get(old, "id") == price {
            return Err(PayError::NotPossible(
                "The subscription is on this plan already.".to_owned(),
            ));
        }
        let conditions = list(&features, "schedule_at_period_end.conditions");
        let later = conditions.iter().any(|one| match text(one, "type") {
            "decreasing_item_amount" => int(&new, "unit_amount") < int(old, "unit_amount"),
            _ => {
                text(&new, "recurring.interval") == "month"
                    && text(old, "recurring.interval") == "year"
            }
        });
        self.on_page(|core| {
            if let Some(schedule) = opt(&row, "schedule") {
                core.end_schedule(schedule, "released");
            }
            if later {
                core.schedule_switch(&row, price)
            } else {
                core.switch_now(&row, &features, price)
            }
        })?;
        self.store
            .get(subscription)
            .cloned()
            .ok_or(PayError::NotFound)
    }

    fn switch_now(&mut self, row: &Value, features: &Value, price: &str) -> Answer<()> {
        let id = owned(row, "id");
        let item = get(row, "items.data.0.id");
        let anchor = opt(features, "billing_cycle_anchor").unwrap_or("unchanged");
        let sent = json!({"items": [{"id": item, "price": price}], "billing_cycle_anchor": anchor,
            "proration_behavior": opt(features, "proration_behavior").unwrap_or("none")});
        let before = self.need("subscription", &id, "id")?;
        let change = Change {
            by: By::Customer,
            ..self.change_from(&id, &sent)?
        };
        let change = Change {
            behavior: "error_if_incomplete".to_owned(),
            ..change
        };
        self.change_items(&id, change)?;
        let ends_trial = opt(features, "trial_update_behavior") != Some("continue_trial");
        if text(&before, "status") == "trialing" && ends_trial {
            let row = self.need("subscription", &id, "id")?;
            self.end_trial(&id, &row)?;
        }
        self.emit_change("customer.subscription.updated", &id, &before);
        Ok(())
    }

    /// A schedule of two phases: what is, until the period ends; the new price from then on.
    fn schedule_switch(&mut self, row: &Value, price: &str) -> Answer<()> {
        let made = json!({"from_subscription": row["id"]});
        let create = Call {
            path: String::new(),
            ids: Vec::new(),
            params: made,
        };
        let schedule = super::schedules::create(self, &create)?;
        let first = get(&schedule, "phases.0");
        let kept: Vec<Value> = list(first, "items")
            .iter()
            .map(|item| json!({"price": item["price"], "quantity": item["quantity"]}))
            .collect();
        let quantity = get(row, "items.data.0.quantity");
        let phases = json!({"phases": [
            {"items": kept, "start_date": first["start_date"], "end_date": first["end_date"]},
            {"items": [{"price": price, "quantity": quantity}]}], "end_behavior": "release"});
        let update = Call {
            path: String::new(),
            ids: vec![owned(&schedule, "id")],
            params: phases,
        };
        super::schedules::update(self, &update).map(|_| ())
    }
}
