//! The library that a host application embeds to meter its calls: authorize a hold before the work,
//! capture what the work cost afterward, or debit in one step.
//!
//! ```no_run
//! # async fn answer_chat() -> Result<u64, Box<dyn std::error::Error>> { Ok(1) }
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use meter::{Cost, Meter};
//!
//! let meter = Meter::new("http://127.0.0.1:3000", "lbx_test_...")?;
//! let hold = meter.authorize(&Cost::units("chat", 4), "request-17").await?;
//! match answer_chat().await {
//!     Ok(units) => meter.capture(&hold.id, Some(units)).await?,
//!     Err(_) => meter.release(&hold.id).await?,
//! };
//! # Ok(())
//! # }
//! ```
//!
//! The host application must install a rustls crypto provider, as for any `reqwest` client that is
//! built without one.

#[cfg(feature = "tower")]
pub mod layer;
mod open;
#[cfg(feature = "tower")]
mod settle;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

pub use open::{Owed, Reconciled};
#[cfg(feature = "tower")]
pub use settle::Unsettled;

/// The longest time that a call to the billing service may take.
const CALL_MAX: Duration = Duration::from_secs(10);

/// A client of one billing service with one API key.
#[derive(Clone)]
pub struct Meter {
    base: String,
    key: String,
    http: reqwest::Client,
    open: Option<Arc<open::Open>>,
    #[cfg(feature = "tower")]
    settlements: Arc<settle::Settlements>,
}

impl std::fmt::Debug for Meter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Meter")
            .field("base", &self.base)
            .finish_non_exhaustive()
    }
}

/// What a call uses of its operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Units {
    /// Units of an operation that has one rate.
    Count(u64),
    /// Units of each meter of an operation that has several.
    Meters(BTreeMap<String, u64>),
}

impl Units {
    fn of_meters<N: Into<String>>(meters: impl IntoIterator<Item = (N, u64)>) -> Units {
        let meters = meters.into_iter();
        Units::Meters(meters.map(|(name, units)| (name.into(), units)).collect())
    }

    /// All units, of whatever meter.
    fn total(&self) -> u64 {
        match self {
            Units::Count(units) => *units,
            Units::Meters(meters) => meters.values().fold(0, |sum, n| sum.saturating_add(*n)),
        }
    }

    fn json(&self) -> Value {
        match self {
            Units::Count(units) => json!(units),
            Units::Meters(meters) => json!(meters),
        }
    }
}

/// The cost of a call: an operation of the catalog and what the call uses of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cost {
    account: Option<String>,
    operation: String,
    units: Units,
}

impl Cost {
    /// The cost of `units` of an operation of the catalog.
    pub fn units(operation: impl Into<String>, units: u64) -> Cost {
        Cost {
            account: None,
            operation: operation.into(),
            units: Units::Count(units),
        }
    }

    /// The cost of the given units of each meter of an operation that has several:
    /// `Cost::meters("completion", [("input_tokens", 210), ("output_tokens", 800)])`.
    pub fn meters<N: Into<String>>(
        operation: impl Into<String>,
        meters: impl IntoIterator<Item = (N, u64)>,
    ) -> Cost {
        Cost {
            account: None,
            operation: operation.into(),
            units: Units::of_meters(meters),
        }
    }

    /// Sets the account that pays. A server key must name one.
    #[must_use]
    pub fn of_account(mut self, account: impl Into<String>) -> Cost {
        self.account = Some(account.into());
        self
    }
}

/// Credits that are set aside for a call.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Hold {
    /// The id of the hold.
    pub id: String,
    /// The state: `pending`, `captured`, `released` or `expired`, or `open` for a call that was
    /// admitted while the service did not answer.
    pub state: String,
    /// Whether an earlier attempt with the same idempotency key created the hold. Its work has
    /// already started.
    #[serde(skip)]
    pub is_replayed: bool,
}

/// The reason why a call must not be served or could not be metered.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The account may not make this call. The service answered 402 with a problem document that
    /// says which limit applies, how many credits are needed and where to buy more. Don't serve the
    /// call.
    #[error("the account may not make this call")]
    PaymentRequired(Value),
    /// The service refused the call for another reason, such as a bad key, an unknown operation or
    /// a settled hold.
    #[error("the billing service answered {status}")]
    Refused {
        /// The HTTP status of the answer.
        status: u16,
        /// The problem document in the answer.
        problem: Value,
    },
    /// The service is not available. Retry with the same idempotency key, or refuse the call.
    #[error("the billing service is not available")]
    Unavailable(#[source] Option<reqwest::Error>),
}

/// The headers of an answer that the client reads.
struct AnswerHeaders {
    /// The cost of the call in credits.
    cost: Option<String>,
    is_replayed: bool,
}

impl Meter {
    /// Creates a client of the service at `base` with a meter key.
    ///
    /// # Errors
    ///
    /// Fails with [`Error::Unavailable`] if the HTTP client cannot be created.
    #[expect(
        clippy::disallowed_methods,
        reason = "a client with bounds, built in one place"
    )]
    pub fn new(base: &str, key: &str) -> Result<Meter, Error> {
        let http = reqwest::Client::builder()
            .timeout(CALL_MAX)
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|error| Error::Unavailable(Some(error)))?;
        Ok(Meter {
            base: base.trim_end_matches('/').to_owned(),
            key: key.to_owned(),
            http,
            open: None,
            #[cfg(feature = "tower")]
            settlements: Arc::default(),
        })
    }

    /// Sets credits aside before the work. `idempotency_key` names the attempt: pass the same key
    /// on a retry, so that only one hold is created.
    ///
    /// # Errors
    ///
    /// Fails with an [`Error`] that says whether the call was refused or the service was
    /// unavailable.
    pub async fn authorize(&self, cost: &Cost, idempotency_key: &str) -> Result<Hold, Error> {
        let mut body = json!({ "operation": cost.operation, "units": cost.units.json() });
        if let Some(account) = &cost.account {
            body["account"] = Value::from(account.as_str());
        }
        let answer = self
            .post("/api/v1/holds", body, Some(idempotency_key))
            .await;
        match (answer, &self.open) {
            (Ok((hold, headers)), _) => {
                let is_replayed = headers.is_replayed;
                // A replay says what the call cost when it was made.
                if !is_replayed {
                    self.learn(cost, headers.cost.as_deref()).await;
                }
                Ok(Hold {
                    is_replayed,
                    ..hold
                })
            }
            (Err(Error::Unavailable(why)), Some(open)) => open
                .admit(cost, idempotency_key)
                .ok_or(Error::Unavailable(why)),
            (Err(error), _) => Err(error),
        }
    }

    /// Captures a hold: the given number of units, or all of it. The rest is released.
    ///
    /// # Errors
    ///
    /// Fails with an [`Error`] that says whether the call was refused or the service was
    /// unavailable.
    pub async fn capture(&self, hold: &str, units: Option<u64>) -> Result<Hold, Error> {
        self.capture_units(hold, units.map(Units::Count)).await
    }

    /// Captures a hold of an operation with several meters: what was used of each.
    ///
    /// # Errors
    ///
    /// As for [`Meter::capture`].
    pub async fn capture_meters<N: Into<String>>(
        &self,
        hold: &str,
        meters: impl IntoIterator<Item = (N, u64)>,
    ) -> Result<Hold, Error> {
        self.capture_units(hold, Some(Units::of_meters(meters)))
            .await
    }

    async fn capture_units(&self, hold: &str, units: Option<Units>) -> Result<Hold, Error> {
        let open = self.open.as_ref();
        if let Some(settled) = open.and_then(|open| open.settle(hold, units.clone())) {
            return Ok(settled);
        }
        let body = units.map_or_else(|| json!({}), |units| json!({ "units": units.json() }));
        // The same key on every attempt, so that a retry is answered like the first one.
        let key = format!("capture-{hold}");
        self.call(&format!("/api/v1/holds/{hold}/capture"), body, Some(&key))
            .await
    }

    /// Releases a hold, because the work was not done.
    ///
    /// # Errors
    ///
    /// Fails with an [`Error`] that says whether the call was refused or the service was
    /// unavailable.
    pub async fn release(&self, hold: &str) -> Result<Hold, Error> {
        if let Some(settled) = self
            .open
            .as_ref()
            .and_then(|open| open.settle(hold, Some(Units::Count(0))))
        {
            return Ok(settled);
        }
        self.call(&format!("/api/v1/holds/{hold}/release"), json!({}), None)
            .await
    }

    async fn call(&self, path: &str, body: Value, key: Option<&str>) -> Result<Hold, Error> {
        self.post(path, body, key).await.map(|(hold, _)| hold)
    }

    /// Posts the body and returns the answer with the headers that matter.
    async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: Value,
        key: Option<&str>,
    ) -> Result<(T, AnswerHeaders), Error> {
        let mut request = self
            .http
            .post(format!("{}{path}", self.base))
            .bearer_auth(&self.key);
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        let unavailable = |error| Error::Unavailable(Some(error));
        let answer = request.json(&body).send().await.map_err(unavailable)?;
        let status = answer.status().as_u16();
        let header = |name| answer.headers().get(name)?.to_str().ok();
        let headers = AnswerHeaders {
            cost: header("x-credits-cost").map(str::to_owned),
            is_replayed: header("idempotency-replayed") == Some("true"),
        };
        match status {
            200 | 201 => Ok((answer.json().await.map_err(unavailable)?, headers)),
            402 => Err(Error::PaymentRequired(
                answer.json().await.map_err(unavailable)?,
            )),
            500.. => Err(Error::Unavailable(None)),
            _ => {
                let problem = answer.json().await.unwrap_or(Value::Null);
                Err(Error::Refused { status, problem })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderMap, StatusCode};
    use axum::routing::post;
    use axum::{Json, Router};

    use super::*;

    async fn service(router: Router) -> Meter {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Meter::new(&base, "lbx_test_key").unwrap()
    }

    #[tokio::test]
    async fn a_hold_is_requested_with_the_key_and_the_idempotency_key() {
        let holds = post(|headers: HeaderMap, Json(body): Json<Value>| async move {
            assert_eq!(headers["authorization"], "Bearer lbx_test_key");
            assert_eq!(headers["idempotency-key"], "attempt-1");
            assert_eq!(body, json!({ "operation": "chat", "units": 3 }));
            (
                StatusCode::CREATED,
                Json(json!({ "id": "hold_1", "state": "pending" })),
            )
        });
        let meter = service(Router::new().route("/api/v1/holds", holds)).await;

        let hold = meter
            .authorize(&Cost::units("chat", 3), "attempt-1")
            .await
            .unwrap();

        assert_eq!(
            (hold.id.as_str(), hold.state.as_str()),
            ("hold_1", "pending")
        );
    }

    #[tokio::test]
    async fn a_refusal_an_error_and_a_missing_service_are_distinguished() {
        let router = Router::new()
            .route(
                "/api/v1/holds",
                post(|| async {
                    (
                        StatusCode::PAYMENT_REQUIRED,
                        Json(json!({ "code": "insufficient_credits" })),
                    )
                }),
            )
            .route(
                "/api/v1/holds/{id}/capture",
                post(|| async { (StatusCode::CONFLICT, Json(json!({ "state": "released" }))) }),
            )
            .route(
                "/api/v1/holds/{id}/release",
                post(|| async { StatusCode::SERVICE_UNAVAILABLE }),
            );
        let meter = service(router).await;

        let short = meter
            .authorize(&Cost::units("chat", 1), "k")
            .await
            .unwrap_err();
        let settled = meter.capture("hold_1", None).await.unwrap_err();
        let down = meter.release("hold_1").await.unwrap_err();

        assert!(
            matches!(short, Error::PaymentRequired(body) if body["code"] == "insufficient_credits")
        );
        assert!(matches!(settled, Error::Refused { status: 409, .. }));
        assert!(matches!(down, Error::Unavailable(None)));
        assert!(!format!("{meter:?}").contains("lbx_test_key"));
    }
}
