//! Events: snapshots of an object at the moment something happened to it.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::Call;
use super::Core;
use super::data::API_VERSION;
use super::errors::Answer;
use super::render::shortened;
use super::time::DAY;
use super::value::{get, int, opt, text};

/// The age at which events leave the list.
const EVENT_AGE: i64 = 30 * DAY;

/// An event as it is stored. It is written without a copy of its object.
#[derive(Serialize)]
struct Event<'a> {
    id: &'a str,
    object: &'static str,
    api_version: &'static str,
    created: i64,
    data: Data<'a>,
    livemode: bool,
    pending_webhooks: u32,
    request: Request<'a>,
    r#type: &'a str,
}

#[derive(Serialize)]
struct Data<'a> {
    object: &'a Value,
    #[serde(skip_serializing_if = "Option::is_none")]
    previous_attributes: Option<Value>,
}

/// The request that caused an event. Both are null if time did.
#[derive(Serialize)]
struct Request<'a> {
    id: Option<&'a str>,
    idempotency_key: Option<&'a str>,
}

/// An event that happened: its id and its type.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewEvent {
    /// The id, `evt_...`.
    pub id: String,
    /// The type, such as `invoice.paid`.
    pub kind: String,
}

impl Core {
    /// Emits an event with the current state of an object.
    pub(super) fn emit(&mut self, kind: &str, id: &str) {
        let event = self.rng.id("evt");
        let Some(text) = self
            .store
            .get(id)
            .map(|object| self.event_text(&event, kind, object, None))
        else {
            return;
        };
        self.keep_event(event, kind, text);
    }

    /// Emits an event about a change, with the previous values. Without a change, it emits nothing.
    pub(super) fn emit_change(&mut self, kind: &str, id: &str, before: &Value) {
        let Some(object) = self.store.get(id) else {
            return;
        };
        let previous = previous_attributes(&shortened(before), &shortened(object));
        if previous.as_object().is_none_or(Map::is_empty) {
            return;
        }
        let event = self.rng.id("evt");
        let text = self.event_text(&event, kind, self.row(id), Some(previous));
        self.keep_event(event, kind, text);
    }

    /// Emits an event about an object that may not be stored any more.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "the object is not used any more"
    )]
    pub(super) fn emit_object(&mut self, kind: &str, object: Value, previous: Option<Value>) {
        let event = self.rng.id("evt");
        let text = self.event_text(&event, kind, &object, previous);
        self.keep_event(event, kind, text);
    }

    fn event_text(&self, id: &str, kind: &str, object: &Value, previous: Option<Value>) -> String {
        let object = shortened(object);
        let event = Event {
            id,
            object: "event",
            api_version: API_VERSION,
            created: self.now,
            data: Data {
                object: &object,
                previous_attributes: previous,
            },
            livemode: false,
            pending_webhooks: 0,
            request: Request {
                id: self.cause.request_id.as_deref(),
                idempotency_key: self.cause.idempotency_key.as_deref(),
            },
            r#type: kind,
        };
        serde_json::to_string(&event).expect("JSON values can be written")
    }

    fn keep_event(&mut self, id: String, kind: &str, text: String) {
        self.store.put_event(&id, kind, text);
        let kind = kind.to_owned();
        self.fresh.push(NewEvent { id, kind });
    }

    /// Changes an object without an event and returns its previous state.
    pub(super) fn modify(&mut self, id: &str, change: impl FnOnce(&mut Value)) -> Value {
        self.store.edit(id, change)
    }

    /// Changes an object and emits an event of type `kind` with the previous values.
    pub(super) fn modify_and_emit(
        &mut self,
        kind: &str,
        id: &str,
        change: impl FnOnce(&mut Value),
    ) {
        let before = self.modify(id, change);
        self.emit_change(kind, id, &before);
    }
}

impl Core {
    /// Forgets the taken events that are older than Stripe lists.
    /// <https://docs.stripe.com/api/events/list>
    pub(super) fn forget_old_events(&mut self) {
        while let Some((at, id)) = self.event_times.front()
            && *at <= self.now - EVENT_AGE
        {
            self.store.forget_event(id);
            self.event_times.pop_front();
        }
    }
}

/// The previous value of each changed key: null for an added key, key by key for objects, and whole
/// lists.
fn previous_attributes(before: &Value, after: &Value) -> Value {
    let mut previous = Map::new();
    let (Some(old), Some(new)) = (before.as_object(), after.as_object()) else {
        return Value::Object(previous);
    };
    for (key, value) in old {
        let now = new.get(key).unwrap_or(&Value::Null);
        if now == value {
            continue;
        }
        let shown = if value.is_object() && now.is_object() {
            previous_attributes(value, now)
        } else {
            value.clone()
        };
        previous.insert(key.clone(), shown);
    }
    for key in new.keys().filter(|key| !old.contains_key(*key)) {
        previous.insert(key.clone(), Value::Null);
    }
    Value::Object(previous)
}

/// `GET /v1/events`
pub(super) fn index(core: &mut Core, call: &Call) -> Answer {
    let pattern = opt(&call.params, "type");
    // Pending and failed deliveries both count as not successful.
    let delivered = get(&call.params, "delivery_success").as_bool();
    core.page(call, "event", &["type", "delivery_success"], |event| {
        pattern.is_none_or(|wanted| fits(wanted, text(event, "type")))
            && delivered.is_none_or(|wanted| (int(event, "pending_webhooks") == 0) == wanted)
    })
}

/// Whether an event type matches a pattern such as `invoice.*`.
pub(super) fn fits(pattern: &str, kind: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(prefix) => kind.starts_with(prefix),
        None => pattern == kind,
    }
}
