//! `/admin/webhooks`: endpoints of outgoing webhooks and their deliveries.

use askama::Template;

use crate::components::{Action, Badge, Pager};
use crate::format::When;
use crate::icons::Icon;
use crate::layout::{Shell, page};
use crate::links::filters;

#[cfg(any(test, feature = "samples"))]
mod samples;

/// The list of endpoints with the form for a new one.
#[derive(Clone, Debug, Template)]
#[template(path = "admin/webhooks.html")]
pub struct WebhooksPage {
    pub shell: Shell,
    /// The secret of a newly created endpoint, shown only once.
    pub secret: Option<String>,
    pub may_act: bool,
    pub url: String,
    pub url_error: Option<String>,
    /// The rows, oldest first.
    pub rows: Vec<EndpointRow>,
}

page!(WebhooksPage);

#[derive(Clone, Debug)]
pub struct EndpointRow {
    pub href: String,
    pub url: String,
    pub events: String,
    pub created: When,
    pub badge: Badge,
}

#[derive(Clone, Debug, Template)]
#[template(path = "admin/webhook.html")]
pub struct EndpointPage {
    pub shell: Shell,
    /// A new secret, shown only once.
    pub secret: Option<String>,
    pub row: EndpointRow,
    pub actions: Vec<Action>,
    /// The rows, newest first.
    pub deliveries: Vec<DeliveryRow>,
    pub pager: Pager,
}

page!(EndpointPage);

#[derive(Clone, Debug)]
pub struct DeliveryRow {
    pub kind: String,
    pub id: String,
    pub created: When,
    pub attempts: String,
    pub answer: String,
    pub badge: Badge,
    pub resend: Option<Action>,
}

/// What is shown for an endpoint that receives every event.
pub const EVERYTHING: &str = "Everything";

pub fn actions(id: &str, is_enabled: bool) -> Vec<Action> {
    let to = |act: &str| format!("/admin/webhooks/{id}/{act}");
    let state = if is_enabled {
        Action::post("Disable", to("disable"))
    } else {
        Action::post("Enable", to("enable"))
    };
    vec![
        Action::post("Send a test", to("test")),
        Action::post("New secret", to("rotate")),
        state,
        Action::post("Delete", to("delete")),
    ]
}

/// The button that sends a delivery again.
pub fn resend_action(endpoint: &str, delivery: i64) -> Action {
    let action = format!("/admin/webhooks/{endpoint}/resend");
    Action::post("Send again", action)
        .small()
        .spoken(format!("number {delivery}"))
        .field("delivery", delivery.to_string())
}
