//! The older paths of subscriptions below their customer.

use super::errors::Answer;
use super::{Call, Core, changes, status, subscription_create, subscriptions};

/// `GET /v1/customers/{customer}/subscriptions`
pub(super) fn index(core: &mut Core, call: &Call) -> Answer {
    core.need_path("customer", call.id(), "customer")?;
    core.page_in(call, "subscription", ("customer", call.id()), |row| {
        !status::has_ended(row)
    })
}

/// `POST /v1/customers/{customer}/subscriptions`
pub(super) fn create(core: &mut Core, call: &Call) -> Answer {
    core.need_path("customer", call.id(), "customer")?;
    let mut params = call.params.clone();
    params["customer"] = call.id().into();
    let inner = Call {
        path: call.path.clone(),
        ids: Vec::new(),
        params,
    };
    subscription_create::create(core, &inner)
}

/// `GET /v1/customers/{customer}/subscriptions/{subscription}`
pub(super) fn show(core: &mut Core, call: &Call) -> Answer {
    let inner = core.own_subscription(call)?;
    core.need_path("subscription", inner.id(), "id")
}

/// `POST /v1/customers/{customer}/subscriptions/{subscription}`
pub(super) fn update(core: &mut Core, call: &Call) -> Answer {
    let inner = core.own_subscription(call)?;
    changes::update(core, &inner)
}

/// `DELETE /v1/customers/{customer}/subscriptions/{subscription}`
pub(super) fn cancel(core: &mut Core, call: &Call) -> Answer {
    let inner = core.own_subscription(call)?;
    subscriptions::cancel(core, &inner)
}

impl Core {
    /// The call for the subscription in the path, which must be one of the customer's.
    fn own_subscription(&self, call: &Call) -> Answer<Call> {
        self.need_path("customer", call.id(), "customer")?;
        let id = call.ids.get(1).map_or("", String::as_str);
        let row = self.need_path("subscription", id, "id")?;
        if row["customer"] != call.id() {
            return Err(self.missing("subscription", id, "id"));
        }
        Ok(Call {
            path: call.path.clone(),
            ids: vec![id.to_owned()],
            params: call.params.clone(),
        })
    }
}
