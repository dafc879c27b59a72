//! Samples of `events`: empty, typical and worst.

use super::*;
use crate::components::{Action, Badge, Choice, Pager, Stat, Tab};
use crate::format;
use crate::labels;
use crate::layout::Nav;
use crate::samples;
use crate::samples::EVIL;
use crate::samples::LONG;
use crate::samples::NOW;

impl EventsPage {
    /// None yet, a page of them, the worst names.
    pub fn samples() -> Vec<(&'static str, Self)> {
        all()
    }
}

pub fn all() -> Vec<(&'static str, EventsPage)> {
    let empty = EventsPage {
        stats: Vec::new(),
        rows: Vec::new(),
        replay_failed: None,
        pager: Pager::default(),
        ..typical()
    };
    let evil = EventRow {
        id: "\"><script>".to_owned(),
        kind: format!("{LONG}.{EVIL}"),
        object: EVIL.to_owned(),
        account: Some((EVIL.to_owned(), "/\"><script>".to_owned())),
        received: format::second(i64::MAX),
        attempts: format::count(u64::MAX),
        badge: Badge::bad(EVIL),
    };
    let worst = EventsPage {
        shell: samples::worst(Nav::AdminEvents),
        q: "\"><script>".to_owned(),
        types: Choice::list(&[(EVIL, EVIL)], EVIL),
        rows: vec![evil; 50],
        ..typical()
    };
    vec![("empty", empty), ("typical", typical()), ("worst", worst)]
}

#[expect(clippy::too_many_lines, reason = "a table of samples")]
fn typical() -> EventsPage {
    let row = |id: &str, kind: &str, object: &str, state: &str, attempts: &str| EventRow {
        id: id.to_owned(),
        kind: kind.to_owned(),
        object: object.to_owned(),
        account: Some((
            "Acme Robotics".to_owned(),
            "/admin/accounts/acc_1".to_owned(),
        )),
        received: format::second(NOW),
        attempts: attempts.to_owned(),
        badge: labels::event_badge(state),
    };
    let tab = |label: &str, count: &str, state: &str| Tab {
        label: label.to_owned(),
        count: Some(count.to_owned()),
        href: format!("/admin/events{state}"),
        current: state.is_empty(),
    };
    EventsPage {
        shell: samples::admin(Nav::AdminEvents),
        stats: vec![
            Stat::new("Last event", "14 s", "ago"),
            Stat::new("Received, 24 hours", "3,911", "5 duplicates, no effect"),
            Stat::new("Processed first time", "99.98%", "2 not done"),
            Stat::new("Time to process, p95", "38 ms", "Target 500 ms"),
            Stat::new("Bad signatures", "0", "Refused with 400"),
        ],
        tabs: vec![
            tab("All", "3,911", ""),
            tab("Failed", "1", "?state=failed"),
            tab("Retrying", "1", "?state=retrying"),
            tab("Ignored", "212", "?state=ignored"),
        ],
        q: String::new(),
        types: Choice::list(&[("", "Any type"), ("invoice.paid", "invoice.paid")], ""),
        rows: vec![
            row(
                "evt_1QNdTwK2",
                "checkout.session.completed",
                "cs_test_a1Qm",
                "processed",
                "1",
            ),
            row(
                "evt_1QNd8zR7",
                "customer.subscription.updated",
                "sub_1QLx9v",
                "retrying",
                "3",
            ),
            row(
                "evt_1QNcAaJ4",
                "checkout.session.completed",
                "cs_test_c9Hd",
                "failed",
                "8",
            ),
            EventRow {
                account: None,
                ..row(
                    "evt_1QNXjzC8",
                    "customer.updated",
                    "cus_RGk2",
                    "ignored",
                    "1",
                )
            },
        ],
        pager: Pager {
            summary: "50 of 3,911 events".to_owned(),
            newest: None,
            older: Some("/admin/events?after=evt_50".to_owned()),
        },
        replay_failed: Some(Action::link("Replay failed (2)", "/admin/events/replay").primary()),
    }
}
