//! Spans within a request's trace. Without the feature `otel` they do nothing.

/// Only spans with this target go to the collector; they don't go to the log.
#[cfg(feature = "otel")]
pub const TARGET: &str = "lbx_trace";

/// Traces a part of a request's work.
#[cfg(not(feature = "otel"))]
pub async fn within<T>(_name: &'static str, work: impl Future<Output = T>) -> T {
    work.await
}

/// Traces a part of a request's work.
#[cfg(feature = "otel")]
pub async fn within<T>(name: &'static str, work: impl Future<Output = T>) -> T {
    let span = tracing::info_span!(target: TARGET, "part", otel.name = name);
    tracing::Instrument::instrument(work, span).await
}
