//! A page of a list.

use serde::Deserialize;

/// Objects in Stripe's order, newest first unless the list says otherwise.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct List<T> {
    /// What this page, or all pages read, hold.
    pub data: Vec<T>,
    /// Whether there is more than `data`.
    #[serde(default)]
    pub has_more: bool,
    /// Where the list lives.
    pub url: Option<String>,
    /// Where a search goes on; lists go on after their last id instead.
    pub next_page: Option<String>,
}

impl<T> Default for List<T> {
    fn default() -> Self {
        Self {
            data: Vec::new(),
            has_more: false,
            url: None,
            next_page: None,
        }
    }
}
