//! Which acts a story is made of, and how often each is drawn.

use std::collections::BTreeSet;

use crate::acts::{Act, WAYS};
use crate::chance::Chance;
use crate::linked::FATES;
use crate::world::Delivery;

/// Which kinds of acts a story has.
pub(super) struct Weights {
    acts: Vec<(u64, Draw)>,
    total: u64,
}

type Draw = fn(&Chance, u8) -> Act;

/// Acts with the weight that each has when its kind is part of a story.
const KINDS: &[(u64, &[(u64, Draw)])] = &[
    // Customers.
    (
        100,
        &[
            (6, |chance, who| Act::BuyPlan {
                who,
                plan: small(chance),
                pay: *chance.pick(&WAYS),
            }),
            (5, |chance, who| Act::BuyPack {
                who,
                pack: small(chance),
                pay: *chance.pick(&WAYS),
            }),
            (3, |chance, who| Act::Change {
                who,
                plan: small(chance),
            }),
            (1, |_, who| Act::Undo { who }),
            (2, |_, who| Act::Cancel { who }),
            (1, |_, who| Act::Resume { who }),
            (1, |_, who| Act::EndNow { who }),
        ],
    ),
    (
        60,
        &[
            (6, |chance, who| Act::AutoOn {
                who,
                threshold: u16::try_from(chance.below(6_000)).expect("small"),
                pack: small(chance),
                cap: small(chance),
            }),
            (1, |_, who| Act::AutoOff { who }),
        ],
    ),
    (
        25,
        &[
            (1, |_, who| Act::Close { who }),
            (1, |_, who| Act::SignIn { who }),
        ],
    ),
    (
        40,
        &[
            (1, |_, who| Act::Put { who }),
            (1, |_, who| Act::FromHost { who }),
            (1, |_, who| Act::Address { who }),
        ],
    ),
    (
        20,
        &[
            (2, |_, who| Act::Join { who }),
            (1, |_, who| Act::Leave { who }),
            (1, |chance, who| Act::Limit {
                who,
                credits: amount(chance),
            }),
        ],
    ),
    (
        30,
        &[(3, |chance, who| Act::Portal {
            who,
            task: u8::try_from(chance.below(10)).expect("small"),
        })],
    ),
    (
        20,
        &[(2, |chance, who| Act::Offer {
            who,
            percent: percent(chance),
        })],
    ),
    // Programs.
    (
        80,
        &[
            (10, |chance, who| Act::Debit {
                who,
                credits: amount(chance),
                again: chance.one_in(10),
            }),
            (3, |chance, who| Act::Hold {
                who,
                credits: amount(chance),
            }),
            (2, |chance, who| Act::Capture {
                who,
                credits: amount(chance),
            }),
            (1, |_, who| Act::Release { who }),
        ],
    ),
    // Operators.
    (
        40,
        &[
            (2, |chance, who| Act::Adjust {
                who,
                credits: i32::try_from(chance.between(-3_000, 3_000)).expect("small"),
            }),
            (2, |chance, who| Act::Refund {
                who,
                payment: small(chance),
                percent: percent(chance),
            }),
            (1, |chance, who| Act::Void {
                who,
                grant: small(chance),
            }),
            (1, |_, who| Act::Forgive { who }),
            (1, |_, who| Act::TryAgain { who }),
            (1, |_, who| Act::Sync { who }),
        ],
    ),
    (
        30,
        &[
            (1, |chance, who| Act::Promote {
                who,
                credits: amount(chance),
            }),
            (1, |chance, who| Act::Override {
                who,
                days: *chance.pick(&[0, 3, 40]),
            }),
        ],
    ),
    (
        30,
        &[
            (1, |_, who| Act::OtherPlan { who }),
            (1, |_, who| Act::OtherCustomer { who }),
        ],
    ),
    (
        20,
        &[
            (1, |chance, who| Act::CustomerBalance {
                who,
                cents: i16::try_from(chance.between(-2_500, 500)).expect("small"),
            }),
            (1, |chance, who| Act::EndInvoice {
                who,
                void: chance.one_in(2),
            }),
        ],
    ),
    (10, &[(1, |_, who| Act::DeleteCustomer { who })]),
    (
        20,
        &[(1, |chance, who| Act::Suspend {
            who,
            on: chance.one_in(2),
        })],
    ),
    // Stripe's dashboard, and banks.
    (
        50,
        &[
            (2, |chance, who| Act::StripeRefund {
                who,
                charge: small(chance),
                percent: percent(chance),
            }),
            (3, |chance, who| Act::Dispute {
                who,
                charge: small(chance),
            }),
            (4, |chance, who| Act::Decide {
                who,
                won: chance.one_in(2),
            }),
            (1, |chance, who| Act::StripeCancel {
                who,
                now: chance.one_in(2),
            }),
            (1, |chance, who| Act::PayInvoice {
                who,
                pay: *chance.pick(&WAYS),
            }),
        ],
    ),
    (
        20,
        &[
            (1, |chance, who| Act::Pause {
                who,
                how: small(chance),
            }),
            (1, |_, who| Act::Unpause { who }),
        ],
    ),
    (
        30,
        &[
            (2, |chance, who| Act::Quantity {
                who,
                number: small(chance),
            }),
            (2, |chance, who| Act::Price {
                who,
                number: small(chance),
            }),
            (1, |chance, who| Act::Discount {
                who,
                percent: percent(chance),
            }),
            (1, |chance, who| Act::Item {
                who,
                cents: i16::try_from(chance.between(-900, 900)).expect("small"),
            }),
        ],
    ),
    (
        20,
        &[
            (1, |chance, who| Act::CancelAt {
                who,
                days: *chance.pick(&[1, 10, 40]),
            }),
            (1, |chance, who| Act::Trial {
                who,
                days: *chance.pick(&[1, 7, 40]),
            }),
            (1, |_, who| Act::ByInvoice { who }),
            (1, |_, who| Act::PaidElsewhere { who }),
        ],
    ),
    (
        15,
        &[(1, |chance, who| Act::LoseMetadata {
            who,
            of_plan: chance.one_in(2),
        })],
    ),
    (
        30,
        &[(2, |chance, who| Act::PayByDebit {
            who,
            works: !chance.one_in(3),
        })],
    ),
    // Time.
    (
        100,
        &[
            (4, |chance, _| Act::Pass {
                seconds: u32::try_from(*chance.pick(&[60, 3_600, 86_400, 864_000, 2_678_400]))
                    .expect("small"),
            }),
            (4, |chance, who| Act::ToTurn {
                who,
                minutes: *chance.pick(&[-5, 0, 5, 65]),
            }),
        ],
    ),
    // Faults.
    (
        50,
        &[(6, |chance, _| Act::Fault {
            fate: *chance.pick(&FATES),
            after: u8::try_from(chance.below(12)).expect("small"),
            times: *chance.pick(&[1, 1, 1, 2, 4]),
            changes_only: chance.one_in(2),
        })],
    ),
    (
        40,
        &[(2, |chance, _| Act::Events {
            delivery: *chance.pick(&[
                Delivery::Prompt,
                Delivery::Late,
                Delivery::Twice,
                Delivery::Lost,
            ]),
        })],
    ),
    (20, &[(1, |_, _| Act::Restart)]),
    (
        40,
        &[(2, |chance, _| Act::Second {
            on: !chance.one_in(4),
        })],
    ),
    (10, &[(2, |_, _| Act::Backup), (1, |_, _| Act::Restore)]),
    (15, &[(1, |_, who| Act::SignIn { who })]),
    (100, &[(1, |_, _| Act::Rest)]),
];

/// The names of all acts.
pub fn act_names() -> BTreeSet<String> {
    let chance = Chance::new(0);
    let acts = KINDS.iter().flat_map(|(_, kind)| kind.iter());
    acts.map(|(_, draw)| draw(&chance, 0).name()).collect()
}

fn small(chance: &Chance) -> u8 {
    u8::try_from(chance.below(8)).expect("small")
}

fn percent(chance: &Chance) -> u8 {
    *chance.pick(&[100, 100, 50, 33, 1])
}

fn amount(chance: &Chance) -> u32 {
    *chance.pick(&[1, 7, 60, 99, 400, 900, 3_000, 6_000])
}

impl Weights {
    /// The kinds that chance makes part of a story.
    pub(super) fn new(chance: &Chance) -> Weights {
        let mut acts = Vec::new();
        for (percent, kind) in KINDS {
            if chance.below(100) < *percent {
                acts.extend_from_slice(kind);
            }
        }
        let total = acts.iter().map(|(weight, _)| weight).sum();
        Weights { acts, total }
    }

    pub(super) fn draw(&self, chance: &Chance, who: u8) -> Act {
        let mut at = chance.below(self.total);
        for (weight, draw) in &self.acts {
            if at < *weight {
                return draw(chance, who);
            }
            at -= weight;
        }
        Act::Rest
    }
}
