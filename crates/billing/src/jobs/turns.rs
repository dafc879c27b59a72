//! Periodic jobs that only one of several processes runs at a time.

use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::app::App;
use crate::error::Result;

/// How processes take turns at a job.
#[derive(Clone, Copy, Debug)]
pub struct Turns {
    /// The job's name in the database.
    pub name: &'static str,
    /// Seconds between turns, across all processes.
    pub every_seconds: i64,
    /// How often a process checks whether it is its turn.
    pub look_every: Duration,
    /// Whether a new service waits a whole interval before the first turn.
    pub waits_at_first: bool,
}

impl Turns {
    /// Runs the job whenever it is this process's turn, until the process stops.
    pub async fn run<F>(self, app: &App, job: impl Fn(App) -> F)
    where
        F: Future<Output = Result<usize>>,
    {
        while !app.is_stopping.load(Ordering::SeqCst) {
            tokio::time::sleep(self.look_every).await;
            let done = match self.is_mine(app).await {
                Ok(true) => job(app.clone()).await.map(|_| ()),
                Ok(false) => Ok(()),
                Err(error) => Err(error),
            };
            if let Err(error) = done {
                tracing::error!(job = self.name, %error, "A job failed and will run again at its next turn");
            }
        }
    }

    async fn is_mine(self, app: &App) -> Result<bool> {
        let now = app.real_now();
        app.write(0, move |tx| {
            if self.waits_at_first && store::jobs::find(tx, self.name)?.is_none() {
                store::jobs::put(tx, self.name, None, now)?;
            }
            let due_before = now.plus_seconds(-self.every_seconds);
            store::jobs::claim(tx, self.name, due_before, now)
        })
        .await
    }
}
