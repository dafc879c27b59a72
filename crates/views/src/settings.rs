//! `/dashboard/settings`: emails, the low-balance threshold, automatic top-up, limits.

use askama::Template;
use domain::ledger::LimitWindow;
use domain::letters;
use domain::letters::NOTICES;

use crate::components::{Action, Choice};
use crate::credits::AutoTopUp;
use crate::icons::Icon;
use crate::layout::Shell;

/// This page.
pub const SETTINGS: &str = "/dashboard/settings";

/// The windows that a limit may count, as choices of a form.
pub fn windows() -> Vec<Choice> {
    let words = [
        (LimitWindow::Day.word(), "A day"),
        (LimitWindow::Month.word(), "A month"),
        (LimitWindow::Lifetime.word(), "All time"),
    ];
    Choice::list(&words, LimitWindow::Month.word())
}

/// The settings of an account.
#[derive(Clone, Debug, Template)]
#[template(path = "settings.html")]
pub struct SettingsPage {
    /// The frame.
    pub shell: Shell,
    /// Mails that can be switched off.
    pub notices: Vec<NoticeRow>,
    /// The threshold as typed: "500"; empty for none.
    pub low: String,
    /// What is wrong with it.
    pub low_error: Option<String>,
    /// The automatic purchase; none where the reader may not buy.
    pub auto: Option<AutoTopUp>,
    /// The limits, in the order they are judged.
    pub limits: Vec<LimitRow>,
    /// Whom a limit can bound (`subject`).
    pub subjects: Vec<Choice>,
    /// How long it counts (`window`).
    pub windows: Vec<Choice>,
    /// The new limit as typed.
    pub limit_credits: String,
    /// The field that is wrong, and why.
    pub limit_error: Option<(String, String)>,
    /// Why nothing can be changed, when it cannot.
    pub read_only: Option<String>,
    /// Where an owner gets what is kept of the account.
    pub data: Option<String>,
}

/// A mail that can be switched off.
#[derive(Clone, Debug)]
pub struct NoticeRow {
    /// Its field.
    pub name: &'static str,
    /// "Receipts and refunds"
    pub title: String,
    /// Whether it is sent.
    pub is_on: bool,
}

/// One limit.
#[derive(Clone, Debug)]
pub struct LimitRow {
    /// Its id, in the addresses.
    pub id: String,
    /// "Key prod-web"
    pub whose: String,
    /// "1,000 credits a day"
    pub most: String,
    /// "120"
    pub used: String,
    /// "30", where calls in progress hold some.
    pub held: Option<String>,
    /// "850"
    pub left: String,
    /// When it counts anew, or "Never".
    pub resets: String,
}

impl LimitRow {
    fn remove(&self) -> Action {
        let action = format!("{SETTINGS}/limits/{}/remove", self.id);
        Action::post("Remove", action).small().spoken(&self.whose)
    }
}

impl SettingsPage {
    /// A new account, a typical one, refused fields, a member who may only look, the worst names.
    pub fn samples() -> Vec<(&'static str, Self)> {
        samples::all()
    }
}

mod samples {
    use super::*;
    use crate::layout::Nav;
    use crate::samples;
    use crate::samples::EVIL;
    use crate::samples::LONG;

    pub fn all() -> Vec<(&'static str, SettingsPage)> {
        let typical = || page(samples::customer_in_test_mode(Nav::Settings));
        let first = SettingsPage {
            limits: Vec::new(),
            ..typical()
        };
        let refused = SettingsPage {
            low: "lots".to_owned(),
            low_error: Some("Enter a number of credits, for example 500.".to_owned()),
            limit_credits: "-1".to_owned(),
            limit_error: Some((
                "credits".to_owned(),
                "credits must be between 0 and 9.".to_owned(),
            )),
            auto: Some(crate::credits::sample_auto_refused()),
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
        worst.subjects = Choice::list(&[("\"><script>", EVIL)], "");
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
        let notice = |(place, notice): (usize, &letters::Notice)| NoticeRow {
            name: notice.name,
            title: notice.title.to_owned(),
            is_on: place != 1,
        };
        SettingsPage {
            shell,
            notices: NOTICES.iter().enumerate().map(notice).collect(),
            low: "500".to_owned(),
            low_error: None,
            auto: Some(crate::credits::sample_auto()),
            limits: vec![
                row("The whole account", "5,000 credits a month"),
                row("Key prod-web", "500 credits a day"),
            ],
            subjects: Choice::list(
                &[
                    ("account", "The whole account"),
                    ("key:key_1", "Key prod-web"),
                ],
                "account",
            ),
            windows: windows(),
            limit_credits: String::new(),
            limit_error: None,
            read_only: None,
            data: Some("/api/v1/account/export?account=acc_1".to_owned()),
        }
    }

    fn row(whose: &str, most: &str) -> LimitRow {
        LimitRow {
            id: "limit_1".to_owned(),
            whose: whose.to_owned(),
            most: most.to_owned(),
            used: "120".to_owned(),
            held: Some("30".to_owned()),
            left: "350".to_owned(),
            resets: "1 Dec 2026".to_owned(),
        }
    }
}
