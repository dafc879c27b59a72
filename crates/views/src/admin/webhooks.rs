//! `/admin/webhooks`: endpoints of outgoing webhooks and their deliveries.

use askama::Template;

use crate::components::{Action, Badge, Pager};
use crate::format;
use crate::format::When;
use crate::icons::Icon;
use crate::layout::{Nav, Shell};

/// The list of endpoints with the form for a new one.
#[derive(Clone, Debug, Template)]
#[template(path = "admin/webhooks.html")]
pub struct WebhooksPage {
    /// The frame.
    pub shell: Shell,
    /// The secret of the endpoint that was just made, shown this once.
    pub secret: Option<String>,
    /// Whether the reader may make one.
    pub may_act: bool,
    /// The address, as typed.
    pub url: String,
    /// What is wrong with it.
    pub url_error: Option<String>,
    /// The oldest first.
    pub rows: Vec<EndpointRow>,
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
    /// The frame.
    pub shell: Shell,
    /// A new secret, shown this once.
    pub secret: Option<String>,
    /// The endpoint.
    pub row: EndpointRow,
    /// What can be done with it.
    pub actions: Vec<Action>,
    /// Newest first.
    pub deliveries: Vec<DeliveryRow>,
    /// Older ones.
    pub pager: Pager,
}

/// One notice on its way.
#[derive(Clone, Debug)]
pub struct DeliveryRow {
    /// What it tells of.
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

impl WebhooksPage {
    /// None, some, a form that was refused, the worst texts.
    pub fn samples() -> Vec<(&'static str, Self)> {
        use crate::samples;
        use crate::samples::EVIL;
        use crate::samples::LONG;

        let typical = WebhooksPage {
            shell: samples::admin(Nav::AdminWebhooks),
            secret: None,
            may_act: true,
            url: String::new(),
            url_error: None,
            rows: vec![sample_row("https://app.example/hooks")],
        };
        let made = WebhooksPage {
            secret: Some("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".to_owned()),
            ..typical.clone()
        };
        let refused = WebhooksPage {
            url: "http://10.0.0.1/".to_owned(),
            url_error: Some("url must start with https://.".to_owned()),
            ..typical.clone()
        };
        let empty = WebhooksPage {
            rows: Vec::new(),
            may_act: false,
            ..typical.clone()
        };
        let worst = WebhooksPage {
            shell: samples::worst(Nav::AdminWebhooks),
            url: EVIL.to_owned(),
            rows: vec![sample_row(&format!("{LONG}{EVIL}")); 20],
            ..typical.clone()
        };
        vec![
            ("empty", empty),
            ("typical", typical),
            ("made", made),
            ("refused", refused),
            ("worst", worst),
        ]
    }
}

fn sample_row(url: &str) -> EndpointRow {
    EndpointRow {
        href: "/admin/webhooks/we_1".to_owned(),
        url: url.to_owned(),
        events: EVERYTHING.to_owned(),
        created: format::day(crate::samples::NOW),
        badge: Badge::ok("Enabled"),
    }
}

impl EndpointPage {
    /// None sent yet, some, the worst texts.
    pub fn samples() -> Vec<(&'static str, Self)> {
        use crate::samples;
        use crate::samples::EVIL;
        use crate::samples::LONG;
        use crate::samples::NOW;

        let delivery = |kind: &str, answer: &str, badge: Badge| DeliveryRow {
            kind: kind.to_owned(),
            id: "17".to_owned(),
            created: format::second(NOW),
            tries: "1".to_owned(),
            answer: answer.to_owned(),
            badge,
            resend: Some(resend_action("we_1", 17)),
        };
        let typical = EndpointPage {
            shell: samples::admin(Nav::AdminWebhooks),
            secret: None,
            row: sample_row("https://app.example/hooks"),
            actions: actions("we_1", true),
            deliveries: vec![
                delivery("plan.changed", "200", Badge::ok("Arrived")),
                delivery(
                    "payment.failed",
                    "the endpoint answered 500",
                    Badge::bad("Failed"),
                ),
            ],
            pager: Pager::default(),
        };
        let empty = EndpointPage {
            deliveries: Vec::new(),
            actions: actions("we_1", false),
            ..typical.clone()
        };
        let worst = EndpointPage {
            shell: samples::worst(Nav::AdminWebhooks),
            row: sample_row(&format!("{LONG}{EVIL}")),
            deliveries: vec![delivery(EVIL, EVIL, Badge::bad(EVIL)); 50],
            ..typical.clone()
        };
        vec![("empty", empty), ("typical", typical), ("worst", worst)]
    }
}

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
