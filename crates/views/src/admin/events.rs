//! `/admin/events`: webhook events.

use askama::Template;

use crate::components::{Action, Badge, Choice, Pager, Stat, Tab};
use crate::format::When;
use crate::icons::Icon;
use crate::layout::Shell;

/// The list of webhook events.
#[derive(Clone, Debug, Template)]
#[template(path = "admin/events.html")]
pub struct EventsPage {
    /// The frame.
    pub shell: Shell,
    /// Last event, received, processed, latency, bad signatures; empty leaves the strip out.
    pub stats: Vec<Stat>,
    /// By state.
    pub tabs: Vec<Tab>,
    /// The search, as typed (`q`): event id, object id or account.
    pub q: String,
    /// `type`
    pub types: Vec<Choice>,
    /// Newest first.
    pub rows: Vec<EventRow>,
    /// Older ones.
    pub pager: Pager,
    /// Replays what failed, where something did.
    pub replay_failed: Option<Action>,
}

/// One event.
#[derive(Clone, Debug)]
pub struct EventRow {
    /// Stripe's id of it.
    pub id: String,
    /// `checkout.session.completed`
    pub kind: String,
    /// The object it is about: `cs_test_c9Hd`.
    pub object: String,
    /// Whose it is: the name and the page; none while that is not known.
    pub account: Option<(String, String)>,
    /// When it came.
    pub received: When,
    /// How often it was tried.
    pub tries: String,
    /// Its state.
    pub badge: Badge,
}

impl EventRow {
    fn href(&self) -> String {
        format!("/admin/events/{}", self.id)
    }
}

impl EventsPage {
    /// None yet, a page of them, the worst names.
    pub fn samples() -> Vec<(&'static str, Self)> {
        samples::all()
    }
}

mod samples {
    use super::*;
    use crate::format;
    use crate::layout::Nav;
    use crate::samples;
    use crate::samples::EVIL;
    use crate::samples::LONG;
    use crate::samples::NOW;
    use crate::words;

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
            tries: format::count(u64::MAX),
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

    fn typical() -> EventsPage {
        let row = |id: &str, kind: &str, object: &str, state: &str, tries: &str| EventRow {
            id: id.to_owned(),
            kind: kind.to_owned(),
            object: object.to_owned(),
            account: Some((
                "Acme Robotics".to_owned(),
                "/admin/accounts/acc_1".to_owned(),
            )),
            received: format::second(NOW),
            tries: tries.to_owned(),
            badge: words::event_badge(state),
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
            replay_failed: Some(
                Action::link("Replay failed (2)", "/admin/events/replay").primary(),
            ),
        }
    }
}
