//! The state that every handler receives.

use std::sync::Arc;

use tokio::sync::watch;

use crate::core::Core;
use crate::shell::Twin;

/// The twin, and the signal that it is about to stop.
#[derive(Clone)]
pub(crate) struct App {
    pub twin: Arc<Twin>,
    /// Ends long polls and websockets when the twin stops.
    pub stop: watch::Receiver<bool>,
}

impl App {
    /// Does what [`Twin::read`] does.
    pub fn read<T>(&self, ask: impl FnOnce(&Core) -> T) -> T {
        self.twin.read(ask)
    }

    /// Does what [`Twin::change`] does.
    pub fn change<T>(&self, act: impl FnOnce(&mut Core, i64) -> T) -> T {
        self.twin.change(act)
    }
}
