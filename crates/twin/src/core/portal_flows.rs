//! The flows of the billing portal: a session that leads straight to one action.
//! <https://docs.stripe.com/customer-management/portal-deep-links>

use serde_json::{Value, json};

use super::Core;
use super::errors::{Answer, ApiError, refuse_param};
use super::lists::inner;
use super::status;
use super::urls::check_url;
use super::value::{flag, get, has, int, list, opt, opt_int, set, text};

/// The flows about a subscription, the feature that each needs, and its name in an error.
const FEATURES: [(&str, &str, &str); 3] = [
    (
        "subscription_cancel",
        "subscription_cancel",
        "canceled because the subscription cancel",
    ),
    (
        "subscription_update",
        "subscription_update",
        "updated because the subscription update",
    ),
    (
        "subscription_update_confirm",
        "subscription_update",
        "updated because the subscription update",
    ),
];

impl Core {
    /// The flow of a session with all fields that Stripe returns. What the configuration forbids or
    /// the subscription doesn't allow is refused.
    pub(super) fn flow_of(&self, sent: &Value, customer: &str, configuration: &Value) -> Answer {
        let Some(kind) = opt(sent, "flow_data.type") else {
            return Ok(Value::Null);
        };
        if kind == "customer_update" {
            let message = "The flow `customer_update` is not served by this twin.";
            return refuse_param("", "flow_data[type]", message);
        }
        let data = get(sent, "flow_data");
        if let Some((other, ..)) = FEATURES
            .iter()
            .find(|(name, ..)| *name != kind && has(data, name))
        {
            let message = format!("`{other}` can't be set for a flow of type `{kind}`.");
            return refuse_param("", &format!("flow_data[{other}]"), message);
        }
        let mut flow = json!({"after_completion": after_completion(data)?,
            "subscription_cancel": null, "subscription_update": null,
            "subscription_update_confirm": null, "type": kind});
        let features = get(configuration, "features");
        if kind == "payment_method_update" && !flag(features, "payment_method_update.enabled") {
            let message = "The payment method cannot be updated because the payment method update feature in the portal configuration is disabled.";
            return refuse_param("", "flow_data[type]", message);
        }
        if let Some((_, feature, what)) = FEATURES.iter().find(|(name, ..)| *name == kind) {
            let row = self.subject_of_flow(data, kind, customer)?;
            if !flag(features, &format!("{feature}.enabled")) {
                let message = format!(
                    "This subscription cannot be {what} feature in the portal configuration is disabled."
                );
                return refuse_param("", "flow_data[type]", message);
            }
            let mut own = get(data, kind).clone();
            match kind {
                "subscription_cancel" => {
                    refuse_canceled(&row)?;
                    own["retention"] = Value::Null;
                }
                "subscription_update_confirm" => {
                    self.fill_confirmation(&mut own, &row, features)?;
                }
                _ => {}
            }
            flow[kind] = own;
        }
        Ok(flow)
    }

    /// The subscription of a flow.
    fn subject_of_flow(&self, data: &Value, kind: &str, customer: &str) -> Answer {
        let param = format!("flow_data[{kind}][subscription]");
        let id =
            opt(data, &format!("{kind}.subscription")).ok_or_else(|| ApiError::required(&param))?;
        let row = self.need("subscription", id, &param)?;
        if text(&row, "customer") != customer {
            return Err(ApiError::missing("subscription", id, &param));
        }
        if status::has_ended(&row) {
            let message = "This subscription is canceled and can't be changed.";
            return refuse_param("", &param, message);
        }
        Ok(row)
    }

    /// Checks the change that the customer is asked to confirm, and adds the fields that were not sent.
    fn fill_confirmation(&self, own: &mut Value, row: &Value, features: &Value) -> Answer<()> {
        const OUTER: &str = "flow_data[subscription_update_confirm]";
        let known = inner(row, "items");
        if list(own, "items").len() != 1 || known.len() != 1 {
            let message = "The portal can only update a subscription with a single item.";
            return refuse_param("", &format!("{OUTER}[items]"), message);
        }
        let item = get(own, "items.0").clone();
        let before = &known[0];
        if get(&item, "id") != get(before, "id") {
            let param = format!("{OUTER}[items][0][id]");
            return Err(ApiError::missing(
                "subscription item",
                text(&item, "id"),
                &param,
            ));
        }
        let update = get(features, "subscription_update");
        let may = |name: &str| list(update, "default_allowed_updates").contains(&json!(name));
        let price = opt(&item, "price")
            .unwrap_or_else(|| text(before, "price.id"))
            .to_owned();
        let quantity = opt_int(&item, "quantity").unwrap_or_else(|| int(before, "quantity"));
        if quantity < 1 {
            let param = format!("{OUTER}[items][0][quantity]");
            let message = "This value must be greater than or equal to 1.";
            return refuse_param("parameter_invalid_integer", &param, message);
        }
        let changes_price = text(before, "price.id") != price;
        let is_offered = list(update, "products")
            .iter()
            .any(|one| list(one, "prices").contains(&json!(price)));
        if changes_price && !(is_offered && may("price")) {
            let message = format!(
                "The price `{price}` isn't one of those to which the portal configuration allows to update."
            );
            return refuse_param("", &format!("{OUTER}[items][0][price]"), message);
        }
        let changes_quantity = int(before, "quantity") != quantity;
        if changes_quantity && !may("quantity") {
            let message =
                "The quantity cannot be updated because the portal configuration doesn't allow it.";
            return refuse_param("", &format!("{OUTER}[items][0][quantity]"), message);
        }
        let discounts = list(own, "discounts").to_vec();
        self.check_flow_discounts(&discounts, may("promotion_code"))?;
        if !changes_price && !changes_quantity && discounts.is_empty() {
            let message = "There is nothing to confirm: the subscription would not change.";
            return refuse_param("", &format!("{OUTER}[items]"), message);
        }
        set(own, "items.0.price", price);
        set(own, "items.0.quantity", quantity);
        own["discounts"] = if discounts.is_empty() {
            Value::Null
        } else {
            discounts.into()
        };
        Ok(())
    }

    fn check_flow_discounts(&self, discounts: &[Value], allowed: bool) -> Answer<()> {
        const PARAM: &str = "flow_data[subscription_update_confirm][discounts]";
        if discounts.is_empty() {
            return Ok(());
        }
        if !allowed || discounts.len() > 1 {
            let message = "The portal configuration doesn't allow these discounts.";
            return refuse_param("", PARAM, message);
        }
        for kind in ["coupon", "promotion_code"] {
            if let Some(id) = opt(&discounts[0], kind) {
                self.need(kind, id, &format!("{PARAM}[0][{kind}]"))?;
            }
        }
        Ok(())
    }
}

fn refuse_canceled(row: &Value) -> Answer<()> {
    if flag(row, "cancel_at_period_end") || has(row, "cancel_at") {
        let message = "This subscription is already set to be canceled.";
        let param = "flow_data[subscription_cancel][subscription]";
        return refuse_param("", param, message);
    }
    Ok(())
}

/// What happens after the flow.
fn after_completion(data: &Value) -> Answer {
    let kind = opt(data, "after_completion.type").unwrap_or("portal_homepage");
    let own = |name: &str| {
        let value = get(data, &format!("after_completion.{name}"));
        if kind == name {
            value.clone()
        } else {
            Value::Null
        }
    };
    for other in ["hosted_confirmation", "redirect"] {
        if other != kind && has(data, &format!("after_completion.{other}")) {
            let message = format!("`{other}` can't be set if the type is `{kind}`.");
            return refuse_param(
                "",
                &format!("flow_data[after_completion][{other}]"),
                message,
            );
        }
    }
    if kind == "redirect" && opt(data, "after_completion.redirect.return_url").is_none() {
        return Err(ApiError::required(
            "flow_data[after_completion][redirect][return_url]",
        ));
    }
    check_url(
        &json!({ "flow_data": data }),
        "flow_data[after_completion][redirect][return_url]",
    )?;
    let mut confirmation = own("hosted_confirmation");
    if kind == "hosted_confirmation" && confirmation.is_null() {
        confirmation = json!({"custom_message": null});
    }
    Ok(json!({"hosted_confirmation": confirmation, "redirect": own("redirect"), "type": kind}))
}
