//! Counters that the writer, the checkpointer and the metrics share.

use std::sync::atomic::{AtomicBool, AtomicU64};

/// How a writer is doing; read by metrics.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) commits: AtomicU64,
    pub(crate) jobs: AtomicU64,
    /// Asked for by the checkpointer when its own copy cannot catch up with the writer.
    pub(crate) wants_checkpoint: AtomicBool,
}
