//! Samples of `transactions`: empty, typical and worst.

use super::*;
use crate::components::Kind;
use crate::components::{Badge, Pager, Stat, Tab};
use crate::format;
use crate::layout::Nav;
use crate::samples;
use crate::samples::EVIL;
use crate::samples::LONG;
use crate::samples::NOW;

impl TransactionsPage {
    /// No transactions, a page of them, an invalid filter, the worst names.
    pub fn samples() -> Vec<(&'static str, Self)> {
        all()
    }
}

pub fn all() -> Vec<(&'static str, TransactionsPage)> {
    let empty = TransactionsPage {
        rows: Vec::new(),
        stats: Vec::new(),
        pager: Pager::default(),
        csv: None,
        filters: Filters {
            error: Some("The first day is after the last day.".to_owned()),
            ..Filters::new("nobody", "REFUND", "FAILED", "2026-11-30", "2026-11-01")
        },
        ..typical()
    };
    let worst = TransactionsPage {
        shell: samples::worst(Nav::AdminTransactions),
        filters: Filters::new("\"><script>", EVIL, EVIL, EVIL, EVIL),
        rows: vec![evil(); 30],
        ..typical()
    };
    vec![("empty", empty), ("typical", typical()), ("worst", worst)]
}

#[expect(clippy::too_many_lines, reason = "a table of samples")]
fn typical() -> TransactionsPage {
    let tab = |label: &str, count: &str, href: &str| Tab {
        label: label.to_owned(),
        count: Some(count.to_owned()),
        href: href.to_owned(),
        current: label == "All",
    };
    let row =
        |id: &str, account: &str, kind: &str, title: &str, cents, badge: Badge, note: &str| {
            AdminTransaction {
                when: format::second(NOW),
                id: id.to_owned(),
                account: account.to_owned(),
                account_href: "/admin/accounts/acc_1".to_owned(),
                email: "maya@acme.example".to_owned(),
                kind: kind.to_owned(),
                title: title.to_owned(),
                amount: format::money(cents, "usd", 2),
                refund: (badge.kind == Kind::Ok).then(|| refund_link("txn_1")),
                badge,
                note: note.to_owned(),
            }
        };
    TransactionsPage {
        shell: samples::admin(Nav::AdminTransactions),
        stats: vec![
            Stat::new("MRR", "$8,412", "Up 3.1% in 30 days"),
            Stat::new("ARPU", "$21.90", "384 paying accounts"),
            Stat::new("Churn", "2.3%", "Down 0.4 points"),
            Stat::new("Payment success", "97.2%", "Target above 95%"),
            Stat::new("Webhook success", "99.98%", "p95 38 ms, target 500 ms"),
        ],
        tabs: vec![
            tab("All", "1,284", "/admin/transactions"),
            tab("Pending", "3", "/admin/transactions?status=PENDING"),
            tab("Failed", "22", "/admin/transactions?status=FAILED"),
            tab("Refunds", "18", "/admin/transactions?type=REFUND"),
        ],
        view: ViewForm {
            query: "from=2026-11-01".to_owned(),
            remove: None,
        },
        filters: Filters::new("", "", "", "2026-11-01", ""),
        rows: vec![
            row(
                "cs_test_a1Qm",
                "Maya Kim",
                "Credit top-up",
                "5,000 credits",
                500,
                Badge::info("Pending"),
                "Waiting for Stripe, 2 min",
            ),
            row(
                "in_1QNd8x",
                "Jonas Weber",
                "Upgrade",
                "Pro to Pro Plus",
                2300,
                Badge::ok("Paid"),
                "",
            ),
            row(
                "in_1QNcPo",
                "Priya Nair",
                "Subscription",
                "Pro, 22 Nov to 22 Dec",
                1900,
                Badge::bad("Failed"),
                "insufficient_funds, retry 24 Nov",
            ),
            row(
                "re_3QNbTz",
                "Chen Wei",
                "Refund",
                "10,000 credits",
                -1000,
                Badge::plain("Refunded"),
                "by olga: duplicate purchase",
            ),
            row(
                "sub_1QLx9v",
                "Amara Obi",
                "Cancellation",
                "Pro, ends 30 Nov",
                0,
                Badge::warn("Scheduled"),
                "reason: too expensive",
            ),
        ],
        pager: Pager {
            summary: "50 of 1,284 transactions".to_owned(),
            newest: Some("/admin/transactions".to_owned()),
            older: Some("/admin/transactions?after=txn_50".to_owned()),
        },
        csv: Some((
            "Export CSV (1,284)".to_owned(),
            "/admin/transactions.csv".to_owned(),
        )),
    }
}

fn evil() -> AdminTransaction {
    AdminTransaction {
        when: format::second(i64::MAX),
        id: format!("cs_test_{}", "x".repeat(58)),
        account: format!("{LONG} {EVIL}"),
        account_href: "/\"><script>".to_owned(),
        email: EVIL.to_owned(),
        kind: EVIL.to_owned(),
        title: EVIL.to_owned(),
        amount: format::money(i64::MIN, "kwd", 3),
        badge: Badge::bad(EVIL),
        note: EVIL.to_owned(),
        refund: Some(refund_link("\"><script>")),
    }
}
