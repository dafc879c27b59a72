//! Parts of a request's trace. Without the feature `otel` they are nothing.

/// Spans of this target go to the collector and not into the log; nothing else does.
#[cfg(feature = "otel")]
pub const TARGET: &str = "lbx_trace";

/// Follows a part of what is done for a request.
#[cfg(not(feature = "otel"))]
pub async fn within<T>(_name: &'static str, work: impl Future<Output = T>) -> T {
    work.await
}

/// Follows a part of what is done for a request.
#[cfg(feature = "otel")]
pub async fn within<T>(name: &'static str, work: impl Future<Output = T>) -> T {
    let span = tracing::info_span!(target: TARGET, "part", otel.name = name);
    tracing::Instrument::instrument(work, span).await
}
