//! Many stories at once, on all cores.

use std::collections::BTreeMap;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::linked::FATES;
use crate::story::{Ended, Story, act_names, kind_of};

/// The stack of each thread: futures are large in debug builds.
const STACK_BYTES: usize = 16 * 1024 * 1024;

/// What many stories met, and what was broken in them.
#[derive(Debug, Default)]
pub struct Summary {
    /// How often each thing was met.
    pub marks: BTreeMap<String, u64>,
    /// What was broken, by its kind.
    pub kinds: BTreeMap<String, Kind>,
    /// How many stories ended badly.
    pub failed: u64,
}

/// One kind of complaint.
#[derive(Debug)]
pub struct Kind {
    /// How many stories ended with it.
    pub times: u64,
    /// The smallest seed of such a story.
    pub seed: u64,
    /// The complaint of that story.
    pub line: String,
}

/// Performs the stories of these seeds, each with about `length` acts.
pub fn perform(seeds: Range<u64>, length: usize) -> Summary {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let (next, summary) = (AtomicU64::new(seeds.start), Mutex::new(Summary::default()));
    std::thread::scope(|scope| {
        for _ in 0..threads {
            let thread = std::thread::Builder::new().stack_size(STACK_BYTES);
            let spawned = thread.spawn_scoped(scope, || {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds.end {
                        return;
                    }
                    let ended = perform_one(seed, length);
                    let mut summary = summary.lock().unwrap_or_else(PoisonError::into_inner);
                    summary.add(seed, ended);
                }
            });
            spawned.expect("a thread starts");
        }
    });
    summary.into_inner().unwrap_or_else(PoisonError::into_inner)
}

/// A panic is a complaint like others.
fn perform_one(seed: u64, length: usize) -> Ended {
    let perform = || Story::of_seed(seed, length).perform();
    catch_unwind(AssertUnwindSafe(perform)).unwrap_or_else(|cause| {
        let text = cause.downcast_ref::<String>().cloned();
        let text = text.or_else(|| cause.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        Ended {
            broken: vec![format!("a panic: {}", text.unwrap_or_default())],
            ..Ended::default()
        }
    })
}

/// How often each thing must be met in 3,000 stories.
const MET_IN_3000: u64 = 50;

/// From this many stories on, every act must have met every state of a plan.
const PAIRS_FROM: u64 = 100_000;

/// States of a plan that a long life meets.
const STATES: [&str; 5] = ["none", "active", "trialing", "past_due", "canceled"];

/// What must have been met for a rule, beside all acts and faults.
const RULES: &[(&str, &str)] = &[
    ("G1", "another product's plan done"),
    ("G2", "restored"),
    ("G3", "refund at Stripe done"),
    ("G3", "dispute lost done"),
    ("G3", "dispute won done"),
    ("G4", "renewal"),
    ("G4", "turn with credits left"),
    ("G5", "end with a refund"),
    ("G6", "automatic top-up"),
    ("G7", "next charge"),
    ("G8", "pause done"),
    ("G9", "another life"),
    ("G10", "close done"),
    ("G10", "suspend done"),
    ("G10", "leave done"),
    ("G11", "absurd capture"),
    ("G12", "come from the host done"),
    ("G12", "change of address done"),
    ("G13", "join done"),
    ("G15", "debit done"),
    ("G16", "free operation"),
];

impl Summary {
    /// What these stories met too rarely to prove anything about it.
    pub fn unmet(&self, stories: u64) -> Vec<String> {
        let least = (MET_IN_3000 * stories / 3_000).max(1);
        let times = |mark: &str| self.marks.get(mark).copied().unwrap_or_default();
        let names = act_names();
        let faults = FATES.map(|fate| format!("fault {fate:?}"));
        let rules = RULES.iter().map(|(_, mark)| (*mark).to_owned());
        let wanted = names.iter().cloned().chain(faults).chain(rules);
        let rare = wanted.filter(|mark| times(mark) < least);
        let mut unmet: Vec<String> = rare
            .map(|mark| format!("{mark}: {} times, not {least}", times(&mark)))
            .collect();
        if stories >= PAIRS_FROM {
            let pairs = names
                .iter()
                .flat_map(|name| STATES.map(|state| format!("{name} when {state}")));
            unmet.extend(pairs.filter(|pair| times(pair) == 0));
        }
        unmet
    }

    fn add(&mut self, seed: u64, ended: Ended) {
        for (mark, times) in ended.marks {
            *self.marks.entry(mark).or_default() += times;
        }
        let Some(line) = ended.broken.into_iter().next() else {
            return;
        };
        self.failed += 1;
        let kind = self.kinds.entry(kind_of(&line));
        let kind = kind.or_insert(Kind {
            times: 0,
            seed,
            line: line.clone(),
        });
        kind.times += 1;
        if seed < kind.seed {
            (kind.seed, kind.line) = (seed, line);
        }
    }
}
