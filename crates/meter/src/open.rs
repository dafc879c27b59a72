//! The mode for outages of the billing service.
//!
//! By default a meter is closed: nothing is served. An open meter admits calls up to a ceiling of
//! credits per account, records them and charges them once the service is back
//! ([`Meter::reconcile`]). It uses the last price that the service returned: for an operation with
//! several meters, the rate of each in the price list, so that the ceiling holds for their sum,
//! whatever a call uses of each. An operation or a meter without a known price is refused. The cost
//! of a call shows only the rates of the meters that it used, so the list is read again ten minutes
//! later: if another meter's rate is raised, an outage that begins before then is charged at the
//! former one.
//!
//! The admitted calls are kept in memory. Persist [`Meter::owed`] if a crash of the host
//! application must not lose them.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::{Cost, Error, Hold, Meter, Units};

/// The number of micro-credits in a credit.
const MICROS: u64 = 1_000_000;
/// The largest number of calls that may wait to be charged. Further calls are refused.
const OWED_MAX: usize = 100_000;
/// The prefix of the id of a hold that exists only in this process.
const OPEN: &str = "open_";
/// The shortest time between two requests for the price list.
const PRICES_EVERY: Duration = Duration::from_mins(1);
/// The time after which the price list is read again although no cost contradicts it.
const PRICES_OLD: Duration = Duration::from_mins(10);

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
    /// The last known price of each operation.
    prices: HashMap<String, Price>,
    /// The time at which the price list was last requested.
    prices_asked_at: Option<Instant>,
    /// The cost of calls that were admitted and not charged yet, by account, in micro-credits.
    spent: HashMap<Option<String>, u64>,
    /// The holds of calls in progress.
    holds: HashMap<String, Admitted>,
    /// The calls that wait to be charged.
    owed: Vec<Admitted>,
}

/// What a unit of an operation costs, in micro-credits, rounded up.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Price {
    /// One rate.
    Unit(u64),
    /// A rate for each meter.
    Meters(BTreeMap<String, u64>),
}

impl Price {
    /// The cost in micro-credits; `None` if the price of a part of it isn't known.
    fn of(&self, units: &Units) -> Option<u64> {
        match (self, units) {
            (Price::Unit(rate), Units::Count(units)) => Some(rate.saturating_mul(*units)),
            (Price::Meters(rates), Units::Meters(used)) => {
                used.iter().try_fold(0_u64, |sum, (meter, units)| {
                    let part = rates.get(meter)?.saturating_mul(*units);
                    Some(sum.saturating_add(part))
                })
            }
            _ => None,
        }
    }
}

/// A call that was admitted, and its part of what its account has spent.
#[derive(Clone, Debug)]
struct Admitted {
    call: Owed,
    micros: u64,
}

impl State {
    /// Replaces a call's part of what its account has spent.
    fn recount(&mut self, account: Option<&String>, before: u64, after: u64) {
        let account = account.cloned();
        let spent = self.spent.entry(account.clone()).or_default();
        *spent = spent.saturating_sub(before).saturating_add(after);
        if *spent == 0 {
            self.spent.remove(&account);
        }
    }
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

    /// Remembers the cost of a call that the service returned. Returns whether the price list must
    /// be read, because the cost of several meters is not what their known rates add up to, or the
    /// list is old.
    fn remember_price(&self, cost: &Cost, credits: Option<&str>) -> bool {
        let Some(micros) = credits.and_then(read_micros) else {
            return false;
        };
        let mut state = self.state();
        match cost.units {
            Units::Count(units) => {
                let price = Price::Unit(micros.div_ceil(units.max(1)));
                state.prices.insert(cost.operation.clone(), price);
                false
            }
            Units::Meters(_) => {
                let known = state.prices.get(&cost.operation);
                let is_as_known = known.and_then(|price| price.of(&cost.units)) == Some(micros);
                if !is_as_known {
                    // A price that has changed is no longer known.
                    state.prices.remove(&cost.operation);
                }
                let every = if is_as_known {
                    PRICES_OLD
                } else {
                    PRICES_EVERY
                };
                let is_due = state.prices_asked_at.is_none_or(|at| at.elapsed() >= every);
                if is_due {
                    state.prices_asked_at = Some(Instant::now());
                }
                is_due
            }
        }
    }

    /// Remembers the rates of the operations that have several meters.
    fn remember_list(&self, list: &PriceList) {
        let mut state = self.state();
        for one in &list.operations {
            let rates = one.rates.iter().flatten();
            let rates = rates.map(|(meter, rate)| Some((meter.clone(), read_micros(rate.get())?)));
            match rates.collect::<Option<BTreeMap<_, _>>>() {
                Some(rates) if !rates.is_empty() => {
                    let price = Price::Meters(rates);
                    state.prices.insert(one.operation.clone(), price);
                }
                _ => {}
            }
        }
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
        let micros = state.prices.get(&cost.operation)?.of(&cost.units)?;
        let spent = state.spent.get(&cost.account).copied().unwrap_or(0);
        let waiting = state.owed.len() + state.holds.len();
        if spent.saturating_add(micros) > self.ceiling_micros || waiting >= OWED_MAX {
            return None;
        }
        state.recount(cost.account.as_ref(), 0, micros);
        let call = Owed {
            account: cost.account.clone(),
            operation: cost.operation.clone(),
            units: cost.units.clone(),
            key: id.clone(),
        };
        state.holds.insert(id.clone(), Admitted { call, micros });
        Some(open_hold(id))
    }

    /// Settles a hold of this process: with units it is owed, and with zero units it is dropped.
    /// Returns `None` if the hold belongs to the service.
    pub(crate) fn settle(&self, hold: &str, units: Option<Units>) -> Option<Hold> {
        if !hold.starts_with(OPEN) {
            return None;
        }
        let mut state = self.state();
        let Admitted { call, micros } = state.holds.remove(hold)?;
        let units = units.unwrap_or_else(|| call.units.clone());
        let is_used = units.total() > 0;
        let price = state.prices.get(&call.operation);
        // What can't be priced counts as much as was set aside.
        let cost = if is_used {
            price.and_then(|price| price.of(&units)).unwrap_or(micros)
        } else {
            0
        };
        state.recount(call.account.as_ref(), micros, cost);
        if is_used {
            let call = Owed { units, ..call };
            state.owed.push(Admitted { call, micros: cost });
        }
        Some(Hold {
            id: hold.to_owned(),
            state: if is_used { "captured" } else { "released" }.to_owned(),
            is_replayed: false,
        })
    }

    pub(crate) fn owed(&self) -> Vec<Owed> {
        let state = self.state();
        state.owed.iter().map(|one| one.call.clone()).collect()
    }

    /// Removes a call that was charged or refused, which frees room below the ceiling of its
    /// account.
    fn remove(&self, owed: &Owed) {
        let mut state = self.state();
        let found = state.owed.iter().position(|one| one.call.key == owed.key);
        if let Some(place) = found {
            let Admitted { call, micros } = state.owed.remove(place);
            state.recount(call.account.as_ref(), micros, 0);
        }
    }
}

/// What is read of `GET /api/pricing`.
#[derive(Debug, Deserialize)]
struct PriceList {
    operations: Vec<Listed>,
}

#[derive(Debug, Deserialize)]
struct Listed {
    operation: String,
    /// Credits that a unit of each meter costs, as they are written.
    rates: Option<BTreeMap<String, Box<RawValue>>>,
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
    /// Without this, such calls are refused. The ceiling is that of this meter and its clones
    /// together, so a program with one key clones one meter rather than open several.
    #[must_use]
    pub fn open(mut self, ceiling_credits: u64) -> Meter {
        self.open = Some(std::sync::Arc::new(Open::new(ceiling_credits)));
        self
    }

    /// Remembers what a call cost, and reads the price list if that says too little about several
    /// meters. A list that can't be read leaves the operation without a price, so it is refused
    /// during an outage.
    pub(crate) async fn learn(&self, cost: &Cost, credits: Option<&str>) {
        let Some(open) = &self.open else { return };
        if !open.remember_price(cost, credits) {
            return;
        }
        let asked = self.http.get(format!("{}/api/pricing", self.base)).send();
        let Ok(answer) = asked.await else { return };
        if let Ok(list) = answer.json::<PriceList>().await {
            open.remember_list(&list);
        }
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
    /// calls that were not charged stay owed, also those that were refused before it.
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
                    result.refused.push(owed);
                }
            }
        }
        // A call is owed until the caller is told that it was refused.
        for owed in &result.refused {
            open.remove(owed);
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
mod tests;
