//! Performs stories: `sim A..B`, or `sim SEED` with its trace.
#![expect(clippy::print_stdout, reason = "a program")]

use stories::story::Story;

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let what = args.get(1).cloned().unwrap_or_else(|| "0..100".to_owned());
    if let Some((from, to)) = what.split_once("..") {
        let (from, to): (u64, u64) = (from.parse().unwrap_or(0), to.parse().unwrap_or(0));
        let mut failed = 0;
        for seed in from..to {
            let ended = Story::of_seed(seed, 60).perform();
            if !ended.broken.is_empty() {
                failed += 1;
                println!("seed {seed}: {}", ended.broken.join("; "));
            }
        }
        println!("{failed} failed");
        return;
    }
    let story = Story::of_seed(what.parse().unwrap_or(0), 60);
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
