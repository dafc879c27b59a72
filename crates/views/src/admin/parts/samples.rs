//! Samples of `parts`: empty, typical and worst.

use super::*;
use crate::components::{Action, Banner, Choice, Fact, Kind, Prose, Stat};
use crate::labels;
use crate::layout::Nav;

impl ListPage {
    pub fn samples() -> Vec<(&'static str, Self)> {
        use crate::samples;
        use crate::samples::EVIL;
        use crate::samples::LONG;

        let columns = [
            ("When", "num"),
            ("Who", ""),
            ("What", ""),
            ("Detail", "wide-only"),
        ];
        let table = |rows| {
            Table::new("Actions, latest first", &columns, "No manual actions yet.").rows(rows)
        };
        let row = |who: &str, what: &str, detail: &str| {
            vec![
                Prose::default().time(samples::day(-1)),
                Prose::default().link(who, "/admin/log?actor=usr_1"),
                what.into(),
                Prose::default().code(detail),
            ]
        };
        let page = |shell, rows| Self {
            tables: vec![table(rows)],
            filters: Some(Filters {
                action: "/admin/log".to_owned(),
                fields: vec![
                    Field::new("actor", "Who", FieldKind::Input("text"), "\"><script>"),
                    Field::new("action", "What", FieldKind::Select(labels::actions("")), ""),
                ],
            }),
            ..Self::new(shell, "Audit log", "What operators did.")
        };
        let shell = || samples::admin(Nav::AdminLog);
        let typical = row("olga", labels::action("payment.refund"), "amount: 500");
        let long = format!("{LONG} {EVIL}");
        let worst = Self {
            title: long.clone(),
            lead: EVIL.into(),
            crumb: Some((long.clone(), "/\"><script>".to_owned())),
            banners: vec![Banner::new(Kind::Bad, EVIL, EVIL)],
            stats: vec![Stat::new(EVIL, EVIL, EVIL)],
            actions: vec![Action::link(EVIL, "/\"><script>")],
            ..page(
                samples::worst(Nav::AdminLog),
                vec![row(&long, EVIL, &long); 50],
            )
        };
        vec![
            ("empty", page(shell(), Vec::new())),
            ("typical", page(shell(), vec![typical; 3])),
            ("worst", worst),
        ]
    }
}

impl FormPage {
    /// A refund to confirm, a refused one, the worst names.
    pub fn samples() -> Vec<(&'static str, Self)> {
        use crate::samples;
        use crate::samples::EVIL;
        use crate::samples::LONG;

        let crumb = ("Maya Kim".to_owned(), "/admin/accounts/acc_1".to_owned());
        let reasons = [("duplicate", "Paid twice"), ("fraudulent", "Fraud")];
        let refund = || Self {
            text: "10,000 credits, paid on 8 Nov 2026.".into(),
            fields: vec![
                Field::new("amount", "Amount", FieldKind::Input("text"), "5.00").required(),
                Field::new(
                    "why",
                    "Reason",
                    FieldKind::Select(Choice::list(&reasons, "duplicate")),
                    "",
                ),
                Field::new("note", "Note", FieldKind::Textarea(3), "Ticket 4821"),
                Field::new(
                    "tell",
                    "Notify them by email",
                    FieldKind::Checkbox(true),
                    "",
                ),
            ],
            facts: vec![
                Fact::new("Refund amount", "$5.00"),
                Fact::new("Credits taken", "5,000"),
                Fact::new("Debt afterwards", "120"),
            ],
            danger: true,
            hidden: vec![("attempt", "att_1".to_owned())],
            ..Self::new(
                samples::admin(Nav::AdminTransactions),
                crumb.clone(),
                "Refund $5.00?",
                "Refund $5.00",
                "/admin/refunds/txn_1",
            )
        };
        let wrong = ("amount".to_owned(), "50.00 cannot be refunded.".to_owned());
        let mut refused = refund();
        refused.fields[0] = refused.fields[0].clone().error(Some(&wrong));
        refused.facts.clear();
        let evil = ("why".to_owned(), EVIL.to_owned());
        let worst = Self {
            shell: samples::worst(Nav::AdminTransactions),
            crumb: (format!("{LONG} {EVIL}"), "/\"><script>".to_owned()),
            title: format!("{LONG} {EVIL}"),
            text: EVIL.into(),
            banners: vec![Banner::new(Kind::Bad, EVIL, EVIL)],
            facts: vec![Fact::new(EVIL, EVIL); 6],
            fields: vec![
                Field::new("why", EVIL, FieldKind::Input("text"), EVIL).error(Some(&evil)),
                Field::new("note", EVIL, FieldKind::Textarea(3), EVIL),
            ],
            label: EVIL.to_owned(),
            hidden: vec![("attempt", "\"><script>".to_owned())],
            ..refund()
        };
        vec![
            ("typical", refund()),
            ("refused", refused),
            ("worst", worst),
        ]
    }
}
