//! Random command sequences of an account.

use proptest::prelude::*;

use super::*;

/// One step of a random command sequence.
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
    // Some operations are free.
    let spent = prop_oneof![4 => amount.clone(), 1 => Just(0)];
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
        (0..6u8, spent.clone()).prop_map(|(hold, amount)| Step::Authorize { hold, amount }),
        (0..6u8, 0..3_000_000i64).prop_map(|(hold, amount)| Step::Capture { hold, amount }),
        (0..6u8).prop_map(|hold| Step::Release { hold }),
        (spent, proptest::option::of(0..4u8)).prop_map(|(amount, key)| Step::Debit { amount, key }),
        (-1_000_000..1_000_000i64).prop_map(|amount| Step::Adjust { amount }),
        (0..6u8, 0..1_100i64).prop_map(|(source, reversed)| Step::Claw { source, reversed }),
        (0..6u8, any::<bool>()).prop_map(|(source, frozen)| Step::Freeze { source, frozen }),
        (0..6u8).prop_map(|source| Step::Void { source }),
        (1..500_000i64).prop_map(|amount| Step::Forgive { amount }),
        (1..200_000i64).prop_map(|seconds| Step::Wait { seconds }),
    ];
    proptest::collection::vec(step, 1..60)
}

#[expect(clippy::too_many_lines, reason = "one arm for each step")]
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
            // One of three takes as much as there is.
            least: (amount % 3 == 1).then(|| micros(amount.min(10))),
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
        } => Command::Clawback {
            source_key: source(n),
            reversed,
            whole: 1_000,
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

/// Resolves `h3` to the newest hold whose name starts with it.
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
        assert!(
            !lot.state(now).has_ended() || lot.unheld() == Credits::ZERO,
            "a grant that has ended keeps only what is pinned"
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

    /// No sequence of commands loses a credit, makes a sum negative, or leaves a state that can't
    /// be rebuilt from the journal alone.
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

    /// Bytes that aren't an entry produce an error, never a panic.
    #[test]
    fn any_bytes_are_read_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = Entry::from_canonical(&bytes, [0; 32]);
    }
}
