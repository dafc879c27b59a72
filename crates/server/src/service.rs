//! The running service: the listener and the jobs, started and stopped together.

use std::net::SocketAddr;
use std::sync::atomic::Ordering;

use billing::app::App;
use billing::jobs;
use tokio::net::TcpListener;
use tokio::sync::watch;
use web::http::listen;
use web::http::listen::Bounds;
use web::router;

use crate::{mailer, telemetry};
use std::time::Duration;

/// Longest a stop waits for requests in progress (case D7).
const DRAIN_MAX: Duration = Duration::from_secs(10);

/// Waits for SIGTERM or an interrupt.
pub async fn stop_signal() {
    let interrupt = tokio::signal::ctrl_c();
    let Ok(mut terminate) =
        tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())
    else {
        let _ = interrupt.await;
        return;
    };
    tokio::select! {
        _ = interrupt => {}
        _ = terminate.recv() => {}
    }
}

/// The running service.
pub struct Service {
    /// Where it listens.
    pub address: SocketAddr,
    /// Its state.
    pub app: App,
    stop: watch::Sender<bool>,
    server: tokio::task::JoinHandle<()>,
    jobs: jobs::Jobs,
}

impl Service {
    /// Starts to answer and to work.
    pub fn start(app: App, listener: TcpListener) -> anyhow::Result<Service> {
        let address = listener.local_addr()?;
        let mut jobs = jobs::start(&app);
        jobs.spawn(mailer::run(app.clone()));
        let (stop, stopped) = watch::channel(false);
        let bounds = Bounds {
            connections_max: app.settings.service.connections(),
            head_seconds_max: app.settings.service.head_seconds_max,
        };
        let routes = router::router(app.clone());
        let server = tokio::spawn(listen::serve(listener, routes, bounds, stopped));
        Ok(Service {
            address,
            app,
            stop,
            server,
            jobs,
        })
    }

    /// Answers what is in hand, then ends. What is not answered in time is cut; its writes are
    /// whole or not there.
    pub async fn stop(mut self) {
        self.app.is_stopping.store(true, Ordering::SeqCst);
        self.app.sync_due.notify_waiters();
        self.app.email_due.notify_waiters();
        self.app.webhook_due.notify_waiters();
        let _ = self.stop.send(true);
        let drained = tokio::time::timeout(DRAIN_MAX, &mut self.server).await;
        if drained.is_err() {
            tracing::warn!("Some requests were cut");
            self.server.abort();
        }
        self.jobs.end().await;
        let db = self.app.db.clone();
        let _ = tokio::task::spawn_blocking(move || db.close()).await;
        telemetry::finish().await;
    }
}
