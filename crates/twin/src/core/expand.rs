//! `expand[]`: replaces ids with their objects and includes fields that are only returned on
//! request.

use serde_json::{Value, json};
use stripe::objects::SubscriptionStatus;

use super::Core;
use super::data::definitions;
use super::errors::{Answer, ApiError, refuse_param};
use super::render::EMBEDDED_MAX;
use super::status;
use super::value::{get, has, text};

const LEVELS_MAX: usize = 4;

/// A field of customers that is plain, but only included on request.
const CREDIT_BALANCES: &str = "invoice_credit_balance";

impl Core {
    /// Expands every requested path of an answer.
    pub(super) fn expand(&self, value: &mut Value, paths: &[Value]) -> Answer<()> {
        for path in paths.iter().filter_map(Value::as_str) {
            let parts: Vec<&str> = path.split('.').collect();
            if parts.len() > LEVELS_MAX {
                let message =
                    format!("You cannot expand more than 4 levels of a property ({path}).");
                return refuse_param("", "expand", message);
            }
            let node = json!({});
            self.descend(value, &parts, &node, path)?;
        }
        Ok(())
    }

    /// Expands one step. `node` is the schema of `value` if it is an object without a kind.
    fn descend(&self, value: &mut Value, parts: &[&str], node: &Value, path: &str) -> Answer<()> {
        let Some((part, rest)) = parts.split_first() else {
            return Ok(());
        };
        let kind = text(value, "object").to_owned();
        if kind == "list" || kind == "search_result" {
            // Gone since 2025-03-31.basil: github.com/stripe/stripe-java/issues/2017
            if *part == "total_count" {
                let message = "This property cannot be included (total_count).";
                return refuse_param("", "expand", message);
            }
            if *part != "data" {
                return Err(refuse(path));
            }
            let none = json!({});
            let elements = value["data"].as_array_mut().into_iter().flatten();
            for element in elements {
                self.descend(element, rest, &none, path)?;
            }
            return Ok(());
        }
        let known = definitions().get(&kind);
        let property = match known {
            Some(definition) => get(definition, "properties").get(*part),
            None => resolve(node)
                .get("properties")
                .and_then(|all| all.get(*part)),
        };
        let Some(property) = property.filter(|one| is_open(one) || *part == CREDIT_BALANCES) else {
            return Err(refuse(path));
        };
        if value.get(*part).is_none()
            && let Some(included) = self.included(value, &kind, part)
        {
            value[*part] = included;
        }
        let Some(slot) = value.get_mut(*part) else {
            return Ok(());
        };
        match slot {
            Value::String(id) => {
                if let Some(object) = self.store.get(id) {
                    *slot = object.clone();
                }
                self.descend(slot, rest, property, path)
            }
            Value::Object(_) => self.descend(slot, rest, property, path),
            Value::Array(list) => {
                for one in list {
                    if let Some(object) = one.as_str().and_then(|id| self.store.get(id)) {
                        *one = object.clone();
                    }
                    self.descend(one, rest, &property["items"], path)?;
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Fields that an object only has when they are expanded.
    fn included(&self, object: &Value, kind: &str, part: &str) -> Option<Value> {
        let id = text(object, "id");
        match (kind, part) {
            ("checkout.session", "line_items") => Some(self.session_items(id)),
            ("invoice", "payments") => Some(self.embedded(
                "invoice_payment",
                &format!("/v1/invoice_payments?invoice={id}"),
                ("invoice", id),
                |_| true,
            )),
            ("invoice", "confirmation_secret") => {
                let intent = self.store.get(&self.invoice_intent(id)?)?;
                Some(json!({"client_secret": intent["client_secret"], "type": "payment_intent"}))
            }
            ("customer", "subscriptions") => Some(self.embedded(
                "subscription",
                &format!("/v1/customers/{id}/subscriptions"),
                ("customer", id),
                |one| status::subscription(one) != SubscriptionStatus::Canceled,
            )),
            ("customer", CREDIT_BALANCES) => Some(self.credit_balances(object)),
            ("customer", "tax") => Some(self.customer_tax(object)),
            ("coupon", "applies_to" | "currency_options") => Some(self.note(id, part)),
            ("customer", "tax_ids") => Some(self.tax_id_list(id)),
            ("item", "taxes") => Some(self.note(id, "taxes")),
            ("customer", "sources") => {
                let url = format!("/v1/customers/{id}/{part}");
                Some(json!({"object": "list", "data": [], "has_more": false, "url": url}))
            }
            ("charge", "refunds") => Some(self.embedded(
                "refund",
                &format!("/v1/charges/{id}/refunds"),
                ("charge", id),
                |_| true,
            )),
            ("price", "currency_options") => Some(json!({text(object, "currency"): {
                "custom_unit_amount": null, "tax_behavior": object["tax_behavior"],
                "unit_amount": object["unit_amount"],
                "unit_amount_decimal": object["unit_amount_decimal"]}})),
            _ => None,
        }
    }

    /// The newest objects whose indexed field has a value, as a list inside another object.
    fn embedded(
        &self,
        kind: &str,
        url: &str,
        (field, wanted): (&str, &str),
        keep: impl Fn(&Value) -> bool,
    ) -> Value {
        let newest = self.store.by(kind, field, wanted).rev();
        let found: Vec<&Value> = newest
            .filter(|one| keep(one))
            .take(EMBEDDED_MAX + 1)
            .collect();
        let data: Vec<&Value> = found.iter().take(EMBEDDED_MAX).copied().collect();
        json!({"object": "list", "data": data, "has_more": found.len() > EMBEDDED_MAX, "url": url})
    }
}

fn refuse(path: &str) -> Box<ApiError> {
    let message = format!("This property cannot be expanded ({path}).");
    ApiError::bad("", "expand", message)
}

/// Resolves references and nullable alternatives of a schema.
fn resolve(node: &Value) -> &Value {
    if let Some(name) = node["$ref"].as_str() {
        return resolve(&definitions()[name.trim_start_matches("#/$defs/")]);
    }
    if let Some(alternatives) = node["anyOf"].as_array() {
        return alternatives
            .iter()
            .find(|one| one.get("$ref").is_some() || one.get("properties").is_some())
            .map_or(node, resolve);
    }
    node
}

/// Whether a property holds an object, a list or a reference that can be expanded.
fn is_open(property: &Value) -> bool {
    if !property["items"].is_null() {
        return is_open(&property["items"]);
    }
    let inner = resolve(property);
    inner.get("properties").is_some()
        || inner.get("$ref").is_some()
        || has(inner, "additionalProperties.$ref")
}
