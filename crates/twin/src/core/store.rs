//! The store of all objects by id, in order of creation, with indexes for lists and lookups. Its
//! undo log reverts a request that fails.
//!
//! Most objects are not used for a long time, and a parsed object takes about five times the memory
//! of its text. The store therefore keeps only recently used objects parsed.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeBounds;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde::de::Deserializer;
use serde::ser::{SerializeMap, Serializer};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

use super::indexes::{self, Index, Places, places_of, places_of_event};

/// The number of parsed objects at which all of them become text again.
const PARSED_MAX: usize = 4_096;

/// The position of an object in the order of creation.
type Number = u64;

#[derive(Debug, Default)]
pub struct Store {
    rows: BTreeMap<Number, Row>,
    numbers: BTreeMap<String, Number>,
    last: Number,
    /// The objects of each kind that are not deleted.
    order: BTreeMap<String, BTreeSet<Number>>,
    /// The objects by the value of an indexed field.
    indexed: BTreeMap<(Index, String), BTreeSet<Number>>,
    /// How many objects were parsed since the last time that all of them became text.
    parsed: AtomicUsize,
    /// The previous values of the rows that open transactions changed, oldest first.
    undo: Vec<(String, Option<Value>)>,
    /// The number of open transactions.
    open: usize,
    /// The test clock that new objects are bound to.
    test_clock: Option<String>,
}

/// An open transaction: the number of changes that were recorded before it.
#[must_use]
pub struct Transaction(usize);

/// An object as text, parsed or both. A changed object has no text.
#[derive(Debug)]
struct Row {
    text: Option<Box<str>>,
    value: OnceLock<Value>,
}

impl Row {
    fn of(value: Value) -> Row {
        Row {
            text: None,
            value: OnceLock::from(value),
        }
    }

    fn value(&self, parsed: &AtomicUsize) -> &Value {
        self.value.get_or_init(|| {
            parsed.fetch_add(1, Ordering::Relaxed);
            let text = self.text.as_deref().unwrap_or("null");
            serde_json::from_str(text).expect("the text of a row is JSON")
        })
    }

    /// Keeps only the text.
    fn shrink(&mut self) {
        if let Some(value) = self.value.take()
            && self.text.is_none()
        {
            self.text = Some(value.to_string().into());
        }
    }
}

impl Clone for Row {
    /// A copy is only text, which is faster to copy and to drop.
    fn clone(&self) -> Row {
        let written = || self.value.get().map(|value| value.to_string().into());
        Row {
            text: self.text.clone().or_else(written),
            value: OnceLock::new(),
        }
    }
}

impl Clone for Store {
    fn clone(&self) -> Store {
        Store {
            rows: self.rows.clone(),
            numbers: self.numbers.clone(),
            last: self.last,
            order: self.order.clone(),
            indexed: self.indexed.clone(),
            parsed: AtomicUsize::new(0),
            undo: self.undo.clone(),
            open: self.open,
            test_clock: self.test_clock.clone(),
        }
    }
}

impl Store {
    /// Starts recording changes so that they can be rolled back. Transactions can be nested.
    pub fn begin(&mut self) -> Transaction {
        self.open += 1;
        Transaction(self.undo.len())
    }

    /// Keeps all changes since the transaction began, unless an outer one is rolled back.
    pub fn commit(&mut self, _: Transaction) {
        self.close();
    }

    /// Reverts all changes since the transaction began.
    pub fn rollback(&mut self, transaction: Transaction) {
        for (id, before) in self.undo.split_off(transaction.0).into_iter().rev() {
            match before {
                Some(value) => {
                    self.write(&id, value);
                }
                None => self.remove(&id),
            }
        }
        self.close();
    }

    fn close(&mut self) {
        self.open = self.open.saturating_sub(1);
        if self.open == 0 {
            self.undo.clear();
            self.shrink();
        }
    }

    /// Records the previous value of a row while a transaction is open.
    fn record(&mut self, id: &str, before: Option<Value>) {
        if self.open > 0 {
            self.undo.push((id.to_owned(), before));
        }
    }

    /// Binds the objects that are created from now on to a test clock, or to none.
    pub fn set_test_clock(&mut self, clock: Option<String>) {
        self.test_clock = clock;
    }

    /// The row with this id, even if it is deleted (`deleted: true`).
    pub fn get(&self, id: &str) -> Option<&Value> {
        self.at(*self.numbers.get(id)?)
    }

    fn at(&self, number: Number) -> Option<&Value> {
        Some(self.rows.get(&number)?.value(&self.parsed))
    }

    /// Writes a row. A new object becomes the newest of its kind.
    pub fn put(&mut self, id: &str, mut value: Value) {
        if let Some(clock) = &self.test_clock
            && let Some(slot) = value.get_mut("test_clock").filter(|slot| slot.is_null())
            && !self.numbers.contains_key(id)
        {
            *slot = clock.clone().into();
        }
        let before = self.write(id, value);
        self.record(id, before);
    }

    /// Writes a new event as text.
    pub fn put_event(&mut self, id: &str, kind: &str, text: String) {
        self.last += 1;
        self.numbers.insert(id.to_owned(), self.last);
        self.list(self.last, places_of_event(kind));
        let row = Row {
            text: Some(text.into()),
            value: OnceLock::new(),
        };
        self.rows.insert(self.last, row);
        self.record(id, None);
    }

    /// Changes a row in place and returns its previous value, or null if there is no such row.
    pub fn edit(&mut self, id: &str, change: impl FnOnce(&mut Value)) -> Value {
        let Some(number) = self.numbers.get(id).copied() else {
            return Value::Null;
        };
        let Some(row) = self.rows.get_mut(&number) else {
            return Value::Null;
        };
        let before = row.value(&self.parsed).clone();
        let Some(value) = row.value.get_mut() else {
            return before;
        };
        change(value);
        if *value == before {
            return before;
        }
        row.text = None;
        let (old, new) = (places_of(&before), places_of(value));
        if old != new {
            self.unlist(number, old);
            self.list(number, new);
        }
        if self.open > 0 {
            self.record(id, Some(before.clone()));
        }
        before
    }

    /// Writes a row and returns what it replaces.
    fn write(&mut self, id: &str, value: Value) -> Option<Value> {
        let before = self.take(id);
        let number = self.numbers.get(id).copied().unwrap_or_else(|| {
            self.last += 1;
            self.numbers.insert(id.to_owned(), self.last);
            self.last
        });
        self.list(number, places_of(&value));
        *self.parsed.get_mut() += 1;
        self.rows.insert(number, Row::of(value));
        before
    }

    /// Takes a row out of its places, and keeps its number.
    fn take(&mut self, id: &str) -> Option<Value> {
        let number = *self.numbers.get(id)?;
        let row = self.rows.remove(&number)?;
        row.value(&self.parsed);
        let value = row.value.into_inner()?;
        self.unlist(number, places_of(&value));
        Some(value)
    }

    fn list(&mut self, number: Number, places: Places) {
        if let Some(kind) = places.kind {
            self.order.entry(kind).or_default().insert(number);
        }
        for key in places.indexed {
            self.indexed.entry(key).or_default().insert(number);
        }
    }

    fn unlist(&mut self, number: Number, places: Places) {
        if let Some(numbers) = places.kind.and_then(|kind| self.order.get_mut(&kind)) {
            numbers.remove(&number);
        }
        for key in places.indexed {
            if let Some(numbers) = self.indexed.get_mut(&key) {
                numbers.remove(&number);
                if numbers.is_empty() {
                    self.indexed.remove(&key);
                }
            }
        }
    }

    /// Removes a row as if it had never existed.
    pub fn remove(&mut self, id: &str) {
        self.take(id);
        self.numbers.remove(id);
    }

    /// Removes an event for good, without parsing the object in it.
    pub fn forget_event(&mut self, id: &str) {
        #[derive(Deserialize)]
        struct Head {
            r#type: String,
        }
        let Some(number) = self.numbers.remove(id) else {
            return;
        };
        let Some(row) = self.rows.remove(&number) else {
            return;
        };
        let head = match (row.value.get(), &row.text) {
            (Some(event), _) => Head::deserialize(event).ok(),
            (None, Some(text)) => serde_json::from_str(text).ok(),
            (None, None) => None,
        };
        if let Some(Head { r#type }) = head {
            self.unlist(number, places_of_event(&r#type));
        }
    }

    /// Turns the parsed objects into text once there are many.
    pub fn shrink(&mut self) {
        if *self.parsed.get_mut() < PARSED_MAX {
            return;
        }
        self.rows.values_mut().for_each(Row::shrink);
        *self.parsed.get_mut() = 0;
    }

    /// The position of a row in the order of creation.
    pub fn number(&self, id: &str) -> Option<Number> {
        self.numbers.get(id).copied()
    }

    /// The objects of a kind that are not deleted, oldest first.
    pub fn all<'a>(&'a self, kind: &str) -> impl DoubleEndedIterator<Item = &'a Value> + 'a {
        self.range(kind, None, ..)
    }

    /// The objects of a kind whose field has this value, oldest first. The field must be indexed.
    pub fn by<'a>(
        &'a self,
        kind: &str,
        field: &str,
        value: &str,
    ) -> impl DoubleEndedIterator<Item = &'a Value> + 'a {
        let index = indexes::of(kind, field).expect("the field is indexed");
        self.range(kind, Some((index, value)), ..)
    }

    /// The objects of a kind with these numbers, oldest first: all of them, or those whose indexed
    /// field has a value.
    pub fn range<'a>(
        &'a self,
        kind: &str,
        by: Option<(Index, &str)>,
        numbers: impl RangeBounds<Number>,
    ) -> impl DoubleEndedIterator<Item = &'a Value> + 'a {
        let set = match by {
            Some((index, value)) => self.indexed.get(&indexes::key(index, value)),
            None => self.order.get(kind),
        };
        let numbers = set.map(|set| set.range(numbers));
        numbers
            .into_iter()
            .flatten()
            .filter_map(|number| self.at(*number))
    }
}

/// The store is saved as its rows by id and the ids of each kind in order.
impl Serialize for Store {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(2))?;
        map.serialize_entry("rows", &Rows(self))?;
        let ids: BTreeMap<Number, &str> = self
            .numbers
            .iter()
            .map(|(id, number)| (*number, id.as_str()))
            .collect();
        map.serialize_entry("ids", &ids.values().collect::<Vec<_>>())?;
        map.end()
    }
}

struct Rows<'a>(&'a Store);

impl Serialize for Rows<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let store = self.0;
        serializer.collect_map(store.numbers.iter().filter_map(|(id, number)| {
            let row = store.rows.get(number)?;
            let text = match row.value.get() {
                Some(value) => value.to_string(),
                None => row.text.as_deref().unwrap_or("null").to_owned(),
            };
            Some((id, RawValue::from_string(text).ok()?))
        }))
    }
}

/// A saved store. Files of the first release have `order`, the ids of each kind, instead of `ids`.
#[derive(Deserialize)]
struct Saved {
    rows: BTreeMap<String, Value>,
    #[serde(default)]
    ids: Vec<String>,
    #[serde(default)]
    order: BTreeMap<String, Vec<String>>,
}

impl<'de> Deserialize<'de> for Store {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Store, D::Error> {
        let mut saved = Saved::deserialize(deserializer)?;
        let mut store = Store::default();
        let listed = saved.ids.into_iter();
        for id in listed.chain(saved.order.into_values().flatten()) {
            if let Some(value) = saved.rows.remove(&id) {
                store.write(&id, value);
                store.shrink();
            }
        }
        for (id, value) in saved.rows {
            store.write(&id, value);
        }
        Ok(store)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::core::value::text;

    /// Checks that the lists and indexes hold what a look at all rows finds.
    fn assert_consistent(store: &Store) {
        let mut order: BTreeMap<String, BTreeSet<Number>> = BTreeMap::new();
        let mut indexed: BTreeMap<(Index, String), BTreeSet<Number>> = BTreeMap::new();
        for (id, number) in &store.numbers {
            let places = places_of(store.get(id).unwrap());
            if let Some(kind) = places.kind {
                order.entry(kind).or_default().insert(*number);
            }
            for key in places.indexed {
                indexed.entry(key).or_default().insert(*number);
            }
        }
        let mut listed = store.order.clone();
        listed.retain(|_, numbers| !numbers.is_empty());
        assert_eq!(listed, order);
        assert_eq!(store.indexed, indexed);
    }

    #[test]
    fn lists_and_indexes_agree_with_the_rows_after_any_changes_and_rollbacks() {
        let mut store = Store::default();
        let mut seed = 7_u64;
        let mut next = |bound: u64| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (seed >> 33) % bound
        };
        for _ in 0..400 {
            let before = serde_json::to_string(&store).unwrap();
            let transaction = store.begin();
            for _ in 0..next(8) {
                let id = format!("in_{}", next(30));
                let customer = format!("cus_{}", next(4));
                match next(4) {
                    0 => store.put(&id, json!({"id": id, "object": "invoice", "deleted": true})),
                    1 => {
                        store.edit(&id, |row| row["customer"] = customer.into());
                    }
                    _ => store.put(
                        &id,
                        json!({"id": id, "object": "invoice", "customer": customer}),
                    ),
                }
            }
            if next(3) == 0 {
                store.rollback(transaction);
                assert_eq!(serde_json::to_string(&store).unwrap(), before);
            } else {
                store.commit(transaction);
            }
            if next(10) == 0 {
                store.rows.values_mut().for_each(Row::shrink);
            }
            assert_consistent(&store);
        }
        let loaded: Store = serde_json::from_str(&serde_json::to_string(&store).unwrap()).unwrap();
        assert_consistent(&loaded);
        assert_eq!(
            serde_json::to_string(&loaded).unwrap(),
            serde_json::to_string(&store).unwrap()
        );
    }

    #[test]
    fn a_store_of_the_first_release_is_loaded_in_its_order() {
        let saved = json!({
            "rows": {"cus_2": {"id": "cus_2", "object": "customer"},
                     "cus_1": {"id": "cus_1", "object": "customer"}, "cus_1#": {"a": 1}},
            "order": {"customer": ["cus_2", "cus_1"]},
        });

        let store: Store = serde_json::from_value(saved).unwrap();

        let ids: Vec<&str> = store.all("customer").map(|row| text(row, "id")).collect();
        assert_eq!(ids, ["cus_2", "cus_1"]);
        assert_eq!(store.get("cus_1#").unwrap()["a"], 1);
    }
}
