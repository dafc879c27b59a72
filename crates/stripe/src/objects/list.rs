//! Lists and their pages.

use serde::Deserialize;

/// A list of objects, newest first unless the method says otherwise.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct List<T> {
    /// The objects of this page, or of all pages that were read.
    pub data: Vec<T>,
    /// Whether there are more objects than `data` holds.
    #[serde(default)]
    pub has_more: bool,
    /// The path of the list.
    pub url: Option<String>,
    /// The cursor of the next page of a search. Lists continue after their last id instead.
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
