//! Transaction searches that an operator saves under a name.

use crate::app::App;
use crate::error::{Error, Result};
use crate::text::is_line;

/// Maximum length of a saved search's name.
const NAME_CHARS_MAX: usize = 40;

/// Maximum size of a saved search.
const QUERY_BYTES_MAX: usize = 500;

/// Validates the name of a saved search.
pub fn read_name(name: &str) -> Result<String> {
    let name = name.trim();
    if name.is_empty() || !is_line(name, NAME_CHARS_MAX) {
        let detail = format!("A view's name must have 1 to {NAME_CHARS_MAX} characters.");
        return Err(Error::field("name", detail));
    }
    Ok(name.to_owned())
}

/// Saves a search (its URL query) for this operator, under a name validated with [`read_name`].
pub async fn save(app: &App, user: i64, name: String, query: String) -> Result<()> {
    if query.is_empty() || query.len() > QUERY_BYTES_MAX {
        let detail = "Filter the list first. A view saves the current filters.";
        return Err(Error::field("query", detail));
    }
    let now = app.real_now();
    let is_saved = app
        .write(0, move |tx| {
            store::operator_views::put(tx, user, &name, &query, now)
        })
        .await?;
    if !is_saved {
        let detail = format!(
            "You already have {} views. Remove one first.",
            store::operator_views::VIEWS_MAX
        );
        return Err(Error::conflict("too_many_views", detail));
    }
    Ok(())
}

/// Removes one of this operator's saved searches.
pub async fn remove(app: &App, user: i64, id: i64) -> Result<()> {
    app.write(0, move |tx| {
        store::operator_views::remove(tx, user, id).map(|_| ())
    })
    .await
}
