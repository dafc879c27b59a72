//! Logs, and traces for an OpenTelemetry collector in a build with the feature `otel`.
//!
//! A trace contains no more than the log: the request's id, its method, the route's pattern and the
//! status. It contains no address, body or name, and never a path, which may contain a token.

use std::io::IsTerminal;

use billing::config::Telemetry;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, Registry};

pub use traces::finish;

/// A type-erased layer of the subscriber.
type BoxedLayer = Box<dyn Layer<Registry> + Send + Sync>;

/// Starts structured logs on standard error, filtered by `RUST_LOG`, and traces if a collector is
/// configured.
pub fn start_as_json(to: Option<&Telemetry>) {
    let filter = EnvFilter::try_from_default_env();
    // The log lines of the migrator contain the path of the folder in which it was built.
    let filter = filter.unwrap_or_else(|_| "info,refinery_core=warn".into());
    let logs = tracing_subscriber::fmt::layer()
        .json()
        .with_writer(std::io::stderr)
        .with_filter(filter);
    start(logs.boxed(), to);
}

/// Starts readable logs on standard error, filtered by `RUST_LOG`, which shows only warnings by
/// default.
pub fn start_as_text(to: Option<&Telemetry>) {
    let filter = EnvFilter::try_from_default_env();
    let filter = filter.unwrap_or_else(|_| "warn".into());
    let logs = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_filter(filter);
    start(logs.boxed(), to);
}

fn start(logs: BoxedLayer, to: Option<&Telemetry>) {
    let mut layers = vec![logs];
    if let Some(traces) = to.and_then(traces::layer) {
        layers.push(traces);
    }
    let _ = tracing_subscriber::registry().with(layers).try_init();
}

#[cfg(not(feature = "otel"))]
mod traces {
    use super::BoxedLayer;
    use billing::config::Telemetry;

    pub fn layer(_: &Telemetry) -> Option<BoxedLayer> {
        None
    }

    /// Sends the traces that have not been sent yet.
    pub async fn finish() {}
}

#[cfg(feature = "otel")]
mod traces {
    use std::sync::OnceLock;
    use std::time::Duration;

    use opentelemetry::trace::TracerProvider;
    use opentelemetry_otlp::SpanExporter;
    use opentelemetry_otlp::WithExportConfig;
    use opentelemetry_sdk::Resource;
    use opentelemetry_sdk::trace::Sampler;
    use opentelemetry_sdk::trace::SdkTracerProvider;
    use tracing_subscriber::Layer;
    use tracing_subscriber::filter::filter_fn;

    use super::BoxedLayer;
    use billing::config::Telemetry;
    use billing::tracing::TARGET;

    /// The longest that an export may take.
    const EXPORT_MAX: Duration = Duration::from_secs(5);

    static PROVIDER: OnceLock<SdkTracerProvider> = OnceLock::new();

    pub fn layer(telemetry: &Telemetry) -> Option<BoxedLayer> {
        if telemetry.otlp_endpoint.is_empty() {
            return None;
        }
        let _ = rustls::crypto::ring::default_provider().install_default();
        let exporter = SpanExporter::builder()
            .with_http()
            .with_endpoint(format!(
                "{}/v1/traces",
                telemetry.otlp_endpoint.trim_end_matches('/')
            ))
            .with_timeout(EXPORT_MAX)
            .build()
            .ok()?;
        let share = f64::from(telemetry.sampled_per_mille) / 1_000.0;
        let provider = SdkTracerProvider::builder()
            .with_batch_exporter(exporter)
            // Sampling depends only on the trace's id, so that a header sent from outside can
            // continue a trace but can't force one.
            .with_sampler(Sampler::TraceIdRatioBased(share))
            .with_resource(
                Resource::builder()
                    .with_service_name(telemetry.service_name.clone())
                    .build(),
            )
            .build();
        let tracer = provider.tracer("localboxs-billing");
        let _ = PROVIDER.set(provider);
        let ours = filter_fn(|metadata| metadata.is_span() && metadata.target() == TARGET);
        let layer = tracing_opentelemetry::layer()
            .with_tracer(tracer)
            .with_location(false)
            .with_threads(false);
        Some(layer.with_filter(ours).boxed())
    }

    /// Sends the traces that have not been sent yet.
    pub async fn finish() {
        if let Some(provider) = PROVIDER.get() {
            let finished =
                tokio::task::spawn_blocking(|| provider.shutdown_with_timeout(EXPORT_MAX));
            if let Ok(Err(error)) = finished.await {
                tracing::debug!(%error, "Failed to send the last traces");
            }
        }
    }
}
