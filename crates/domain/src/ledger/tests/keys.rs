//! Idempotency keys and the hash chain.

use super::*;

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
fn a_changed_byte_breaks_the_chain() {
    let ledger = ledger_with(10);
    let entry = &ledger.changes.entries[0];
    let mut bytes = entry.canonical_bytes();
    assert_eq!(chain_hash(&[0; 32], &bytes), entry.hash);

    bytes[40] ^= 1;

    assert_ne!(chain_hash(&[0; 32], &bytes), entry.hash);
}
