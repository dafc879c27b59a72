//! Stories: drawn from a seed, performed, and cut down when they fail.

use std::collections::{BTreeMap, BTreeSet};

use crate::acts::{Act, WAYS};
use crate::chance::Chance;
use crate::judge;
use crate::linked::FATES;
use crate::world::{Delivery, Place, World};

/// A list of acts and the seed of everything else that chance decides.
#[derive(Clone, Debug)]
pub struct Story {
    /// The seed of the world.
    pub seed: u64,
    /// The number of people.
    pub people: usize,
    /// What they do, in order.
    pub acts: Vec<Act>,
}

/// How a story ended.
#[derive(Clone, Debug, Default)]
pub struct Ended {
    /// What was not as it must be; nothing if all is well.
    pub broken: Vec<String>,
    /// What happened, line by line.
    pub trace: Vec<String>,
    /// How often each thing was met.
    pub marks: BTreeMap<String, u64>,
}

/// Which kinds of acts a story has.
struct Weights {
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
        50,
        &[
            (4, |chance, who| Act::AutoOn {
                who,
                threshold: u16::try_from(chance.below(2_000)).expect("small"),
                pack: small(chance),
                cap: small(chance),
            }),
            (1, |_, who| Act::AutoOff { who }),
        ],
    ),
    (15, &[(1, |_, who| Act::Close { who })]),
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
    fn new(chance: &Chance) -> Weights {
        let mut acts = Vec::new();
        for (percent, kind) in KINDS {
            if chance.below(100) < *percent {
                acts.extend_from_slice(kind);
            }
        }
        let total = acts.iter().map(|(weight, _)| weight).sum();
        Weights { acts, total }
    }

    fn draw(&self, chance: &Chance, who: u8) -> Act {
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

impl Story {
    /// The story of a seed, with about `length` acts.
    pub fn of_seed(seed: u64, length: usize) -> Story {
        let chance = Chance::new(seed);
        let weights = Weights::new(&chance);
        let people = if chance.one_in(3) { 2 } else { 1 };
        let mut acts: Vec<Act> = (0..people).map(|who| Act::SignIn { who }).collect();
        for _ in 0..length {
            let who = u8::try_from(chance.below(u64::from(people))).expect("small");
            acts.push(weights.draw(&chance, who));
        }
        Story {
            seed,
            people: usize::from(people),
            acts,
        }
    }

    /// Performs the story on a runtime of its own, whose clock stands still while anything runs.
    pub fn perform(&self) -> Ended {
        self.perform_on(Place::Memory)
    }

    /// Performs the story on this database.
    pub fn perform_on(&self, place: Place<'_>) -> Ended {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .expect("a runtime");
        runtime.block_on(self.live(place))
    }

    async fn live(&self, place: Place<'_>) -> Ended {
        let mut world = match World::new(self.seed, self.people, place).await {
            Ok(world) => world,
            Err(error) => {
                return Ended {
                    broken: vec![format!("the world does not begin: {error}")],
                    ..Ended::default()
                };
            }
        };
        let mut broken = Vec::new();
        for act in &self.acts {
            world.note(format!("{act:?}"));
            let who = usize::from(act.who()) % world.people.len();
            let state = world.plan_state(who).await;
            world.mark(format!("{} when {state}", act.name()));
            let said = act.perform(&mut world).await;
            world.note(format!("    {said}"));
            world.mark(act.name());
            world.pass(1).await;
            broken = std::mem::take(&mut world.broken);
            broken.extend(if *act == Act::Rest {
                judge::judge(&mut world).await
            } else {
                judge::watch(&mut world).await
            });
            if !broken.is_empty() {
                break;
            }
        }
        if broken.is_empty() {
            world.note("the end");
            // By then, whatever was begun and left has been closed.
            world.stripe.calm();
            world.pass(26 * 3_600).await;
            broken = judge::judge(&mut world).await;
            judge::pages::judge(&mut world, &mut broken).await;
        }
        Ended {
            broken,
            trace: world.trace,
            marks: world.marks,
        }
    }

    /// The story as the code of a test.
    pub fn script(&self) -> String {
        let acts = self
            .acts
            .iter()
            .map(|act| format!("        Act::{act:?},\n"));
        format!(
            "Story {{\n    seed: {},\n    people: {},\n    acts: vec![\n{}    ],\n}}",
            self.seed,
            self.people,
            acts.collect::<String>()
        )
    }

    /// Removes acts while the story still fails with a complaint of the same kind.
    pub fn cut_down(&self) -> Story {
        let kind = |ended: &Ended| ended.broken.first().map(|line| kind_of(line));
        let wanted = kind(&self.perform());
        let mut story = self.clone();
        let mut span = story.acts.len() / 2;
        while span > 0 {
            let mut at = 0;
            while at < story.acts.len() {
                let mut shorter = story.clone();
                let end = (at + span).min(shorter.acts.len());
                shorter.acts.drain(at..end);
                if wanted.is_some() && kind(&shorter.perform()) == wanted {
                    story = shorter;
                } else {
                    at += span;
                }
            }
            span /= 2;
        }
        story
    }
}

/// A complaint without its ids and numbers.
pub fn kind_of(line: &str) -> String {
    let words = line.split_whitespace();
    let plain = words.filter(|word| {
        word.chars()
            .all(|char| !char.is_ascii_digit() && char != '_')
    });
    plain.collect::<Vec<_>>().join(" ")
}
