//! The host application's endpoints for outgoing webhooks.

use domain::time::Timestamp;
use domain::words;

use crate::args;
use crate::db::{Tx, record, sql, word_column};
use crate::error::Result;

macro_rules! columns {
    () => {
        "id, public_id, url, description, events, secret, former_secret, former_until, state,
         disabled_reason, failing_since, created_by, created_at, updated_at"
    };
}

words! {
    /// Whether an endpoint receives outgoing webhooks.
    pub enum EndpointState {
        /// Deliveries are sent to it.
        Enabled = "enabled",
        /// Nothing is sent to it.
        Disabled = "disabled",
    }
}
word_column!(EndpointState);

record! {
    /// An endpoint that receives outgoing webhooks.
    pub struct WebhookEndpoint {
        /// The number of the endpoint within this service.
        pub id: i64,
        /// The public id of the endpoint: `we_...`.
        pub public_id: String,
        /// The address that deliveries are sent to.
        pub url: String,
        /// The owner's description of the endpoint.
        pub description: String,
        /// The event types that the endpoint subscribes to, separated by spaces; empty for all.
        pub events: String,
        /// The secret that deliveries are signed with: `whsec_...`.
        pub secret: String,
        /// The secret that deliveries were signed with before.
        pub former_secret: Option<String>,
        /// The time until which deliveries are signed with both secrets.
        pub former_until: Option<Timestamp>,
        /// Whether it receives deliveries.
        pub state: EndpointState,
        /// Why it is disabled.
        pub disabled_reason: Option<String>,
        /// The time since which every delivery has failed.
        pub failing_since: Option<Timestamp>,
        /// The operator who created the endpoint.
        pub created_by: String,
        /// The time at which the endpoint was created.
        pub created_at: Timestamp,
        /// The time at which the endpoint last changed.
        pub updated_at: Timestamp,
    }
}

/// An endpoint to create.
#[derive(Clone, Debug)]
pub struct NewEndpoint<'a> {
    /// The public id of the endpoint: `we_...`.
    pub public_id: &'a str,
    /// The address that deliveries are sent to.
    pub url: &'a str,
    /// The owner's description of the endpoint.
    pub description: &'a str,
    /// The event types that the endpoint subscribes to, separated by spaces; empty for all.
    pub events: &'a str,
    /// The secret that deliveries are signed with.
    pub secret: &'a str,
    /// The operator who creates the endpoint.
    pub created_by: &'a str,
}

/// Stores a new endpoint.
pub fn insert(tx: &mut Tx<'_>, new: &NewEndpoint<'_>, now: Timestamp) -> Result<WebhookEndpoint> {
    tx.query_one(
        sql!(
            "insert into webhook_endpoint
                    (public_id, url, description, events, secret, state, created_by, created_at,
                     updated_at)
             values ($1, $2, $3, $4, $5, 'enabled', $6, $7, $7)
             returning ",
            columns!()
        ),
        args![
            new.public_id,
            new.url,
            new.description,
            new.events,
            &*tx.seal(new.secret),
            new.created_by,
            now
        ],
    )
}

/// The endpoint with this public id.
pub fn find(tx: &mut Tx<'_>, public_id: &str) -> Result<Option<WebhookEndpoint>> {
    tx.query_opt(
        sql!(
            "select ",
            columns!(),
            " from webhook_endpoint where public_id = $1"
        ),
        args![public_id],
    )
}

/// All endpoints, oldest first; their number is limited where they are created.
pub fn all(tx: &mut Tx<'_>) -> Result<Vec<WebhookEndpoint>> {
    tx.query(
        sql!("select ", columns!(), " from webhook_endpoint order by id"),
        args![],
    )
}

/// The enabled endpoints, to which outgoing webhooks are sent.
pub fn enabled(tx: &mut Tx<'_>) -> Result<Vec<WebhookEndpoint>> {
    tx.query(
        sql!(
            "select ",
            columns!(),
            " from webhook_endpoint where state = 'enabled' order by id"
        ),
        args![],
    )
}

/// Changes its URL, event types and description.
pub fn update(
    tx: &mut Tx<'_>,
    public_id: &str,
    url: &str,
    description: &str,
    events: &str,
    now: Timestamp,
) -> Result<u64> {
    tx.execute(
        "update webhook_endpoint
            set url = $2, description = $3, events = $4, updated_at = $5
          where public_id = $1",
        args![public_id, url, description, events, now],
    )
}

/// Enables the endpoint again.
pub fn enable(tx: &mut Tx<'_>, public_id: &str, now: Timestamp) -> Result<u64> {
    tx.execute(
        "update webhook_endpoint
            set state = 'enabled', disabled_reason = null, failing_since = null, updated_at = $2
          where public_id = $1 and state = 'disabled'",
        args![public_id, now],
    )
}

/// Disables the endpoint. Returns whether it was enabled.
pub fn disable(tx: &mut Tx<'_>, public_id: &str, reason: &str, now: Timestamp) -> Result<bool> {
    let changed = tx.execute(
        "update webhook_endpoint
            set state = 'disabled', disabled_reason = $2, updated_at = $3
          where public_id = $1 and state = 'enabled'",
        args![public_id, reason, now],
    )?;
    Ok(changed > 0)
}

/// Signs with `secret` from now on, and also with the previous one until `both_until`.
pub fn rotate(
    tx: &mut Tx<'_>,
    public_id: &str,
    secret: &str,
    both_until: Timestamp,
    now: Timestamp,
) -> Result<u64> {
    tx.execute(
        "update webhook_endpoint
            set former_secret = secret, former_until = $3, secret = $2, updated_at = $4
          where public_id = $1",
        args![public_id, &*tx.seal(secret), both_until, now],
    )
}

/// Records that a delivery succeeded.
pub fn note_success(tx: &mut Tx<'_>, public_id: &str) -> Result<u64> {
    tx.execute(
        "update webhook_endpoint
            set failing_since = null
          where public_id = $1 and failing_since is not null",
        args![public_id],
    )
}

/// Records that a delivery failed, and returns the time since which every delivery has failed.
pub fn note_failure(tx: &mut Tx<'_>, public_id: &str, now: Timestamp) -> Result<Option<Timestamp>> {
    tx.query_opt(
        "update webhook_endpoint
            set failing_since = coalesce(failing_since, $2)
          where public_id = $1
         returning failing_since",
        args![public_id, now],
    )
}

/// Deletes the endpoint and cancels its queued deliveries.
pub fn remove(tx: &mut Tx<'_>, public_id: &str) -> Result<bool> {
    tx.execute(
        "update outbox
            set state = 'failed', last_error = 'the endpoint was deleted'
          where recipient = $1 and kind = 'webhook' and state = 'queued'",
        args![public_id],
    )?;
    let removed = tx.execute(
        "delete from webhook_endpoint where public_id = $1",
        args![public_id],
    )?;
    Ok(removed > 0)
}
