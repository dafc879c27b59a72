//! What the program says about stories.

use std::cmp::Reverse;
use std::ops::Range;

use crate::batch::{self, Summary};
use crate::story::Story;

/// About how many acts a story has.
pub const LENGTH: usize = 60;

/// Which stories are performed, and what is said about them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ask {
    /// One story.
    One {
        /// The seed of the story.
        seed: u64,
        /// Whether everything that happens is said.
        trace: bool,
        /// Whether the acts that its failure doesn't need are removed first.
        cut: bool,
    },
    /// Many stories, which are summed up.
    Many(Range<u64>),
}

/// Performs stories. Returns what is said, and whether all is as it must be.
pub fn perform(ask: Ask) -> (Vec<String>, bool) {
    match ask {
        Ask::One { seed, trace, cut } => one(seed, trace, cut),
        Ask::Many(seeds) => {
            let count = seeds.end.saturating_sub(seeds.start);
            many(&batch::perform(seeds, LENGTH), count)
        }
    }
}

fn one(seed: u64, trace: bool, cut: bool) -> (Vec<String>, bool) {
    let story = Story::of_seed(seed, LENGTH);
    let story = if cut { story.cut_down() } else { story };
    let ended = story.perform();
    let mut lines = Vec::new();
    if trace {
        lines.extend(ended.trace);
    }
    lines.push(story.script());
    let is_well = ended.broken.is_empty();
    lines.extend(
        ended
            .broken
            .into_iter()
            .map(|line| format!("BROKEN: {line}")),
    );
    (lines, is_well)
}

fn many(summary: &Summary, count: u64) -> (Vec<String>, bool) {
    let marks = summary
        .marks
        .iter()
        .filter(|(mark, _)| !mark.contains(" when "));
    let mut lines: Vec<String> = marks
        .map(|(mark, times)| format!("{times:8}  {mark}"))
        .collect();
    let mut kinds: Vec<_> = summary.kinds.values().collect();
    kinds.sort_by_key(|kind| Reverse(kind.times));
    lines.extend(kinds.into_iter().map(|kind| {
        let (times, seed, line) = (kind.times, kind.seed, &kind.line);
        format!("{times} times, first in seed {seed}: {line}")
    }));
    let unmet = summary.unmet(count);
    lines.extend(unmet.iter().map(|line| format!("met too rarely: {line}")));
    lines.push(format!("{} of {count} stories failed", summary.failed));
    (lines, summary.failed == 0 && unmet.is_empty())
}
