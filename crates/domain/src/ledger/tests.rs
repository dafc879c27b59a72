//! The ledger's rules, by example and by property.

use proptest::prelude::*;

use super::*;

fn now() -> Timestamp {
    Timestamp::from_seconds(1_800_000_000)
}

fn terms() -> Terms {
    Terms {
        period_start: now(),
        calls_limit: None,
        status: WalletStatus::Active,
    }
}

fn credits(whole: i64) -> Credits {
    Credits::new(whole)
}

fn run(ledger: &mut Ledger, command: Command) -> Result<Outcome, Refusal> {
    ledger.apply(&Request::internal(command), now())
}

fn keyed(command: Command, key: &str, hash: u8) -> Request {
    let key = IdempotencyKey {
        key: key.into(),
        request_hash: [hash; 32],
    };
    Request {
        command,
        key: Some(key),
        context: Context::default(),
    }
}

fn purchase(source: &str, amount: i64, paid_minor: i64) -> NewGrant {
    let paid = MinorUnits::new(paid_minor, crate::money::Currency::USD);
    NewGrant {
        paid: Some(paid),
        ..NewGrant::new(GrantKind::Purchase, source, credits(amount))
    }
}

fn ledger_with(amount: i64) -> Ledger {
    let mut ledger = Ledger::new(7, terms());
    run(
        &mut ledger,
        Command::Grant(purchase("topup:pi_1", amount, amount)),
    )
    .unwrap();
    ledger
}

fn authorize(ledger: &mut Ledger, hold: &str, amount: i64) -> Result<Outcome, Refusal> {
    let amount = credits(amount);
    run(
        ledger,
        Command::Authorize {
            hold: hold.into(),
            amount,
            ttl_seconds: 120,
        },
    )
}

fn capture(ledger: &mut Ledger, hold: &str, amount: i64) -> Result<Outcome, Refusal> {
    run(
        ledger,
        Command::Capture {
            hold: hold.into(),
            amount: Some(credits(amount)),
        },
    )
}

fn debit(ledger: &mut Ledger, amount: i64) -> Result<Outcome, Refusal> {
    run(
        ledger,
        Command::Debit {
            amount: credits(amount),
        },
    )
}

fn settlement(outcome: &Outcome) -> (i64, i64, i64) {
    match &outcome.entry.as_ref().unwrap().body {
        Body::Settlement {
            captured,
            released,
            uncollected,
            ..
        } => (captured.floor(), released.floor(), uncollected.floor()),
        other => panic!("not a settlement: {other:?}"),
    }
}

#[test]
fn a_hold_larger_than_what_is_available_is_refused_and_changes_nothing() {
    let mut ledger = ledger_with(100);
    authorize(&mut ledger, "a", 70).unwrap();
    let before = ledger.wallet.clone();

    let refusal = authorize(&mut ledger, "b", 31).unwrap_err();

    assert_eq!(
        refusal,
        Refusal::InsufficientCredits {
            needed: credits(31),
            available: credits(30)
        }
    );
    assert_eq!(ledger.wallet, before);
}

#[test]
fn case_c2_the_last_credit_may_be_spent() {
    let mut ledger = ledger_with(10);

    debit(&mut ledger, 10).unwrap();

    assert_eq!(ledger.wallet.posted, Credits::ZERO);
    assert!(debit(&mut ledger, 1).is_err());
}

#[test]
fn a_capture_below_the_hold_gives_the_rest_back_at_once() {
    let mut ledger = ledger_with(100);
    authorize(&mut ledger, "a", 70).unwrap();

    let outcome = capture(&mut ledger, "a", 20).unwrap();

    assert_eq!(settlement(&outcome), (20, 50, 0));
    assert_eq!(ledger.available(now()), credits(80));
    assert_eq!(ledger.wallet.held, Credits::ZERO);
}

#[test]
fn case_c6_a_capture_above_the_hold_takes_what_is_available_and_records_the_rest() {
    let mut ledger = ledger_with(100);
    authorize(&mut ledger, "a", 70).unwrap();

    let outcome = capture(&mut ledger, "a", 130).unwrap();

    assert_eq!(settlement(&outcome), (100, 0, 30));
    assert_eq!(ledger.wallet.posted, Credits::ZERO);
}

#[test]
fn case_c6_a_hold_is_settled_once() {
    let mut ledger = ledger_with(100);
    authorize(&mut ledger, "a", 70).unwrap();
    capture(&mut ledger, "a", 70).unwrap();

    let state = HoldState::Captured;
    assert_eq!(
        capture(&mut ledger, "a", 70),
        Err(Refusal::HoldSettled { state })
    );
    let release = run(&mut ledger, Command::Release { hold: "a".into() });
    assert_eq!(release, Err(Refusal::HoldSettled { state }));
    assert_eq!(ledger.wallet.posted, credits(30));
}

#[test]
fn a_capture_of_nothing_is_a_release() {
    let mut ledger = ledger_with(100);
    authorize(&mut ledger, "a", 70).unwrap();

    capture(&mut ledger, "a", 0).unwrap();

    assert_eq!(ledger.holds["a"].state, HoldState::Released);
    assert_eq!(ledger.available(now()), credits(100));
    assert_eq!(ledger.calls_this_period(), 0);
}

#[test]
fn case_c6_an_expired_hold_can_be_captured_late_once_from_what_is_available() {
    let mut ledger = ledger_with(100);
    authorize(&mut ledger, "a", 70).unwrap();
    let later = now().plus_seconds(121);
    ledger.settle(&[], later);
    assert_eq!(ledger.available(later), credits(100));
    ledger
        .apply(
            &Request::internal(Command::Debit {
                amount: credits(60),
            }),
            later,
        )
        .unwrap();
    let late = Request::internal(Command::Capture {
        hold: "a".into(),
        amount: None,
    });

    let outcome = ledger.apply(&late, later).unwrap();

    assert_eq!(settlement(&outcome), (40, 0, 30));
    let state = HoldState::Captured;
    assert_eq!(
        ledger.apply(&late, later),
        Err(Refusal::HoldSettled { state })
    );
}

#[test]
fn a_late_capture_ends_a_day_after_the_hold() {
    let mut ledger = ledger_with(100);
    authorize(&mut ledger, "a", 70).unwrap();
    let too_late = now().plus_seconds(120 + LATE_CAPTURE_SECONDS);
    ledger.settle(&[], too_late);

    let late = Request::internal(Command::Capture {
        hold: "a".into(),
        amount: None,
    });

    let state = HoldState::Expired;
    assert_eq!(
        ledger.apply(&late, too_late),
        Err(Refusal::HoldSettled { state })
    );
}

#[test]
fn case_c4_a_replay_answers_as_first_answered_and_another_request_under_the_key_is_refused() {
    let mut ledger = ledger_with(100);
    let request = keyed(
        Command::Debit {
            amount: credits(10),
        },
        "k",
        1,
    );
    let first = ledger.apply(&request, now()).unwrap();
    debit(&mut ledger, 5).unwrap();

    let again = ledger.apply(&request, now()).unwrap();

    assert!(again.replayed);
    assert_eq!(again.entry, first.entry);
    assert_eq!(again.available, credits(90));
    assert_eq!(ledger.wallet.posted, credits(85));
    let other = keyed(
        Command::Debit {
            amount: credits(11),
        },
        "k",
        2,
    );
    assert_eq!(ledger.apply(&other, now()), Err(Refusal::KeyReused));
}

#[test]
fn case_c5_a_refusal_is_not_remembered_under_its_key() {
    let mut ledger = ledger_with(5);
    let request = keyed(
        Command::Debit {
            amount: credits(10),
        },
        "k",
        1,
    );
    ledger.apply(&request, now()).unwrap_err();
    run(&mut ledger, Command::Grant(purchase("topup:pi_2", 10, 10))).unwrap();

    assert!(!ledger.apply(&request, now()).unwrap().replayed);
}

#[test]
fn free_and_dying_credits_are_spent_before_bought_ones() {
    let mut ledger = ledger_with(100);
    let expires_at = Some(now().plus_days(30));
    let allowance = NewGrant {
        expires_at,
        ..NewGrant::new(GrantKind::Allowance, "a:1", credits(10))
    };
    let promo = NewGrant::new(GrantKind::Promo, "p:1", credits(10));
    run(&mut ledger, Command::Grant(promo)).unwrap();
    run(&mut ledger, Command::Grant(allowance)).unwrap();

    debit(&mut ledger, 15).unwrap();

    let used = |source: &str| ledger.lot_by_source(source).unwrap().used.floor();
    assert_eq!((used("a:1"), used("p:1"), used("topup:pi_1")), (10, 5, 0));
}

#[test]
fn one_grant_per_source_key() {
    let mut ledger = ledger_with(100);

    let again = run(
        &mut ledger,
        Command::Grant(purchase("topup:pi_1", 100, 100)),
    )
    .unwrap();

    assert_eq!(again.entry, None);
    assert_eq!(ledger.wallet.posted, credits(100));
}

#[test]
fn credits_end_at_their_moment_even_when_a_hold_had_pinned_them() {
    let mut ledger = Ledger::new(1, terms());
    let expires_at = Some(now().plus_seconds(60));
    let lot = NewGrant {
        expires_at,
        ..NewGrant::new(GrantKind::Promo, "p", credits(10))
    };
    run(&mut ledger, Command::Grant(lot)).unwrap();
    authorize(&mut ledger, "a", 4).unwrap();
    let later = now().plus_seconds(60);
    ledger.settle(&[], later);
    assert_eq!(ledger.lots[&1].expired, credits(6));

    ledger
        .apply(
            &Request::internal(Command::Release { hold: "a".into() }),
            later,
        )
        .unwrap();

    assert_eq!(ledger.lots[&1].expired, credits(10));
    assert_eq!(ledger.wallet.posted, Credits::ZERO);
}

#[test]
fn the_plans_calls_bound_a_period() {
    let mut ledger = ledger_with(100);
    ledger.terms.calls_limit = Some(2);
    debit(&mut ledger, 1).unwrap();
    debit(&mut ledger, 1).unwrap();

    let (needed, available) = (credits(1), credits(98));
    assert_eq!(
        debit(&mut ledger, 1),
        Err(Refusal::PlanLimit {
            limit: 2,
            needed,
            available
        })
    );

    ledger.terms.period_start = now().plus_days(30);
    assert!(debit(&mut ledger, 1).is_ok());
}

#[test]
fn holds_of_a_period_that_came_back_never_make_the_count_negative() {
    let mut ledger = ledger_with(100);
    let first = ledger.terms.period_start;
    authorize(&mut ledger, "a", 1).unwrap();
    authorize(&mut ledger, "b", 1).unwrap();
    ledger.terms.period_start = first.plus_days(1);
    debit(&mut ledger, 1).unwrap();
    ledger.terms.period_start = first;
    debit(&mut ledger, 1).unwrap();

    for hold in ["a", "b"] {
        run(&mut ledger, Command::Release { hold: hold.into() }).unwrap();
    }

    assert_eq!(ledger.calls_this_period(), 0);
}

#[test]
fn case_c10_a_refund_takes_unspent_credits_and_the_rest_is_debt() {
    let mut ledger = ledger_with(1_000);
    debit(&mut ledger, 700).unwrap();
    let claw = |minor| Command::Claw {
        source_key: "topup:pi_1".into(),
        reversed_minor: minor,
    };

    run(&mut ledger, claw(500)).unwrap();
    run(&mut ledger, claw(500)).unwrap();

    assert_eq!(ledger.wallet.posted, Credits::ZERO);
    assert_eq!(ledger.wallet.debt, credits(200));
    let refusal = Refusal::Debt {
        debt: credits(200),
        needed: credits(1),
    };
    assert_eq!(debit(&mut ledger, 1), Err(refusal));
}

#[test]
fn the_next_credits_settle_debt_first() {
    let mut ledger = ledger_with(1_000);
    debit(&mut ledger, 700).unwrap();
    run(
        &mut ledger,
        Command::Claw {
            source_key: "topup:pi_1".into(),
            reversed_minor: 500,
        },
    )
    .unwrap();

    run(
        &mut ledger,
        Command::Grant(purchase("topup:pi_2", 500, 500)),
    )
    .unwrap();

    assert_eq!(
        (ledger.wallet.debt, ledger.wallet.posted),
        (Credits::ZERO, credits(300))
    );
}

#[test]
fn case_c11_a_won_dispute_gives_back_what_was_taken() {
    let mut ledger = ledger_with(1_000);
    debit(&mut ledger, 700).unwrap();
    let claw = |minor| Command::Claw {
        source_key: "topup:pi_1".into(),
        reversed_minor: minor,
    };
    run(&mut ledger, claw(1_000)).unwrap();
    run(
        &mut ledger,
        Command::Grant(purchase("topup:pi_2", 500, 500)),
    )
    .unwrap();
    assert_eq!(
        (ledger.wallet.debt, ledger.wallet.posted),
        (credits(200), Credits::ZERO)
    );

    run(&mut ledger, claw(0)).unwrap();

    assert_eq!(ledger.wallet.debt, Credits::ZERO);
    assert_eq!(ledger.wallet.posted, credits(800));
}

#[test]
fn a_disputed_purchase_cannot_be_spent_but_its_hold_can_be_captured() {
    let mut ledger = ledger_with(100);
    authorize(&mut ledger, "a", 40).unwrap();
    let freeze = |frozen| Command::Freeze {
        source_key: "topup:pi_1".into(),
        frozen,
    };
    run(&mut ledger, freeze(true)).unwrap();

    assert_eq!(ledger.available(now()), Credits::ZERO);
    capture(&mut ledger, "a", 40).unwrap();
    run(&mut ledger, freeze(false)).unwrap();

    assert_eq!(ledger.available(now()), credits(60));
}

#[test]
fn an_adjustment_never_goes_below_what_is_available() {
    let mut ledger = ledger_with(10);
    let adjust = |amount| Command::Adjust {
        amount: credits(amount),
        source_key: "adj".into(),
    };

    let refusal = Refusal::InsufficientCredits {
        needed: credits(11),
        available: credits(10),
    };
    assert_eq!(run(&mut ledger, adjust(-11)), Err(refusal));
    run(&mut ledger, adjust(-10)).unwrap();

    assert_eq!(ledger.wallet.posted, Credits::ZERO);
}

#[test]
fn a_changed_byte_breaks_the_chain() {
    let ledger = ledger_with(10);
    let entry = &ledger.changes.entries[0];
    let mut bytes = entry.canonical_bytes();
    assert_eq!(chain_hash(&[0; 32], &bytes), entry.hash);

    bytes[40] ^= 1;

    assert_ne!(chain_hash(&[0; 32], &bytes), entry.hash);
}

/// One step of a random life of an account.
#[derive(Clone, Debug)]
enum Step {
    Grant {
        source: u8,
        amount: i64,
        kind: u8,
        days: Option<i64>,
    },
    Authorize {
        hold: u8,
        amount: i64,
    },
    Capture {
        hold: u8,
        amount: i64,
    },
    Release {
        hold: u8,
    },
    Debit {
        amount: i64,
        key: Option<u8>,
    },
    Adjust {
        amount: i64,
    },
    Claw {
        source: u8,
        reversed: i64,
    },
    Freeze {
        source: u8,
        frozen: bool,
    },
    Void {
        source: u8,
    },
    Forgive {
        amount: i64,
    },
    Wait {
        seconds: i64,
    },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let amount = 1..2_000_000_i64;
    let step = prop_oneof![
        (
            0..6u8,
            amount.clone(),
            0..7u8,
            proptest::option::of(1..3i64)
        )
            .prop_map(|(source, amount, kind, days)| Step::Grant {
                source,
                amount,
                kind,
                days
            }),
        (0..6u8, amount.clone()).prop_map(|(hold, amount)| Step::Authorize { hold, amount }),
        (0..6u8, 0..3_000_000i64).prop_map(|(hold, amount)| Step::Capture { hold, amount }),
        (0..6u8).prop_map(|hold| Step::Release { hold }),
        (amount.clone(), proptest::option::of(0..4u8))
            .prop_map(|(amount, key)| Step::Debit { amount, key }),
        (-1_000_000..1_000_000i64).prop_map(|amount| Step::Adjust { amount }),
        (0..6u8, 0..1_100i64).prop_map(|(source, reversed)| Step::Claw { source, reversed }),
        (0..6u8, any::<bool>()).prop_map(|(source, frozen)| Step::Freeze { source, frozen }),
        (0..6u8).prop_map(|source| Step::Void { source }),
        (1..500_000i64).prop_map(|amount| Step::Forgive { amount }),
        (1..200_000i64).prop_map(|seconds| Step::Wait { seconds }),
    ];
    proptest::collection::vec(step, 1..60)
}

fn command(step: &Step, index: usize, now: Timestamp) -> Option<Request> {
    let micros = Credits::from_micros;
    let source = |n: u8| format!("s:{n}");
    let command = match step.clone() {
        Step::Grant {
            source: n,
            amount,
            kind,
            days,
        } => {
            let kind = GrantKind::ALL[usize::from(kind)];
            let expires_at = days.map(|days| now.plus_days(days));
            let paid = Some(MinorUnits::new(1_000, crate::money::Currency::USD));
            let new = NewGrant::new(kind, source(n), micros(amount));
            Command::Grant(NewGrant {
                expires_at,
                paid,
                ..new
            })
        }
        Step::Authorize { hold, amount } => Command::Authorize {
            hold: format!("h{hold}-{index}"),
            amount: micros(amount),
            ttl_seconds: 600,
        },
        Step::Capture { hold, amount } => Command::Capture {
            hold: format!("h{hold}"),
            amount: Some(micros(amount)),
        },
        Step::Release { hold } => Command::Release {
            hold: format!("h{hold}"),
        },
        Step::Debit { amount, key } => {
            let command = Command::Debit {
                amount: micros(amount),
            };
            let key = key.map(|key| IdempotencyKey {
                key: key.to_string(),
                request_hash: [u8::try_from(amount % 2).unwrap(); 32],
            });
            return Some(Request {
                command,
                key,
                context: Context::default(),
            });
        }
        Step::Adjust { amount: 0 } | Step::Wait { .. } => return None,
        Step::Adjust { amount } => Command::Adjust {
            amount: micros(amount),
            source_key: format!("adj:{index}"),
        },
        Step::Claw {
            source: n,
            reversed,
        } => Command::Claw {
            source_key: source(n),
            reversed_minor: reversed,
        },
        Step::Freeze { source: n, frozen } => Command::Freeze {
            source_key: source(n),
            frozen,
        },
        Step::Void { source: n } => Command::Void {
            source_key: source(n),
        },
        Step::Forgive { amount } => Command::Forgive {
            amount: micros(amount),
        },
    };
    Some(Request::internal(command))
}

/// Resolves `h3` to the newest hold whose name starts so.
fn resolve(ledger: &Ledger, mut request: Request) -> Request {
    let newest = |prefix: &str| {
        let prefix = format!("{prefix}-");
        let found = ledger
            .holds
            .keys()
            .filter(|id| id.starts_with(&prefix))
            .max();
        found.cloned().unwrap_or_default()
    };
    match &mut request.command {
        Command::Capture { hold, .. } | Command::Release { hold } => *hold = newest(hold),
        _ => {}
    }
    request
}

fn check(ledger: &Ledger, now: Timestamp) {
    let lots = ledger.lots.values();
    let wallet = &ledger.wallet;
    assert_eq!(
        lots.clone().map(Lot::remaining).sum::<Credits>(),
        wallet.posted,
        "invariant 1"
    );
    assert_eq!(
        lots.clone().map(|lot| lot.held).sum::<Credits>(),
        wallet.held,
        "invariant 2"
    );
    let pending = ledger
        .holds
        .values()
        .filter(|hold| hold.state == HoldState::Pending);
    let pinned: Credits = pending
        .clone()
        .flat_map(|hold| &hold.pins)
        .map(|(_, part)| *part)
        .sum();
    assert_eq!(pinned, wallet.held, "invariant 2");
    assert_eq!(i64::try_from(pending.count()).unwrap(), wallet.open_holds);
    for lot in lots.clone() {
        assert!(
            lot.held >= Credits::ZERO && lot.unheld() >= Credits::ZERO,
            "invariant 2"
        );
    }
    if wallet.debt.is_positive() {
        let free: Credits = lots
            .filter(|lot| lot.is_spendable(now))
            .map(Lot::unheld)
            .sum();
        assert_eq!(free, Credits::ZERO, "invariant 3");
    }
    assert!(wallet.posted >= Credits::ZERO && wallet.debt >= Credits::ZERO);
}

fn without_hash_of_lots(ledger: &Ledger) -> (Wallet, BTreeMap<LotId, Lot>, BTreeMap<String, Hold>) {
    (
        ledger.wallet.clone(),
        ledger.lots.clone(),
        ledger.holds.clone(),
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    /// No sequence of commands loses a credit, makes a sum negative, or leaves a state that the
    /// journal alone does not give again.
    #[test]
    fn every_life_of_an_account_keeps_the_invariants_and_replays_to_the_same_state(steps in steps()) {
        let mut ledger = Ledger::new(7, terms());
        let mut journal = Vec::new();
        let mut now = now();
        for (index, step) in steps.iter().enumerate() {
            if let Step::Wait { seconds } = step {
                now = now.plus_seconds(*seconds);
            }
            if ledger.is_due(now) {
                ledger.settle(&[], now);
            }
            if let Some(request) = command(step, index, now) {
                let request = resolve(&ledger, request);
                let before = without_hash_of_lots(&ledger);
                if ledger.apply(&request, now).is_err() {
                    prop_assert_eq!(&before, &without_hash_of_lots(&ledger), "a refusal changes nothing");
                }
            }
            check(&ledger, now);
            journal.extend(ledger.take_changes().entries);
        }

        let mut rebuilt = Ledger::new(7, terms());
        let mut head = [0; 32];
        for entry in &journal {
            let bytes = entry.canonical_bytes();
            prop_assert_eq!(entry.hash, chain_hash(&head, &bytes));
            head = entry.hash;
            let decoded = Entry::from_canonical(&bytes, entry.hash).unwrap();
            prop_assert_eq!(&decoded, entry);
            rebuilt.replay(&decoded);
            rebuilt.wallet.hash = entry.hash;
        }
        prop_assert_eq!(without_hash_of_lots(&rebuilt), without_hash_of_lots(&ledger));
    }

    /// Bytes that are not an entry are an error, never a panic.
    #[test]
    fn any_bytes_are_read_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = Entry::from_canonical(&bytes, [0; 32]);
    }
}

#[test]
fn an_unspent_allowance_is_carried_on_up_to_the_cap_and_ends_with_its_months() {
    let rule = crate::catalog::Rollover {
        cap: credits(150),
        months: 2,
    };
    let end = now().plus_days(30);
    let allowance = |period: i64, start: Timestamp| NewGrant {
        effective_at: Some(start),
        expires_at: Some(start.plus_days(30)),
        ..NewGrant::new(
            GrantKind::Allowance,
            format!("allowance:7:PRO:{period}"),
            credits(100),
        )
    };
    let mut ledger = Ledger::new(7, terms());
    ledger.settle(&[allowance(1, now())], now());
    debit(&mut ledger, 20).unwrap();

    let carried = ledger.rollover_due(Some(rule), end);
    ledger.settle(&[carried.clone(), vec![allowance(2, end)]].concat(), end);

    assert_eq!(carried.len(), 1);
    assert_eq!(carried[0].amount, credits(80));
    assert_eq!(ledger.available(end), credits(180));
    let kinds: Vec<GrantKind> = live_kinds(&ledger, end);
    assert_eq!(kinds, [GrantKind::Rollover, GrantKind::Allowance]);

    let later = end.plus_days(30);
    let carried = ledger.rollover_due(Some(rule), later);
    assert_eq!(
        carried[0].amount,
        credits(70),
        "the cap counts what was carried before"
    );
    ledger.settle(&carried, later);
    assert_eq!(ledger.available(later), credits(150));
    assert!(
        ledger.rollover_due(None, later).is_empty(),
        "off by default"
    );
}

fn live_kinds(ledger: &Ledger, now: Timestamp) -> Vec<GrantKind> {
    let mut lots: Vec<&Lot> = ledger
        .lots
        .values()
        .filter(|lot| lot.is_spendable(now) && lot.remaining().is_positive())
        .collect();
    lots.sort_by_key(|lot| lot.order());
    lots.into_iter().map(|lot| lot.kind).collect()
}
