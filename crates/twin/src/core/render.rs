//! Objects as Stripe shows them: with at most ten elements in each embedded list, and as text with
//! their fields in Stripe's order: `id`, `object`, then the rest by name.

use std::borrow::Cow;

use serde::ser::{Serialize, SerializeMap, SerializeSeq, Serializer};
use serde_json::Value;

/// The fields that begin an object.
const FIRST: [&str; 2] = ["id", "object"];

/// How many elements of a list inside another object are shown. The rest are on further pages of the
/// list's own URL. <https://github.com/stripe/stripe-php/issues/1400>
pub const EMBEDDED_MAX: usize = 10;

/// Shortens the lists inside an object. A list that is itself the object keeps its elements.
pub fn shorten(object: &mut Value) {
    match object {
        Value::Object(fields) => {
            for inner in fields.values_mut() {
                shorten(inner);
                if is_long(inner) {
                    inner["has_more"] = true.into();
                    if let Some(data) = inner["data"].as_array_mut() {
                        data.truncate(EMBEDDED_MAX);
                    }
                }
            }
        }
        Value::Array(elements) => elements.iter_mut().for_each(shorten),
        _ => {}
    }
}

/// An object with its lists shortened, which most need not be.
pub fn shortened(object: &Value) -> Cow<'_, Value> {
    if !has_long(object) {
        return Cow::Borrowed(object);
    }
    let mut short = object.clone();
    shorten(&mut short);
    Cow::Owned(short)
}

fn has_long(value: &Value) -> bool {
    match value {
        Value::Object(fields) => fields.values().any(|one| is_long(one) || has_long(one)),
        Value::Array(elements) => elements.iter().any(has_long),
        _ => false,
    }
}

fn is_long(value: &Value) -> bool {
    let Value::Object(list) = value else {
        return false;
    };
    let elements = list.get("data").and_then(Value::as_array);
    elements.is_some_and(|all| all.len() > EMBEDDED_MAX)
        && list.get("object").is_some_and(|kind| kind == "list")
}

/// An answer or an event as indented JSON, as Stripe sends it.
pub fn to_text(value: &Value) -> String {
    serde_json::to_string_pretty(&Ordered(value)).expect("JSON values can be written")
}

struct Ordered<'a>(&'a Value);

impl Serialize for Ordered<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Value::Object(fields) => {
                let mut map = serializer.serialize_map(Some(fields.len()))?;
                for name in FIRST {
                    if let Some(value) = fields.get(name) {
                        map.serialize_entry(name, &Ordered(value))?;
                    }
                }
                let rest = fields.iter();
                for (name, value) in rest.filter(|(name, _)| !FIRST.contains(&name.as_str())) {
                    map.serialize_entry(name, &Ordered(value))?;
                }
                map.end()
            }
            Value::Array(elements) => {
                let mut sequence = serializer.serialize_seq(Some(elements.len()))?;
                for element in elements {
                    sequence.serialize_element(&Ordered(element))?;
                }
                sequence.end()
            }
            plain => plain.serialize(serializer),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_object_begins_with_its_id_and_kind_at_every_level() {
        let inner = json!({"object": "price", "active": true, "id": "price_1"});
        let text = to_text(&json!({"data": [inner], "object": "list", "zeal": null}));

        let names: Vec<&str> = text
            .lines()
            .filter_map(|line| line.trim().strip_prefix('"')?.split('"').next())
            .collect();
        assert_eq!(names, ["object", "data", "id", "object", "active", "zeal"]);
    }
}
