//! The task of a portal session that was created with a flow: what its pages show, what they allow,
//! and how it is completed. <https://docs.stripe.com/customer-management/portal-deep-links>

use serde_json::{Value, json};

use super::lists::inner;
use super::value::{flag, get, int, list, opt, opt_int, owned, price_amount, text};
use super::views::not_possible;
use super::{AfterFlow, Core, FlowView, PayError, PlanChangeView, PortalTask};

/// The tasks by the types of their flows.
const TASKS: [(&str, PortalTask); 4] = [
    ("payment_method_update", PortalTask::UpdateCard),
    ("subscription_cancel", PortalTask::Cancel),
    ("subscription_update", PortalTask::SwitchPlan),
    ("subscription_update_confirm", PortalTask::ConfirmChange),
];

fn after_of(flow: &Value) -> AfterFlow {
    let after = get(flow, "after_completion");
    match text(after, "type") {
        "redirect" => AfterFlow::Redirect(owned(after, "redirect.return_url")),
        "hosted_confirmation" => AfterFlow::Confirmation(
            opt(after, "hosted_confirmation.custom_message").map(str::to_owned),
        ),
        _ => AfterFlow::Homepage,
    }
}

impl Core {
    /// The task that a portal session leads to, if it was created with a flow.
    pub(super) fn flow_view(&self, session: &Value) -> Option<FlowView> {
        let flow = get(session, "flow");
        let kind = opt(flow, "type")?;
        let (_, task) = TASKS.iter().find(|(name, _)| *name == kind)?;
        let subscription = opt(flow, &format!("{kind}.subscription")).map(str::to_owned);
        let change = (*task == PortalTask::ConfirmChange)
            .then(|| self.change_view(session))
            .flatten();
        Some(FlowView {
            task: *task,
            subscription,
            change,
            is_done: self.note(text(session, "id"), "flow_done") == true,
            after: after_of(flow),
        })
    }

    /// The change that the customer is asked to confirm.
    fn change_view(&self, session: &Value) -> Option<PlanChangeView> {
        let own = get(session, "flow.subscription_update_confirm");
        let row = self.store.get(text(own, "subscription"))?;
        let before = inner(row, "items").first()?;
        let price = self.store.get(text(own, "items.0.price"))?;
        let quantity = int(own, "items.0.quantity");
        let features = self.features_of(session);
        let change = get(&features, "subscription_update");
        let discount = list(own, "discounts").first();
        Some(PlanChangeView {
            old_name: self.product_name(get(before, "price")),
            name: self.product_name(price),
            amount: price_amount(price, quantity),
            currency: owned(price, "currency"),
            interval: owned(price, "recurring.interval"),
            interval_count: opt_int(price, "recurring.interval_count").unwrap_or(1),
            quantity,
            discount: discount.and_then(|one| self.discount_name(one)),
            starts_at: super::portal_page::switches_later(change, get(before, "price"), price)
                .then(|| int(before, "current_period_end")),
        })
    }

    fn discount_name(&self, discount: &Value) -> Option<String> {
        let code = self.store.get(text(discount, "promotion_code"));
        let coupon = self.store.get(text(discount, "coupon"));
        let named = code.and_then(|row| opt(row, "code"));
        let named = named.or_else(|| opt(coupon?, "name").or_else(|| opt(coupon?, "id")));
        named.map(str::to_owned)
    }

    pub(super) fn features_of(&self, session: &Value) -> Value {
        let configuration = self.row(text(session, "configuration"));
        get(configuration, "features").clone()
    }

    /// Refuses what a session with a flow doesn't lead to. Once the flow is done, the homepage of
    /// the portal is open if it follows.
    pub(super) fn check_task(
        &self,
        session: &Value,
        task: PortalTask,
        subscription: Option<&str>,
    ) -> Result<(), PayError> {
        let Some(flow) = self.flow_view(session) else {
            return Ok(());
        };
        if flow.allows(task, subscription) {
            Ok(())
        } else {
            Err(not_possible("This link leads to one task only."))
        }
    }

    /// Records that the customer has done what the session leads to.
    pub(super) fn finish_flow(&mut self, session: &Value) {
        if !session["flow"].is_null() {
            self.set_note(text(session, "id"), "flow_done", true);
        }
    }

    /// Makes the change that the session asks the customer to confirm.
    pub fn portal_confirm(&mut self, portal: &str, now: i64) -> Result<Value, PayError> {
        self.tick(now);
        let session = self.portal_behind(portal).ok_or(PayError::NotFound)?;
        let own = get(&session, "flow.subscription_update_confirm").clone();
        let subscription = owned(&own, "subscription");
        self.check_task(&session, PortalTask::ConfirmChange, Some(&subscription))?;
        let (row, features) =
            self.portal_subject(&session, &subscription, "subscription_update")?;
        let price = text(&own, "items.0.price").to_owned();
        let is_active = self
            .store
            .get(&price)
            .is_some_and(|row| flag(row, "active"));
        if !is_active && get(&row, "items.data.0.price.id") != price.as_str() {
            return Err(not_possible("This plan isn't available any more."));
        }
        let mut wanted = json!({"price": price, "quantity": own["items"][0]["quantity"]});
        if !list(&own, "discounts").is_empty() {
            wanted["discounts"] = own["discounts"].clone();
        }
        self.on_page(&subscription, |core| {
            core.switch_plan(&row, &features, &wanted)
        })?;
        self.finish_flow(&session);
        self.shown(&subscription)
    }
}
