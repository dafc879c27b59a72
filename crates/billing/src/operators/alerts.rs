//! Acknowledging alerts.

use store::alerts::Alert as Row;

use crate::app::App;
use crate::error::{Error, Result};

/// Notes that an operator knows of an incident.
pub async fn know(app: &App, id: &str, actor: &str, request_id: &str) -> Result<Row> {
    let (id, actor, now) = (id.to_owned(), actor.to_owned(), app.real_now());
    let request_id = request_id.to_owned();
    let row = app
        .write(0, move |tx| {
            let row = store::alerts::acknowledge(tx, &id, &actor, now)?;
            if row.is_some() {
                let (action, request) = ("alert.acknowledge", Some(request_id.as_str()));
                store::audit_log::append(tx, &actor, action, &id, "{}", request, now)?;
            }
            Ok(row)
        })
        .await?;
    row.ok_or_else(|| Error::not_found("There is no such alert."))
}
