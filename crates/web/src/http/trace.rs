//! The trace span of a request, from its arrival to its response.

pub use inner::request;

#[cfg(not(feature = "otel"))]
mod inner {
    use axum::extract::Request;
    use axum::middleware::Next;
    use axum::response::Response;

    /// Does nothing without the `otel` feature.
    pub async fn request(request: Request, _id: &str, next: Next) -> Response {
        next.run(request).await
    }
}

#[cfg(feature = "otel")]
mod inner {
    use axum::extract::MatchedPath;
    use axum::extract::Request;
    use axum::http::HeaderMap;
    use axum::middleware::Next;
    use axum::response::Response;
    use opentelemetry::propagation::Extractor;
    use opentelemetry::propagation::TextMapPropagator;
    use opentelemetry_sdk::propagation::TraceContextPropagator;
    use tracing::Instrument;
    use tracing::field::Empty;
    use tracing_opentelemetry::OpenTelemetrySpanExt;

    use billing::tracing::TARGET;

    struct Headers<'a>(&'a HeaderMap);

    impl Extractor for Headers<'_> {
        fn get(&self, key: &str) -> Option<&str> {
            self.0.get(key).and_then(|value| value.to_str().ok())
        }

        fn keys(&self) -> Vec<&str> {
            self.0.keys().map(http::HeaderName::as_str).collect()
        }
    }

    /// Traces a request from its arrival to its response, continuing the caller's `traceparent`.
    pub async fn request(request: Request, id: &str, next: Next) -> Response {
        let route = request.extensions().get::<MatchedPath>();
        let route = route.map_or("", MatchedPath::as_str);
        let span = tracing::info_span!(
            target: TARGET,
            "request",
            otel.name = format!("{} {route}", request.method()),
            otel.kind = "server",
            http.request.method = %request.method(),
            http.route = route,
            http.response.status_code = Empty,
            request_id = id,
        );
        let parent = TraceContextPropagator::new().extract(&Headers(request.headers()));
        let _ = span.set_parent(parent);
        let response = next.run(request).instrument(span.clone()).await;
        span.record("http.response.status_code", response.status().as_u16());
        response
    }
}
