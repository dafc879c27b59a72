use super::*;
use crate::time::parse;

pub(super) fn at(text: &str) -> Timestamp {
    parse(text).unwrap()
}

fn now() -> Timestamp {
    at("2026-11-22T10:00:00Z")
}

pub(super) fn topup(payment_status: &str, status: &str) -> Session {
    Session {
        id: "cs_1".into(),
        intent: Some(Intent {
            id: "int_1".into(),
            user: Some(1),
            credits: Credits::new(5_000),
            bonus: Credits::ZERO,
            expires_after_days: None,
            price: MinorUnits::new(500, Currency::USD),
            tier: None,
        }),
        mode: "payment".into(),
        status: status.into(),
        payment_status: payment_status.into(),
        amount_total: Some(500),
        amount_tax: 0,
        currency: Some(Currency::USD),
        payment_intent: Some("pi_1".into()),
        payment_failed: false,
        subscription_id: None,
        invoice_id: None,
        is_automatic: false,
        created_at: now(),
    }
}

pub(super) fn charge(payment_intent: &str, amount: i64, refunded: i64) -> Charge {
    Charge {
        id: "ch_1".into(),
        payment_intent: Some(payment_intent.into()),
        amount,
        amount_refunded: refunded,
        currency: Currency::USD,
        receipt_url: None,
        failure: None,
        is_paid: true,
        refunds: vec![],
        dispute: None,
        created_at: now(),
    }
}

pub(super) fn invoice(id: &str, status: &str, reason: &str) -> Invoice {
    Invoice {
        id: id.into(),
        number: None,
        status: status.into(),
        billing_reason: reason.into(),
        subscription_id: Some("sub_1".into()),
        payment_intent: Some(format!("pi_{id}")),
        amount_due: 1_900,
        amount_paid: if status == "paid" { 1_900 } else { 0 },
        discount: 0,
        currency: Currency::USD,
        created_at: now(),
        paid_at: None,
        attempt_count: 1,
        next_payment_attempt: None,
        needs_confirmation: false,
        period: None,
        price_id: Some("price_pro".into()),
        hosted_url: None,
        pdf_url: None,
    }
}

pub(super) fn subscription(status: &str) -> Subscription {
    Subscription {
        id: "sub_1".into(),
        status: SubscriptionStatus::from_word(status),
        customer_id: Some("cus_1".into()),
        extras: Vec::new(),
        price_id: Some("price_pro".into()),
        price: Some(MinorUnits::new(1_900, Currency::USD)),
        interval: Some("month".into()),
        period_start: at("2026-11-15"),
        period_end: at("2026-12-15"),
        cancel_at_period_end: false,
        cancel_at: None,
        canceled_at: None,
        ended_at: None,
        trial_end: None,
        is_paused: false,
        schedule_id: None,
        pending_update: None,
        created_at: at("2026-11-15"),
    }
}

fn run(snapshot: &Snapshot) -> Wanted {
    let tier_of_price = HashMap::from([
        ("price_pro".to_owned(), "PRO".to_owned()),
        ("price_plus".to_owned(), "PRO_PLUS".to_owned()),
    ]);
    let rank_of_tier = HashMap::from([("PRO".to_owned(), 1), ("PRO_PLUS".to_owned(), 2)]);
    let tier_held = HashMap::from([("sub_1".to_owned(), "PRO_PLUS".to_owned())]);
    let addon_prices = HashSet::from(["price_seats".to_owned()]);
    let undone = HashSet::from(["sub_undone".to_owned()]);
    let known = Known {
        tier_of_price: &tier_of_price,
        tier_held: &tier_held,
        rank_of_tier: &rank_of_tier,
        grace_days: 7,
        gives_unpaid_credits: false,
        addon_prices: &addon_prices,
        undone: &undone,
    };
    project(snapshot, &known, now())
}

fn grants(wanted: &Wanted) -> Vec<&NewGrant> {
    let commands = wanted.commands.iter();
    let grants = commands.filter_map(|command| match command {
        Command::Grant(grant) => Some(grant),
        _ => None,
    });
    grants.collect()
}

#[test]
fn a_paid_session_grants_what_its_intent_sold() {
    let snapshot = Snapshot {
        sessions: vec![topup("paid", "complete")],
        ..Snapshot::default()
    };

    let wanted = run(&snapshot);

    assert_eq!(grants(&wanted)[0].amount, Credits::new(5_000));
    assert_eq!(grants(&wanted)[0].source_key, "topup:pi_1");
    assert_eq!(wanted.transactions[0].status, TransactionStatus::Completed);
    assert_eq!(wanted.transactions[0].description, "5,000 credits");
}

#[test]
fn case_w11_an_unpaid_session_grants_nothing() {
    for (payment, status, word) in [
        ("unpaid", "open", TransactionStatus::Pending),
        ("unpaid", "complete", TransactionStatus::Pending),
        ("unpaid", "expired", TransactionStatus::Cancelled),
        (
            "no_payment_required",
            "complete",
            TransactionStatus::Cancelled,
        ),
    ] {
        let snapshot = Snapshot {
            sessions: vec![topup(payment, status)],
            ..Snapshot::default()
        };
        let wanted = run(&snapshot);
        assert!(wanted.commands.is_empty());
        assert_eq!(wanted.transactions[0].status, word);
    }
}

#[test]
fn a_session_of_somebody_elses_is_left_alone() {
    let foreign = Session {
        intent: None,
        ..topup("paid", "complete")
    };

    let wanted = run(&Snapshot {
        sessions: vec![foreign],
        ..Snapshot::default()
    });

    assert_eq!(wanted, Wanted::default());
}

#[test]
fn a_refund_is_a_level_of_the_charge() {
    let refund = Refund {
        id: "re_1".into(),
        amount: 250,
        status: "succeeded".into(),
        created_at: now(),
    };
    let charge = Charge {
        refunds: vec![refund],
        ..charge("pi_1", 500, 250)
    };
    let sessions = vec![topup("paid", "complete")];

    let wanted = run(&Snapshot {
        sessions,
        charges: vec![charge],
        ..Snapshot::default()
    });

    let claw = Command::Claw {
        source_key: "topup:pi_1".into(),
        reversed_minor: 250,
    };
    assert!(wanted.commands.contains(&claw));
    let rows: Vec<_> = wanted
        .transactions
        .iter()
        .map(|row| (row.kind.word(), row.status.word()))
        .collect();
    assert_eq!(
        rows,
        [("CREDIT_TOPUP", "COMPLETED"), ("REFUND", "COMPLETED")]
    );
}

#[test]
fn a_lost_dispute_takes_all_and_an_open_one_freezes() {
    let with = |dispute: &str| {
        let charge = Charge {
            dispute: Some(dispute.into()),
            ..charge("pi_1", 500, 0)
        };
        let sessions = vec![topup("paid", "complete")];
        run(&Snapshot {
            sessions,
            charges: vec![charge],
            ..Snapshot::default()
        })
        .commands
    };
    let key = || "topup:pi_1".to_owned();
    let claw = |reversed_minor| Command::Claw {
        source_key: key(),
        reversed_minor,
    };
    let freeze = |frozen| Command::Freeze {
        source_key: key(),
        frozen,
    };

    assert_eq!(with("lost")[1..], [claw(500), freeze(false)]);
    assert_eq!(with("needs_response")[1..], [claw(0), freeze(true)]);
    assert_eq!(
        with("warning_needs_response")[1..],
        [claw(0), freeze(false)]
    );
}

#[test]
fn case_w15_a_paid_invoice_is_not_dunned() {
    let with = |status: &str, subscription_status: &str| {
        let snapshot = Snapshot {
            subscriptions: vec![subscription(subscription_status)],
            invoices: vec![invoice("in_1", status, "subscription_cycle")],
            ..Snapshot::default()
        };
        run(&snapshot)
            .mails
            .into_iter()
            .map(|mail| mail.key)
            .collect::<Vec<_>>()
    };

    assert_eq!(with("paid", "active"), ["receipt:in_1"]);
    assert_eq!(with("open", "past_due"), ["payment-failed:in_1"]);
}

#[test]
fn case_w16_one_payment_row_for_an_invoice_and_its_session() {
    let session = Session {
        mode: "subscription".into(),
        payment_intent: None,
        subscription_id: Some("sub_1".into()),
        invoice_id: Some("in_1".into()),
        ..topup("paid", "complete")
    };
    let snapshot = Snapshot {
        subscriptions: vec![subscription("active")],
        invoices: vec![invoice("in_1", "paid", "subscription_create")],
        sessions: vec![session],
        ..Snapshot::default()
    };

    let wanted = run(&snapshot);

    assert_eq!(wanted.transactions.len(), 1);
    assert_eq!(wanted.transactions[0].natural_key, "checkout:cs_1");
    assert_eq!(wanted.transactions[0].tier.as_deref(), Some("PRO"));
    assert!(!wanted.subscriptions[0].facts.awaits_payment);
}

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
fn a_scheduled_end_is_told_once_each_time_it_is_asked_for() {
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
fn a_schedule_upwards_is_no_downgrade() {
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
fn case_k12_only_what_was_paid_on_a_page_of_ours_is_undone() {
    let second = Subscription {
        id: "sub_2".into(),
        created_at: at("2026-11-16"),
        ..subscription("active")
    };
    let paid = Invoice {
        subscription_id: Some("sub_2".into()),
        ..invoice("in_2", "paid", "subscription_create")
    };
    let mut snapshot = Snapshot {
        subscriptions: vec![second, subscription("active")],
        invoices: vec![paid],
        ..Snapshot::default()
    };
    assert!(run(&snapshot).undo.is_empty(), "made at Stripe by hand");
    assert_eq!(run(&snapshot).findings.len(), 1);

    snapshot.sessions.push(Session {
        mode: "subscription".into(),
        subscription_id: Some("sub_2".into()),
        invoice_id: Some("in_2".into()),
        ..topup("paid", "complete")
    });

    let wanted = run(&snapshot);
    let undone = SecondPurchase {
        subscription: "sub_2".into(),
        payment_intent: Some("pi_in_2".into()),
        is_late: false,
    };
    assert_eq!(undone.object(), "sub_2");
    assert_eq!(wanted.undo, [undone]);
    assert_eq!(wanted.findings.len(), 1, "and it is shown");
}

#[test]
fn a_bonus_is_a_child_of_its_purchase_and_ends_with_it() {
    let mut session = topup("paid", "complete");
    let intent = session.intent.as_mut().unwrap();
    intent.bonus = Credits::new(500);
    intent.expires_after_days = Some(365);
    let snapshot = Snapshot {
        sessions: vec![session],
        ..Snapshot::default()
    };

    let wanted = run(&snapshot);

    let grants = grants(&wanted);
    assert_eq!(grants.len(), 2);
    assert_eq!(grants[1].kind, GrantKind::Bonus);
    assert_eq!(grants[1].parent.as_deref(), Some("topup:pi_1"));
    assert_eq!(grants[1].amount, Credits::new(500));
    assert_eq!(grants[0].expires_at, Some(now().plus_days(365)));
    assert_eq!(grants[1].expires_at, grants[0].expires_at);
}

#[test]
fn an_automatic_payment_grants_as_a_session_does_and_is_told_as_what_it_is() {
    let mut session = topup("paid", "complete");
    session.id = "pi_1".into();
    session.is_automatic = true;
    let snapshot = Snapshot {
        sessions: vec![session],
        charges: vec![charge("pi_1", 500, 0)],
        ..Snapshot::default()
    };

    let wanted = run(&snapshot);

    assert_eq!(grants(&wanted)[0].source_key, "topup:pi_1");
    assert_eq!(wanted.transactions[0].session, None);
    assert_eq!(wanted.transactions[0].natural_key, "topup:pi_1");
    assert!(matches!(
        wanted.mails[0].content,
        MailContent::AutoTopup { credits, .. } if credits == Credits::new(5_000)
    ));
}

fn mail_keys(snapshot: &Snapshot) -> Vec<String> {
    let mails = run(snapshot).mails;
    mails.into_iter().map(|mail| mail.key).collect()
}

#[test]
fn a_trials_end_is_told_three_days_before_and_only_then() {
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
    let mut cancelled = trial("2026-11-25");
    cancelled.subscriptions[0].cancel_at_period_end = true;
    let keys = mail_keys(&cancelled);
    assert!(
        keys.iter().all(|key| key.starts_with("plan-ending")),
        "{keys:?}"
    );
}

#[test]
fn a_renewal_that_the_bank_wants_confirmed_is_told_so_and_not_dunned_at_once() {
    let snapshot = Snapshot {
        subscriptions: vec![subscription("past_due")],
        invoices: vec![Invoice {
            needs_confirmation: true,
            ..invoice("in_1", "open", "subscription_cycle")
        }],
        ..Snapshot::default()
    };
    assert_eq!(mail_keys(&snapshot), ["confirm:in_1"]);

    let mut old = snapshot.clone();
    old.invoices[0].created_at = now().plus_days(-6);

    assert_eq!(mail_keys(&old), ["payment-ending-soon:in_1"]);
}

#[test]
fn an_upgrade_that_waits_for_the_bank_is_told_so_and_a_first_payment_is_not() {
    for (reason, keys) in [
        ("subscription_update", vec!["confirm:in_1"]),
        ("subscription_create", vec![]),
    ] {
        let snapshot = Snapshot {
            subscriptions: vec![subscription("active")],
            invoices: vec![Invoice {
                needs_confirmation: true,
                ..invoice("in_1", "open", reason)
            }],
            ..Snapshot::default()
        };
        assert_eq!(mail_keys(&snapshot), keys, "{reason}");
    }
}

#[test]
fn a_renewal_that_failed_and_was_paid_is_told_as_recovered() {
    let mut snapshot = Snapshot {
        subscriptions: vec![subscription("active")],
        invoices: vec![invoice("in_1", "paid", "subscription_cycle")],
        charges: vec![charge("pi_in_1", 1_900, 0)],
        ..Snapshot::default()
    };
    assert_eq!(mail_keys(&snapshot), ["receipt:in_1"]);

    snapshot.charges.push(Charge {
        is_paid: false,
        failure: Some("Your card has insufficient funds.".into()),
        ..charge("pi_in_1", 1_900, 0)
    });

    assert_eq!(mail_keys(&snapshot), ["recovered:in_1", "receipt:in_1"]);
}

#[test]
fn a_refund_is_told_once_it_went_through_with_the_credits_it_took() {
    let mut snapshot = Snapshot {
        sessions: vec![topup("paid", "complete")],
        charges: vec![charge("pi_1", 500, 250)],
        ..Snapshot::default()
    };
    snapshot.charges[0].refunds.push(Refund {
        id: "re_1".into(),
        amount: 250,
        status: "pending".into(),
        created_at: now(),
    });
    assert_eq!(mail_keys(&snapshot), ["receipt:cs_1"]);

    snapshot.charges[0].refunds[0].status = "succeeded".into();

    let mail = run(&snapshot).mails.pop().unwrap();
    let told = MailContent::Refunded {
        amount: MinorUnits::new(250, Currency::USD),
        credits: Credits::new(-2_500),
    };
    assert_eq!((mail.key.as_str(), mail.content), ("refunded:re_1", told));
}

#[test]
fn case_w17_a_free_a_prorated_and_a_hand_paid_invoice_are_recorded_and_grant_nothing() {
    let free = Invoice {
        amount_due: 0,
        amount_paid: 0,
        payment_intent: None,
        ..invoice("in_free", "paid", "subscription_create")
    };
    let by_hand = Invoice {
        payment_intent: None,
        ..invoice("in_hand", "paid", "subscription_cycle")
    };
    let snapshot = Snapshot {
        subscriptions: vec![subscription("trialing")],
        invoices: vec![
            free,
            invoice("in_up", "paid", "subscription_update"),
            by_hand,
        ],
        ..Snapshot::default()
    };

    let wanted = run(&snapshot);

    let rows: Vec<_> = wanted
        .transactions
        .iter()
        .map(|row| (row.kind, row.status, row.amount.amount))
        .collect();
    let completed = TransactionStatus::Completed;
    assert_eq!(
        rows,
        [
            (TransactionType::SubscriptionPayment, completed, 0),
            (TransactionType::SubscriptionUpgrade, completed, 1_900),
            (TransactionType::SubscriptionPayment, completed, 1_900),
        ]
    );
    assert!(wanted.commands.is_empty());
    let facts = &wanted.subscriptions[0].facts;
    assert_eq!(facts.status, SubscriptionStatus::Trialing);
    assert_eq!(mail_keys(&snapshot), ["receipt:in_up", "receipt:in_hand"]);
}

#[test]
fn case_k22_what_was_charged_is_recorded_in_its_currency_and_the_credits_are_those_sold() {
    let snapshot = Snapshot {
        sessions: vec![Session {
            amount_total: Some(460),
            currency: Currency::parse("eur"),
            ..topup("paid", "complete")
        }],
        ..Snapshot::default()
    };

    let wanted = run(&snapshot);

    let charged = MinorUnits::new(460, Currency::parse("eur").unwrap());
    assert_eq!(wanted.transactions[0].amount, charged);
    assert_eq!(grants(&wanted)[0].amount, Credits::new(5_000));
}

#[test]
fn case_k12_the_payment_that_comes_after_a_second_plan_was_undone_goes_back_once() {
    let mut snapshot = Snapshot {
        invoices: vec![Invoice {
            subscription_id: Some("sub_undone".into()),
            ..invoice("in_9", "open", "subscription_create")
        }],
        ..Snapshot::default()
    };
    assert!(run(&snapshot).undo.is_empty(), "nothing came yet");

    snapshot.invoices[0].status = "paid".into();
    snapshot.charges = vec![charge("pi_in_9", 1_900, 0)];
    let undone = run(&snapshot).undo;
    assert_eq!(undone.len(), 1);
    assert_eq!((undone[0].object(), undone[0].is_late), ("pi_in_9", true));

    snapshot.charges = vec![charge("pi_in_9", 1_900, 1_900)];
    assert!(run(&snapshot).undo.is_empty(), "it went back");
}

#[test]
fn an_add_on_beside_a_plan_changes_nothing_of_it_and_a_stray_item_is_a_finding() {
    let extra = |price: &str| Extra {
        price_id: price.into(),
        quantity: 2,
        price: None,
        interval: Some("month".into()),
    };
    let with = |extras: Vec<Extra>| Snapshot {
        subscriptions: vec![Subscription {
            extras,
            ..subscription("active")
        }],
        ..Snapshot::default()
    };

    let addon = run(&with(vec![extra("price_seats")]));
    let stray = run(&with(vec![extra("price_seats"), extra("price_x")]));

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
    // The tier that is held of it was the plan's, not the add-on's.
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
fn add_ons_that_are_billed_apart_are_no_plan_and_no_second_plan() {
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
