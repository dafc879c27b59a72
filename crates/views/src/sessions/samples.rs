//! Samples of `sessions`: empty, typical and worst.

use super::*;
use crate::components::Badge;
use crate::format;
use crate::layout::Nav;

impl SessionsPage {
    pub fn samples() -> Vec<(&'static str, Self)> {
        use crate::samples;
        use crate::samples::EVIL;
        use crate::samples::NOW;

        let row = |agent: &str, is_this: bool| SessionRow {
            agent: agent.to_owned(),
            badge: is_this.then(|| Badge::accent("This device")),
            began: format::moment(NOW),
            seen: format::moment(NOW),
            end: (!is_this).then(|| end_action(7)),
        };
        let one = Self {
            shell: samples::customer(Nav::Sessions),
            rows: vec![row("Firefox on Linux", true)],
            end_others: None,
        };
        let several = Self {
            rows: vec![
                row("Firefox on Linux", true),
                row("Chrome on Android", false),
            ],
            end_others: Some(end_others_action()),
            ..one.clone()
        };
        let worst = Self {
            shell: samples::worst(Nav::Sessions),
            rows: vec![row(EVIL, false); 30],
            end_others: Some(end_others_action()),
        };
        vec![("one", one), ("several", several), ("worst", worst)]
    }
}
