//! `/admin/accounts/{id}`: one account, its ledger against its balance, ours against Stripe's,
//! what happened, and the adjustment of credits.

use askama::Template;

use crate::pages::components::{Action, Badge, Banner, Choice, Fact, Kind, Moment, Prose};
use crate::pages::layout::Shell;

/// One account as support sees it.
#[derive(Clone, Debug, Template)]
#[template(path = "admin/account.html")]
pub struct AccountPage {
    /// The frame.
    pub shell: Shell,
    /// Our id of it.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Mail, organisation, since when.
    pub lead: Prose,
    /// What needs attention.
    pub banners: Vec<Banner>,
    /// "Pro", "$19.00 per month"
    pub plan: Panel,
    /// "1,228", "available, 12 held"
    pub credits: Panel,
    /// Ours against Stripe's, line by line.
    pub stripe: Panel,
    /// What happened, newest first.
    pub tries: Vec<Moment>,
    /// Everything, as a file.
    pub csv: Option<String>,
    /// The form that adjusts credits; none hides it.
    pub adjust: Option<AdjustForm>,
    /// Sync from Stripe, open at Stripe.
    pub actions: Vec<Action>,
}

/// One card on top of the page.
#[derive(Clone, Debug)]
pub struct Panel {
    /// The state.
    pub badge: Badge,
    /// The big word or number; empty for none.
    pub figure: String,
    /// What stands beside it.
    pub note: String,
    /// The lines beneath.
    pub facts: Vec<Fact>,
}

/// Adds credits or takes them away, with a reason.
#[derive(Clone, Debug)]
pub struct AdjustForm {
    /// Names this attempt, so that a double click adjusts once.
    pub attempt: String,
    /// `credits`, as typed, signed.
    pub credits: String,
    /// What is wrong with it.
    pub credits_error: Option<String>,
    /// `reason`
    pub reasons: Vec<Choice>,
    /// `note`, as typed.
    pub note: String,
    /// What is wrong with it.
    pub note_error: Option<String>,
}

impl AdjustForm {
    /// The empty form.
    pub fn empty(attempt: impl Into<String>) -> Self {
        Self {
            attempt: attempt.into(),
            credits: String::new(),
            credits_error: None,
            reasons: Self::reasons(""),
            note: String::new(),
            note_error: None,
        }
    }

    /// The reasons, with the current one selected.
    pub fn reasons(current: &str) -> Vec<Choice> {
        let reasons = [
            ("goodwill", "Goodwill"),
            ("correction", "Correction"),
            ("promotion", "Promotion"),
            ("migration", "Migration"),
            ("other", "Other"),
        ];
        Choice::list(&reasons, current)
    }
}

impl AccountPage {
    fn panels(&self) -> [(&'static str, &'static str, &Panel); 3] {
        [
            ("h-plan", "Plan", &self.plan),
            ("h-credits", "Credits", &self.credits),
            ("h-stripe", "Compared with Stripe", &self.stripe),
        ]
    }

    fn mark(&self, kind: &Kind) -> String {
        kind.to_string().trim().to_owned()
    }

    /// A new account, a typical one with a refused adjustment, the worst names.
    pub fn samples() -> Vec<(&'static str, Self)> {
        samples::all()
    }
}

mod samples {
    use super::*;
    use crate::pages::format;
    use crate::pages::layout::Nav;
    use crate::pages::samples::{self, EVIL, LONG, day};

    pub fn all() -> Vec<(&'static str, AccountPage)> {
        let new = AccountPage {
            tries: Vec::new(),
            adjust: Some(AdjustForm::empty("att_1")),
            csv: None,
            ..typical()
        };
        let evil = Panel {
            badge: Badge::bad(EVIL),
            figure: format!("{LONG} {EVIL}"),
            note: EVIL.to_owned(),
            facts: vec![Fact::new(EVIL, EVIL); 6],
        };
        let worst = AccountPage {
            shell: samples::worst(Nav::AdminAccounts),
            id: "\"><script>".to_owned(),
            name: format!("{LONG} {EVIL}"),
            lead: EVIL.into(),
            banners: vec![Banner::new(Kind::Bad, EVIL, EVIL)],
            plan: evil.clone(),
            credits: evil.clone(),
            stripe: evil,
            tries: vec![moment(Kind::Bad, EVIL, EVIL); 40],
            ..typical()
        };
        vec![("new", new), ("typical", typical()), ("worst", worst)]
    }

    fn typical() -> AccountPage {
        AccountPage {
            shell: samples::admin(Nav::AdminAccounts),
            id: "acc_1".to_owned(),
            name: "Maya Kim".to_owned(),
            lead: Prose::new("maya@acme.example, Acme Robotics, since ").time(day(-81)),
            banners: Vec::new(),
            plan: Panel {
                badge: Badge::ok("Active"),
                figure: "Pro".to_owned(),
                note: "$19.00 per month".to_owned(),
                facts: vec![
                    Fact::new("Renews", Prose::default().time(day(23))),
                    Fact::new("Customer", Prose::default().code("cus_RGk2")),
                    Fact::new("Subscription", Prose::default().code("sub_1QK2")),
                ],
            },
            credits: Panel {
                badge: Badge::warn("Low"),
                figure: "1,228".to_owned(),
                note: "available, 12 held".to_owned(),
                facts: vec![
                    Fact::new("Ledger sum", "1,240, matches"),
                    Fact::new("Calls this period", "7,988"),
                    Fact::new("Bought in all", "21,000"),
                ],
            },
            stripe: Panel {
                badge: Badge::ok("In step"),
                figure: String::new(),
                note: String::new(),
                facts: vec![
                    Fact::new("Plan", "Pro = Pro"),
                    Fact::new("Status", "active = active"),
                    Fact::new("Period end", "15 Dec = 15 Dec"),
                    Fact::new(
                        "Checked",
                        Prose::default().time(format::moment(samples::NOW)),
                    ),
                ],
            },
            tries: vec![
                moment(Kind::Warn, "Credits below 1,500, mail sent", ""),
                moment(
                    Kind::Ok,
                    "Payment of $19.00 completed, Pro renewed",
                    "in_1QLv3k",
                ),
                moment(
                    Kind::Plain,
                    "Refund of $1.00 by olga: \"bought by mistake\"",
                    "re_3QHq1",
                ),
                moment(Kind::Bad, "Payment failed: insufficient_funds", "in_1QBz7d"),
            ],
            csv: Some("/admin/accounts/acc_1/journal.csv".to_owned()),
            adjust: Some(AdjustForm {
                credits: "-2000".to_owned(),
                credits_error: Some(
                    "That would leave \u{2212}772. The lowest you can enter is \u{2212}1,228."
                        .to_owned(),
                ),
                note: "Ticket 4821: failed batch on 21 Nov".to_owned(),
                ..AdjustForm::empty("att_2")
            }),
            actions: vec![
                Action::post("Sync from Stripe", "/admin/accounts/acc_1/sync"),
                Action::external(
                    "Open in Stripe",
                    "https://dashboard.stripe.com/test/customers/cus_RGk2",
                ),
            ],
        }
    }

    fn moment(kind: Kind, title: &str, detail: &str) -> Moment {
        Moment {
            kind,
            title: title.to_owned(),
            detail: (!detail.is_empty()).then(|| detail.to_owned()),
            when: day(-7),
        }
    }
}
