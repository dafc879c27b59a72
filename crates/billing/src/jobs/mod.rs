//! Work that no request waits for: one file a job, each safe to run twice.

pub mod alerts;
pub mod clock;
pub mod low;
pub mod nightly;
pub mod notices;
pub mod outbox;
pub mod poll;
pub mod reload;
pub mod sweep;
pub mod topup;
pub mod turns;

use crate::app::App;

/// The jobs of a program that runs.
#[derive(Debug)]
pub struct Jobs {
    syncing: tokio::task::JoinHandle<()>,
    others: tokio::task::JoinSet<()>,
}

impl Jobs {
    /// Adds a job that is not this crate's, such as the mailer.
    pub fn spawn(&mut self, job: impl Future<Output = ()> + Send + 'static) {
        self.others.spawn(job);
    }

    /// Ends them once the program stops. A sync in hand is finished or given back, so that its
    /// account need not wait for a lease to run out; all others begin again by themselves.
    pub async fn end(mut self) {
        self.others.abort_all();
        while self.others.join_next().await.is_some() {}
        if tokio::time::timeout(crate::sync::worker::STOP_MAX, &mut self.syncing)
            .await
            .is_err()
        {
            self.syncing.abort();
            let _ = self.syncing.await;
        }
    }
}

/// Starts every job; they end when the program stops.
pub fn start(app: &App) -> Jobs {
    let syncing = tokio::spawn(crate::sync::worker::run(app.clone()));
    let mut jobs = tokio::task::JoinSet::new();
    jobs.spawn(reload::run(app.clone()));
    jobs.spawn(notices::run(app.clone()));
    jobs.spawn(alerts::run(app.clone()));
    jobs.spawn(sweep::run(app.clone()));
    jobs.spawn(poll::run(app.clone()));
    jobs.spawn(nightly::run(app.clone()));
    jobs.spawn(topup::run(app.clone()));
    if !app.settings.clock.follow.is_empty() {
        jobs.spawn(clock::follow(app.clone()));
    }
    Jobs {
        syncing,
        others: jobs,
    }
}
