//! Test clocks: customers that live by a clock of their own, which a test advances.
//! <https://docs.stripe.com/billing/testing/test-clocks>

use serde_json::{Value, json};

use super::errors::{Answer, ApiError, refuse_param};
use super::lists::inner;
use super::status;
use super::subscriptions::billing_interval;
use super::time::{DAY, add_interval};
use super::value::{get, int, opt, or_null, owned, text};
use super::{Call, Core};

/// The kind of the object.
const KIND: &str = "test_helpers.test_clock";

/// How many customers a clock can have.
const CUSTOMERS_MAX: usize = 3;

/// After how much time of the account Stripe deletes a clock.
const LIFETIME: i64 = 30 * DAY;

/// How much time of the account an advance takes, so that a client which polls the clock meets it.
const ADVANCE_SECONDS: i64 = 2;

/// `POST /v1/test_helpers/test_clocks`
pub(super) fn create(core: &mut Core, call: &Call) -> Answer {
    let sent = &call.params;
    let id = core.rng.id("clock");
    let row = json!({
        "id": id, "object": KIND, "created": core.now,
        "deletes_after": core.now + LIFETIME, "frozen_time": int(sent, "frozen_time"),
        "livemode": false, "name": or_null(sent, "name"), "status": "ready",
        "status_details": {},
    });
    core.store.put(&id, row);
    core.wake(core.now + LIFETIME, &id);
    core.emit("test_helpers.test_clock.created", &id);
    core.need(KIND, &id, "test_clock")
}

/// `DELETE /v1/test_helpers/test_clocks/{test_clock}`: its customers go with it.
pub(super) fn delete(core: &mut Core, call: &Call) -> Answer {
    let clock = core.need_path(KIND, call.id(), "test_clock")?;
    refuse_while_advancing(&clock)?;
    Ok(core.delete_clock(call.id()))
}

/// `POST /v1/test_helpers/test_clocks/{test_clock}/advance`: the work is done soon after the answer.
/// Until then the clock shows that it is advancing.
pub(super) fn advance(core: &mut Core, call: &Call) -> Answer {
    let clock = core.need_path(KIND, call.id(), "test_clock")?;
    refuse_while_advancing(&clock)?;
    let (from, to) = (int(&clock, "frozen_time"), int(&call.params, "frozen_time"));
    if to <= from {
        let message = "A test clock can only be advanced to a time after its frozen time.";
        return refuse_param("", "frozen_time", message);
    }
    if to > core.furthest_advance(call.id(), from) {
        let message = "A test clock can be advanced by at most two intervals of its shortest subscription, or by two years if it has none.";
        return refuse_param("", "frozen_time", message);
    }
    core.modify_and_emit("test_helpers.test_clock.advancing", call.id(), |row| {
        row["status"] = "advancing".into();
        row["status_details"] = json!({"advancing": {"target_frozen_time": to}});
    });
    core.wake(core.now + ADVANCE_SECONDS, call.id());
    core.need(KIND, call.id(), "test_clock")
}

/// Refuses changes of a clock that is advancing, and of the objects that are bound to it.
fn refuse_while_advancing(clock: &Value) -> Answer<()> {
    if text(clock, "status") == "advancing" {
        let id = text(clock, "id");
        let message =
            format!("Test clock advancement underway - cannot perform modifications: {id}");
        return Err(ApiError::invalid(message).with_status(429));
    }
    Ok(())
}

/// The parameters that name an object whose test clock counts for the whole call.
const OWNERS: [&str; 10] = [
    "test_clock",
    "customer",
    "subscription",
    "from_subscription",
    "schedule",
    "invoice",
    "payment_intent",
    "charge",
    "setup_intent",
    "owner.customer",
];

impl Core {
    /// The test clock that an object is bound to, itself or through its customer.
    pub(super) fn clock_of(&self, id: &str) -> Option<String> {
        let item_of = || self.store.by("subscription", "item", id).next();
        let row = self.store.get(id).or_else(item_of)?;
        if row["object"] == KIND {
            return None;
        }
        opt(row, "test_clock")
            .or_else(|| opt(self.row(opt(row, "customer")?), "test_clock"))
            .filter(|clock| self.row(clock)["deleted"] != true)
            .map(str::to_owned)
    }

    /// The test clock by which a call is executed: the one of the objects that it names.
    pub(super) fn clock_of_call(&self, call: &Call) -> Option<String> {
        let sent = OWNERS.iter().filter_map(|name| opt(&call.params, name));
        let ids = call.ids.iter().map(String::as_str);
        ids.chain(sent).find_map(|id| {
            self.clock_of(id).or_else(|| {
                let is_clock = self.row(id)["object"] == KIND && !call.path.contains(id);
                is_clock.then(|| id.to_owned())
            })
        })
    }

    /// Refuses a change by a test clock that is advancing.
    pub(super) fn check_clock(&self, clock: Option<&str>) -> Answer<()> {
        clock.map_or(Ok(()), |id| refuse_while_advancing(self.row(id)))
    }

    /// Runs `work` at the time of a test clock. Objects that it creates are bound to the clock.
    pub(super) fn at_clock<T>(
        &mut self,
        clock: Option<&str>,
        work: impl FnOnce(&mut Core) -> T,
    ) -> T {
        let Some(clock) = clock else {
            return work(self);
        };
        let now = self.now;
        self.now = int(self.row(clock), "frozen_time");
        self.account_now = Some(now);
        self.store.set_test_clock(Some(clock.to_owned()));
        let result = work(self);
        self.store.set_test_clock(None);
        self.account_now = None;
        self.now = now;
        result
    }

    /// The time of the account, which payments live by even on a test clock.
    /// <https://github.com/stripe/stripe-python/issues/1183>
    pub(super) fn account_time(&self) -> i64 {
        self.account_now.unwrap_or(self.now)
    }

    /// Checks the test clock of a customer that is about to be created.
    pub(super) fn refuse_full_clock(&self, clock: &str) -> Answer<()> {
        self.need(KIND, clock, "test_clock")?;
        if self.store.by("customer", "test_clock", clock).count() >= CUSTOMERS_MAX {
            let message = format!("A test clock can have at most {CUSTOMERS_MAX} customers.");
            return refuse_param("", "test_clock", message);
        }
        Ok(())
    }

    /// The latest time to which one call may advance a clock.
    fn furthest_advance(&self, clock: &str, from: i64) -> i64 {
        let customers = self.store.by("customer", "test_clock", clock);
        let subscriptions =
            customers.flat_map(|row| self.store.by("subscription", "customer", text(row, "id")));
        let ends = subscriptions
            .filter(|row| !status::has_ended(row))
            .filter_map(|row| inner(row, "items").first())
            .map(|item| {
                let (interval, count) = billing_interval(get(item, "price"));
                add_interval(from, interval, count * 2)
            });
        ends.min().unwrap_or_else(|| add_interval(from, "year", 2))
    }

    /// Does what is due for a clock: advances its objects one due moment after the other, or
    /// deletes it when its lifetime has ended.
    pub(super) fn test_clock_due(&mut self, id: &str) {
        let clock = self.row(id).clone();
        if let Some(target) = get(&clock, "status_details.advancing.target_frozen_time").as_i64() {
            self.advance_clock(id, target);
        } else if int(&clock, "deletes_after") <= self.now && clock["deleted"] != true {
            self.delete_clock(id);
        }
    }

    fn advance_clock(&mut self, id: &str, target: i64) {
        while let Some((at, object)) = self.clock_due.get_mut(id).and_then(|due| due.take(target)) {
            self.modify(id, |row| {
                row["frozen_time"] = int(row, "frozen_time").max(at).into();
            });
            self.at_clock(Some(id), |core| core.run_due(&object));
            self.store.shrink();
        }
        self.modify_and_emit("test_helpers.test_clock.ready", id, |row| {
            row["frozen_time"] = target.into();
            row["status"] = "ready".into();
            row["status_details"] = json!({});
        });
    }

    fn delete_clock(&mut self, id: &str) -> Value {
        let clock = self.row(id).clone();
        for customer in self.ids_by("customer", ("test_clock", id), |_| true) {
            self.at_clock(Some(id), |core| core.end_subscriptions_of(&customer));
            self.erase("customer", &customer);
        }
        self.clock_due.remove(id);
        let gone = self.erase(KIND, &owned(&clock, "id"));
        self.emit_object("test_helpers.test_clock.deleted", clock, None);
        gone
    }
}
