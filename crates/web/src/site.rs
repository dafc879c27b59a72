//! The state that handlers share: the application, and state that only HTTP needs.

use std::sync::Arc;

use axum::extract::FromRef;
use billing::app::App;
use tokio::sync::Semaphore;

use crate::sign_in::jwks;
#[cfg(feature = "oidc")]
use crate::sign_in::oidc;

/// The router's state; clones share it.
#[derive(Clone)]
pub struct Site {
    /// The application; clones share it.
    pub app: App,
    /// The host application's public keys, cached.
    pub jwks: Arc<jwks::Cache>,
    /// The OpenID Connect provider's metadata, cached.
    #[cfg(feature = "oidc")]
    pub oidc: Arc<oidc::Cache>,
    /// Permits for concurrent requests other than webhooks (`http/listen.rs`).
    pub requests: Arc<Semaphore>,
}

impl Site {
    /// Creates the state for an application.
    pub fn new(app: App) -> Site {
        let requests = Arc::new(Semaphore::new(app.settings.service.requests_max()));
        Site {
            app,
            jwks: Arc::default(),
            #[cfg(feature = "oidc")]
            oidc: Arc::default(),
            requests,
        }
    }
}

impl FromRef<Site> for App {
    fn from_ref(site: &Site) -> App {
        site.app.clone()
    }
}
