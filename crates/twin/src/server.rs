//! Starts and stops the twin.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::clock::{MICROS_PER_SECOND, RealTime};
use crate::core::Core;
use crate::mail::Mailbox;
use crate::save::{self, Saved};
use crate::shell::{Parts, Twin};
use crate::{delivery, http, routes, shell, smtp};

/// How a twin is run.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where it listens; loopback only. Port 0 takes a free one.
    pub listen: SocketAddr,
    /// Where the mail sink listens; loopback only; `None`: there is none.
    pub smtp_listen: Option<SocketAddr>,
    /// What ids and chance come from.
    pub seed: u64,
    /// The origin in the links of its objects; by default the address it listens on.
    pub public_url: Option<String>,
    /// The billing clock's start in seconds since 1970; by default real time.
    pub start_seconds: Option<i64>,
    /// Where its state is kept over restarts; `None`: in memory only.
    pub save_file: Option<PathBuf>,
    /// What `POST /v1/stripecli/sessions` answers as `secret`.
    pub webhook_secret: Option<String>,
    /// The key of the product, whose calls faults spoil; `None`: everyone's.
    pub product_key: Option<String>,
    /// Real time, for signatures and for the start of the billing clock.
    pub real_time: RealTime,
}

impl Config {
    /// A twin in memory at `listen`, with a mail sink at a free port.
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
        }
    }
}

/// Why the twin did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The twin has no passwords, so only this machine may reach it.
    #[error("the twin listens on loopback only, not on {0}")]
    NotLoopback(SocketAddr),
    /// A live key must never come near a pretended Stripe.
    #[error("the twin refuses a live key; give it a key that begins with sk_test_")]
    LiveKey,
    /// The address is taken or not ours.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// The address that was asked for.
        address: SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
    /// The state file cannot be read or is no state of a twin.
    #[error("cannot read the twin's state from {path}: {reason}; move the file away to start anew")]
    Load {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// No HTTP client for the deliveries.
    #[error("cannot make the client that delivers webhooks: {0}")]
    Client(#[from] reqwest::Error),
}

/// A twin that runs. Dropping it lets it run on.
#[derive(Debug)]
pub struct Handle {
    address: SocketAddr,
    smtp_address: Option<SocketAddr>,
    stop: watch::Sender<bool>,
    tasks: Vec<JoinHandle<()>>,
}

impl Handle {
    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its origin on this machine, as `http://127.0.0.1:12111`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Where the mail sink listens.
    #[must_use]
    pub fn smtp_address(&self) -> Option<SocketAddr> {
        self.smtp_address
    }

    /// Asks it to stop; [`Handle::join`] waits until it has.
    pub fn shutdown(&self) {
        self.stop.send_replace(true);
    }

    /// Waits until it has stopped and its state is saved.
    pub async fn join(self) {
        for task in self.tasks {
            if let Err(error) = task.await {
                tracing::error!(%error, "A task of the twin ended badly");
            }
        }
    }
}

/// Starts a twin and returns when it can be reached.
///
/// # Errors
///
/// See [`StartError`].
pub async fn serve(config: Config) -> Result<Handle, StartError> {
    crate::install_crypto();
    if config.product_key.as_deref().is_some_and(is_live_key) {
        return Err(StartError::LiveKey);
    }
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
    let twin = Arc::new(Twin::new(parts(config, &public_url, smtp_address)?)?);
    let (stop, stopped) = watch::channel(false);
    let router = routes::router(Arc::clone(&twin), stopped.clone());
    let mut tasks = vec![
        tokio::spawn(http::listen(listener, router, stopped.clone())),
        tokio::spawn(delivery::run(Arc::clone(&twin), stopped.clone())),
        tokio::spawn(shell::tick_along(Arc::clone(&twin), stopped.clone())),
        tokio::spawn(save::keep_saved(Arc::clone(&twin), stopped.clone())),
    ];
    if let Some(smtp) = smtp {
        tasks.push(tokio::spawn(smtp::listen(twin, smtp, stopped)));
    }
    Ok(Handle {
        address,
        smtp_address,
        stop,
        tasks,
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

/// The state to start from: the saved one, else an empty one.
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
    let (mut core, mailbox, billing_now) = match saved {
        Some(Saved {
            core,
            mailbox,
            billing_now,
            real_now: saved_at,
        }) => {
            let passed = real_now.saturating_sub(saved_at).max(0);
            (core, mailbox, billing_now.saturating_add(passed))
        }
        None => {
            let now = start.unwrap_or(real_now);
            let core = Core::new(config.seed, now.div_euclid(MICROS_PER_SECOND));
            (core, Mailbox::default(), now)
        }
    };
    core.set_public_url(public_url);
    Ok(Parts {
        core,
        mailbox,
        billing_now,
        real_time: config.real_time,
        seed: config.seed,
        public_url: public_url.to_owned(),
        webhook_secret: config.webhook_secret,
        product_key: config.product_key,
        save_file: config.save_file,
        smtp_address,
    })
}
