//! `/dashboard/billing/credits`: buying credits.

use askama::Template;
use askama::filters::HtmlSafe;

use crate::components::{Badge, Banner, Choice, Prose};
use crate::format::When;
use crate::icons::Icon;
use crate::layout::Shell;
use crate::plans::PackCard;

/// The page on which credits are bought.
#[derive(Clone, Debug, Template)]
#[template(path = "credits.html")]
pub struct CreditsPage {
    /// The frame.
    pub shell: Shell,
    /// "1 credit pays for 1 standard API call ($0.001). ..."
    pub lead: String,
    /// What needs attention: low credits, a debt, Stripe silent.
    pub banners: Vec<Banner>,
    /// Names this attempt, so that a double click opens one checkout.
    pub attempt: String,
    /// The packs; empty says that nothing is sold.
    pub packs: Vec<PackCard>,
    /// How the days are estimated.
    pub packs_note: String,
    /// Why the last choice was refused.
    pub error: Option<String>,
    /// The order, as chosen at first.
    pub order: Order,
    /// Buys by itself when credits are low; none hides it.
    pub auto: Option<AutoTopUp>,
    /// The grants with something left, in the order in which they are spent.
    pub grants: Vec<GrantRow>,
}

/// The chosen pack in the order summary.
#[derive(Clone, Debug, Default)]
pub struct Order {
    /// "5,000 credits"
    pub credits: String,
    /// "$5.00"
    pub price: String,
    /// "6,228"
    pub balance_after: String,
    /// "about 18 days"; empty when there is too little usage to tell.
    pub lasts: String,
}

/// The setting that buys a pack by itself: a card of its own, here and on the settings page.
#[derive(Clone, Debug, Template)]
#[template(path = "components/auto_top_up.html")]
pub struct AutoTopUp {
    /// "On", "Off", "Stopped".
    pub badge: Badge,
    /// On now; the button then turns it off.
    pub is_on: bool,
    /// Why it stopped, or what it lacks.
    pub reason: Option<String>,
    /// When below.
    pub thresholds: Vec<Choice>,
    /// Buy.
    pub packs: Vec<Choice>,
    /// At most per month, as typed: "50.00".
    pub cap: String,
    /// The sign before it: "USD".
    pub currency: String,
    /// What it spent this month; empty for nothing.
    pub spent: String,
    /// What is wrong with what was typed.
    pub cap_error: Option<String>,
    /// The field that is wrong, and why.
    pub error: Option<(String, String)>,
}

impl HtmlSafe for AutoTopUp {}

/// One grant.
#[derive(Clone, Debug)]
pub struct GrantRow {
    /// "Top-up, 10,000"
    pub source: String,
    /// When it was added.
    pub added: When,
    /// What is left: "1,240".
    pub left: String,
    /// What it had: "10,000".
    pub of: String,
    /// "Never" or the day.
    pub expires: Prose,
}

impl CreditsPage {
    /// The first purchase, a typical one, nothing for sale, a refused choice, the worst names.
    pub fn samples() -> Vec<(&'static str, Self)> {
        samples::all()
    }
}

/// The card of the samples.
pub fn sample_auto() -> AutoTopUp {
    samples::auto()
}

/// The card that stopped, with a cap that cannot be read.
pub fn sample_auto_refused() -> AutoTopUp {
    let detail = "Enter a monthly cap in US dollars, for example 50.00.".to_owned();
    AutoTopUp {
        badge: Badge::bad("Stopped"),
        reason: Some("It was turned off because the bank declined the card.".to_owned()),
        cap: "lots".to_owned(),
        cap_error: Some(detail.clone()),
        error: Some(("cap".to_owned(), detail)),
        spent: "$5.00 of the cap used this month.".to_owned(),
        ..samples::auto()
    }
}

mod samples {
    use super::*;
    use crate::format;
    use crate::layout::Nav;
    use crate::samples;
    use crate::samples::EVIL;
    use crate::samples::LONG;
    use crate::samples::day;
    use crate::words;

    pub fn all() -> Vec<(&'static str, CreditsPage)> {
        let mut first = page(samples::customer(Nav::Credits));
        first.grants.clear();
        first.order.lasts.clear();
        for pack in &mut first.packs {
            pack.lasts = None;
        }
        let mut closed = page(samples::customer(Nav::Credits));
        closed.packs.clear();
        closed.banners = vec![words::stripe_unreachable("/dashboard/billing/credits")];
        let mut refused = page(samples::customer(Nav::Credits));
        refused.error = Some("Choose one of the packs.".to_owned());
        refused.auto = Some(AutoTopUp {
            cap_error: Some("Enter a monthly cap in US dollars, for example 50.00.".to_owned()),
            cap: EVIL.to_owned(),
            ..auto()
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
            lead: "1 credit pays for 1 standard API call. Purchased credits never expire."
                .to_owned(),
            banners: Vec::new(),
            attempt: "att_01JD9QK6".to_owned(),
            packs: vec![
                pack("500", "500", "$0.50", "1,728", "5"),
                pack("1000", "1,000", "$1.00", "2,228", "6"),
                pack("5000", "5,000", "$5.00", "6,228", "18"),
                pack("10000", "10,000", "$10.00", "11,228", "32"),
            ],
            packs_note: "Days are estimated from your last 7 days (346 credits per day)."
                .to_owned(),
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
            cap_error: None,
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
}
