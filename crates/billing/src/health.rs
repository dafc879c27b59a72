//! The readiness check.

use crate::app::App;
use crate::error::{Error, Result};

/// Name of the setting that a readiness check writes.
const CHECKED: &str = "ready.checked";

/// Checks that the database is writable by writing a row. Fails with `not_ready`.
pub async fn check_ready(app: &App) -> Result<()> {
    let now = app.real_now();
    app.write(0, move |tx| store::settings::put(tx, CHECKED, "1", now))
        .await
        .map(|_| ())
        .map_err(|error| {
            Error::unavailable("not_ready", "The database cannot be written.").cause(error)
        })
}
