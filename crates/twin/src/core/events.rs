//! Events: snapshots of an object at the moment something happened to it.

use serde_json::{Map, Value, json};

use super::Call;
use super::Core;
use super::data::API_VERSION;
use super::errors::Answer;
use super::value::{opt, text};

impl Core {
    /// Emits an event with the current state of an object.
    pub(super) fn emit(&mut self, kind: &str, id: &str) {
        let Some(object) = self.store.get(id).cloned() else {
            return;
        };
        self.emit_object(kind, object, None);
    }

    /// Emits an event about a change, with the previous values. Without a change, it emits nothing.
    pub(super) fn emit_change(&mut self, kind: &str, id: &str, before: &Value) {
        let Some(object) = self.store.get(id).cloned() else {
            return;
        };
        let previous = previous_attributes(before, &object);
        if previous.as_object().is_some_and(|all| !all.is_empty()) {
            self.emit_object(kind, object, Some(previous));
        }
    }

    /// Emits an event about an object that may not be stored any more.
    pub(super) fn emit_object(&mut self, kind: &str, object: Value, previous: Option<Value>) {
        let id = self.rng.id("evt");
        // The macro `json!` would copy the object.
        let mut data = Map::from_iter([("object".to_owned(), object)]);
        if let Some(previous) = previous {
            data.insert("previous_attributes".to_owned(), previous);
        }
        let mut event = json!({
            "id": id, "object": "event", "api_version": API_VERSION, "created": self.now,
            "data": null, "livemode": false, "pending_webhooks": 0,
            "request": {"id": self.cause.request_id, "idempotency_key": self.cause.idempotency_key},
            "type": kind,
        });
        event["data"] = Value::Object(data);
        self.store.put(&id, event);
        self.fresh.push(id);
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
    core.page(call, "event", &["type"], |event| {
        pattern.is_none_or(|wanted| fits(wanted, text(event, "type")))
    })
}

/// Whether an event type matches a pattern such as `invoice.*`.
pub(super) fn fits(pattern: &str, kind: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(prefix) => kind.starts_with(prefix),
        None => pattern == kind,
    }
}
