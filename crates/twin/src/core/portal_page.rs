//! The pages of the billing portal: what they show and what the customer does there.

use serde_json::{Value, json};
use stripe::objects::SubscriptionStatus;

use super::behavior::{PaymentBehavior, ScheduleEnd};
use super::changes::Change;
use super::errors::Answer;
use super::lists::inner;
use super::payments::Initiator;
use super::status;
use super::subscription_states::mark_cancellation;
use super::value::{
    copy, flag, get, has, ids, int, list, opt, opt_int, owned, price_amount, rounded_price, set,
    text, unit_price,
};
use super::views::not_possible;
use super::{
    Call, CardView, Core, PayError, Payment, PlanView, PortalAllows, PortalTask, PortalView,
    SubscriptionView,
};

/// Whether a switch from one price to another waits for the end of the period.
pub(super) fn switches_later(update: &Value, old: &Value, new: &Value) -> bool {
    let conditions = list(update, "schedule_at_period_end.conditions");
    conditions.iter().any(|one| match text(one, "type") {
        "decreasing_item_amount" => unit_price(new) < unit_price(old),
        _ => {
            text(new, "recurring.interval") == "month" && text(old, "recurring.interval") == "year"
        }
    })
}

impl Core {
    /// The portal as its page shows it, by the secret in its URL or by its id.
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
            !status::has_ended(row) && status::subscription(row) != SubscriptionStatus::Incomplete
        };
        let subscriptions: Vec<SubscriptionView> = self
            .store
            .by("subscription", "customer", id)
            .rev()
            .filter(live)
            .map(|row| self.subscription_view(row, configuration))
            .collect();
        let first = self
            .store
            .by("subscription", "customer", id)
            .rev()
            .find(live)
            .cloned()
            .unwrap_or_default();
        let invoices = self
            .store
            .by("invoice", "customer", id)
            .rev()
            .filter(|row| !status::is_draft(row))
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
            flow: self.flow_view(&session),
        })
    }

    pub(super) fn portal_behind(&self, secret_or_id: &str) -> Option<Value> {
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
            .map(|item| price_amount(get(item, "price"), int(item, "quantity")))
            .sum();
        SubscriptionView {
            id: owned(row, "id"),
            status: status::subscription(row),
            name: self.product_name(price),
            amount,
            currency: owned(row, "currency"),
            interval: owned(price, "recurring.interval"),
            current_period_end: int(first, "current_period_end"),
            cancel_at: opt_int(row, "cancel_at"),
            trial_end: opt_int(row, "trial_end").filter(|_| status::is_trialing(row)),
            scheduled_change: self.scheduled_change(row),
            plans: if inner(row, "items").len() > 1 {
                Vec::new()
            } else {
                self.plans(configuration, text(price, "id"))
            },
        }
    }

    /// The name of the plan that a schedule switches to next.
    fn scheduled_change(&self, row: &Value) -> Option<String> {
        let schedule = self.store.get(opt(row, "schedule")?)?;
        let next = list(schedule, "phases")
            .iter()
            .find(|phase| int(phase, "start_date") > self.now)?;
        let price = self.store.get(text(next, "items.0.price"))?;
        (get(price, "id") != get(row, "items.data.0.price.id")).then(|| self.product_name(price))
    }

    pub(super) fn plans(&self, configuration: &Value, current: &str) -> Vec<PlanView> {
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
                unit_amount: rounded_price(price),
                currency: owned(price, "currency"),
                interval: owned(price, "recurring.interval"),
                current: text(price, "id") == current,
            })
            .collect()
    }

    /// The subscription of the session's customer with the settings of a feature, if the
    /// configuration enables it.
    pub(super) fn portal_subject(
        &self,
        session: &Value,
        subscription: &str,
        feature: &str,
    ) -> Result<(Value, Value), PayError> {
        let features = get(&self.features_of(session), feature).clone();
        if !flag(&features, "enabled") {
            return Err(not_possible("This isn't allowed here."));
        }
        let row = self
            .store
            .get(subscription)
            .filter(|row| row["object"] == "subscription" && row["customer"] == session["customer"])
            .ok_or(PayError::NotFound)?;
        if status::has_ended(row) {
            return Err(not_possible("This subscription has ended."));
        }
        Ok((row.clone(), features))
    }

    /// Cancels a subscription, at the end of the period or immediately as the configuration says.
    pub fn portal_cancel(
        &mut self,
        portal: &str,
        subscription: &str,
        now: i64,
    ) -> Result<Value, PayError> {
        self.tick(now);
        let session = self.portal_behind(portal).ok_or(PayError::NotFound)?;
        self.check_task(&session, PortalTask::Cancel, Some(subscription))?;
        let (row, features) = self.portal_subject(&session, subscription, "subscription_cancel")?;
        self.on_page(subscription, |core| {
            if text(&features, "mode") == "immediately" {
                core.release_schedule(&row);
                core.end_subscription(subscription, "cancellation_requested");
            } else {
                core.cancel_at_period_end(&row, true);
            }
            Ok(())
        })?;
        self.finish_flow(&session);
        self.shown(subscription)
    }

    /// Undoes a cancellation or a scheduled change of plan.
    pub fn portal_resume(
        &mut self,
        portal: &str,
        subscription: &str,
        now: i64,
    ) -> Result<Value, PayError> {
        self.tick(now);
        let session = self.portal_behind(portal).ok_or(PayError::NotFound)?;
        self.check_task(&session, PortalTask::Resume, Some(subscription))?;
        let (row, _) = self.portal_subject(&session, subscription, "subscription_cancel")?;
        self.on_page(subscription, |core| {
            core.cancel_at_period_end(&row, false);
            Ok(())
        })?;
        self.shown(subscription)
    }

    fn cancel_at_period_end(&mut self, row: &Value, wanted: bool) {
        self.release_schedule(row);
        let (id, now) = (owned(row, "id"), self.now);
        self.modify_and_emit("customer.subscription.updated", &id, |row| {
            row["cancel_at_period_end"] = wanted.into();
            row["cancel_at"] = Value::Null;
            mark_cancellation(row, now);
        });
    }

    fn release_schedule(&mut self, row: &Value) {
        if let Some(schedule) = opt(row, "schedule") {
            self.end_schedule(schedule, ScheduleEnd::Released);
        }
    }

    /// Sets a new default card. Open invoices that failed are retried with it immediately.
    pub fn portal_set_card(
        &mut self,
        portal: &str,
        payment: Payment,
        now: i64,
    ) -> Result<Value, PayError> {
        self.tick(now);
        let session = self.portal_behind(portal).ok_or(PayError::NotFound)?;
        self.check_task(&session, PortalTask::UpdateCard, None)?;
        if !flag(&self.features_of(&session), "payment_method_update.enabled") {
            return Err(not_possible("This isn't allowed here."));
        }
        let customer = owned(&session, "customer");
        let method = self.on_page(portal, |core| {
            let method = core.method_of(&payment)?;
            core.attach(&method, &customer, "payment_method")
        })?;
        self.modify_and_emit("customer.updated", &customer, |row| {
            set(
                row,
                "invoice_settings.default_payment_method",
                method.clone(),
            );
        });
        self.replace_subscription_cards(&customer, &method);
        self.retry_open_invoices(&customer);
        self.finish_flow(&session);
        self.shown(&method)
    }

    /// Sets the new card on subscriptions that have their own payment method.
    fn replace_subscription_cards(&mut self, customer: &str, method: &str) {
        let own = self.ids_by("subscription", ("customer", customer), |row| {
            has(row, "default_payment_method") && !status::has_ended(row)
        });
        for id in own {
            self.modify_and_emit("customer.subscription.updated", &id, |row| {
                row["default_payment_method"] = method.into();
            });
        }
    }

    /// Switches to another price: immediately with the configured proration, or at the end of the
    /// period by a schedule if the configuration says so for cheaper plans.
    pub fn portal_switch_plan(
        &mut self,
        portal: &str,
        subscription: &str,
        price: &str,
        now: i64,
    ) -> Result<Value, PayError> {
        self.tick(now);
        let session = self.portal_behind(portal).ok_or(PayError::NotFound)?;
        self.check_task(&session, PortalTask::SwitchPlan, Some(subscription))?;
        let (row, features) = self.portal_subject(&session, subscription, "subscription_update")?;
        let offered = list(&features, "products")
            .iter()
            .any(|one| list(one, "prices").contains(&json!(price)));
        if !offered || !self.store.get(price).is_some_and(|row| flag(row, "active")) {
            return Err(PayError::NotFound);
        }
        // As at Stripe, a subscription with several products can be canceled here but not changed.
        if inner(&row, "items").len() > 1 {
            let message = "A subscription with several products can't be changed here.";
            return Err(PayError::NotPossible(message.to_owned()));
        }
        if get(&row, "items.data.0.price.id") == price {
            return Err(not_possible("The subscription is already on this plan."));
        }
        let quantity = get(&row, "items.data.0.quantity");
        let wanted = json!({ "price": price, "quantity": quantity });
        self.on_page(subscription, |core| {
            core.switch_plan(&row, &features, &wanted)
        })?;
        self.finish_flow(&session);
        self.shown(subscription)
    }

    /// Changes the only item of a subscription as the customer chose, with the settings of the
    /// portal.
    pub(super) fn switch_plan(
        &mut self,
        row: &Value,
        features: &Value,
        wanted: &Value,
    ) -> Answer<()> {
        let new = self.need("price", text(wanted, "price"), "price")?;
        self.release_schedule(row);
        if switches_later(features, get(row, "items.data.0.price"), &new) {
            self.schedule_switch(row, wanted)
        } else {
            self.switch_now(row, features, wanted)
        }
    }

    fn switch_now(&mut self, row: &Value, features: &Value, wanted: &Value) -> Answer<()> {
        let id = owned(row, "id");
        let mut item = json!({"id": get(row, "items.data.0.id"), "price": wanted["price"]});
        copy(&mut item, wanted, &["quantity"]);
        let anchor = opt(features, "billing_cycle_anchor").unwrap_or("unchanged");
        let mut sent = json!({"items": [item], "billing_cycle_anchor": anchor,
            "proration_behavior": opt(features, "proration_behavior").unwrap_or("none")});
        if opt(features, "trial_update_behavior") != Some("continue_trial") {
            sent["trial_end"] = "now".into();
        }
        let before = self.need("subscription", &id, "id")?;
        if has(wanted, "discounts") {
            let discounts = self.discounts_from(wanted, text(row, "customer"), Some(&id))?;
            self.start_discounts(&id, &discounts);
        }
        let change = Change {
            by: Initiator::Customer,
            ..self.change_from(&id, &sent)?
        };
        let change = Change {
            behavior: PaymentBehavior::ErrorIfIncomplete,
            ..change
        };
        self.change_items(&id, change)?;
        self.emit_change("customer.subscription.updated", &id, &before);
        Ok(())
    }

    /// Creates a schedule of two phases: the current items until the end of the period, and the new
    /// price after that.
    fn schedule_switch(&mut self, row: &Value, wanted: &Value) -> Answer<()> {
        let made = json!({"from_subscription": row["id"]});
        let create = Call {
            path: String::new(),
            ids: Vec::new(),
            params: made,
        };
        let schedule = super::schedules::create(self, &create)?;
        let mut first = get(&schedule, "phases.0").clone();
        first["default_tax_rates"] = ids(list(&first, "default_tax_rates")).into();
        let quantity = if has(wanted, "quantity") {
            get(wanted, "quantity")
        } else {
            get(row, "items.data.0.quantity")
        };
        let mut last = json!({"items": [{"price": wanted["price"], "quantity": quantity}]});
        let kept = ["discounts", "metadata", "default_tax_rates"];
        copy(&mut last, &first, &kept);
        copy(&mut last, wanted, &["discounts"]);
        let phases = json!({"phases": [first, last], "end_behavior": "release"});
        let update = Call {
            path: String::new(),
            ids: vec![owned(&schedule, "id")],
            params: phases,
        };
        super::schedules::update(self, &update).map(|_| ())
    }
}
