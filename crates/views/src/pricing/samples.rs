//! Samples of `pricing`: empty, typical and worst.

use super::*;
use crate::components::Action;
use crate::components::Badge;
use crate::components::Tab;
use crate::layout::Nav;
use crate::layout::Shell;
use crate::plans::CompareRow;
use crate::plans::Mark;
use crate::plans::{Comparison, PlanCard};
use crate::samples;
use crate::samples::EVIL;
use crate::samples::LONG;

impl PricingPage {
    /// No user, a customer on Pro, no packs, and the worst names.
    pub fn samples() -> Vec<(&'static str, Self)> {
        all()
    }
}

pub fn all() -> Vec<(&'static str, PricingPage)> {
    let public = page(samples::public(), None);
    let mine = page(samples::customer(Nav::Pricing), Some("PRO"));
    let mut bare = page(Shell::public("LocalBoxs"), None);
    bare.packs.clear();
    bare.intervals.clear();
    bare.compare = Comparison::default();
    bare.plans.truncate(1);
    let mut worst = page(samples::worst(Nav::Pricing), Some("FREE"));
    for plan in &mut worst.plans {
        plan.name = format!("{LONG} {EVIL} {}", plan.id);
        plan.tagline = EVIL.repeat(3);
        plan.ticks = vec![EVIL.to_owned(); 8];
        plan.price = "KWD 92,233,720,368,547,758.070".to_owned();
    }
    let mut yearly = page(samples::public(), None);
    yearly.intervals = intervals("/pricing", true);
    for (plan, price) in yearly.plans.iter_mut().skip(1).zip(["$190", "$490"]) {
        plan.price = price.to_owned();
        plan.per = "per year".to_owned();
        plan.tagline = "2 months free".to_owned();
    }
    vec![
        ("public", public),
        ("yearly", yearly),
        ("signed-in", mine),
        ("bare", bare),
        ("worst", worst),
    ]
}

fn page(shell: Shell, current: Option<&str>) -> PricingPage {
    let pack = |credits: &str, price: &str| PackLine {
        credits: credits.to_owned(),
        price: price.to_owned(),
        unit_price: "$0.001".to_owned(),
    };
    PricingPage {
        shell,
        lead: "Plans set your limits and credits pay for calls. Start free and change any time."
            .to_owned(),
        intervals: intervals("/pricing", false),
        plans: plans(current, "/login?next=/dashboard/billing/upgrade"),
        packs: vec![
            pack("500 credits", "$0.50"),
            pack("1,000 credits", "$1.00"),
            pack("5,000 credits", "$5.00"),
            pack("10,000 credits", "$10.00"),
        ],
        packs_note: "One standard API call costs 1 credit. Purchased credits never expire."
            .to_owned(),
        compare: compare(current),
        note: "Prices in US dollars, tax added where it applies.".to_owned(),
    }
}

/// The choice of how often plans are paid.
pub fn intervals(path: &str, is_yearly: bool) -> Vec<Tab> {
    let tab = |label: &str, word: &str, current: bool| Tab {
        label: label.to_owned(),
        count: None,
        href: format!("{path}?interval={word}"),
        current,
    };
    vec![
        tab("Monthly", "month", !is_yearly),
        tab("Yearly", "year", is_yearly),
    ]
}

/// The four plans as seen by a reader on `current`.
pub fn plans(current: Option<&str>, choose: &str) -> Vec<PlanCard> {
    let data = [
        (
            "FREE",
            "Free",
            "$0",
            "Try the API on a small project.",
            "1,000",
            "100",
        ),
        (
            "PRO",
            "Pro",
            "$19",
            "For one product in production.",
            "10,000",
            "1,000",
        ),
        (
            "PRO_PLUS",
            "Pro Plus",
            "$49",
            "For busy teams with higher limits.",
            "50,000",
            "6,000",
        ),
    ];
    let card =
        |(id, name, price, tagline, calls, credits): (&str, &str, &str, &str, &str, &str)| {
            let here = current == Some(id);
            let pick = id == "PRO_PLUS" && current.is_some();
            PlanCard {
                id: id.to_owned(),
                name: name.to_owned(),
                price: price.to_owned(),
                per: "per month".to_owned(),
                tagline: tagline.to_owned(),
                ticks: vec![
                    format!("{calls} calls per month"),
                    format!("{credits} credits each month"),
                ],
                badge: match (here, pick) {
                    (true, _) => Some(Badge::accent("Current")),
                    (_, true) => Some(Badge::accent("Suggested")),
                    _ => None,
                },
                mark: match (here, pick) {
                    (true, _) => Mark::Current,
                    (_, true) => Mark::Pick,
                    _ => Mark::None,
                },
                action: if here {
                    Action::off("Your current plan").block()
                } else {
                    Action::link(format!("Choose {name}"), choose).block()
                },
            }
        };
    let mut plans: Vec<PlanCard> = data.into_iter().map(card).collect();
    plans.push(PlanCard {
        id: "ENTERPRISE".to_owned(),
        name: "Enterprise".to_owned(),
        price: "Custom".to_owned(),
        per: "yearly contract".to_owned(),
        tagline: "Custom limits, invoicing and support.".to_owned(),
        ticks: vec!["Custom limits".to_owned(), "Pay by invoice".to_owned()],
        badge: None,
        mark: Mark::None,
        action: Action::link("Contact us", "mailto:sales@localboxs.example").block(),
    });
    plans
}

pub fn compare(current: Option<&str>) -> Comparison {
    let plan = |id: &str, name: &str| (name.to_owned(), current == Some(id));
    Comparison {
        plans: vec![
            plan("FREE", "Free"),
            plan("PRO", "Pro"),
            plan("PRO_PLUS", "Pro Plus"),
            plan("ENTERPRISE", "Enterprise"),
        ],
        rows: vec![
            row("Calls per month", &["1,000", "10,000", "50,000", "Custom"]),
            row("Credits each month", &["100", "1,000", "6,000", "Custom"]),
            row(
                "Price of one extra credit",
                &["", "$0.001", "$0.001", "Custom"],
            ),
        ],
    }
}

/// An empty text means that the plan doesn't include the feature.
fn row(feature: &str, cells: &[&str]) -> CompareRow {
    let cell = |text: &&str| Some((*text).to_owned()).filter(|text| !text.is_empty());
    CompareRow {
        feature: feature.to_owned(),
        cells: cells.iter().map(cell).collect(),
    }
}
