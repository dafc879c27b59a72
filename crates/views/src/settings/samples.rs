//! Samples of `settings`: empty, typical and worst.

use super::*;
use crate::components::Choice;
use crate::layout::Nav;
use crate::layout::Shell;
use crate::samples;
use crate::samples::EVIL;
use crate::samples::LONG;
use domain::letters;
use domain::letters::NOTICES;

impl SettingsPage {
    /// A new account, a typical one, rejected fields, a member with read-only access, the worst
    /// names.
    pub fn samples() -> Vec<(&'static str, Self)> {
        all()
    }
}

pub fn all() -> Vec<(&'static str, SettingsPage)> {
    let typical = || page(samples::customer_in_test_mode(Nav::Settings));
    let first = SettingsPage {
        limits: Vec::new(),
        ..typical()
    };
    let refused = SettingsPage {
        low: "lots".to_owned(),
        low_error: Some("Enter a number of credits, for example 500.".to_owned()),
        new_limit: NewLimit {
            credits: "-1".to_owned(),
            error: Some((
                "credits".to_owned(),
                "credits must be between 0 and 9.".to_owned(),
            )),
            ..typical().new_limit
        },
        auto: Some(crate::credits::samples::sample_auto_refused()),
        ..typical()
    };
    let looking = SettingsPage {
        auto: None,
        data: None,
        read_only: Some("Only owners and billing members can do this.".to_owned()),
        ..typical()
    };
    let mut worst = page(samples::worst(Nav::Settings));
    worst.limits = vec![row(&format!("{LONG} {EVIL}"), EVIL); 20];
    worst.new_limit.subjects = Choice::list(&[("\"><script>", EVIL)], "");
    worst.low = EVIL.to_owned();
    worst.low_error = Some(EVIL.to_owned());
    vec![
        ("first", first),
        ("typical", typical()),
        ("refused", refused),
        ("looking", looking),
        ("worst", worst),
    ]
}

fn page(shell: Shell) -> SettingsPage {
    let notice = |(place, notice): (usize, &letters::Notice)| EmailSetting {
        name: notice.name,
        title: notice.title.to_owned(),
        is_on: place != 1,
    };
    SettingsPage {
        shell,
        emails: NOTICES.iter().enumerate().map(notice).collect(),
        low: "500".to_owned(),
        low_error: None,
        auto: Some(crate::credits::samples::sample_auto()),
        limits: vec![
            row("The whole account", "5,000 credits a month"),
            row("Key prod-web", "500 credits a day"),
        ],
        new_limit: NewLimit::new(Choice::list(
            &[
                ("account", "The whole account"),
                ("key:key_1", "Key prod-web"),
            ],
            "account",
        )),
        read_only: None,
        data: Some("/api/v1/account/export?account=acc_1".to_owned()),
    }
}

fn row(subject: &str, limit: &str) -> LimitRow {
    LimitRow {
        id: "limit_1".to_owned(),
        subject: subject.to_owned(),
        limit: limit.to_owned(),
        used: "120".to_owned(),
        held: Some("30".to_owned()),
        left: "350".to_owned(),
        resets: "1 Dec 2026".to_owned(),
    }
}
