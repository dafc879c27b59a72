//! `demo`: everything in one process, without an account or a network.

use super::{Context, Ended};

/// How the demo runs.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Port of the service.
    #[arg(long, default_value_t = 3000)]
    port: u16,
    /// Port of the twin.
    #[arg(long, default_value_t = 12111)]
    twin_port: u16,
    /// Forget everything first.
    #[arg(long)]
    reset: bool,
    /// Use a twin that runs already.
    #[arg(long)]
    twin_url: Option<String>,
}

/// Runs until the process is told to stop.
pub async fn run(_context: &Context, _args: Args) -> Ended {
    anyhow::bail!("soon")
}
