//! `/admin`: the key figures of the business.

use askama::Template;
use domain::amounts::amount as money;
use domain::figures::{DAYS, Figures, Share};
use domain::money::Credits;
use domain::time::Timestamp;

use crate::admin::parts::address;
use crate::components::{Action, Badge, Banner, Fact, Kind, Prose};
use crate::format;
use crate::layout::{Shell, page};
use crate::links::filters;

#[cfg(any(test, feature = "samples"))]
mod samples;

#[derive(Clone, Debug, Template)]
#[template(path = "admin/overview.html")]
pub struct OverviewPage {
    pub shell: Shell,
    /// The time at which the figures were computed.
    pub lead: Prose,
    pub banners: Vec<Banner>,
    pub actions: Vec<Action>,
    pub figures: Vec<Figure>,
    /// The breakdown of the figures, and the state of the service.
    pub panels: Vec<Panel>,
}

page!(OverviewPage);

#[derive(Clone, Debug)]
pub struct Figure {
    pub name: &'static str,
    pub value: String,
    pub note: String,
    pub href: String,
}

#[derive(Clone, Debug)]
pub struct Panel {
    pub title: &'static str,
    pub badge: Badge,
    pub facts: Vec<Fact>,
    pub action: Action,
}

/// Makes the page from the figures; `may_export` adds the download links.
pub fn page(shell: Shell, figures: &Figures, may_export: bool) -> OverviewPage {
    let export = Action::link("Export all rows", "/admin/export");
    OverviewPage {
        shell,
        lead: Prose::new(format!("The last {DAYS} days, as of "))
            .time(format::second(figures.at.micros()))
            .text(" (UTC); at most a minute old."),
        banners: banners(figures),
        actions: may_export.then_some(export).into_iter().collect(),
        figures: numbers(figures),
        panels: panels(figures),
    }
}

fn banners(figures: &Figures) -> Vec<Banner> {
    let mut banners = Vec::new();
    if figures.events_parked > 0 {
        let count = figures.events_parked.unsigned_abs();
        let title = format::counted(count, "event needs attention", "events need attention");
        let text = "They failed after all retries, or belong to no account.";
        let look = Action::link("Review them", "/admin/events?state=parked");
        banners.push(Banner::new(Kind::Warn, title, text).with(look));
    }
    let (sold, granted) = figures.bought;
    if sold != granted {
        let text = format!(
            "Completed top-ups add up to {sold} credits, but the ledger has {granted} purchased \
             credits. A payment in progress can explain this for a few seconds. If it persists, \
             check the books."
        );
        let title = "Payments and the ledger do not agree";
        let look = Action::link("Check the books", "/admin/audit");
        banners.push(Banner::new(Kind::Bad, title, text).with(look));
    }
    banners
}

fn percent(share: Share) -> String {
    let points = share.basis_points();
    points.map_or_else(
        || "\u{2013}".to_owned(),
        |points| format!("{}.{:02}%", points / 100, points % 100),
    )
}

fn of(share: Share, what: &str) -> String {
    let count = |number: i64| format::count(number.unsigned_abs());
    format!("{} of {} {what}", count(share.part), count(share.whole))
}

/// The first day of a period, for links to lists of rows.
fn day(at: Timestamp) -> String {
    at.rfc3339().chars().take(10).collect()
}

fn numbers(figures: &Figures) -> Vec<Figure> {
    let from = day(figures.from);
    let accounts = |number: i64| format::counted(number.unsigned_abs(), "account", "accounts");
    let payments = [("type", "PAYMENT"), ("from", &from)];
    let paid = [("type", "PAYMENT"), ("status", "PAID"), ("from", &from)];
    vec![
        Figure {
            name: "Payment success",
            value: percent(figures.payments),
            note: format!("{}; target above 95%", of(figures.payments, "payments")),
            href: address("/admin/transactions", &payments),
        },
        Figure {
            name: "Webhook success",
            value: percent(figures.webhooks),
            note: of(figures.webhooks, "events"),
            href: address("/admin/events", &[("from", &day(figures.events_from))]),
        },
        Figure {
            name: "Average balance",
            value: format::credits(Credits::new(figures.balance.floor()).micros()),
            note: format!("credits; {}", accounts(figures.wallets)),
            href: "/admin/accounts".to_owned(),
        },
        Figure {
            name: "Churn",
            value: percent(figures.churn),
            note: of(figures.churn, "subscribers left"),
            href: address("/admin/accounts", &[("view", "churned")]),
        },
        Figure {
            name: "ARPU",
            value: figures.arpu.map_or_else(|| "\u{2013}".to_owned(), money),
            note: format!("revenue per account; {} paid", accounts(figures.paying)),
            href: address("/admin/transactions", &paid),
        },
        Figure {
            name: "MRR",
            value: money(figures.mrr),
            note: format!(
                "each month; {}",
                format::counted(
                    figures.subscriptions.unsigned_abs(),
                    "subscription",
                    "subscriptions"
                )
            ),
            href: address("/admin/accounts", &[("view", "subscribed")]),
        },
    ]
}

fn panels(figures: &Figures) -> Vec<Panel> {
    let (sold, granted) = figures.bought;
    let badge = if sold == granted {
        Badge::ok("Agree")
    } else {
        Badge::bad("Differ")
    };
    let count = |number: i64| format::count(number.unsigned_abs());
    let waiting = figures.events_parked;
    vec![
        Panel {
            title: "Money",
            badge: Badge::plain(format!("{DAYS} days")),
            facts: vec![
                Fact::new("Revenue after refunds", money(figures.revenue)),
                Fact::new("Payments made", count(figures.payments.part)),
                Fact::new(
                    "Payments failed",
                    count(figures.payments.whole - figures.payments.part),
                ),
            ],
            action: Action::link("Transactions", "/admin/transactions").small(),
        },
        Panel {
            title: "Credits bought",
            badge,
            facts: vec![
                Fact::new("By completed top-ups", format::credits(sold.micros())),
                Fact::new("By the ledger", format::credits(granted.micros())),
            ],
            action: Action::link("Check the books", "/admin/audit").small(),
        },
        Panel {
            title: "Webhooks",
            badge: if waiting > 0 {
                Badge::warn("To review")
            } else {
                Badge::ok("Fine")
            },
            facts: vec![
                Fact::new("Processed", count(figures.webhooks.part)),
                Fact::new("Needs attention", count(waiting)),
            ],
            action: Action::link("Webhook events", "/admin/events").small(),
        },
    ]
}
