//! What an account may do follows from what Stripe says.

use billing::summary;

use super::accounts;
use crate::linked::text;
use crate::world::World;

pub(super) async fn judge(world: &mut World, broken: &mut Vec<String>) {
    for (who, account) in accounts(world) {
        if world.people[who].is_closed {
            continue;
        }
        let Ok(view) = summary::view(&world.app, account).await else {
            broken.push(format!("person {who} can't be shown"));
            continue;
        };
        let now = world.now();
        let row = world.account(who).await;
        let is_overridden = row.is_some_and(|row| {
            let lasts = row.tier_override_until.is_none_or(|until| now < until);
            row.tier_override.is_some() && lasts
        });
        let due = if is_overridden {
            Some("PRO_PLUS".to_owned())
        } else {
            tier(world, who).await
        };
        if let Some(due) = due
            && view.plan.access_tier != due
        {
            let has = &view.plan.access_tier;
            broken.push(format!("person {who} has {has}, but Stripe says {due}"));
        }
        if view.available > view.posted {
            broken.push(format!("person {who} can spend more than there is"));
        }
    }
}

/// The tier that the subscriptions at Stripe give now, if it is certain: a failed payment's days of
/// grace and two plans at once are left to the tests of the projection.
async fn tier(world: &mut World, who: usize) -> Option<String> {
    let customers = world.customers(who).await;
    let prices = world.app.prices();
    let others = world.stripe.others();
    let rows: Vec<(String, String)> = world.stripe.read(|core| {
        let all = core.objects("subscription").into_iter();
        all.filter(|one| customers.iter().any(|id| one["customer"] == id.as_str()))
            .filter(|one| !others.contains(text(one, "id")))
            .map(|one| {
                let price = text(&one["items"]["data"][0]["price"], "id");
                let tier = prices.tier_of_price.get(price).cloned().unwrap_or_default();
                (text(one, "status").to_owned(), tier)
            })
            .collect()
    });
    let mut live = rows.iter().filter(|(status, _)| {
        !matches!(
            status.as_str(),
            "canceled" | "incomplete_expired" | "incomplete" | "unpaid" | "paused"
        )
    });
    match (live.next(), live.next()) {
        (None, _) => Some("FREE".to_owned()),
        (Some((status, tier)), None) if status != "past_due" => Some(tier.clone()),
        _ => None,
    }
}
