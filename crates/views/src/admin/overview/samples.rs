//! Samples of `overview`: empty, typical and worst.

use super::*;
use crate::components::{Banner, Kind};
use crate::layout::Nav;
use crate::samples;
use crate::samples::EVIL;
use crate::samples::NOW;
use domain::figures::{DAYS, Figures, Share};
use domain::money::Currency;
use domain::money::{Credits, MinorUnits};
use domain::time::Timestamp;

impl OverviewPage {
    /// A new installation, a typical one, the worst numbers.
    pub fn samples() -> Vec<(&'static str, Self)> {
        all()
    }
}

pub fn all() -> Vec<(&'static str, OverviewPage)> {
    let share = |part, whole| Share { part, whole };
    let none = Figures {
        at: Timestamp::from_micros(NOW),
        from: Timestamp::from_micros(NOW - DAYS * samples::DAY),
        events_from: Timestamp::from_micros(NOW - DAYS * samples::DAY),
        payments: share(0, 0),
        webhooks: share(0, 0),
        events_parked: 0,
        wallets: 0,
        balance: Credits::ZERO,
        churn: share(0, 0),
        paying: 0,
        revenue: MinorUnits::new(0, Currency::USD),
        arpu: None,
        mrr: MinorUnits::new(0, Currency::USD),
        subscriptions: 0,
        bought: (Credits::ZERO, Credits::ZERO),
    };
    let typical = Figures {
        payments: share(1_247, 1_283),
        webhooks: share(39_110, 39_112),
        events_parked: 2,
        wallets: 1_284,
        balance: Credits::new(731),
        churn: share(9, 391),
        paying: 384,
        revenue: MinorUnits::new(840_960, Currency::USD),
        arpu: Some(MinorUnits::new(2_190, Currency::USD)),
        mrr: MinorUnits::new(841_200, Currency::USD),
        subscriptions: 388,
        bought: (Credits::new(21_000), Credits::new(21_000)),
        ..none.clone()
    };
    let most = Figures {
        balance: Credits::from_micros(i64::MIN / 2),
        revenue: MinorUnits::new(i64::MIN / 2, Currency::USD),
        arpu: Some(MinorUnits::new(i64::MAX, Currency::USD)),
        mrr: MinorUnits::new(i64::MAX, Currency::USD),
        bought: (Credits::new(1), Credits::new(2)),
        ..typical.clone()
    };
    let shell = || samples::admin(Nav::AdminOverview);
    let mut owed = page(shell(), &typical, true);
    let what = ("A refund of $49.00", "Stripe refused the call", 3);
    let (since, at) = (samples::day(-1), ("/admin/accounts/acc_1", "int_1"));
    owed.banners
        .push(crate::admin::parts::unfinished(what, since, None, at));
    let mut worst = page(samples::worst(Nav::AdminOverview), &most, true);
    worst.banners.push(Banner::new(Kind::Bad, EVIL, EVIL));
    vec![
        ("new", page(shell(), &none, false)),
        ("typical", page(shell(), &typical, true)),
        ("owed", owed),
        ("worst", worst),
    ]
}
