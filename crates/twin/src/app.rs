//! The state that every handler receives.

use std::sync::Arc;

use tokio::sync::watch;

use crate::shell::Twin;

/// The twin, and the signal that it is about to stop.
#[derive(Clone)]
pub(crate) struct App {
    pub twin: Arc<Twin>,
    /// Ends long polls and websockets when the twin stops.
    pub stop: watch::Receiver<bool>,
}
