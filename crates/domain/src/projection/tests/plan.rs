//! Plans, their changes and their end.

use super::*;

#[test]
fn case_w20_an_unknown_price_keeps_the_tier_and_is_a_finding() {
    let unknown = Subscription {
        price_id: Some("price_x".into()),
        ..subscription("active")
    };

    let wanted = run(&Snapshot {
        subscriptions: vec![unknown],
        ..Snapshot::default()
    });

    assert_eq!(
        wanted.subscriptions[0].facts.tier.as_deref(),
        Some("PRO_PLUS")
    );
    assert!(matches!(wanted.findings[0], Finding::UnknownPrice { .. }));
}

#[test]
fn a_scheduled_end_is_reported_once_for_each_request() {
    let ending = Subscription {
        cancel_at_period_end: true,
        canceled_at: Some(at("2026-11-20")),
        ..subscription("active")
    };

    let wanted = run(&Snapshot {
        subscriptions: vec![ending],
        ..Snapshot::default()
    });

    assert_eq!(
        wanted.subscriptions[0].facts.cancel_at,
        Some(at("2026-12-15"))
    );
    assert_eq!(
        wanted.mails[0].key,
        format!("plan-ending:sub_1:{}", at("2026-11-20").seconds())
    );
}

#[test]
fn an_ended_plan_is_one_row() {
    let ended = Subscription {
        ended_at: Some(now()),
        ..subscription("canceled")
    };

    let wanted = run(&Snapshot {
        subscriptions: vec![ended],
        ..Snapshot::default()
    });

    assert_eq!(wanted.transactions[0].natural_key, "cancel:sub_1");
    assert_eq!(
        wanted.transactions[0].kind,
        TransactionType::SubscriptionCancel
    );
}

#[test]
fn only_the_last_plan_to_end_is_reported() {
    let ended = |id: &str, at: Timestamp| Subscription {
        id: id.into(),
        ended_at: Some(at),
        ..subscription("canceled")
    };
    let reported = |subscriptions: Vec<Subscription>| {
        let wanted = run(&Snapshot {
            subscriptions,
            ..Snapshot::default()
        });
        let keys = wanted.mails.into_iter().map(|mail| mail.key);
        keys.filter(|key| key.starts_with("plan-ended"))
            .collect::<Vec<String>>()
    };
    let first = ended("sub_2", now().plus_days(-1));

    assert_eq!(reported(vec![first.clone()]), ["plan-ended:sub_2"]);
    let of_two = reported(vec![subscription("active"), first.clone()]);
    assert_eq!(of_two, Vec::<String>::new(), "another plan is live");
    let both = vec![ended("sub_1", now()), first.clone()];
    assert_eq!(reported(both), ["plan-ended:sub_1"]);
    let addons = Subscription {
        price_id: Some("price_seats".into()),
        ..subscription("active")
    };
    let besides = reported(vec![addons, first]);
    assert_eq!(besides, ["plan-ended:sub_2"], "add-ons are no plan");
}

fn schedule(ended_at: Option<&str>) -> Schedule {
    let phase = |price: &str, starts_at| Phase {
        starts_at: at(starts_at),
        price_id: Some(price.into()),
    };
    Schedule {
        id: "sub_sched_1".into(),
        subscription_id: Some("sub_1".into()),
        phases: vec![
            phase("price_plus", "2026-11-15"),
            phase("price_pro", "2026-12-15"),
        ],
        ended_at: ended_at.map(at),
        created_at: at("2026-11-20"),
    }
}

fn scheduled(ended_at: Option<&str>) -> Snapshot {
    Snapshot {
        subscriptions: vec![Subscription {
            price_id: Some("price_plus".into()),
            schedule_id: Some("sub_sched_1".into()),
            ..subscription("active")
        }],
        schedules: vec![schedule(ended_at)],
        ..Snapshot::default()
    }
}

#[test]
fn a_scheduled_downgrade_waits_happens_or_is_taken_back() {
    let wanted = run(&scheduled(None));
    let pending = wanted.subscriptions[0].pending.as_ref().unwrap();
    assert_eq!(pending.kind, PendingKind::Scheduled);
    assert_eq!(
        (pending.tier.as_str(), pending.at),
        ("PRO", at("2026-12-15"))
    );
    let row = &wanted.transactions[0];
    assert_eq!(row.natural_key, "downgrade:sub_sched_1");
    assert_eq!(row.kind, TransactionType::SubscriptionDowngrade);
    assert_eq!(row.status, TransactionStatus::Pending);
    assert_eq!(row.tier.as_deref(), Some("PRO"));

    let taken_back = run(&scheduled(Some("2026-11-21")));
    assert_eq!(taken_back.subscriptions[0].pending, None);
    assert_eq!(
        taken_back.transactions[0].status,
        TransactionStatus::Cancelled
    );

    let ran_out = run(&scheduled(Some("2027-01-15")));
    assert_eq!(ran_out.transactions[0].status, TransactionStatus::Completed);
    assert_eq!(ran_out.transactions[0].occurred_at, at("2026-12-15"));
}

#[test]
fn a_schedule_to_a_higher_plan_is_no_downgrade() {
    let mut snapshot = scheduled(None);
    snapshot.schedules[0].phases[1].price_id = Some("price_plus".into());

    assert!(run(&snapshot).transactions.is_empty());
}

#[test]
fn a_change_that_waits_for_its_payment_is_shown_with_its_end() {
    let snapshot = Snapshot {
        subscriptions: vec![Subscription {
            pending_update: Some(("price_plus".into(), at("2026-11-23"))),
            ..subscription("active")
        }],
        ..Snapshot::default()
    };

    let pending = run(&snapshot).subscriptions[0].pending.clone().unwrap();

    assert_eq!(pending.kind, PendingKind::Payment);
    assert_eq!(
        (pending.tier.as_str(), pending.at),
        ("PRO_PLUS", at("2026-11-23"))
    );
}

#[test]
fn a_trials_end_is_reported_three_days_before_and_only_then() {
    let trial = |end: &str| Snapshot {
        subscriptions: vec![Subscription {
            trial_end: Some(at(end)),
            ..subscription("trialing")
        }],
        ..Snapshot::default()
    };
    let key = format!("trial-ends:sub_1:{}", at("2026-11-25").seconds());

    assert_eq!(mail_keys(&trial("2026-11-25")), [key]);
    assert!(mail_keys(&trial("2026-11-26")).is_empty(), "too early");
    assert!(mail_keys(&trial("2026-11-22")).is_empty(), "too late");
    let mut canceled = trial("2026-11-25");
    canceled.subscriptions[0].cancel_at_period_end = true;
    let keys = mail_keys(&canceled);
    assert!(
        keys.iter().all(|key| key.starts_with("plan-ending")),
        "{keys:?}"
    );
}

#[test]
fn an_add_on_besides_a_plan_does_not_change_it_and_a_stray_item_is_a_finding() {
    let priced = |price: &str| Addon {
        price_id: price.into(),
        quantity: 2,
        price: None,
        interval: Some("month".into()),
    };
    let with = |addons: Vec<Addon>| Snapshot {
        subscriptions: vec![Subscription {
            addons,
            ..subscription("active")
        }],
        ..Snapshot::default()
    };

    let addon = run(&with(vec![priced("price_seats")]));
    let stray = run(&with(vec![priced("price_seats"), priced("price_x")]));

    assert!(addon.findings.is_empty(), "{:?}", addon.findings);
    assert_eq!(addon.subscriptions[0].facts.tier.as_deref(), Some("PRO"));
    let finding = Finding::StrayItem {
        subscription: "sub_1".into(),
        price: "price_x".into(),
    };
    assert_eq!(stray.findings, [finding]);
    assert_eq!(stray.subscriptions[0].facts, addon.subscriptions[0].facts);
}

#[test]
fn a_subscription_whose_plan_was_taken_out_keeps_its_add_ons_and_no_tier() {
    // The previous tier was the plan's, not the add-on's.
    let snapshot = Snapshot {
        subscriptions: vec![Subscription {
            price_id: Some("price_seats".into()),
            ..subscription("active")
        }],
        ..Snapshot::default()
    };

    let wanted = run(&snapshot);

    assert_eq!(wanted.subscriptions[0].facts.tier, None);
    assert!(wanted.findings.is_empty(), "{:?}", wanted.findings);
}

#[test]
fn add_ons_that_are_billed_separately_are_no_plan_and_no_duplicate() {
    let addons = Subscription {
        id: "sub_2".into(),
        price_id: Some("price_seats".into()),
        created_at: at("2026-11-16"),
        ..subscription("active")
    };
    let snapshot = Snapshot {
        subscriptions: vec![addons, subscription("active")],
        ..Snapshot::default()
    };

    let wanted = run(&snapshot);

    assert!(
        wanted.findings.is_empty() && wanted.undo.is_empty(),
        "{:?}",
        wanted.findings
    );
    let tiers: Vec<_> = wanted
        .subscriptions
        .iter()
        .map(|one| one.facts.tier.as_deref())
        .collect();
    assert_eq!(tiers, [None, Some("PRO")]);
}
