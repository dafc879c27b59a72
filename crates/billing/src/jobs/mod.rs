//! Background jobs, one per file; each is safe to run twice.

pub mod alerts;
pub mod auto_topup;
pub mod clock;
pub mod low;
pub mod nightly;
pub mod notices;
pub mod outbox;
pub mod poll;
pub mod reload;
pub mod sweep;
pub mod turns;
pub mod unfinished;

use crate::app::App;

/// The running jobs of a process.
#[derive(Debug)]
pub struct Jobs {
    syncing: tokio::task::JoinHandle<()>,
    others: tokio::task::JoinSet<()>,
}

impl Jobs {
    /// Adds a job that isn't part of this crate, such as the mailer.
    pub fn spawn(&mut self, job: impl Future<Output = ()> + Send + 'static) {
        self.others.spawn(job);
    }

    /// Ends the jobs when the process stops. A sync in progress is finished or its lease released,
    /// so that its account needn't wait for the lease to expire; the others resume at the next
    /// start.
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

/// Lets each job that isn't a sync do once what is due, one after the other: for a program that
/// lets time pass itself, such as a simulation. A job that fails doesn't stop the others.
pub async fn round(app: &App) {
    sweep::round(app).await;
    unfinished::once(app).await;
    let others = [
        ("low credits", low::once(app).await),
        ("automatic top-up", auto_topup::once(app).await),
        ("alerts", alerts::once(app).await.map(|_| ())),
    ];
    for (job, done) in others {
        if let Err(error) = done {
            tracing::warn!(job, %error, "A job failed");
        }
    }
}

/// Starts every job; they end when the process stops.
pub fn start(app: &App) -> Jobs {
    let syncing = tokio::spawn(crate::sync::worker::run(app.clone()));
    let mut jobs = tokio::task::JoinSet::new();
    jobs.spawn(reload::run(app.clone()));
    jobs.spawn(notices::run(app.clone()));
    jobs.spawn(alerts::run(app.clone()));
    jobs.spawn(sweep::run(app.clone()));
    jobs.spawn(unfinished::run(app.clone()));
    jobs.spawn(poll::run(app.clone()));
    jobs.spawn(nightly::run(app.clone()));
    jobs.spawn(auto_topup::run(app.clone()));
    if !app.settings.clock.follow.is_empty() {
        jobs.spawn(clock::follow(app.clone()));
    }
    Jobs {
        syncing,
        others: jobs,
    }
}
