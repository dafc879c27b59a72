//! Performs stories, like the command `sim`: `sim A..B` or `sim SEED [--cut]`.
#![expect(clippy::print_stdout, reason = "a program")]

use std::process::ExitCode;

use stories::report::{self, Ask};

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let Some(ask) = args.first().and_then(|what| ask(what, &args)) else {
        println!("sim A..B, or sim SEED [--cut]");
        return ExitCode::from(2);
    };
    let (lines, is_well) = report::perform(ask);
    for line in lines {
        println!("{line}");
    }
    if is_well {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn ask(what: &str, args: &[String]) -> Option<Ask> {
    if let Some((from, to)) = what.split_once("..") {
        return Some(Ask::Many(from.parse().ok()?..to.parse().ok()?));
    }
    Some(Ask::One {
        seed: what.parse().ok()?,
        trace: true,
        cut: args.iter().any(|arg| arg == "--cut"),
    })
}
