//! Performs stories: `sim A..B` sums up many, `sim SEED` shows one with its trace; `--cut` removes
//! the acts that its failure doesn't need.
#![expect(clippy::print_stdout, reason = "a program")]

use stories::batch;
use stories::story::Story;

/// About how many acts a story has.
const LENGTH: usize = 60;

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let what = args.get(1).map_or("0..100", String::as_str);
    let number = |text: &str| text.parse().unwrap_or(0);
    if let Some((from, to)) = what.split_once("..") {
        many(number(from), number(to));
        return;
    }
    let story = Story::of_seed(number(what), LENGTH);
    let story = if args.iter().any(|arg| arg == "--cut") {
        story.cut_down()
    } else {
        story
    };
    let ended = story.perform();
    for line in &ended.trace {
        println!("{line}");
    }
    for act in &story.acts {
        println!("    Act::{act:?},");
    }
    for line in &ended.broken {
        println!("BROKEN: {line}");
    }
}

fn many(from: u64, to: u64) {
    let summary = batch::perform(from..to, LENGTH);
    for (mark, times) in &summary.marks {
        println!("{times:8} {mark}");
    }
    let mut kinds: Vec<_> = summary.kinds.values().collect();
    kinds.sort_by_key(|kind| std::cmp::Reverse(kind.times));
    for kind in kinds {
        println!("{:5} times, seed {}: {}", kind.times, kind.seed, kind.line);
    }
    println!("{} of {} failed", summary.failed, to - from);
}
