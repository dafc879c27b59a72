//! `sim`: performs random lives of accounts, and says what is not as it must be.

use std::ops::Range;
use std::process::ExitCode;

use stories::report::{self, Ask};

use crate::cli::CommandResult;

/// The arguments of `sim`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The seed of one story.
    #[arg(long, conflicts_with = "seeds", required_unless_present = "seeds")]
    seed: Option<u64>,
    /// The seeds of many stories, such as 0..3000.
    #[arg(long, value_parser = range)]
    seeds: Option<Range<u64>>,
    /// Prints everything that happens in the story.
    #[arg(long, requires = "seed")]
    trace: bool,
    /// Removes the acts that the story's failure doesn't need.
    #[arg(long, requires = "seed")]
    cut: bool,
}

fn range(text: &str) -> Result<Range<u64>, String> {
    let (from, to) = text.split_once("..").ok_or("write it as 0..3000")?;
    let number = |text: &str| text.parse().map_err(|_| format!("{text} is no number"));
    Ok(number(from)?..number(to)?)
}

/// Performs the stories. Exits with 1 if one fails.
#[expect(clippy::print_stdout, reason = "a command speaks to its user")]
pub async fn run(args: &Args) -> CommandResult {
    let ask = match (args.seed, &args.seeds) {
        (Some(seed), _) => Ask::One {
            seed,
            trace: args.trace,
            cut: args.cut,
        },
        (None, Some(seeds)) => Ask::Many(seeds.clone()),
        (None, None) => anyhow::bail!("Name --seed or --seeds."),
    };
    let (lines, is_well) = tokio::task::spawn_blocking(|| report::perform(ask)).await?;
    for line in lines {
        println!("{line}");
    }
    Ok(if is_well {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
