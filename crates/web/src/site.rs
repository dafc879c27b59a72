//! What handlers share: the application, and what only HTTP needs beside it.

use std::sync::Arc;

use axum::extract::FromRef;
use billing::app::App;
use tokio::sync::Semaphore;

use crate::sign_in::jwks;
#[cfg(feature = "oidc")]
use crate::sign_in::oidc;

/// The state of the router; clones share it.
#[derive(Clone)]
pub struct Site {
    /// The application, which clones share.
    pub app: App,
    /// The host application's public keys.
    pub jwks: Arc<jwks::Cache>,
    /// What the OpenID Connect provider said of itself.
    #[cfg(feature = "oidc")]
    pub oidc: Arc<oidc::Cache>,
    /// Places of requests that are answered at once (`http/listen.rs`).
    pub requests: Arc<Semaphore>,
}

impl Site {
    /// The state over an application.
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
