//! An entry of the audit log.

use billing::export::csv::{Cell, Column};
use serde::Serialize;
use utoipa::ToSchema;

use crate::lists::Shown;

/// An entry of the audit log: one action and its author.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Act {
    /// The time of the action (RFC 3339, UTC).
    at: String,
    /// The id of the user or API key that acted, or `cli` for the command line.
    actor: String,
    /// The name of the action, such as `credits.adjust`, `payment.refund` or `event.replay`.
    action: String,
    /// The id of what the action changed, such as an account or an event.
    subject: String,
    /// The reason for the action, or null if none was given.
    reason: Option<String>,
    /// Further details of the action. The fields depend on `action`.
    #[schema(value_type = Object)]
    detail: serde_json::Value,
    /// The id of the request that caused the action, or null if there was none.
    request_id: Option<String>,
}

impl From<store::audit_log::Act> for Act {
    fn from(row: store::audit_log::Act) -> Act {
        let detail: serde_json::Value = serde_json::from_str(&row.detail).unwrap_or_default();
        Act {
            at: row.at.rfc3339(),
            actor: row.actor,
            action: row.action,
            subject: row.subject,
            reason: detail["reason"].as_str().map(str::to_owned),
            detail,
            request_id: row.request_id,
        }
    }
}

impl Shown for Act {
    const NAME: &'static str = "audit-log";
    const COLUMNS: &'static [Column<Act>] = &[
        ("at", |act| Cell::plain(&act.at)),
        ("actor", |act| Cell::text(&act.actor)),
        ("action", |act| Cell::text(&act.action)),
        ("subject", |act| Cell::text(&act.subject)),
        ("reason", |act| Cell::maybe(act.reason.as_ref())),
        ("detail", |act| Cell::text(act.detail.to_string())),
        ("request_id", |act| Cell::maybe(act.request_id.as_ref())),
    ];
}
