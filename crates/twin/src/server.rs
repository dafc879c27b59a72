//! Starting and stopping the twin.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::app::App;
use crate::clock::{MICROS_PER_SECOND, RealTime};
use crate::core::Core;
use crate::mailbox::Mailbox;
use crate::save::{self, Lock, LockError, Saved};
use crate::shell::{Parts, Twin};
use crate::{delivery, http, routes, shell, smtp};

/// The configuration of a twin.
#[derive(Debug, Clone)]
pub struct Config {
    /// The address on which it listens, on loopback only. Port 0 picks a free port.
    pub listen: SocketAddr,
    /// The address on which the SMTP sink listens, on loopback only. `None` starts no sink.
    pub smtp_listen: Option<SocketAddr>,
    /// The seed of all ids and random numbers. The same seed and calls give the same ids.
    pub seed: u64,
    /// The origin of the links in its objects. The default is the address on which it listens.
    pub public_url: Option<String>,
    /// The start of the billing clock in seconds since 1970. The default is real time.
    pub start_seconds: Option<i64>,
    /// The file that keeps its state across restarts. `None` keeps the state in memory only.
    pub save_file: Option<PathBuf>,
    /// The `secret` that `POST /v1/stripecli/sessions` returns. The default is derived from the
    /// account id.
    pub webhook_secret: Option<String>,
    /// The API key whose calls are subject to faults. `None` applies faults to every call.
    pub product_key: Option<String>,
    /// The source of real time, for signatures and for the start of the billing clock.
    pub real_time: RealTime,
    /// The number of due moments after which a call that advances the billing clock is answered. The
    /// clock then continues in the background.
    pub advance_steps_max: u32,
}

impl Config {
    /// The configuration of a twin in memory at `listen`, with an SMTP sink on a free port.
    #[must_use]
    pub fn at(listen: SocketAddr) -> Self {
        Self {
            listen,
            smtp_listen: Some(SocketAddr::new(listen.ip(), 0)),
            seed: 1,
            public_url: None,
            start_seconds: None,
            save_file: None,
            webhook_secret: None,
            product_key: None,
            real_time: RealTime::of_the_system(),
            advance_steps_max: 20_000,
        }
    }
}

/// Why the twin did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The address is not on loopback. The twin has no authentication, so only this machine may
    /// reach it.
    #[error("the twin listens on loopback only, not on {0}")]
    NotLoopback(SocketAddr),
    /// The product key is a live key, which must never be used with a test double of Stripe.
    #[error("the twin refuses live keys; use a key that starts with sk_test_")]
    LiveKey,
    /// The address is in use or not available.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// The address that the configuration names.
        address: SocketAddr,
        /// The error of the operating system.
        source: std::io::Error,
    },
    /// The state file cannot be read or does not hold the state of a twin.
    #[error(
        "cannot read the twin's state from {path}: {reason}; move the file away to start from an empty state"
    )]
    Load {
        /// The path of the file.
        path: PathBuf,
        /// The reason why it cannot be read.
        reason: String,
    },
    /// Another twin uses the state file.
    #[error("another twin uses the state file {0}; stop it first, or give this one its own file")]
    InUse(PathBuf),
    /// The HTTP client for webhook deliveries cannot be created.
    #[error("cannot create the HTTP client for webhook deliveries: {0}")]
    Client(#[from] reqwest::Error),
}

/// A running twin. It keeps running when the handle is dropped.
#[derive(Debug)]
pub struct Handle {
    address: SocketAddr,
    smtp_address: Option<SocketAddr>,
    stop: watch::Sender<bool>,
    tasks: Vec<JoinHandle<()>>,
}

impl Handle {
    /// The address on which it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its origin on this machine, for example `http://127.0.0.1:12111`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The address on which the SMTP sink listens, if there is one.
    #[must_use]
    pub fn smtp_address(&self) -> Option<SocketAddr> {
        self.smtp_address
    }

    /// Asks the twin to stop. [`Handle::join`] waits until it has stopped.
    pub fn shutdown(&self) {
        self.stop.send_replace(true);
    }

    /// Waits until the twin has stopped and its state is saved.
    pub async fn join(self) {
        for task in self.tasks {
            if let Err(error) = task.await {
                tracing::error!(%error, "A task of the twin panicked");
            }
        }
    }
}

/// Starts a twin and returns when it accepts connections.
///
/// # Errors
///
/// Fails with the [`StartError`] that names what the configuration or the machine does not allow.
pub async fn serve(config: Config) -> Result<Handle, StartError> {
    crate::install_crypto();
    if config.product_key.as_deref().is_some_and(is_live_key) {
        return Err(StartError::LiveKey);
    }
    let lock = lock(config.save_file.as_deref()).await?;
    let listener = listen(config.listen).await?;
    let address = listener.local_addr().unwrap_or(config.listen);
    let smtp = match config.smtp_listen {
        Some(address) => Some(listen(address).await?),
        None => None,
    };
    let smtp_address = smtp.as_ref().and_then(|smtp| smtp.local_addr().ok());

    let public_url = config
        .public_url
        .clone()
        .unwrap_or_else(|| format!("http://{address}"));
    let client = delivery::client()?;
    let twin = Arc::new(Twin::new(parts(config, &public_url, smtp_address)?));
    twin.resume_deliveries();
    let (stop, stopped) = watch::channel(false);
    let router = routes::router(App {
        twin: Arc::clone(&twin),
        stop: stopped.clone(),
    });
    let mut listeners = vec![tokio::spawn(http::listen(
        listener,
        router,
        stopped.clone(),
    ))];
    if let Some(smtp) = smtp {
        let listening = smtp::listen(Arc::clone(&twin), smtp, stopped.clone());
        listeners.push(tokio::spawn(listening));
    }
    let tasks = vec![
        tokio::spawn(delivery::run(Arc::clone(&twin), client, stopped.clone())),
        tokio::spawn(shell::keep_ticking(Arc::clone(&twin), stopped.clone())),
        tokio::spawn(save::keep_saved(twin, lock, listeners, stopped)),
    ];
    Ok(Handle {
        address,
        smtp_address,
        stop,
        tasks,
    })
}

/// Keeps other twins from the state file.
async fn lock(path: Option<&Path>) -> Result<Lock, StartError> {
    save::lock(path).await.map_err(|error| {
        let path = path.map(Path::to_path_buf).unwrap_or_default();
        match error {
            LockError::InUse => StartError::InUse(path),
            LockError::Io(error) => StartError::Load {
                path,
                reason: error.to_string(),
            },
        }
    })
}

fn is_live_key(key: &str) -> bool {
    key.starts_with("sk_live_") || key.starts_with("rk_live_")
}

async fn listen(address: SocketAddr) -> Result<TcpListener, StartError> {
    if !address.ip().is_loopback() {
        return Err(StartError::NotLoopback(address));
    }
    let bound = TcpListener::bind(address).await;
    bound.map_err(|source| StartError::Listen { address, source })
}

/// The state to start from: the saved one, or else an empty one.
fn parts(
    config: Config,
    public_url: &str,
    smtp_address: Option<SocketAddr>,
) -> Result<Parts, StartError> {
    let real_now = config.real_time.now();
    let start = config
        .start_seconds
        .map(|start| start.saturating_mul(MICROS_PER_SECOND));
    let saved = match &config.save_file {
        Some(path) => save::load(path).map_err(|reason| StartError::Load {
            path: path.clone(),
            reason,
        })?,
        None => None,
    };
    let (mut core, mailbox, billing_now, goal) = if let Some(Saved {
        core,
        mailbox,
        billing_now,
        goal,
        real_now: saved_at,
    }) = saved
    {
        let passed = real_now.saturating_sub(saved_at).max(0);
        (core, mailbox, billing_now.saturating_add(passed), goal)
    } else {
        let now = start.unwrap_or(real_now);
        let core = Core::new(config.seed, now.div_euclid(MICROS_PER_SECOND));
        (core, Mailbox::default(), now, None)
    };
    core.set_public_url(public_url);
    Ok(Parts {
        core,
        mailbox,
        billing_now,
        goal,
        real_time: config.real_time,
        seed: config.seed,
        public_url: public_url.to_owned(),
        webhook_secret: config.webhook_secret,
        product_key: config.product_key,
        save_file: config.save_file,
        smtp_address,
        advance_steps_max: config.advance_steps_max,
    })
}
