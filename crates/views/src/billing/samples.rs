//! Samples of `billing`: empty, typical and worst.

use super::*;
use crate::banners;
use crate::chart::Chart;
use crate::chart::Day;
use crate::components::Kind;
use crate::components::{
    Action, Badge, Banner, Fact, Meter, Pager, Prose, Receipt, TransactionRow,
};
use crate::format;
use crate::icons::Icon;
use crate::labels;
use crate::layout::Nav;
use crate::samples;
use crate::samples::DAY;
use crate::samples::EVIL;
use crate::samples::LONG;
use crate::samples::NOW;
use crate::samples::day;

impl BillingPage {
    /// The page in each state an account can be in.
    pub fn samples() -> Vec<(&'static str, Self)> {
        all()
    }
}

/// The chart shared with the samples of the usage page.
pub fn sample_chart() -> Chart {
    chart()
}

const CREDIT: i64 = 1_000_000;

pub fn all() -> Vec<(&'static str, BillingPage)> {
    let mut all = vec![
        ("free", free()),
        ("active", active()),
        ("active-low", low()),
    ];
    all.extend(trials());
    all.extend(failed_payments());
    all.extend(changes());
    all.extend(endings());
    all.extend(credit_states());
    all.extend(payments());
    all.push(("worst", worst()));
    all
}

const CARD: &str = "Visa ending 4242";
const INVOICE: &str = "https://invoice.stripe.example/i/1";

/// The Pro plan in a state other than active.
fn pro(status: &str, text: impl Into<Prose>, banner: Banner) -> BillingPage {
    let mut page = active();
    page.plan.badge = labels::subscription_badge(status);
    page.plan.text = text.into();
    page.banners = vec![banner];
    page
}

/// Nothing will be charged, but a card is on file.
fn uncharged(mut page: BillingPage, why: &str) -> BillingPage {
    page.next = NextCharge {
        method: page.next.method,
        ..nothing_next(why)
    };
    page
}

/// A paid plan with the access of Free.
fn on_free(mut page: BillingPage) -> BillingPage {
    page.plan.price = String::new();
    page.credits.meter = free().credits.meter;
    page
}

fn trials() -> Vec<(&'static str, BillingPage)> {
    let ends = || {
        Prose::new("The trial ends on ")
            .time(day(7))
            .text("; you can cancel before then.")
    };
    let banner = banners::trial("Pro", day(7), "7 days", "$19.00 per month", CARD);
    let mut trialing = pro("trialing", ends(), banner);
    trialing.next.when = Some(day(7));
    let mut without_card = pro(
        "trialing",
        ends(),
        banners::trial_without_card("Pro", day(7)),
    );
    without_card.next.when = Some(day(7));
    without_card.next.method = None;
    let mut refused = free();
    refused.banners = vec![banners::trial_refused("Pro")];
    let mut owed = free();
    owed.banners = vec![
        banners::refund_owed("$49.00", true),
        banners::refund_owed("$3.20", false),
    ];
    vec![
        ("trialing", trialing),
        ("trialing-no-card", without_card),
        ("trial-refused", refused),
        ("refund-owed", owed),
    ]
}

fn failed_payments() -> Vec<(&'static str, BillingPage)> {
    let pay = || Some(INVOICE.to_owned());
    let broke = banners::past_due(
        "Pro",
        "$19.00",
        Some("not enough funds"),
        day(7),
        Some(day(2)),
        pay(),
    );
    let keeps = Prose::new("Pro keeps working until ")
        .time(day(7))
        .text(".");
    let until_paid = "You're on Free until the open invoice is paid.";
    let over = || banners::unpaid("Pro", "$19.00", pay());
    let first = |page| uncharged(page, "Pay the open invoice first.");
    let mut incomplete = free();
    incomplete.plan.badge = labels::subscription_badge("incomplete");
    incomplete.plan.text = "Pro starts when its first payment is confirmed.".into();
    vec![
        ("past-due", first(pro("past_due", keeps, broke))),
        (
            "grace-over",
            first(on_free(pro("past_due", until_paid, over()))),
        ),
        ("unpaid", first(on_free(pro("unpaid", until_paid, over())))),
        ("incomplete", incomplete),
    ]
}

fn changes() -> Vec<(&'static str, BillingPage)> {
    let renews = || active().plan.text;
    let declined = banners::change_declined("$23.00", Some("Your card was declined."), INVOICE);
    let confirm = banners::confirm_with_bank("$23.00", INVOICE);
    let mut expiring = pro("active", renews(), banners::card_expiring(CARD, false));
    if let Some(method) = &mut expiring.next.method {
        method.expires = "Expires soon, 12/2026".to_owned();
        method.expiring = true;
    }
    let banner = banners::downgrade_scheduled("Pro Plus", "Pro", day(23), "$19.00 per month");
    let text = Prose::new("Pro Plus until ")
        .time(day(23))
        .text(", then Pro.");
    let mut downgrade = pro("active", text, banner);
    downgrade.plan.name = "Pro Plus".to_owned();
    downgrade.plan.price = "$49.00 per month".to_owned();
    downgrade.next.lines = vec![
        Fact::new("Pro, from then on", "$19.00"),
        Fact::total("Total before tax", "$19.00"),
    ];
    vec![
        ("change-declined", pro("active", renews(), declined)),
        ("confirm", pro("active", renews(), confirm)),
        ("card-expiring", expiring),
        ("downgrade-scheduled", downgrade),
    ]
}

fn endings() -> Vec<(&'static str, BillingPage)> {
    let until = Prose::new("Pro until ").time(day(23)).text(", then Free.");
    let mut cancelling = pro(
        "active",
        until,
        banners::cancel_scheduled("Pro", day(23), 1_000_000_000),
    );
    cancelling.plan.badge = Badge::warn("Ends 15 Dec");
    cancelling.plan.actions.truncate(1);
    let cancelling = uncharged(cancelling, "No upcoming charge: the plan ends.");
    let goes_on = "You're on Free until the plan resumes.";
    let paused = on_free(pro("paused", goes_on, banners::paused("Pro", true)));
    let paused = uncharged(paused, "No charge while the plan is paused.");
    let mut ended = free();
    ended.plan.badge = labels::subscription_badge("canceled");
    ended.banners = vec![banners::ended("Pro", day(-7))];
    ended.usage = Some(chart());
    ended.history = active().history;
    ended.manage = active().manage;
    vec![
        ("cancel-scheduled", cancelling),
        ("paused", paused),
        ("ended", ended),
    ]
}

fn credit_states() -> Vec<(&'static str, BillingPage)> {
    let state = |badge: Option<Badge>, figure: &str, banners: Vec<Banner>| {
        let mut page = active();
        page.credits.badge = badge;
        page.credits.available = figure.to_owned();
        page.credits.worth = format!("worth {}", if figure == "0" { "$0.00" } else { "$5.22" });
        page.credits.note = String::new();
        page.banners = banners;
        page
    };
    let gone = || vec![banners::credits_gone()];
    let empty = || Some(Badge::bad("Empty"));
    let mut held = state(empty(), "0", gone());
    held.credits.note = "1,228 more are held for calls in progress.".to_owned();
    let owes = vec![banners::debt("400 credits")];
    let disputed = vec![banners::disputed("$49.00")];
    let stopped = vec![banners::collection_paused("Pro", false)];
    let mut suspended = state(None, "5,216", vec![banners::suspended()]).while_suspended(true);
    suspended.next.when = None;
    suspended.next.lines.clear();
    suspended.next.none =
        "No upcoming charge: payments are paused. Invoices are voided.".to_owned();
    let spent = vec![banners::plan_limit_reached("10,000", "Pro", day(23))];
    let mut limit = state(None, "5,216", spent);
    limit.credits.meter = Some(Meter::new(
        "Calls this period",
        "10,000 of 10,000",
        10_000,
        10_000,
    ));
    vec![
        ("empty", state(empty(), "0", gone())),
        ("held", held),
        ("debt", state(Some(Badge::bad("Debt")), "0", owes)),
        ("limit", limit),
        ("disputed", state(None, "100", disputed)),
        ("suspended", suspended),
        ("collection-paused", state(None, "100", stopped)),
    ]
}

/// Payments in progress, and those that can't be made now.
fn payments() -> Vec<(&'static str, BillingPage)> {
    let state = |banner| BillingPage {
        banners: vec![banner],
        ..active()
    };
    let brings = "5,000 credits are added";
    let pending = banners::payment_pending("$5.00", brings, "/dashboard/billing");
    let transfer = banners::bank_payment_on_its_way("$5.00", brings);
    let unreachable = banners::stripe_unreachable("/dashboard/billing");
    vec![
        ("pending", state(pending)),
        ("bank-transfer", state(transfer)),
        ("stripe-unreachable", state(unreachable)),
    ]
}

fn free() -> BillingPage {
    BillingPage {
        shell: samples::customer(Nav::Billing),
        lead: "Plan, credits and payments for Acme Robotics".to_owned(),
        banners: Vec::new(),
        plan: PlanPanel {
            name: "Free".to_owned(),
            price: "$0 per month".to_owned(),
            badge: labels::subscription_badge("none"),
            text: "1,000 calls and 100 credits each month.".into(),
            addons: Vec::new(),
            actions: vec![Action::link("Upgrade", "/dashboard/billing/upgrade").primary()],
        },
        credits: CreditsPanel {
            available: "100".to_owned(),
            worth: "worth $0.10".to_owned(),
            badge: None,
            meter: Some(Meter::new("Calls this period", "0 of 1,000", 0, 1_000)),
            note: "100 more arrive on 15 Dec 2026.".to_owned(),
            actions: vec![Action::link("Add credits", "/dashboard/billing/credits")],
        },
        next: nothing_next("No upcoming charge."),
        usage: None,
        history: History {
            rows: Vec::new(),
            pager: Pager::default(),
            csv: None,
        },
        manage: None,
    }
}

fn active() -> BillingPage {
    BillingPage {
        shell: samples::customer_in_test_mode(Nav::Billing),
        plan: PlanPanel {
            name: "Pro".to_owned(),
            price: "$19.00 per month".to_owned(),
            badge: labels::subscription_badge("active"),
            text: Prose::new("Renews on ")
                .time(day(23))
                .text(". You can cancel any time and keep Pro until then."),
            addons: vec!["3 × Extra seats, $15.00 per month".to_owned()],
            actions: vec![
                Action::link("Upgrade", "/dashboard/billing/upgrade").primary(),
                Action::link("Cancel plan", "/dashboard/billing/plan?act=cancel").quiet(),
            ],
        },
        credits: CreditsPanel {
            available: "5,216".to_owned(),
            worth: "worth $5.22".to_owned(),
            badge: None,
            meter: Some(Meter::new(
                "Calls this period",
                "7,988 of 10,000",
                7_988,
                10_000,
            )),
            note: "12 more are held for calls in progress. 412 of them expire on 15 Dec 2026."
                .to_owned(),
            actions: vec![
                Action::link("Add credits", "/dashboard/billing/credits"),
                Action::link("Usage", "/dashboard/usage").quiet(),
            ],
        },
        next: NextCharge {
            when: Some(day(23)),
            lines: vec![
                Fact::new("1 × Pro (at $19.00 / month)", "$19.00"),
                Fact::total("Total", "$19.00"),
            ],
            none: String::new(),
            note: String::new(),
            method: Some(PaymentMethod {
                name: "Visa ending 4242".to_owned(),
                expires: "Expires 08/2028".to_owned(),
                expiring: false,
            }),
        },
        usage: Some(chart()),
        history: History {
            rows: rows(),
            pager: Pager {
                summary: "6 of 14 payments".to_owned(),
                newest: None,
                older: Some("/dashboard/billing?after=txn_6".to_owned()),
            },
            csv: Some("/api/v1/transactions?format=csv".to_owned()),
        },
        manage: Some(banners::portal("Manage subscription").icon(Icon::External)),
        ..free()
    }
}

/// The Pro plan, with credits for three days.
fn low() -> BillingPage {
    let mut page = active();
    page.banners = vec![banners::credits_low("1,228 credits", Some("about 3 days"))];
    page.credits.available = "1,228".to_owned();
    page.credits.worth = "worth $1.23".to_owned();
    page.credits.badge = Some(Badge::warn("Low"));
    page
}

fn worst() -> BillingPage {
    let mut page = active();
    page.shell = samples::worst(Nav::Billing);
    page.lead = format!("{LONG} {EVIL}");
    page.banners = vec![
        Banner::new(Kind::Bad, EVIL, EVIL).with(Action::link(EVIL, "/\"><script>")),
        banners::debt("9,223,372,036,854.775807 credits"),
        banners::credits_low("1 credit", None),
    ];
    page.plan.name = EVIL.to_owned();
    page.plan.price = "KWD 92,233,720,368,547,758.070 per month".to_owned();
    page.credits.available = format::credits(i64::MAX);
    page.credits.worth = format!("worth {}", format::money(i64::MAX, "kwd", 3));
    page.credits.meter = Some(Meter::new(
        "Calls this period",
        format::count(u64::MAX),
        u64::MAX,
        u64::MAX,
    ));
    page.next.method = Some(PaymentMethod {
        name: EVIL.to_owned(),
        expires: "Expired 01/2020".to_owned(),
        expiring: true,
    });
    page.history.rows = (0..20).map(|_| worst_row()).collect();
    page
}

fn worst_row() -> TransactionRow {
    TransactionRow {
        when: format::day(i64::MAX),
        title: format!("{LONG} {EVIL}"),
        kind: EVIL.to_owned(),
        amount: format::money(i64::MIN, "kwd", 3),
        badge: Badge::bad(EVIL),
        receipt: Receipt::Link("https://x.example/\"><script>".to_owned()),
    }
}

fn nothing_next(why: &str) -> NextCharge {
    NextCharge {
        when: None,
        lines: Vec::new(),
        none: why.to_owned(),
        note: String::new(),
        method: None,
    }
}

pub fn chart() -> Chart {
    let series = ["Chat", "Embeddings", "OCR"].map(str::to_owned).to_vec();
    let days: Vec<Day> = (0..30)
        .map(|place| {
            let chat = (170 + place * 37 % 140) * CREDIT;
            let embeddings = (40 + place * 23 % 60) * CREDIT;
            Day {
                at: NOW - (29 - place) * DAY,
                spent: vec![chat, embeddings, place * 11 % 27 * CREDIT],
            }
        })
        .collect();
    Chart::new("use", "Credits used per day", series, &days)
}

fn rows() -> Vec<TransactionRow> {
    let row = |days, title: &str, kind: &str, cents, badge, receipt| TransactionRow {
        when: day(days),
        title: title.to_owned(),
        kind: kind.to_owned(),
        amount: format::money(cents, "usd", 2),
        badge,
        receipt,
    };
    let receipt = || Receipt::Link("https://invoice.stripe.example/i/1".to_owned());
    let paid = || Badge::ok("Paid");
    let refunded = || Badge::plain("Refunded");
    vec![
        row(
            0,
            "5,000 credits",
            "Credit top-up",
            500,
            Badge::info("Pending"),
            Receipt::None("After payment".to_owned()),
        ),
        row(
            -7,
            "Pro, 15 Nov to 15 Dec",
            "Subscription",
            1900,
            paid(),
            receipt(),
        ),
        row(
            -14,
            "10,000 credits",
            "Credit top-up",
            1000,
            paid(),
            receipt(),
        ),
        row(-19, "1,000 credits", "Refund", -100, refunded(), receipt()),
        row(
            -20,
            "1,000 credits",
            "Credit top-up",
            100,
            refunded(),
            receipt(),
        ),
        row(
            -38,
            "Pro, 15 Oct to 15 Nov",
            "Subscription",
            1900,
            Badge::ok("Failed, then paid"),
            receipt(),
        ),
    ]
}
