//! The mode for outages of the billing service.
//!
//! By default a meter is closed: nothing is served. An open meter admits calls up to a ceiling of
//! credits per account, records them and charges them once the service is back
//! ([`Meter::reconcile`]). It uses the last price that the service returned and refuses an
//! operation without a known price.
//!
//! The admitted calls are kept in memory. Persist [`Meter::owed`] if a crash of the host
//! application must not lose them.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};

use crate::{Cost, Error, Hold, Meter, Units};

/// The number of micro-credits in a credit.
const MICROS: u64 = 1_000_000;
/// The largest number of calls that may wait to be charged. Further calls are refused.
const OWED_MAX: usize = 100_000;
/// The prefix of the id of a hold that exists only in this process.
const OPEN: &str = "open_";

/// A call that was admitted and is not charged yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owed {
    /// The account that pays, or `None` for the account of the API key.
    pub account: Option<String>,
    /// The operation of the catalog.
    pub operation: String,
    /// What it used of the operation.
    pub units: Units,
    /// The idempotency key under which it is charged once.
    pub key: String,
}

/// The result of a reconciliation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reconciled {
    /// The number of calls that were charged.
    pub charged: usize,
    /// The calls that the account could not pay for, or that the service refused for another reason
    /// of their own. They are set aside: not retried, and no obstacle for those behind them.
    pub refused: Vec<Owed>,
    /// The number of calls not charged yet because the service did not respond.
    pub left: usize,
}

/// The state of an open meter.
#[derive(Debug)]
pub(crate) struct Open {
    ceiling_micros: u64,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// The last known price of one unit of each operation, in micro-credits, rounded up.
    prices: HashMap<String, u64>,
    /// The cost of calls that were admitted and not charged yet, by account, in micro-credits.
    spent: HashMap<Option<String>, u64>,
    /// The holds of calls in progress.
    holds: HashMap<String, Owed>,
    /// The calls that wait to be charged.
    owed: Vec<Owed>,
}

impl Open {
    pub(crate) fn new(ceiling_credits: u64) -> Open {
        Open {
            ceiling_micros: ceiling_credits.saturating_mul(MICROS),
            state: Mutex::default(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Remembers the cost of a call that the service returned.
    pub(crate) fn remember_price(&self, cost: &Cost, credits: Option<&str>) {
        let Some(micros) = credits.and_then(read_micros) else {
            return;
        };
        let unit = micros.div_ceil(cost.units.total().max(1));
        let mut state = self.state();
        let known = state.prices.entry(cost.operation.clone()).or_default();
        // The mix of meters differs from call to call, so the dearest counts against the ceiling.
        *known = match cost.units {
            Units::Count(_) => unit,
            Units::Meters(_) => unit.max(*known),
        };
    }

    /// Admits a call. Returns `None` if it exceeds the ceiling or has no known price.
    pub(crate) fn admit(&self, cost: &Cost, key: &str) -> Option<Hold> {
        let mut state = self.state();
        let id = format!("{OPEN}{key}");
        if state.holds.contains_key(&id) {
            return Some(Hold {
                is_replayed: true,
                ..open_hold(id)
            });
        }
        let price = state
            .prices
            .get(&cost.operation)?
            .saturating_mul(cost.units.total());
        let spent = state.spent.get(&cost.account).copied().unwrap_or(0);
        let after = spent.saturating_add(price);
        let waiting = state.owed.len() + state.holds.len();
        if after > self.ceiling_micros || waiting >= OWED_MAX {
            return None;
        }
        state.spent.insert(cost.account.clone(), after);
        let owed = Owed {
            account: cost.account.clone(),
            operation: cost.operation.clone(),
            units: cost.units.clone(),
            key: id.clone(),
        };
        state.holds.insert(id.clone(), owed);
        Some(open_hold(id))
    }

    /// Settles a hold of this process: with units it is owed, and with zero units it is dropped.
    /// Returns `None` if the hold belongs to the service.
    pub(crate) fn settle(&self, hold: &str, units: Option<Units>) -> Option<Hold> {
        if !hold.starts_with(OPEN) {
            return None;
        }
        let mut state = self.state();
        let owed = state.holds.remove(hold)?;
        let wanted = units.unwrap_or_else(|| owed.units.clone());
        let is_used = wanted.total() > 0;
        let price = state.prices.get(&owed.operation).copied().unwrap_or(0);
        let held = price.saturating_mul(owed.units.total());
        let spent = state.spent.entry(owed.account.clone()).or_default();
        *spent = spent
            .saturating_sub(held)
            .saturating_add(price.saturating_mul(wanted.total()));
        if is_used {
            state.owed.push(Owed {
                units: wanted,
                ..owed
            });
        }
        Some(Hold {
            id: hold.to_owned(),
            state: if is_used { "captured" } else { "released" }.to_owned(),
            is_replayed: false,
        })
    }

    pub(crate) fn owed(&self) -> Vec<Owed> {
        self.state().owed.clone()
    }

    /// Removes a call that was charged or refused, which frees room below the ceiling of its
    /// account.
    fn remove(&self, owed: &Owed) {
        let mut state = self.state();
        let price = state.prices.get(&owed.operation).copied().unwrap_or(0);
        let cost = price.saturating_mul(owed.units.total());
        state.owed.retain(|one| one.key != owed.key);
        if let Some(spent) = state.spent.get_mut(&owed.account) {
            *spent = spent.saturating_sub(cost);
        }
    }
}

fn open_hold(id: String) -> Hold {
    Hold {
        id,
        state: "open".to_owned(),
        is_replayed: false,
    }
}

/// Reads credits such as `6` or `0.25` and returns micro-credits.
fn read_micros(text: &str) -> Option<u64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if fraction.len() > 6 || !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let fraction: u64 = format!("{fraction:0<6}").parse().ok()?;
    whole
        .parse::<u64>()
        .ok()?
        .checked_mul(MICROS)?
        .checked_add(fraction)
}

impl Meter {
    /// Admits calls while the service does not answer, up to a ceiling of credits per account.
    /// Without this, such calls are refused.
    #[must_use]
    pub fn open(mut self, ceiling_credits: u64) -> Meter {
        self.open = Some(std::sync::Arc::new(Open::new(ceiling_credits)));
        self
    }

    /// The calls that were admitted and are not charged yet.
    #[must_use]
    pub fn owed(&self) -> Vec<Owed> {
        self.open
            .as_ref()
            .map(|open| open.owed())
            .unwrap_or_default()
    }

    /// Charges the admitted calls, each once under its own key, and makes the captures that wait
    /// (feature `tower`). Call it periodically and when the service is back. It stops at the first
    /// call without an answer.
    ///
    /// # Errors
    ///
    /// Fails with [`Error::Refused`] if the service refuses the API key or asks for a pause. The
    /// calls stay owed.
    pub async fn reconcile(&self) -> Result<Reconciled, Error> {
        let mut result = Reconciled::default();
        #[cfg(feature = "tower")]
        self.settle_waiting().await;
        let Some(open) = &self.open else {
            return Ok(result);
        };
        for owed in open.owed() {
            match self.charge(&owed).await {
                Ok(()) => {
                    open.remove(&owed);
                    result.charged += 1;
                }
                Err(Error::Unavailable(_)) => break,
                Err(
                    error @ Error::Refused {
                        status: 401 | 429, ..
                    },
                ) => return Err(error),
                Err(Error::PaymentRequired(_) | Error::Refused { .. }) => {
                    open.remove(&owed);
                    result.refused.push(owed);
                }
            }
        }
        result.left = open.owed().len();
        Ok(result)
    }

    async fn charge(&self, owed: &Owed) -> Result<(), Error> {
        let mut body = json!({ "operation": owed.operation, "units": owed.units.json() });
        if let Some(account) = &owed.account {
            body["account"] = Value::from(account.as_str());
        }
        let (_, _): (Value, _) = self.post("/api/v1/debits", body, Some(&owed.key)).await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::net::SocketAddr;
    use std::sync::{Arc, Mutex};

    use axum::http::{HeaderMap, StatusCode};
    use axum::routing::post;
    use axum::{Json, Router};
    use tokio::task::JoinHandle;

    use super::*;

    /// The keys that were charged, across restarts of the service.
    type Charged = Arc<Mutex<HashSet<String>>>;

    async fn started(at: Option<SocketAddr>, charged: Charged) -> (SocketAddr, JoinHandle<()>) {
        let holds = post(|Json(body): Json<Value>| async move {
            let cost = body["units"].as_u64().unwrap() * 2;
            let answer = json!({ "id": "hold_1", "state": "pending" });
            ([("x-credits-cost", cost.to_string())], Json(answer))
        });
        let debits = post(move |headers: HeaderMap| async move {
            let key = headers["idempotency-key"].to_str().unwrap().to_owned();
            charged.lock().unwrap().insert(key);
            (StatusCode::CREATED, Json(json!({ "id": "deb_1" })))
        });
        let router = Router::new()
            .route("/api/v1/holds", holds)
            .route("/api/v1/debits", debits);
        let wanted = at.unwrap_or_else(|| "127.0.0.1:0".parse().unwrap());
        let listener = tokio::net::TcpListener::bind(wanted).await.unwrap();
        let at = listener.local_addr().unwrap();
        let service = tokio::spawn(async move {
            let _ = axum::serve(listener, router).await;
        });
        (at, service)
    }

    fn meter(at: SocketAddr) -> Meter {
        let _ = rustls::crypto::ring::default_provider().install_default();
        Meter::new(&format!("http://{at}"), "lbx_test_key").unwrap()
    }

    async fn killed(service: JoinHandle<()>) {
        service.abort();
        let _ = service.await;
    }

    #[tokio::test]
    async fn a_killed_service_refuses_calls_unless_a_ceiling_lets_them_through() {
        let charged = Charged::default();
        let (at, service) = started(None, charged.clone()).await;
        let closed = meter(at);
        let open = meter(at).open(10);
        let chat = Cost::units("chat", 2);
        closed.authorize(&chat, "before").await.unwrap();
        open.authorize(&chat, "before").await.unwrap();
        killed(service).await;

        assert!(matches!(
            closed.authorize(&chat, "a").await,
            Err(Error::Unavailable(_))
        ));
        let first = open.authorize(&chat, "a").await.unwrap();
        let again = open.authorize(&chat, "a").await.unwrap();
        let second = open.authorize(&chat, "b").await.unwrap();
        assert_eq!(first.id, again.id, "a retry is the same call");
        assert!(again.is_replayed && !first.is_replayed);
        assert!(
            open.authorize(&chat, "c").await.is_err(),
            "4 and 4 of 10 are spent"
        );
        assert!(
            open.authorize(&Cost::units("ocr", 1), "d").await.is_err(),
            "an operation without a known price"
        );
        open.capture(&first.id, Some(1)).await.unwrap();
        open.release(&second.id).await.unwrap();
        assert_eq!(open.owed().len(), 1);
        assert_eq!(
            open.reconcile().await.unwrap().left,
            1,
            "the service is still down"
        );

        let (_, service) = started(Some(at), charged.clone()).await;
        let reconciled = open.reconcile().await.unwrap();
        let nothing = open.reconcile().await.unwrap();

        assert_eq!((reconciled.charged, reconciled.left), (1, 0));
        assert_eq!(nothing, Reconciled::default());
        assert_eq!(charged.lock().unwrap().len(), 1, "charged once");
        killed(service).await;
        assert!(
            open.authorize(&Cost::units("chat", 5), "e").await.is_ok(),
            "the ceiling has room again"
        );
    }

    #[tokio::test]
    async fn a_refused_call_is_set_aside_and_does_not_block_those_behind_it() {
        let debits = post(|Json(body): Json<Value>| async move {
            match body["operation"].as_str() {
                Some("gone") => (
                    StatusCode::BAD_REQUEST,
                    Json(json!({ "code": "no_operation" })),
                ),
                _ => (StatusCode::CREATED, Json(json!({ "id": "deb_1" }))),
            }
        });
        let router = Router::new().route("/api/v1/debits", debits);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, router).await });
        let meter = meter(at).open(100);
        let open = meter.open.as_ref().unwrap();
        for (operation, key) in [("gone", "1"), ("chat", "2")] {
            let cost = Cost::units(operation, 1);
            open.remember_price(&cost, Some("1"));
            let hold = open.admit(&cost, key).unwrap();
            open.settle(&hold.id, None).unwrap();
        }

        let reconciled = meter.reconcile().await.unwrap();

        assert_eq!((reconciled.charged, reconciled.left), (1, 0));
        let refused: Vec<&str> = reconciled
            .refused
            .iter()
            .map(|one| &*one.operation)
            .collect();
        assert_eq!(refused, ["gone"]);
    }

    #[tokio::test]
    async fn each_account_has_its_own_ceiling() {
        let open = Open::new(4);
        let of = |account: &str| Cost::units("chat", 1).of_account(account);
        open.remember_price(&of("a"), Some("2.5"));

        assert!(open.admit(&of("a"), "1").is_some());
        assert!(open.admit(&of("a"), "2").is_none());
        assert!(open.admit(&of("b"), "3").is_some());
    }

    #[tokio::test]
    async fn calls_of_several_meters_count_by_their_dearest_mix_and_are_owed_by_meter() {
        let open = Open::new(4);
        let of = |input, output| Cost::meters("llm", [("input", input), ("output", output)]);
        open.remember_price(&of(0, 100), Some("0.8"));
        open.remember_price(&of(100, 0), Some("0.2"));

        let hold = open.admit(&of(300, 100), "1").unwrap();
        assert!(open.admit(&of(200, 0), "2").is_none(), "3.2 of 4 are spent");
        let used = Units::of_meters([("input", 10), ("output", 7)]);
        open.settle(&hold.id, Some(used.clone())).unwrap();

        assert_eq!(open.owed()[0].units, used);
        assert_eq!(used.json(), json!({ "input": 10, "output": 7 }));
    }
}
