//! `/admin/webhooks`: endpoints of outgoing webhooks and their deliveries.

use askama::Template;

use crate::components::{Action, Badge, Pager};
use crate::format::When;
use crate::icons::Icon;
use crate::layout::{Page, Shell};
use crate::links::filters;

#[cfg(any(test, feature = "samples"))]
mod samples;

/// The list of endpoints with the form for a new one.
#[derive(Clone, Debug, Template)]
#[template(path = "admin/webhooks.html")]
pub struct WebhooksPage {
    /// The frame around the page.
    pub shell: Shell,
    /// The secret of the endpoint that was just made, shown this once.
    pub secret: Option<String>,
    /// Whether the reader may make one.
    pub may_act: bool,
    /// The address, as typed.
    pub url: String,
    /// What is wrong with it.
    pub url_error: Option<String>,
    /// The rows, oldest first.
    pub rows: Vec<EndpointRow>,
}

impl Page for WebhooksPage {
    fn shell(&self) -> &Shell {
        &self.shell
    }
}

/// One endpoint.
#[derive(Clone, Debug)]
pub struct EndpointRow {
    /// Its page.
    pub href: String,
    /// Where it is.
    pub url: String,
    /// What it wants.
    pub events: String,
    /// When it was made.
    pub created: When,
    /// Whether notices go there.
    pub badge: Badge,
}

/// One endpoint with its deliveries.
#[derive(Clone, Debug, Template)]
#[template(path = "admin/webhook.html")]
pub struct EndpointPage {
    /// The frame around the page.
    pub shell: Shell,
    /// A new secret, shown this once.
    pub secret: Option<String>,
    /// The endpoint.
    pub row: EndpointRow,
    /// What can be done with it.
    pub actions: Vec<Action>,
    /// The rows, newest first.
    pub deliveries: Vec<DeliveryRow>,
    /// The way to older rows.
    pub pager: Pager,
}

impl Page for EndpointPage {
    fn shell(&self) -> &Shell {
        &self.shell
    }
}

/// One notice on its way.
#[derive(Clone, Debug)]
pub struct DeliveryRow {
    /// The event that it reports.
    pub kind: String,
    /// Its number.
    pub id: String,
    /// When the fact happened.
    pub created: When,
    /// How often it was tried.
    pub tries: String,
    /// What came back.
    pub answer: String,
    /// Whether it arrived.
    pub badge: Badge,
    /// Sends it again.
    pub resend: Option<Action>,
}

/// What is shown for an endpoint that receives every event.
pub const EVERYTHING: &str = "Everything";

/// The buttons of an endpoint.
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
    let mut action = Action::post("Send again", action).small();
    action.spoken = Some(format!("number {delivery}"));
    action.field("delivery", delivery.to_string())
}
