//! Bounds the time that a request body may take (case W7): however slowly a client sends, the whole
//! body arrives in time or the request fails. The metering proxy streams and has its own bounds.

use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use billing::app::App;
use futures_util::{StreamExt, stream};
use tokio::time::{Instant, timeout_at};

/// Paths whose bodies are streamed on to the proxied service.
const STREAMED: &str = "/proxy/";

/// The error that ends a body that didn't arrive in time.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the body did not arrive in time")]
pub struct TooSlow;

/// Bounds the time that a request body may take.
pub async fn cut(State(app): State<App>, request: Request, next: Next) -> Response {
    let has_none = axum::body::HttpBody::is_end_stream(request.body());
    if has_none || request.uri().path().starts_with(STREAMED) {
        return next.run(request).await;
    }
    let longest = Duration::from_secs(app.settings.service.body_seconds_max);
    let until = Instant::now() + longest;
    next.run(request.map(|body| in_time(body, until))).await
}

fn in_time(body: Body, until: Instant) -> Body {
    let pieces = body.into_data_stream();
    let bounded = stream::unfold(Some(pieces), move |pieces| async move {
        let mut pieces = pieces?;
        match timeout_at(until, pieces.next()).await {
            Ok(Some(Ok(piece))) => Some((Ok(piece), Some(pieces))),
            Ok(Some(Err(error))) => Some((Err(axum::BoxError::from(error)), None)),
            Ok(None) => None,
            Err(_) => Some((Err(axum::BoxError::from(TooSlow)), None)),
        }
    });
    Body::from_stream(bounded)
}

/// Whether an error was caused by a body that didn't arrive in time.
pub fn is_too_slow(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        if error.is::<TooSlow>() {
            return true;
        }
        next = error.source();
    }
    false
}
