//! Counters shared by the writer, the checkpointer and the metrics.

use std::sync::atomic::{AtomicBool, AtomicU64};

/// The state of a writer, read by metrics.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) commits: AtomicU64,
    pub(crate) jobs: AtomicU64,
    /// Set by the checkpointer when its own copying can't keep up with the writer.
    pub(crate) wants_checkpoint: AtomicBool,
}
