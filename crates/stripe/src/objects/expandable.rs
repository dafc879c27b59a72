//! References to other objects: the id, or the whole object if `expand[]` requested it.

use super::Identified;
use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// A reference that Stripe sends as an id, as a whole object, or not at all.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Expandable<T> {
    /// There is no reference, or this version omits it.
    #[default]
    Absent,
    /// The id of the object.
    Id(String),
    /// The whole object, which `expand[]` requested.
    Object(Box<T>),
}

impl<T: Identified> Expandable<T> {
    /// The id of the object, whether or not it was expanded.
    #[must_use]
    pub fn id(&self) -> Option<&str> {
        match self {
            Self::Absent => None,
            Self::Id(id) => Some(id),
            Self::Object(object) => Some(object.id()),
        }
    }

    /// The object, if it was expanded.
    #[must_use]
    pub fn get(&self) -> Option<&T> {
        match self {
            Self::Object(object) => Some(object),
            Self::Absent | Self::Id(_) => None,
        }
    }

    /// Whether there is no reference.
    #[must_use]
    pub fn is_absent(&self) -> bool {
        matches!(self, Self::Absent)
    }

    /// This reference, or `other` if this one is absent.
    pub(super) fn or<'a>(&'a self, other: &'a Self) -> &'a Self {
        if self.is_absent() { other } else { self }
    }
}

impl<'de, T: DeserializeOwned> Deserialize<'de> for Expandable<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::Null => Ok(Self::Absent),
            Value::String(id) if id.is_empty() => Ok(Self::Absent),
            Value::String(id) => Ok(Self::Id(id)),
            Value::Object(object) => expanded(object).map_err(D::Error::custom),
            _ => Err(D::Error::custom(
                "a reference is neither an id nor an object",
            )),
        }
    }
}

/// Reads an expanded object. A deleted object is a stub with only `id` and `deleted`, from which
/// most objects cannot be read, so only its id is kept.
fn expanded<T: DeserializeOwned>(
    object: serde_json::Map<String, Value>,
) -> Result<Expandable<T>, serde_json::Error> {
    let stub_id = match (object.get("deleted"), object.get("id")) {
        (Some(Value::Bool(true)), Some(Value::String(id))) => Some(id.clone()),
        _ => None,
    };
    match (T::deserialize(Value::Object(object)), stub_id) {
        (Ok(object), _) => Ok(Expandable::Object(Box::new(object))),
        (Err(_), Some(id)) => Ok(Expandable::Id(id)),
        (Err(error), None) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::objects::{Customer, Invoice};

    fn read<T: DeserializeOwned>(json: &str) -> Expandable<T> {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn an_id_and_an_expanded_object_give_the_same_id() {
        let plain: Expandable<Customer> = read(r#""cus_1""#);
        let expanded: Expandable<Customer> = read(r#"{"id":"cus_1","object":"customer"}"#);

        assert_eq!(plain.id(), Some("cus_1"));
        assert_eq!(expanded.id(), Some("cus_1"));
        assert_eq!(plain.get(), None);
        assert!(expanded.get().is_some());
    }

    #[test]
    fn null_and_an_empty_id_are_absent() {
        assert!(read::<Customer>("null").is_absent());
        assert!(read::<Customer>(r#""""#).is_absent());
    }

    #[test]
    fn a_deleted_object_keeps_its_id() {
        let invoice: Expandable<Invoice> =
            read(r#"{"id":"in_1","object":"invoice","deleted":true}"#);

        assert_eq!(invoice.id(), Some("in_1"));
    }

    #[test]
    fn an_expanded_object_that_lacks_a_required_field_is_an_error() {
        let invoice = serde_json::from_str::<Expandable<Invoice>>(r#"{"id":"in_1"}"#);

        assert!(invoice.is_err());
    }
}
