//! Samples of `webhooks`: empty, typical and worst.

use super::*;
use crate::components::{Badge, Pager};
use crate::format;
use crate::layout::Nav;

impl WebhooksPage {
    /// No endpoints, some, a rejected form, the worst texts.
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
    /// No deliveries yet, some, the worst texts.
    pub fn samples() -> Vec<(&'static str, Self)> {
        use crate::samples;
        use crate::samples::EVIL;
        use crate::samples::LONG;
        use crate::samples::NOW;

        let delivery = |kind: &str, answer: &str, badge: Badge| DeliveryRow {
            kind: kind.to_owned(),
            id: "17".to_owned(),
            created: format::second(NOW),
            attempts: "1".to_owned(),
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
                delivery("plan.changed", "200", Badge::ok("Delivered")),
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
