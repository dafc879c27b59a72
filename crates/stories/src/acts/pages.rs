//! What customers do on Stripe's pages beside paying: the portal, promotion codes.

use billing::payments::portal;
use serde_json::Value;
use twin::core::{Core, PayError, Payment};

use super::customer::PLANS;
use super::dashboard::{live_subscription, told};
use super::{person, said};
use crate::linked::text;
use crate::world::World;

/// What a customer does in the portal, by its number.
type Task = fn(&mut Core, (&str, &str), &str, i64) -> Result<Value, PayError>;

const TASKS: [Task; 5] = [
    |core, (session, plan), _, now| core.portal_cancel(session, plan, now),
    |core, (session, plan), _, now| core.portal_resume(session, plan, now),
    |core, (session, plan), price, now| core.portal_switch_plan(session, plan, price, now),
    |core, (session, _), _, now| {
        core.portal_set_card(session, Payment::Method("pm_card_visa".to_owned()), now)
    },
    |core, (session, _), _, now| {
        let card = Payment::Method("pm_card_chargeCustomerFail".to_owned());
        core.portal_set_card(session, card, now)
    },
];

pub(super) async fn use_portal(world: &mut World, who: u8, task: u8) -> String {
    let number = person(world, who);
    let Some(caller) = world.signed_in(number).await else {
        return "no account".to_owned();
    };
    let app = world.app.clone();
    let opened = world
        .run(async move { portal::open(&app, &caller).await })
        .await;
    let Some(Ok(url)) = opened else {
        return said(world, "portal", opened);
    };
    let session = url.rsplit('/').next().unwrap_or_default().to_owned();
    let plan = live_subscription(world, who).await.unwrap_or_default();
    let task = usize::from(task);
    let name = PLANS[task / TASKS.len() % PLANS.len()];
    let interval = domain::catalog::Interval::Month;
    let price = world.app.prices().sold(name, interval).cloned();
    let price = price.unwrap_or_default();
    let perform = TASKS[task % TASKS.len()];
    let done = world
        .stripe
        .act(|core, now| perform(core, (&session, &plan), &price, now));
    if done.is_ok() {
        let latest = world
            .stripe
            .read(|core| Some(text(core.object(&plan)?, "latest_invoice").to_owned()));
        world.asked.invoices.extend(latest);
        world.asked.prices.insert((number, price));
    }
    told(world, "portal", done.map_err(|error| error.to_string()))
}

/// The company gives the person a promotion code for their next purchase.
pub(super) async fn offer(world: &mut World, who: u8, percent: u8) -> String {
    let who = person(world, who);
    let percent = percent.clamp(1, 100).to_string();
    let made = world.marks.get("promotion code done").copied();
    let duration = match made.unwrap_or_default() % 3 {
        0 => "once",
        1 => "repeating",
        _ => "forever",
    };
    let mut form = vec![("percent_off", percent.as_str()), ("duration", duration)];
    if duration == "repeating" {
        form.push(("duration_in_months", "3"));
    }
    let done = world.stripe.post("/v1/coupons", &form).and_then(|coupon| {
        let form = [
            ("promotion[type]", "coupon"),
            ("promotion[coupon]", text(&coupon, "id")),
        ];
        world.stripe.post("/v1/promotion_codes", &form)
    });
    if let Ok(code) = &done {
        world.people[who].code = Some(text(code, "code").to_owned());
    }
    told(world, "promotion code", done)
}
