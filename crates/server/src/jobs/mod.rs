//! Work that no request waits for: one file a job, each safe to run twice.

pub mod alerts;
pub mod clock;
pub mod follow;
pub mod letters;
pub mod low;
pub mod mail;
pub mod nightly;
pub mod notices;
pub mod poll;
pub mod sweep;
pub mod topup;

use crate::app::App;

/// Starts every job; they end when the program stops.
pub fn start(app: &App) -> tokio::task::JoinSet<()> {
    let mut jobs = tokio::task::JoinSet::new();
    jobs.spawn(crate::sync::run(app.clone()));
    jobs.spawn(follow::run(app.clone()));
    jobs.spawn(mail::run(app.clone()));
    jobs.spawn(notices::run(app.clone()));
    jobs.spawn(alerts::run(app.clone()));
    jobs.spawn(sweep::run(app.clone()));
    jobs.spawn(poll::run(app.clone()));
    jobs.spawn(nightly::run(app.clone()));
    jobs.spawn(topup::run(app.clone()));
    if !app.settings.clock.follow.is_empty() {
        jobs.spawn(clock::follow(app.clone()));
    }
    jobs
}
