//! What is left of a refund that Stripe refused.

use serde_json::json;

use super::*;

/// A payment of 100.00, of which `refunded` minor units were refunded.
fn charge(refunded: i64) -> Charge {
    let charge = json!({
        "id": "ch_1", "amount": 10_000, "amount_captured": 10_000, "amount_refunded": refunded,
        "currency": "usd", "created": 1, "paid": true, "captured": true, "status": "succeeded",
        "disputed": true, "refunded": false, "metadata": {},
    });
    serde_json::from_value(charge).expect("a charge")
}

fn dispute(status: &str, amount: i64) -> Dispute {
    let dispute = json!({
        "id": "du_1", "status": status, "amount": amount, "currency": "usd", "created": 2,
        "charge": "ch_1",
    });
    serde_json::from_value(dispute).expect("a dispute")
}

#[test]
fn a_dispute_that_took_a_part_leaves_the_rest_of_the_payment_to_refund() {
    let lost = [dispute("lost", 4_000)];

    let cases = [
        (0, Some(5_000), None),
        (0, Some(6_000), None),
        (0, Some(6_001), Some(Taken::Reduced(6_000))),
        (0, None, Some(Taken::Reduced(6_000))),
        (2_500, Some(5_000), Some(Taken::Reduced(3_500))),
        (6_000, Some(5_000), Some(Taken::Dropped)),
        (10_000, Some(5_000), Some(Taken::Dropped)),
    ];
    for (refunded, promised, left) in cases {
        assert_eq!(rest(&charge(refunded), &lost, promised), left, "{refunded}");
    }
}

#[test]
fn what_several_disputes_took_is_summed_and_a_won_one_took_nothing() {
    let both = [dispute("lost", 4_000), dispute("prevented", 6_000)];
    let won = [dispute("lost", 4_000), dispute("won", 6_000)];

    assert_eq!(rest(&charge(0), &both, Some(100)), Some(Taken::Dropped));
    assert_eq!(rest(&charge(0), &won, Some(6_000)), None);
}

#[test]
fn a_refund_waits_while_the_bank_decides_about_what_is_left() {
    let part = [dispute("lost", 4_000), dispute("under_review", 6_000)];
    let all = [dispute("lost", 10_000), dispute("needs_response", 1)];

    let left = rest(&charge(0), &part, Some(1_000));

    assert!(matches!(left, Some(Taken::Waits { .. })), "{left:?}");
    assert_eq!(rest(&charge(0), &all, Some(1_000)), Some(Taken::Dropped));
}
