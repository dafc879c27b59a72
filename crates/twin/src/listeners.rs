//! The connected clients of `stripe listen`, each with its own queue.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::mpsc;

use crate::outgoing::Announced;

/// The number of events that wait for a listener's connection. Further ones wait as deliveries.
const QUEUE_MAX: usize = 16;

type Sender = mpsc::Sender<Arc<Announced>>;

#[derive(Debug, Default)]
struct State {
    last_id: u64,
    queues: BTreeMap<u64, Sender>,
}

/// The connected listeners.
#[derive(Debug, Default)]
pub(crate) struct Listeners(Mutex<State>);

impl Listeners {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a listener and returns its id and its queue.
    pub fn connect(&self) -> (u64, mpsc::Receiver<Arc<Announced>>) {
        let (sender, receiver) = mpsc::channel(QUEUE_MAX);
        let mut state = self.state();
        state.last_id += 1;
        let id = state.last_id;
        state.queues.insert(id, sender);
        (id, receiver)
    }

    /// Removes a listener.
    pub fn disconnect(&self, id: u64) {
        self.state().queues.remove(&id);
    }

    /// The ids of the connected listeners.
    pub fn ids(&self) -> Vec<u64> {
        self.state().queues.keys().copied().collect()
    }

    /// The queue of a listener, if it is still connected.
    pub fn queue_of(&self, id: u64) -> Option<Sender> {
        self.state().queues.get(&id).cloned()
    }
}
