//! An entry of the audit log.

use billing::export::csv::{Cell, Column};
use serde::Serialize;
use utoipa::ToSchema;

use crate::lists::Shown;

/// One act of an operator or of the host application.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Act {
    /// When it was done.
    at: String,
    /// Who: a user's or a key's id, or `cli`.
    actor: String,
    /// What: `credits.adjust`, `payment.refund`, `event.replay`.
    action: String,
    /// On what: an account, an event.
    subject: String,
    /// Why, where it was said.
    reason: Option<String>,
    /// Further details of the act.
    #[schema(value_type = Object)]
    detail: serde_json::Value,
    /// The request it came with.
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
