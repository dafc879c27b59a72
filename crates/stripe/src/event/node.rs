//! A JSON value that borrows from the body of an event.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

use super::ID_BYTES_MAX;

/// A borrowed JSON value. `null` and numbers that aren't 64-bit integers are `Other`.
///
/// It is built recursively, which `serde_json` limits to a depth of 128.
pub(super) enum Node<'a> {
    Other,
    Bool(bool),
    Integer(i64),
    Text(Cow<'a, str>),
    Seq(Vec<Node<'a>>),
    Map(Vec<(Cow<'a, str>, Node<'a>)>),
}

impl<'a> Node<'a> {
    pub fn get(&self, key: &str) -> &Node<'a> {
        let Node::Map(entries) = self else {
            return &Node::Other;
        };
        entries
            .iter()
            .find(|(name, _)| name == key)
            .map_or(&Node::Other, |(_, value)| value)
    }

    pub fn first(&self) -> &Node<'a> {
        let Node::Seq(items) = self else {
            return &Node::Other;
        };
        items.first().unwrap_or(&Node::Other)
    }

    pub fn str(&self) -> Option<&str> {
        if let Node::Text(text) = self {
            Some(text)
        } else {
            None
        }
    }

    pub fn text(&self) -> Option<Cow<'a, str>> {
        if let Node::Text(text) = self {
            Some(text.clone())
        } else {
            None
        }
    }

    /// The text, if it can be an id: it is neither empty nor too long.
    pub fn id_text(&self) -> Option<Cow<'a, str>> {
        self.text()
            .filter(|text| !text.is_empty() && text.len() <= ID_BYTES_MAX)
    }

    /// An id, either plain or inside an expanded object.
    pub fn reference(&self) -> Option<Cow<'a, str>> {
        self.id_text().or_else(|| self.get("id").id_text())
    }

    pub fn bool(&self) -> Option<bool> {
        if let Node::Bool(value) = self {
            Some(*value)
        } else {
            None
        }
    }

    pub fn seconds(&self) -> Option<i64> {
        if let Node::Integer(value) = self {
            Some(*value)
        } else {
            None
        }
    }

    pub fn texts(&self) -> BTreeMap<Cow<'a, str>, Cow<'a, str>> {
        let Node::Map(entries) = self else {
            return BTreeMap::new();
        };
        entries
            .iter()
            .filter_map(|(key, value)| Some((key.clone(), value.text()?)))
            .collect()
    }
}

impl<'de> Deserialize<'de> for Node<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NodeVisitor)
    }
}

struct NodeVisitor;

impl<'de> Visitor<'de> for NodeVisitor {
    type Value = Node<'de>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Node<'de>, E> {
        Ok(Node::Other)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Node<'de>, E> {
        Ok(Node::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Node<'de>, E> {
        Ok(Node::Integer(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Node<'de>, E> {
        Ok(i64::try_from(value).map_or(Node::Other, Node::Integer))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Node<'de>, E> {
        Ok(Node::Other)
    }

    fn visit_borrowed_str<E>(self, value: &'de str) -> Result<Node<'de>, E> {
        Ok(Node::Text(Cow::Borrowed(value)))
    }

    fn visit_str<E>(self, value: &str) -> Result<Node<'de>, E> {
        Ok(Node::Text(Cow::Owned(value.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Node<'de>, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element()? {
            items.push(item);
        }
        Ok(Node::Seq(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Node<'de>, A::Error> {
        let mut entries = Vec::new();
        while let Some((Key(key), value)) = map.next_entry::<Key<'de>, Node<'de>>()? {
            entries.push((key, value));
        }
        let names: BTreeSet<&str> = entries.iter().map(|(name, _)| name.as_ref()).collect();
        if names.len() < entries.len() {
            return Err(de::Error::custom("duplicate key in an object"));
        }
        Ok(Node::Map(entries))
    }
}

/// A key of an object. Without `borrow`, serde would always read `Cow` as owned.
#[derive(serde::Deserialize)]
struct Key<'a>(#[serde(borrow)] Cow<'a, str>);
