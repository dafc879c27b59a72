//! The store of all objects by id, in order of creation. Its undo log reverts a request that fails.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::value::text;
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Store {
    rows: BTreeMap<String, Value>,
    order: BTreeMap<String, Vec<String>>,
    #[serde(skip)]
    undo: Option<Vec<(String, Option<Value>)>>,
}

impl Store {
    /// Starts recording changes so that they can be rolled back.
    pub fn begin(&mut self) {
        self.undo = Some(Vec::new());
    }

    /// Keeps all changes since [`Store::begin`].
    pub fn commit(&mut self) {
        self.undo = None;
    }

    /// Reverts all changes since [`Store::begin`].
    pub fn rollback(&mut self) {
        for (id, before) in self.undo.take().unwrap_or_default().into_iter().rev() {
            match before {
                Some(value) => {
                    self.rows.insert(id, value);
                }
                None => {
                    if let Some(row) = self.rows.remove(&id)
                        && let Some(ids) = self.order.get_mut(text(&row, "object"))
                    {
                        ids.retain(|one| *one != id);
                    }
                }
            }
        }
    }

    /// The row with this id, even if it is deleted (`deleted: true`).
    pub fn get(&self, id: &str) -> Option<&Value> {
        self.rows.get(id)
    }

    /// Writes a row. A new object is appended to the list of its kind.
    pub fn put(&mut self, id: &str, value: Value) {
        let kind = text(&value, "object").to_owned();
        let before = self.rows.insert(id.to_owned(), value);
        if before.is_none() && !kind.is_empty() {
            self.order.entry(kind).or_default().push(id.to_owned());
        }
        if let Some(undo) = &mut self.undo {
            undo.push((id.to_owned(), before));
        }
    }

    /// The ids of a kind, oldest first.
    pub fn ids(&self, kind: &str) -> &[String] {
        self.order.get(kind).map_or(&[], Vec::as_slice)
    }

    /// The objects of a kind that are not deleted, oldest first.
    pub fn all<'a>(&'a self, kind: &str) -> impl DoubleEndedIterator<Item = &'a Value> + 'a {
        self.ids(kind)
            .iter()
            .filter_map(|id| self.rows.get(id))
            .filter(|row| row["deleted"] != Value::Bool(true))
    }
}
