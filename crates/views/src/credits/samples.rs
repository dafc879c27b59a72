//! Samples of `credits`: empty, typical and worst.

use super::*;
use crate::banners;
use crate::components::{Badge, Choice, Prose};
use crate::format;
use crate::layout::Nav;
use crate::layout::Shell;
use crate::plans::PackCard;
use crate::samples;
use crate::samples::EVIL;
use crate::samples::LONG;
use crate::samples::day;

impl CreditsPage {
    /// The first purchase, a typical one, nothing for sale, a rejected choice, the worst names.
    pub fn samples() -> Vec<(&'static str, Self)> {
        all()
    }
}

/// The automatic top-up card of the samples.
pub fn sample_auto() -> AutoTopUp {
    auto()
}

/// The automatic top-up card with an invalid monthly cap.
pub fn sample_auto_refused() -> AutoTopUp {
    let detail = "Enter a monthly cap in US dollars, for example 50.00.".to_owned();
    AutoTopUp {
        badge: Badge::bad("Stopped"),
        reason: Some("It was turned off because the bank declined the card.".to_owned()),
        cap: "lots".to_owned(),
        error: Some(("cap".to_owned(), detail)),
        spent: "$5.00 of the cap used this month.".to_owned(),
        ..auto()
    }
}

pub fn all() -> Vec<(&'static str, CreditsPage)> {
    let mut first = page(samples::customer(Nav::Credits));
    first.grants.clear();
    first.order.lasts.clear();
    for pack in &mut first.packs {
        pack.lasts = None;
    }
    let mut closed = page(samples::customer(Nav::Credits));
    closed.packs.clear();
    closed.banners = vec![banners::stripe_unreachable("/dashboard/billing/credits")];
    let mut refused = page(samples::customer(Nav::Credits));
    refused.error = Some("Choose one of the packs.".to_owned());
    refused.auto = Some(AutoTopUp {
        cap: EVIL.to_owned(),
        ..sample_auto_refused()
    });
    let mut worst = page(samples::worst(Nav::Credits));
    worst.packs = vec![evil_pack(); 12];
    worst.grants = vec![evil_grant(); 50];
    vec![
        ("first", first),
        (
            "typical",
            page(samples::customer_in_test_mode(Nav::Credits)),
        ),
        ("nothing-for-sale", closed),
        ("refused", refused),
        ("worst", worst),
    ]
}

fn page(shell: Shell) -> CreditsPage {
    let pack = |amount: &str, credits: &str, price: &str, after: &str, days: &str| PackCard {
        amount: amount.to_owned(),
        credits: credits.to_owned(),
        price: price.to_owned(),
        unit_price: "$0.001 per credit".to_owned(),
        lasts: Some(format!("about {days} days")),
        balance_after: after.to_owned(),
        selected: amount == "5000",
    };
    CreditsPage {
        shell,
        lead: "1 credit pays for 1 standard API call. Purchased credits never expire.".to_owned(),
        banners: Vec::new(),
        attempt: "att_01JD9QK6".to_owned(),
        packs: vec![
            pack("500", "500", "$0.50", "1,728", "5"),
            pack("1000", "1,000", "$1.00", "2,228", "6"),
            pack("5000", "5,000", "$5.00", "6,228", "18"),
            pack("10000", "10,000", "$10.00", "11,228", "32"),
        ],
        packs_note: "Days are estimated from your last 7 days (346 credits per day).".to_owned(),
        error: None,
        order: Order {
            credits: "5,000 credits".to_owned(),
            price: "$5.00".to_owned(),
            balance_after: "6,228".to_owned(),
            lasts: "about 18 days".to_owned(),
        },
        auto: Some(auto()),
        grants: vec![
            grant(
                "Pro plan, November",
                -7,
                "0",
                "1,000",
                Prose::default().time(day(23)),
            ),
            grant("Top-up, 10,000", -14, "1,240", "10,000", "Never".into()),
        ],
    }
}

pub fn auto() -> AutoTopUp {
    AutoTopUp {
        badge: Badge::plain("Off"),
        is_on: false,
        reason: None,
        spent: String::new(),
        error: None,
        thresholds: Choice::list(&[("500", "500 credits"), ("1000", "1,000 credits")], "1000"),
        packs: Choice::list(
            &[("5000", "5,000 for $5.00"), ("10000", "10,000 for $10.00")],
            "",
        ),
        cap: "50.00".to_owned(),
        currency: "USD".to_owned(),
    }
}

fn grant(source: &str, days: i64, left: &str, of: &str, expires: Prose) -> GrantRow {
    GrantRow {
        source: source.to_owned(),
        added: day(days),
        left: left.to_owned(),
        of: of.to_owned(),
        expires,
    }
}

fn evil_pack() -> PackCard {
    PackCard {
        amount: "\"><script>".to_owned(),
        credits: format::credits(i64::MAX),
        price: format::money(i64::MAX, "kwd", 3),
        unit_price: EVIL.to_owned(),
        lasts: Some(EVIL.to_owned()),
        balance_after: format::credits(i64::MAX),
        selected: false,
    }
}

fn evil_grant() -> GrantRow {
    let source = format!("{LONG} {EVIL}");
    grant(
        &source,
        0,
        &format::credits(i64::MIN),
        &format::credits(i64::MAX),
        EVIL.into(),
    )
}
