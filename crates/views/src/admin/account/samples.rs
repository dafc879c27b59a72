//! Samples of `account`: empty, typical and worst.

use super::*;
use crate::admin::parts::Table;
use crate::components::{Action, Badge, Banner, Fact, Kind, Prose, TimelineEntry};
use crate::format;
use crate::layout::Nav;
use crate::samples;
use crate::samples::EVIL;
use crate::samples::LONG;
use crate::samples::day;

impl AccountPage {
    /// A new account, a typical one, a refused adjustment, the worst names.
    pub fn samples() -> Vec<(&'static str, Self)> {
        all()
    }
}

pub fn all() -> Vec<(&'static str, AccountPage)> {
    let new = AccountPage {
        timeline: Vec::new(),
        adjust: Some(AdjustForm::empty("att_1")),
        csv: None,
        tables: Vec::new(),
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
        timeline: vec![moment(Kind::Bad, EVIL, EVIL); 40],
        ..typical()
    };
    let mut refused = typical();
    refused.adjust = Some(AdjustForm {
        credits: "-2000".to_owned(),
        credits_error: Some(
            "That would leave \u{2212}772. The lowest you can enter is \u{2212}1,228.".to_owned(),
        ),
        note: "Ticket 4821: failed batch on 21 Nov".to_owned(),
        ..AdjustForm::empty("att_3")
    });
    vec![
        ("new", new),
        ("typical", typical()),
        ("refused", refused),
        ("worst", worst),
    ]
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
            badge: Badge::ok("In sync"),
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
        timeline: vec![
            moment(Kind::Warn, "Credits below 1,500, email sent", ""),
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
        adjust: Some(AdjustForm::empty("att_2")),
        actions: vec![
            Action::post("Sync from Stripe", "/admin/accounts/acc_1/sync"),
            Action::external(
                "Open in Stripe",
                "https://dashboard.stripe.com/test/customers/cus_RGk2",
            ),
        ],
        tables: tables(),
    }
}

fn tables() -> Vec<Table> {
    let payment = |title: &str, amount: &str, badge: Badge, refund: bool| {
        let mut status = Prose::default().badge(badge);
        if refund {
            let left = format!("Refund up to {amount}");
            status = status.text(" ").link(left, "/admin/refunds/txn_1");
        }
        let when = Prose::default().time(format::moment(samples::NOW));
        vec![when, title.into(), amount.into(), status]
    };
    let grant = |name: &str, source: &str, of: &str, left: &str, ends: Prose, badge: Badge| {
        vec![
            Prose::new(format!("{name} ")).code(source),
            of.into(),
            left.into(),
            ends,
            Prose::default().badge(badge),
        ]
    };
    let never = || Prose::new("never");
    let ends = Prose::default().time(day(23));
    vec![
        Table::new("Payments", &PAYMENTS, "").rows([
            payment("10,000 credits", "$10.00", Badge::ok("Paid"), true),
            payment("Pro, renewal", "$19.00", Badge::ok("Paid"), true),
            payment("Pro, renewal", "$19.00", Badge::bad("Failed"), false),
        ]),
        Table::new("Grants", &GRANTS, "").rows([
            grant(
                "3 Monthly credits",
                "sub_1QK2:2026-11",
                "1,000",
                "0",
                ends,
                Badge::plain("Used up"),
            ),
            grant(
                "2 Top-up",
                "cs_test_b2",
                "10,000",
                "1,240",
                never(),
                Badge::ok("Active"),
            ),
        ]),
        Table::new("Holds", &HOLDS, "No holds yet."),
        Table::new("Not ours", &FOREIGN, "").rows([vec![
            Prose::default().time(day(-40)),
            Prose::new("Subscription ").code("sub_1QZ9"),
            "$9.00".into(),
            "active".into(),
        ]]),
    ]
}

fn moment(kind: Kind, title: &str, detail: &str) -> TimelineEntry {
    TimelineEntry {
        kind,
        title: title.to_owned(),
        detail: (!detail.is_empty()).then(|| detail.to_owned()),
        when: day(-7),
    }
}
