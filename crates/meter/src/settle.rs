//! Captures that failed because the service did not answer, for example during a deploy: they are kept
//! and tried again, so that a call that was served is charged. The service accepts a capture for 24
//! hours after its hold expired. One that the service refuses is set aside, for
//! [`Meter::refused_captures`].
//!
//! They are kept in memory, in a bounded number. Persist [`Meter::unsettled`] if a crash of the host
//! application must not lose them.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::{Error, Meter, Units};

/// The largest number of captures that may wait. A further one is dropped, and its hold expires.
const WAITING_MAX: usize = 100_000;

/// The largest number of refused captures that are remembered.
const REFUSED_MAX: usize = 1_000;

/// A capture that was not made yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unsettled {
    /// The id of the hold.
    pub hold: String,
    /// What to charge, or `None` for the whole hold.
    pub units: Option<Units>,
}

#[derive(Debug, Default)]
pub(crate) struct Settlements(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    waiting: VecDeque<Unsettled>,
    refused: VecDeque<Unsettled>,
    /// Whether a task of this process is trying them again.
    has_worker: bool,
}

impl Settlements {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps a capture for later. Returns whether the caller must start trying.
    fn keep(&self, capture: Unsettled) -> bool {
        let mut state = self.state();
        if state.waiting.len() < WAITING_MAX {
            state.waiting.push_back(capture);
        }
        !std::mem::replace(&mut state.has_worker, true)
    }

    /// Removes the first capture that waits, if it is still this one.
    fn remove(&self, capture: &Unsettled, is_refused: bool) {
        let mut state = self.state();
        if state.waiting.front() == Some(capture) {
            state.waiting.pop_front();
        }
        if is_refused {
            state.refuse(capture.clone());
        }
    }
}

impl State {
    fn refuse(&mut self, capture: Unsettled) {
        if self.refused.len() >= REFUSED_MAX {
            self.refused.pop_front();
        }
        self.refused.push_back(capture);
    }
}

/// What became of an attempt to capture.
enum Attempt {
    /// The hold is captured, now or before.
    Made,
    /// The service did not answer, or not yet: the capture can be tried again.
    Unanswered,
    /// The service refused it.
    Refused,
}

impl Meter {
    /// The captures that wait to be made.
    #[must_use]
    pub fn unsettled(&self) -> Vec<Unsettled> {
        self.settlements.state().waiting.iter().cloned().collect()
    }

    /// The latest captures of served calls that the service refused, at once or when they were tried
    /// again. They are set aside and not retried.
    #[must_use]
    pub fn refused_captures(&self) -> Vec<Unsettled> {
        self.settlements.state().refused.iter().cloned().collect()
    }

    /// Tries the captures that wait, the oldest first. A refused one is set aside and doesn't keep
    /// those behind it from being made; the first one without an answer ends the round. Returns how
    /// many are left.
    pub async fn settle_waiting(&self) -> usize {
        loop {
            let first = self.settlements.state().waiting.front().cloned();
            let Some(capture) = first else { return 0 };
            match self.attempt(&capture).await {
                Attempt::Made => self.settlements.remove(&capture, false),
                Attempt::Unanswered => return self.settlements.state().waiting.len(),
                Attempt::Refused => self.settlements.remove(&capture, true),
            }
        }
    }

    async fn attempt(&self, capture: &Unsettled) -> Attempt {
        let made = self.capture_units(&capture.hold, capture.units.clone());
        match made.await {
            Ok(_) => Attempt::Made,
            Err(
                Error::Unavailable(_)
                | Error::Refused {
                    status: 401 | 429, ..
                },
            ) => Attempt::Unanswered,
            Err(Error::Refused { problem, .. }) if problem["state"] == "captured" => Attempt::Made,
            Err(_) => Attempt::Refused,
        }
    }
}

mod worker {
    use std::time::Duration;

    use super::{Attempt, Unsettled};
    use crate::{Meter, Units};

    /// The pause before the first retry; it doubles up to the longest one.
    const FIRST_PAUSE: Duration = Duration::from_millis(500);

    const LONGEST_PAUSE: Duration = Duration::from_mins(5);

    /// After this many rounds in a row without progress (about a day) what is left is set aside: the
    /// service no longer accepts it.
    const ROUNDS_MAX: u32 = 300;

    impl Meter {
        /// Captures a hold, now or when the service is back.
        pub(crate) async fn capture_surely(&self, hold: &str, units: Option<Units>) {
            let capture = Unsettled {
                hold: hold.to_owned(),
                units,
            };
            match self.attempt(&capture).await {
                Attempt::Made => return,
                Attempt::Refused => return self.settlements.state().refuse(capture),
                Attempt::Unanswered => {}
            }
            if self.settlements.keep(capture) {
                tokio::spawn(self.clone().settle_until_done());
            }
        }

        async fn settle_until_done(self) {
            let (mut pause, mut rounds) = (FIRST_PAUSE, 0);
            while rounds < ROUNDS_MAX {
                tokio::time::sleep(pause).await;
                let before = self.unsettled().len();
                let left = self.settle_waiting().await;
                if left == 0 && self.settlements.is_idle() {
                    return;
                }
                let is_moving = left < before;
                rounds = if is_moving { 0 } else { rounds + 1 };
                pause = if is_moving {
                    FIRST_PAUSE
                } else {
                    (pause * 2).min(LONGEST_PAUSE)
                };
            }
            self.settlements.give_up();
        }
    }

    impl super::Settlements {
        /// Ends the worker if nothing waits.
        fn is_idle(&self) -> bool {
            let mut state = self.state();
            state.has_worker = !state.waiting.is_empty();
            !state.has_worker
        }

        fn give_up(&self) {
            let mut state = self.state();
            state.has_worker = false;
            let waiting = std::mem::take(&mut state.waiting);
            let kept = waiting.len().min(super::REFUSED_MAX);
            state.refused.truncate(super::REFUSED_MAX - kept);
            state.refused.extend(waiting.into_iter().take(kept));
        }
    }
}
