//! A bounded queue whose reader takes many items at once.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use crate::error::{Error, Result};

/// Items that arrived while the reader was busy, in order of arrival.
#[derive(Debug)]
pub(crate) struct Queue<T> {
    state: Mutex<State<T>>,
    arrived: Condvar,
    bound: usize,
}

#[derive(Debug)]
struct State<T> {
    items: VecDeque<T>,
    is_closed: bool,
}

impl<T> Queue<T> {
    pub(crate) fn new(bound: usize) -> Queue<T> {
        let state = State {
            items: VecDeque::new(),
            is_closed: false,
        };
        Queue {
            state: Mutex::new(state),
            arrived: Condvar::new(),
            bound,
        }
    }

    /// Appends `item`, or refuses immediately when the queue is full or closed.
    pub(crate) fn push(&self, item: T) -> Result<()> {
        let mut state = self.lock();
        if state.is_closed {
            return Err(Error::Closed);
        }
        if state.items.len() >= self.bound {
            return Err(Error::Busy);
        }
        state.items.push_back(item);
        drop(state);
        self.arrived.notify_one();
        Ok(())
    }

    /// Waits until something is queued and takes at most `max` items; the result is empty when the
    /// queue is closed and empty.
    pub(crate) fn take(&self, max: usize) -> Vec<T> {
        let mut state = self.lock();
        while state.items.is_empty() && !state.is_closed {
            state = self
                .arrived
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
        let count = max.min(state.items.len());
        state.items.drain(..count).collect()
    }

    /// Stops accepting items; those already queued can still be taken.
    pub(crate) fn close(&self) {
        self.lock().is_closed = true;
        self.arrived.notify_all();
    }

    pub(crate) fn len(&self) -> usize {
        self.lock().items.len()
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
