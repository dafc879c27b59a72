//! Stories: drawn from a seed, performed, and cut down when they fail.

mod weights;

use std::collections::BTreeMap;

use crate::acts::Act;
use crate::chance::Chance;
use crate::judge;
use crate::world::{Place, World};

use weights::Weights;
pub use weights::act_names;

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
        if !broken.is_empty() {
            world.note_state().await;
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
