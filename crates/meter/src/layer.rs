//! A `tower` layer that sets credits aside before the inner service and charges them after it, so
//! that handlers don't need to know about billing.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::{HeaderValue, Request, Response, StatusCode, header};
use serde_json::{Value, json};
use tower_layer::Layer;
use tower_service::Service;

use crate::{Cost, Error, Meter, Units};

/// The cost of a request and its idempotency key, which must be the same when the request is
/// retried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Charge {
    /// The cost that is set aside before the work.
    pub cost: Cost,
    /// The idempotency key of the request.
    pub key: String,
}

/// The units that were actually used. The inner service puts it into the extensions of its
/// response; without it, the whole hold is charged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Used(pub u64);

/// The units that were actually used of each meter, for an operation that has several; instead of
/// [`Used`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsedMeters(pub BTreeMap<String, u64>);

/// A layer that meters the services it wraps.
///
/// `price` returns the cost of a request, or `None` if it is free. A refusal is answered with 402
/// and the problem document of the billing service, and an unavailable billing service with 503. In
/// both cases the inner service is not called. A response below 400 is charged; any other response
/// releases the hold. If the client disconnects, the hold expires. A capture that fails because the
/// service does not answer is tried again in the background ([`Meter::unsettled`]).
#[derive(Clone, Debug)]
pub struct MeterLayer<F> {
    meter: Meter,
    price: F,
}

impl<F> MeterLayer<F> {
    /// Creates a layer that authorizes the cost that `price` returns with `meter`.
    pub fn new(meter: Meter, price: F) -> MeterLayer<F> {
        MeterLayer { meter, price }
    }
}

impl<S, F: Clone> Layer<S> for MeterLayer<F> {
    type Service = Metered<S, F>;

    fn layer(&self, inner: S) -> Metered<S, F> {
        Metered {
            inner,
            meter: self.meter.clone(),
            price: self.price.clone(),
        }
    }
}

/// A service that is metered by a [`MeterLayer`].
#[derive(Clone, Debug)]
pub struct Metered<S, F> {
    inner: S,
    meter: Meter,
    price: F,
}

impl<S, F, B, R> Service<Request<B>> for Metered<S, F>
where
    S: Service<Request<B>, Response = Response<R>> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Send,
    F: Fn(&Request<B>) -> Option<Charge>,
    B: Send + 'static,
    R: From<String> + Send + 'static,
{
    type Response = Response<R>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response<R>, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        // Call the service that was polled ready, and leave its clone in its place.
        let fresh = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, fresh);
        let (charge, meter) = ((self.price)(&request), self.meter.clone());
        Box::pin(async move {
            let Some(charge) = charge else {
                return inner.call(request).await;
            };
            let hold = match meter.authorize(&charge.cost, &charge.key).await {
                Ok(hold) => hold,
                Err(error) => return Ok(refusal(error)),
            };
            // The request was already served and charged under this key, or is being served now. It
            // was paid once, so it is served once.
            if hold.is_replayed {
                return Ok(repeated());
            }
            let answer = inner.call(request).await;
            // `None` means that nothing was served. A body may not be `Sync`, so the response is
            // read before the next await.
            let served = match &answer {
                Ok(response) if response.status().as_u16() < 400 => {
                    let extensions = response.extensions();
                    let meters = extensions.get::<UsedMeters>();
                    let meters = meters.map(|used| Units::Meters(used.0.clone()));
                    let count = extensions.get::<Used>().map(|used| Units::Count(used.0));
                    Some(meters.or(count))
                }
                _ => None,
            };
            // The client gets its answer in any case. A capture that fails is tried again later; a
            // hold that cannot be released now expires.
            match served {
                Some(used) => meter.capture_surely(&hold.id, used).await,
                None => drop(meter.release(&hold.id).await),
            }
            answer
        })
    }
}

fn repeated<R: From<String>>() -> Response<R> {
    let problem = json!({
        "status": 409, "code": "repeated", "title": "Request already made",
        "detail": "A request with this key was already served or is being served. Use a new key for a new request.",
    });
    answered(StatusCode::CONFLICT, &problem)
}

fn refusal<R: From<String>>(error: Error) -> Response<R> {
    let (status, problem) = match error {
        Error::PaymentRequired(problem) => (StatusCode::PAYMENT_REQUIRED, problem),
        Error::Refused {
            status: 429,
            problem,
        } => (StatusCode::TOO_MANY_REQUESTS, problem),
        // A wrong key or a wrong price is a mistake of the host application, not of its client.
        Error::Refused { .. } | Error::Unavailable(_) => (
            StatusCode::SERVICE_UNAVAILABLE,
            json!({ "status": 503, "code": "billing_unavailable", "title": "Billing is not available" }),
        ),
    };
    answered(status, &problem)
}

fn answered<R: From<String>>(status: StatusCode, problem: &Value) -> Response<R> {
    let mut response = Response::new(R::from(problem.to_string()));
    *response.status_mut() = status;
    let kind = HeaderValue::from_static("application/problem+json");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use axum::body::Body;
    use axum::extract::{Path, State};
    use axum::response::IntoResponse;
    use axum::routing::post;
    use axum::{Extension, Json, Router};

    use super::*;

    type Log = Arc<Mutex<Vec<String>>>;

    /// A billing service that grants holds unless the key starts with "poor".
    async fn billing(log: Log) -> Meter {
        let hold = |State(log): State<Log>, headers: http::HeaderMap, Json(body): Json<Value>| async move {
            let key = headers["idempotency-key"].to_str().unwrap().to_owned();
            log.lock()
                .unwrap()
                .push(format!("hold {key} {}", body["units"]));
            if key.starts_with("poor") {
                let problem = json!({ "code": "insufficient_credits" });
                return (StatusCode::PAYMENT_REQUIRED, Json(problem)).into_response();
            }
            let answer = Json(json!({ "id": "hold_1", "state": "pending" }));
            let attempt = format!("hold {key} ");
            let tries = log
                .lock()
                .unwrap()
                .iter()
                .filter(|line| line.starts_with(&attempt))
                .count();
            if tries > 1 {
                let replayed = [("idempotency-replayed", "true")];
                return (StatusCode::CREATED, replayed, answer).into_response();
            }
            (StatusCode::CREATED, answer).into_response()
        };
        let settle = |State(log): State<Log>,
                      Path((id, act)): Path<(String, String)>,
                      body: String| async move {
            log.lock().unwrap().push(format!("{act} {id} {body}"));
            Json(json!({ "id": id, "state": act }))
        };
        let router = Router::new()
            .route("/api/v1/holds", post(hold))
            .route("/api/v1/holds/{id}/{act}", post(settle))
            .with_state(log);
        served(router).await
    }

    /// Serves a billing service, and returns its meter.
    async fn served(router: Router) -> Meter {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Meter::new(&base, "lbx_test_key").unwrap()
    }

    /// Grants every hold.
    async fn granted(headers: http::HeaderMap) -> Json<Value> {
        let key = headers["idempotency-key"].to_str().unwrap().to_owned();
        Json(json!({ "id": format!("hold_{key}"), "state": "pending" }))
    }

    fn app(meter: Meter) -> Router {
        let price = |request: &Request<Body>| {
            let key = request.headers().get("x-request-id")?.to_str().ok()?;
            let (cost, key) = (Cost::units("chat", 4), key.to_owned());
            Some(Charge { cost, key })
        };
        Router::new()
            .route("/good", post(|| async { (Extension(Used(3)), "done") }))
            .route("/many", post(|| async { (Extension(many()), "done") }))
            .route("/bad", post(|| async { StatusCode::BAD_GATEWAY }))
            .layer(MeterLayer::new(meter, price))
    }

    fn many() -> UsedMeters {
        UsedMeters([("output_tokens".to_owned(), 800)].into())
    }

    async fn send(app: &Router, path: &str, key: Option<&str>) -> u16 {
        use tower::ServiceExt;
        let mut request = Request::post(path);
        if let Some(key) = key {
            request = request.header("x-request-id", key);
        }
        let answer = app.clone().oneshot(request.body(Body::empty()).unwrap());
        answer.await.unwrap().status().as_u16()
    }

    #[tokio::test]
    async fn a_repeated_request_is_not_served_again() {
        let log = Log::default();
        let app = app(billing(Arc::clone(&log)).await);

        assert_eq!(send(&app, "/good", Some("a")).await, 200);
        assert_eq!(send(&app, "/good", Some("a")).await, 409);

        let settled = log
            .lock()
            .unwrap()
            .iter()
            .filter(|line| line.starts_with("capture"))
            .count();
        assert_eq!(settled, 1);
    }

    #[tokio::test]
    async fn good_work_is_charged_bad_work_is_given_back_and_the_poor_are_not_served() {
        let log = Log::default();
        let app = app(billing(Arc::clone(&log)).await);

        assert_eq!(send(&app, "/good", Some("a")).await, 200);
        assert_eq!(send(&app, "/bad", Some("b")).await, 502);
        assert_eq!(send(&app, "/many", Some("c")).await, 200);
        assert_eq!(send(&app, "/good", Some("poor")).await, 402);
        assert_eq!(
            send(&app, "/good", None).await,
            200,
            "a free request needs no hold"
        );

        let seen = log.lock().unwrap().clone();
        assert_eq!(
            seen,
            [
                "hold a 4",
                "capture hold_1 {\"units\":3}",
                "hold b 4",
                "release hold_1 {}",
                "hold c 4",
                "capture hold_1 {\"units\":{\"output_tokens\":800}}",
                "hold poor 4",
            ]
        );
    }

    #[tokio::test]
    async fn a_capture_that_fails_during_a_deploy_is_made_when_the_service_is_back() {
        use std::sync::atomic::{AtomicUsize, Ordering};
        let (log, left) = (Log::default(), Arc::new(AtomicUsize::new(2)));
        let captures = Arc::clone(&log);
        let router = Router::new().route("/api/v1/holds", post(granted)).route(
            "/api/v1/holds/{id}/capture",
            post(move |Path(id): Path<String>| async move {
                let is_down = left
                    .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1))
                    .is_ok();
                if is_down {
                    return StatusCode::SERVICE_UNAVAILABLE.into_response();
                }
                captures.lock().unwrap().push(id.clone());
                if id == "hold_lost" {
                    return (StatusCode::NOT_FOUND, Json(json!({}))).into_response();
                }
                Json(json!({ "id": id, "state": "captured" })).into_response()
            }),
        );
        let meter = served(router).await;
        let app = app(meter.clone());

        assert_eq!(send(&app, "/good", Some("lost")).await, 200);
        assert_eq!(send(&app, "/good", Some("a")).await, 200);
        assert_eq!(meter.unsettled().len(), 2, "kept");

        let started = std::time::Instant::now();
        while !meter.unsettled().is_empty() {
            assert!(started.elapsed() < std::time::Duration::from_secs(20));
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        assert_eq!(
            *log.lock().unwrap(),
            ["hold_lost", "hold_a"],
            "in order, once"
        );
        let refused = meter.refused_captures();
        assert_eq!(refused.len(), 1, "a refused one is set aside");
        assert_eq!(refused[0].hold, "hold_lost");
    }

    #[tokio::test]
    async fn a_capture_that_is_refused_at_once_is_set_aside() {
        let router = Router::new().route("/api/v1/holds", post(granted)).route(
            "/api/v1/holds/{id}/capture",
            post(|Path(id): Path<String>| async move {
                let state = if id == "hold_done" {
                    "captured"
                } else {
                    "released"
                };
                (StatusCode::CONFLICT, Json(json!({ "state": state })))
            }),
        );
        let meter = served(router).await;
        let app = app(meter.clone());

        assert_eq!(send(&app, "/good", Some("done")).await, 200);
        assert_eq!(send(&app, "/good", Some("gone")).await, 200);

        assert_eq!(meter.unsettled(), [], "neither is tried again");
        let refused = meter.refused_captures();
        let holds: Vec<&str> = refused.iter().map(|one| one.hold.as_str()).collect();
        assert_eq!(holds, ["hold_gone"], "a captured hold needs nothing more");
    }

    #[tokio::test]
    async fn nothing_is_served_while_billing_is_not_available() {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let app = app(Meter::new("http://127.0.0.1:9", "k").unwrap());

        assert_eq!(send(&app, "/good", Some("a")).await, 503);
    }
}
