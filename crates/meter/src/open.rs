//! What happens while the billing service does not answer.
//!
//! Closed, the default: nothing is served. Open: calls go on up to a ceiling of credits an account,
//! are written down, and are charged once the service is back ([`Meter::reconcile`]). A price is
//! what the service said last; an operation it never priced is refused.
//!
//! What was let through is in memory: keep [`Meter::owed`] where it survives, if a crash of the
//! host application must not lose it.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};

use crate::{Cost, Error, Hold, Meter};

/// Micro-credits in a credit.
const MICROS: u64 = 1_000_000;
/// Calls that wait to be charged; more are refused.
const OWED_MAX: usize = 100_000;
/// What the name of a hold begins with that the service knows nothing of.
const OPEN: &str = "open_";

/// A call that was let through and is still to be charged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owed {
    /// The account, where the key names one; the key's own without.
    pub account: Option<String>,
    /// The operation.
    pub operation: String,
    /// Units of it.
    pub units: u64,
    /// The name under which it is charged, once.
    pub key: String,
}

/// What a reconciliation came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reconciled {
    /// Calls that were charged.
    pub charged: usize,
    /// Calls that the account could not pay for; they are not tried again.
    pub refused: Vec<Owed>,
    /// Calls that wait on, since the service does not answer.
    pub left: usize,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Open {
    ceiling_micros: u64,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// What a unit of an operation cost last, in micro-credits, rounded up.
    prices: HashMap<String, u64>,
    /// Let through and not charged yet, by account, in micro-credits.
    spent: HashMap<Option<String>, u64>,
    /// Holds that stand for calls under way.
    holds: HashMap<String, Owed>,
    /// Calls to charge.
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

    /// Remembers what the service said that a call costs.
    pub(crate) fn learn(&self, cost: &Cost, said: Option<&str>) {
        let Some(micros) = said.and_then(read_micros) else {
            return;
        };
        let unit = micros.div_ceil(cost.units.max(1));
        self.state().prices.insert(cost.operation.clone(), unit);
    }

    /// Lets a call through, or refuses it: beyond the ceiling, or without a price.
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
            .saturating_mul(cost.units);
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
            units: cost.units,
            key: id.clone(),
        };
        state.holds.insert(id.clone(), owed);
        Some(open_hold(id))
    }

    /// Settles a hold of ours: with units it is owed, without any it is forgotten. `None` when the
    /// hold is the service's.
    pub(crate) fn settle(&self, hold: &str, units: Option<u64>) -> Option<Hold> {
        if !hold.starts_with(OPEN) {
            return None;
        }
        let mut state = self.state();
        let owed = state.holds.remove(hold)?;
        let wanted = units.unwrap_or(owed.units);
        let price = state.prices.get(&owed.operation).copied().unwrap_or(0);
        let held = price.saturating_mul(owed.units);
        let spent = state.spent.entry(owed.account.clone()).or_default();
        *spent = spent
            .saturating_sub(held)
            .saturating_add(price.saturating_mul(wanted));
        if wanted > 0 {
            state.owed.push(Owed {
                units: wanted,
                ..owed
            });
        }
        Some(Hold {
            id: hold.to_owned(),
            state: if wanted > 0 { "captured" } else { "released" }.to_owned(),
            is_replayed: false,
        })
    }

    pub(crate) fn owed(&self) -> Vec<Owed> {
        self.state().owed.clone()
    }

    /// Forgets a call that was charged or refused: its account's ceiling has room again.
    fn done(&self, owed: &Owed) {
        let mut state = self.state();
        let price = state.prices.get(&owed.operation).copied().unwrap_or(0);
        let cost = price.saturating_mul(owed.units);
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

/// `6` or `0.25` credits, in micro-credits.
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
    /// Goes on while the service does not answer, up to so many credits an account. Without, calls
    /// are refused then.
    #[must_use]
    pub fn open(mut self, ceiling_credits: u64) -> Meter {
        self.open = Some(std::sync::Arc::new(Open::new(ceiling_credits)));
        self
    }

    /// Calls that were let through and are still to be charged.
    #[must_use]
    pub fn owed(&self) -> Vec<Owed> {
        self.open
            .as_ref()
            .map(|open| open.owed())
            .unwrap_or_default()
    }

    /// Charges what was let through, each call once under its own key. Call it now and then, and
    /// when the service is back; it stops at the first call that has no answer.
    ///
    /// # Errors
    /// [`Error::Refused`] for a call that the service does not take, such as one with a bad key;
    /// it stays owed.
    pub async fn reconcile(&self) -> Result<Reconciled, Error> {
        let mut result = Reconciled::default();
        let Some(open) = &self.open else {
            return Ok(result);
        };
        for owed in open.owed() {
            match self.charge(&owed).await {
                Ok(()) => {
                    open.done(&owed);
                    result.charged += 1;
                }
                Err(Error::PaymentRequired(_)) => {
                    open.done(&owed);
                    result.refused.push(owed);
                }
                Err(Error::Unavailable(_)) => break,
                Err(error) => return Err(error),
            }
        }
        result.left = open.owed().len();
        Ok(result)
    }

    async fn charge(&self, owed: &Owed) -> Result<(), Error> {
        let mut body = json!({ "operation": owed.operation, "units": owed.units });
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

    /// The keys that were charged, over all lives of the service.
    type Charged = Arc<Mutex<HashSet<String>>>;

    async fn live(at: Option<SocketAddr>, charged: Charged) -> (SocketAddr, JoinHandle<()>) {
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
        let (at, service) = live(None, charged.clone()).await;
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
        assert_eq!(open.reconcile().await.unwrap().left, 1, "it is still away");

        let (_, service) = live(Some(at), charged.clone()).await;
        let reconciled = open.reconcile().await.unwrap();
        let nothing = open.reconcile().await.unwrap();

        assert_eq!((reconciled.charged, reconciled.left), (1, 0));
        assert_eq!(nothing, Reconciled::default());
        assert_eq!(charged.lock().unwrap().len(), 1, "charged once");
        killed(service).await;
        assert!(
            open.authorize(&Cost::units("chat", 5), "e").await.is_ok(),
            "there is room again"
        );
    }

    #[tokio::test]
    async fn each_account_has_a_ceiling_of_its_own() {
        let open = Open::new(4);
        let of = |account: &str| Cost::units("chat", 1).of_account(account);
        open.learn(&of("a"), Some("2.5"));

        assert!(open.admit(&of("a"), "1").is_some());
        assert!(open.admit(&of("a"), "2").is_none());
        assert!(open.admit(&of("b"), "3").is_some());
    }
}
