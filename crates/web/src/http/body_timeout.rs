//! Bodies that take too long are cut (case W7): however a sender drips, the whole body is there in
//! time or not at all. The metering proxy streams and has bounds of its own.

use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use billing::app::App;
use futures_util::{StreamExt, stream};
use tokio::time::{Instant, timeout_at};

/// Addresses whose bodies are streamed on.
const STREAMED: &str = "/proxy/";

/// What a body ends with that was not there in time.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the body did not arrive in time")]
pub struct TooSlow;

/// Bounds the time that the body of a request may take.
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

/// Whether an error comes from a body that was cut.
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
