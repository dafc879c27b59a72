//! `serve`: the service, from configuration.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::Context as _;
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::{Context, Ended, marks, socket};
use crate::app::App;
use crate::http::listen::{self, Bounds};
use crate::{jobs, router, telemetry};

/// Longest a stop waits for requests in hand (case D7).
const DRAIN_MAX: Duration = Duration::from_secs(10);

/// Runs until the process is told to stop.
pub async fn run(context: &Context) -> Ended {
    let settings = context.settings()?;
    telemetry::start_as_json(Some(&settings.telemetry));
    let mut faults = settings.check();
    // `setup` may have stored one: looked at once the database is open.
    faults.retain(|fault| !fault.starts_with("STRIPE_WEBHOOK_SECRET"));
    if !faults.is_empty() {
        anyhow::bail!("The service cannot start:\n- {}", faults.join("\n- "));
    }
    let listen = settings.service.listen.clone();
    let app = App::open(settings).await?;
    anyhow::ensure!(
        !app.settings.billing.enabled || !app.webhook_secrets().is_empty(),
        "STRIPE_WEBHOOK_SECRET is missing: without it no event could be believed; `setup` makes one."
    );
    jobs::clock::catch_up(&app).await?;
    marks::remove(&app).await?;
    let listener = TcpListener::bind(&listen)
        .await
        .with_context(|| format!("cannot listen on {listen}"))?;
    // On PostgreSQL commands go to the server themselves.
    let door = match app.db.kind() {
        store::Kind::Sqlite => Some(socket::open(&app, &socket::path(&app.settings)?)?),
        store::Kind::Postgres => None,
    };
    let service = Service::start(app, listener)?;
    tracing::info!(address = %service.address, "Listening");
    stop_signal().await;
    drop(door);
    service.stop().await;
    Ok(ExitCode::SUCCESS)
}

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
        let jobs = jobs::start(&app);
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
        self.app.sync_bell.notify_waiters();
        self.app.mail_bell.notify_waiters();
        self.app.notice_bell.notify_waiters();
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
