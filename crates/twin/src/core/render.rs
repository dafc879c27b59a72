//! Objects as text, with their fields in Stripe's order: `id`, `object`, then the rest by name.

use serde::ser::{Serialize, SerializeMap, SerializeSeq, Serializer};
use serde_json::Value;

/// The fields that begin an object.
const FIRST: [&str; 2] = ["id", "object"];

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
