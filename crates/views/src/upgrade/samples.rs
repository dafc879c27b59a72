//! Samples of `upgrade`: empty, typical and worst.

use super::*;
use crate::banners;
use crate::components::{Action, Badge, Fact, Prose};
use crate::layout::Nav;
use crate::layout::Shell;
use crate::pricing::samples::compare;
use crate::pricing::samples::intervals;
use crate::pricing::samples::plans;
use crate::samples;
use crate::samples::EVIL;
use crate::samples::LONG;
use crate::samples::day;

impl UpgradePage {
    /// On Free, on Pro, with a review, while Stripe is unavailable, and the worst names.
    pub fn samples() -> Vec<(&'static str, Self)> {
        all()
    }
}

pub fn all() -> Vec<(&'static str, UpgradePage)> {
    let mut review = page(samples::customer_in_test_mode(Nav::Plans), "PRO");
    review.review = Some(sample_review());
    let mut silent = page(samples::customer(Nav::Plans), "PRO");
    silent.banners = vec![banners::stripe_unreachable(UPGRADE)];
    let mut worst = page(samples::worst(Nav::Plans), "PRO");
    for plan in &mut worst.plans {
        plan.name = format!("{LONG} {EVIL} {}", plan.id);
    }
    worst.review = Some(Review {
        title: EVIL.to_owned(),
        ..sample_review()
    });
    vec![
        ("free", page(samples::customer(Nav::Plans), "FREE")),
        (
            "pro",
            page(samples::customer_in_test_mode(Nav::Plans), "PRO"),
        ),
        ("review", review),
        ("stripe-unreachable", silent),
        ("worst", worst),
    ]
}

fn page(shell: Shell, current: &str) -> UpgradePage {
    let mut plans = plans(Some(current), UPGRADE);
    for plan in &mut plans {
        let name = plan.name.clone();
        plan.action = match (plan.id.as_str(), current) {
            (id, now) if id == now => Action::off("Your current plan").block(),
            ("ENTERPRISE", _) => continue,
            ("FREE", _) => Action::link("Downgrade", "/dashboard/billing/plan?act=cancel")
                .block()
                .spoken("to Free"),
            (id, "FREE") => choose("Upgrade", id).spoken(format!("to {name}")),
            (id, _) => Action::link("Upgrade", format!("{UPGRADE}?planId={id}#review"))
                .block()
                .spoken(format!("to {name}")),
        };
        if plan.id == "PRO_PLUS" {
            plan.action = plan.action.clone().primary();
        }
    }
    UpgradePage {
        shell,
        lead: Prose::new("You are on Pro. Upgrades start now; downgrades start on ")
            .time(day(23))
            .text("."),
        banners: Vec::new(),
        intervals: intervals(UPGRADE, false),
        plans,
        note: "Prices in US dollars, tax added where it applies. Suggested because you used \
               79% of your Pro call limit this period."
            .to_owned(),
        review: None,
        compare: compare(Some(current)),
        has_live: current != "FREE",
    }
}

fn sample_review() -> Review {
    Review {
        title: "Review your change: Pro to Pro Plus".to_owned(),
        badge: Badge::info("Quote valid for 10 minutes"),
        text: Prose::new(
            "Starts right away. You pay the difference for the 23 days left in this period, \
             then $49.00 each month from ",
        )
        .time(day(23))
        .text("."),
        points: vec![
            "Your call limit rises from 10,000 to 50,000 immediately.".to_owned(),
            "Your 1,228 credits stay. 3,833 more arrive now, 6,000 on 15 Dec.".to_owned(),
            "You can go back to Pro at any time; it takes effect at the period end.".to_owned(),
        ],
        lines: vec![
            Fact::new("Pro Plus, 23 of 30 days", "$37.57"),
            Fact::new("Unused Pro, 23 of 30 days", "\u{2212}$14.57"),
            Fact::new("Estimated tax", "$0.00"),
            Fact::total("Due today", "$23.00"),
        ],
        confirm: Action::post("Pay $23.00 and upgrade", banners::PLAN)
            .field("act", "change")
            .field("planId", "PRO_PLUS")
            .field("quote", "pq_01JD9Q")
            .primary()
            .block(),
        note: Prose::new("Charged to Visa ending 4242."),
    }
}
