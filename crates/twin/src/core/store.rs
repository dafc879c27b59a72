//! Every object by id, in order of creation, with an undo log: a refused request leaves nothing behind.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::value::text;

/// The rows of the twin.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Store {
    rows: BTreeMap<String, Value>,
    order: BTreeMap<String, Vec<String>>,
    #[serde(skip)]
    undo: Option<Vec<(String, Option<Value>)>>,
}

impl Store {
    /// Starts remembering what to undo.
    pub fn begin(&mut self) {
        self.undo = Some(Vec::new());
    }

    /// Keeps everything since [`Store::begin`].
    pub fn commit(&mut self) {
        self.undo = None;
    }

    /// Takes back everything since [`Store::begin`].
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

    /// Any row, deleted ones (`deleted: true`) included.
    pub fn get(&self, id: &str) -> Option<&Value> {
        self.rows.get(id)
    }

    /// Writes a row. A new object joins the end of its kind's list.
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

    /// Ids of a kind, oldest first.
    pub fn ids(&self, kind: &str) -> &[String] {
        self.order.get(kind).map_or(&[], Vec::as_slice)
    }

    /// Objects of a kind that are not deleted, oldest first.
    pub fn all<'a>(&'a self, kind: &str) -> impl DoubleEndedIterator<Item = &'a Value> + 'a {
        self.ids(kind)
            .iter()
            .filter_map(|id| self.rows.get(id))
            .filter(|row| row["deleted"] != Value::Bool(true))
    }
}
