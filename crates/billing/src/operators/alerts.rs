//! Acknowledging alerts.

use store::alerts::Alert as Row;

use crate::app::App;
use crate::error::{Error, Result};
use crate::operators::audit_log::{Action, Author};

/// Marks an alert as acknowledged by an operator.
pub async fn acknowledge(app: &App, id: &str, actor: &str, request_id: &str) -> Result<Row> {
    let author = Author::new(app, actor).with_request(Some(request_id));
    let id = id.to_owned();
    let row = app
        .write(0, move |tx| {
            let row = store::alerts::acknowledge(tx, &id, author.actor(), author.at())?;
            if row.is_some() {
                author.act(Action::AlertAcknowledge, &id).append(tx)?;
            }
            Ok(row)
        })
        .await?;
    row.ok_or_else(|| Error::not_found("There is no such alert."))
}
