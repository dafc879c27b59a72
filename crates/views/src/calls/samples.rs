//! Samples of `calls`: empty, typical and worst.

use super::*;
use crate::components::{Action, Badge, Choice, Fact};
use crate::layout::Nav;
use crate::samples;
use crate::samples::EVIL;
use crate::samples::LONG;
use crate::usage::UsagePage;

impl CallsPage {
    /// No calls, some, the worst names.
    pub fn samples() -> Vec<(&'static str, Self)> {
        calls()
    }
}

impl CallPage {
    /// A capture, and the worst names.
    pub fn samples() -> Vec<(&'static str, Self)> {
        call()
    }
}

pub fn calls() -> Vec<(&'static str, CallsPage)> {
    let rows = |name: &str| {
        let pages = UsagePage::samples();
        let found = pages.into_iter().find(|(sample, _)| *sample == name);
        found.map(|(_, page)| page.recent).unwrap_or_default()
    };
    let typical = || CallsPage {
        shell: samples::customer_in_test_mode(Nav::Usage),
        keys: Choice::list(&[("", "All keys"), ("key_1", "prod-web")], ""),
        calls: rows("typical"),
        next: Some(Action::link("Show older", "/dashboard/usage/calls?before=7").small()),
    };
    let empty = CallsPage {
        calls: Vec::new(),
        next: None,
        ..typical()
    };
    let worst = CallsPage {
        shell: samples::worst(Nav::Usage),
        keys: Choice::list(&[("\"><script>", EVIL)], ""),
        calls: rows("worst"),
        ..typical()
    };
    vec![("empty", empty), ("typical", typical()), ("worst", worst)]
}

pub fn call() -> Vec<(&'static str, CallPage)> {
    let grant = |kind: &str| CallGrant {
        grant: if kind == "Monthly credits" {
            "grant_3"
        } else {
            "grant_1"
        }
        .to_owned(),
        kind: kind.to_owned(),
        held: "4".to_owned(),
        charged: "2.5".to_owned(),
    };
    let typical = CallPage {
        shell: samples::customer_in_test_mode(Nav::Usage),
        title: "chat".to_owned(),
        badge: Badge::ok("Captured"),
        facts: vec![
            Fact::new("When", "22 Nov 2026, 12:00:05"),
            Fact::new("Key", "prod-web"),
            Fact::new("Priced as", "2 × chat"),
            Fact::new("Price list", "version 3"),
            Fact::new("Held", "4 credits"),
            Fact::new("Returned", "1.5 credits"),
            Fact::total("Charged", "2.5 credits"),
        ],
        grants: vec![grant("Monthly credits"), grant("Top-up")],
    };
    let worst = CallPage {
        shell: samples::worst(Nav::Usage),
        title: format!("{LONG} {EVIL}"),
        facts: vec![Fact::new(EVIL, EVIL); 12],
        grants: vec![grant(EVIL); 30],
        ..typical.clone()
    };
    vec![("typical", typical), ("worst", worst)]
}
