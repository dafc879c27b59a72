//! Samples of `alerts`: empty, typical and worst.

use super::*;
use crate::components::{Badge, Pager};
use crate::format;
use crate::layout::Nav;

impl AlertsPage {
    pub fn samples() -> Vec<(&'static str, Self)> {
        use crate::samples;
        use crate::samples::EVIL;
        use crate::samples::LONG;
        use crate::samples::NOW;

        let row = |summary: &str, is_open: bool| AlertRow {
            summary: summary.to_owned(),
            rule: if is_open { "parked" } else { "stripe_errors" }.to_owned(),
            opened: format::moment(NOW),
            closed: (!is_open).then(|| format::moment(NOW)),
            badge: if is_open {
                Badge::bad("Open")
            } else {
                Badge::ok("Resolved")
            },
            acknowledge: is_open.then(|| acknowledge_action("alr_1", summary)),
        };
        let typical = AlertsPage {
            shell: samples::admin(Nav::AdminAlerts),
            tabs: tabs(""),
            rows: vec![
                row("Accounts or events failed and need manual review.", true),
                row("Many calls to Stripe failed.", false),
            ],
            pager: Pager::default(),
        };
        let empty = AlertsPage {
            rows: Vec::new(),
            ..typical.clone()
        };
        let worst = AlertsPage {
            shell: samples::worst(Nav::AdminAlerts),
            rows: vec![row(&format!("{LONG} {EVIL}"), true); 50],
            ..typical.clone()
        };
        vec![("empty", empty), ("typical", typical), ("worst", worst)]
    }
}
