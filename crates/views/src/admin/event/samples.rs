//! Samples of `event`: empty, typical and worst.

use super::*;
use crate::components::Prose;
use crate::components::{Badge, Banner, Fact, Json, Kind, TimelineEntry};
use crate::format;
use crate::layout::Nav;
use crate::samples;
use crate::samples::EVIL;
use crate::samples::NOW;

impl EventPage {
    /// Processed, failed, without its payload, the worst names.
    pub fn samples() -> Vec<(&'static str, Self)> {
        all()
    }
}

const PAYLOAD: &str = r#"{"id":"evt_1QNcAaJ4","object":"event","api_version":"2026-08-26.dahlia","created":1795352553,"type":"checkout.session.completed","livemode":false,"data":{"object":{"id":"cs_test_c9Hd","object":"checkout.session","mode":"payment","payment_status":"paid","amount_total":1000,"currency":"usd","customer":"cus_RGk2","metadata":{"type":"topup","credits":"10000"},"customer_details":{"email":"[hidden]"}}}}"#;

pub fn all() -> Vec<(&'static str, EventPage)> {
    let processed = EventPage {
        badge: Badge::ok("Processed"),
        outcome: Some(Banner::new(
            Kind::Ok,
            "10,000 credits were added",
            "Once, on the first attempt.",
        )),
        timeline: vec![moment(Kind::Ok, "Received, signature verified, stored")],
        payload: None,
        payload_note: "The payload was deleted 7 days after processing.".to_owned(),
        ..failed()
    };
    let long = format!(
        r#"{{"name":{},"list":[{}]}}"#,
        serde_json::json!(EVIL),
        "1,".repeat(9_000) + "1"
    );
    let worst = EventPage {
        shell: samples::worst(Nav::AdminEvents),
        id: "\"><script>".to_owned(),
        kind: EVIL.to_owned(),
        outcome: Some(Banner::new(Kind::Bad, EVIL, EVIL)),
        facts: vec![Fact::new(EVIL, EVIL); 10],
        timeline: vec![moment(Kind::Warn, EVIL); 20],
        payload: Some(Json::new(&long)),
        at_stripe: Some("https://x.example/\"><script>".to_owned()),
        ..failed()
    };
    let odd = EventPage {
        payload: Some(Json::new(EVIL)),
        replay: None,
        ..failed()
    };
    vec![
        ("failed", failed()),
        ("processed", processed),
        ("odd", odd),
        ("worst", worst),
    ]
}

fn failed() -> EventPage {
    EventPage {
        shell: samples::admin(Nav::AdminEvents),
        id: "evt_1QNcAaJ4".to_owned(),
        kind: "checkout.session.completed".to_owned(),
        badge: Badge::bad("Failed"),
        outcome: Some(Banner::new(
            Kind::Bad,
            "Paid, but credits were not added",
            "The account was unknown when the event arrived. A replay now will add 10,000 \
             credits.",
        )),
        facts: vec![
            Fact::new("Object", Prose::default().code("cs_test_c9Hd")),
            Fact::new(
                "Account",
                Prose::default().link("Acme Robotics", "/admin/accounts/acc_1"),
            ),
            Fact::new("Signature", "Verified, secret 1 of 2, 1 s old"),
            Fact::new("API version", "2026-08-26.dahlia"),
            Fact::new("Effect so far", "None. Nothing was partly applied."),
        ],
        timeline: vec![
            TimelineEntry {
                detail: Some("Parked for manual review".to_owned()),
                ..moment(Kind::Bad, "Attempt 8 failed: account_not_found")
            },
            moment(Kind::Bad, "Attempts 1 to 7 failed: account_not_found"),
            moment(Kind::Ok, "Received, signature verified, stored"),
        ],
        payload: Some(Json::new(PAYLOAD)),
        payload_note: "Personal data is hidden.".to_owned(),
        replay: Some(EventPage::replay_link("evt_1QNcAaJ4")),
        at_stripe: Some("https://dashboard.stripe.com/test/events/evt_1QNcAaJ4".to_owned()),
    }
}

fn moment(kind: Kind, title: &str) -> TimelineEntry {
    TimelineEntry {
        kind,
        title: title.to_owned(),
        detail: None,
        when: format::clock(NOW),
    }
}
