//! Subscription items: their endpoints and the items that a subscription has after a change.

use serde_json::{Value, json};

use super::errors::{Answer, ApiError, refuse_param};
use super::lists::inner;
use super::params::{check_count, metadata, quantity_in};
use super::status;
use super::subscriptions::{check_same_interval, refuse_on_ended};
use super::value::{copy, flag, get, has, int, list, merge, opt, owned, period, required, text};
use super::{Call, Core};

/// `GET /v1/subscription_items`
pub(super) fn index(core: &mut Core, call: &Call) -> Answer {
    let id = required(&call.params, "subscription")?;
    let subscription = core.need("subscription", id, "subscription")?;
    core.page_of(
        call,
        "subscription_item",
        inner(&subscription, "items").iter().collect(),
    )
}

/// `GET /v1/subscription_items/{item}`
pub(super) fn show(core: &mut Core, call: &Call) -> Answer {
    core.find_item(call.id()).map(|(_, item)| item)
}

/// `POST /v1/subscription_items`
pub(super) fn create(core: &mut Core, call: &Call) -> Answer {
    let id = required(&call.params, "subscription")?.to_owned();
    let row = core.need("subscription", &id, "subscription")?;
    if status::has_ended(&row) {
        return Err(core
            .missing("subscription", &id, "subscription")
            .with_status(404));
    }
    let known = core.item_ids(&id);
    core.change_one_item(&id, &call.params, json!({}))?;
    let after = core.need("subscription", &id, "subscription")?;
    // A change that waits for its payment is only pending.
    let waiting = list(get(&after, "pending_update"), "subscription_items");
    let mut items = inner(&after, "items").iter().chain(waiting);
    let new = items.find(|item| !known.contains(&owned(item, "id")));
    new.cloned().ok_or_else(|| ApiError::server(500))
}

/// `POST /v1/subscription_items/{item}`
pub(super) fn update(core: &mut Core, call: &Call) -> Answer {
    let (subscription, _) = core.find_item(call.id())?;
    core.change_one_item(&subscription, &call.params, json!({"id": call.id()}))?;
    core.find_item(call.id()).map(|(_, item)| item)
}

/// `DELETE /v1/subscription_items/{item}`
pub(super) fn delete(core: &mut Core, call: &Call) -> Answer {
    let (subscription, _) = core.find_item(call.id())?;
    core.change_one_item(
        &subscription,
        &call.params,
        json!({"id": call.id(), "deleted": true}),
    )?;
    Ok(json!({"id": call.id(), "object": "subscription_item", "deleted": true}))
}

/// Replaces the items of a subscription.
pub(super) fn set_item_list(row: &mut Value, items: &[Value]) {
    row["items"]["total_count"] = items.len().into();
    row["items"]["data"] = items.into();
}

impl Core {
    /// The items of a subscription after the sent items were merged in.
    pub(super) fn items_after(
        &mut self,
        row: &Value,
        sent: &[Value],
        param: &str,
    ) -> Answer<Vec<Value>> {
        let mut items = inner(row, "items").to_vec();
        let first = items.first().cloned().unwrap_or_default();
        let period = period(&first);
        for (index, one) in sent.iter().enumerate() {
            let named = format!("{param}[{index}]");
            if flag(one, "deleted") && opt(one, "id").is_none() {
                return Err(ApiError::required(&format!("{named}[id]")));
            }
            let Some(id) = opt(one, "id") else {
                let price = self.price_of_item(one, text(row, "currency"), &named)?;
                let twice = items
                    .iter()
                    .find(|item| get(item, "price.id") == get(&price, "id"));
                if let Some(known) = twice {
                    let message = format!(
                        "A new item with Price {} can't be added to this Subscription because an existing Subscription Item {} is already using that Price. If you want to update the existing item (e.g., to adjust the quantity), pass the existing Subscription Item's `id` in your update request: https://stripe.com/docs/api/subscriptions/update#update_subscription-items-id",
                        text(&price, "id"),
                        text(known, "id")
                    );
                    return refuse_param("", "plan", message);
                }
                let kept = metadata(&Value::Null, get(one, "metadata"))?;
                let quantity = quantity_in(one, &price, 1, &named)?;
                let holders = [text(row, "id")];
                let terms = self.item_terms(one, text(row, "customer"), &holders, &named)?;
                let mut item = self.new_item(text(row, "id"), &price, quantity, &kept, period);
                merge(&mut item, terms);
                items.push(item);
                continue;
            };
            let place = items
                .iter()
                .position(|item| text(item, "id") == id)
                .ok_or_else(|| {
                    ApiError::missing("subscription item", id, &format!("{named}[id]"))
                })?;
            if flag(one, "deleted") {
                items.remove(place);
                continue;
            }
            // An item keeps its price although it can no longer be bought.
            let is_kept =
                !has(one, "price_data") && opt(one, "price") == opt(&items[place], "price.id");
            let mut before = int(&items[place], "quantity");
            if has(one, "price") && !is_kept || has(one, "price_data") {
                let new = self.price_of_item(one, text(row, "currency"), &named)?;
                // "When changing a subscription item's price, `quantity` is set to 1 unless a
                // `quantity` parameter is provided" (Stripe's update of a subscription item).
                if get(&new, "id") != get(&items[place], "price.id") {
                    before = 1;
                }
                items[place]["price"] = new;
            }
            let quantity = quantity_in(one, &items[place]["price"], before, &named)?;
            items[place]["quantity"] = quantity.into();
            let holders = [text(row, "id"), id];
            let terms = self.item_terms(one, text(row, "customer"), &holders, &named)?;
            merge(&mut items[place], terms);
            items[place]["metadata"] = metadata(&items[place]["metadata"], get(one, "metadata"))?;
        }
        check_count(&items, param)?;
        if items.is_empty() {
            let message = "A subscription must have at least one active plan.";
            return refuse_param("", param, message);
        }
        check_same_interval(items.iter().map(|item| get(item, "price")))?;
        Ok(items)
    }

    fn find_item(&self, id: &str) -> Answer<(String, Value)> {
        let mut holders = self.store.by("subscription", "item", id);
        holders
            .find_map(|row| {
                let mut items = inner(row, "items").iter();
                let item = items.find(|item| text(item, "id") == id)?;
                Some((owned(row, "id"), item.clone()))
            })
            .ok_or_else(|| {
                let message = format!("Invalid subscription_item id: {id}");
                ApiError::invalid(message).with_status(404)
            })
    }

    fn item_ids(&self, subscription: &str) -> Vec<String> {
        let row = self.row(subscription).clone();
        inner(&row, "items")
            .iter()
            .map(|item| owned(item, "id"))
            .collect()
    }

    fn change_one_item(&mut self, id: &str, sent: &Value, mut item: Value) -> Answer<()> {
        let before = self.need("subscription", id, "subscription")?;
        refuse_on_ended(&before, &json!({ "items": [] }))?;
        copy(
            &mut item,
            sent,
            &[
                "price",
                "price_data",
                "quantity",
                "metadata",
                "discounts",
                "tax_rates",
            ],
        );
        let mut whole = json!({ "items": [item] });
        copy(
            &mut whole,
            sent,
            &[
                "proration_behavior",
                "proration_date",
                "payment_behavior",
                "off_session",
            ],
        );
        let change = self
            .change_from(id, &whole)
            .map_err(|error| error.outside("items[0]"))?;
        self.change_items(id, change)?;
        self.emit_change("customer.subscription.updated", id, &before);
        Ok(())
    }
}
