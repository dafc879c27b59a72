//! The running service: starts and stops the HTTP listener and the background jobs together.

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

/// The longest that a shutdown waits for requests in progress (case D7).
const DRAIN_MAX: Duration = Duration::from_secs(10);

/// Waits until the process receives SIGTERM or an interrupt.
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

/// A running service: its listener and its jobs.
pub struct Service {
    /// The address that it listens on.
    pub address: SocketAddr,
    /// The state that its handlers and jobs share.
    pub app: App,
    stop: watch::Sender<bool>,
    server: tokio::task::JoinHandle<()>,
    jobs: jobs::Jobs,
}

impl Service {
    /// Starts the HTTP listener, the background jobs and the mailer.
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

    /// Stops the service. Requests in progress are completed first; those that take too long are
    /// aborted, which leaves each of their writes either complete or not made.
    pub async fn stop(mut self) {
        self.app.is_stopping.store(true, Ordering::SeqCst);
        self.app.sync_due.notify_waiters();
        self.app.email_due.notify_waiters();
        self.app.webhook_due.notify_waiters();
        let _ = self.stop.send(true);
        let drained = tokio::time::timeout(DRAIN_MAX, &mut self.server).await;
        if drained.is_err() {
            tracing::warn!("Some requests were aborted");
            self.server.abort();
        }
        self.jobs.end().await;
        let db = self.app.db.clone();
        let _ = tokio::task::spawn_blocking(move || db.close()).await;
        telemetry::finish().await;
    }
}
