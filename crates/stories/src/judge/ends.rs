//! Everything that was begun has ended.

use store::events::EventState;
use store::intents::{IntentKind, IntentState};

use super::accounts;
use crate::world::World;

/// Seconds after which an unfinished request of this kind must have been closed: a customer may
/// come back to a page or a change.
fn abandoned_after(kind: IntentKind) -> i64 {
    match kind {
        IntentKind::CheckoutSubscription | IntentKind::CheckoutTopup => 2 * 3_600,
        IntentKind::PlanChange => 25 * 3_600,
        _ => 0,
    }
}

pub(super) async fn judge(world: &mut World, broken: &mut Vec<String>) {
    for (who, account) in accounts(world) {
        let read = world.app.read(move |tx| {
            let intents = store::intents::of_account(tx, account, 1_000)?;
            Ok((intents, store::sync::of_account(tx, account)?))
        });
        let Ok((intents, sync)) = read.await else {
            broken.push(format!("person {who} can't be read"));
            continue;
        };
        let now = world.now();
        let is_in_dispute = world.is_in_dispute(who).await;
        for intent in intents {
            let refunds = matches!(
                intent.kind,
                IntentKind::PlanEnd | IntentKind::DuplicateSubscription | IntentKind::Refund
            );
            // A refund waits while the bank decides.
            if is_in_dispute && refunds {
                continue;
            }
            let is_open = matches!(intent.state, IntentState::Open | IntentState::Calling);
            if is_open && intent.updated_at.plus_seconds(abandoned_after(intent.kind)) < now {
                let (kind, id) = (intent.kind.word(), &intent.id);
                broken.push(format!(
                    "person {who}: the intent {id} ({kind}) is still open"
                ));
            }
        }
        if sync.is_some_and(|state| state.parked_at.is_some()) {
            broken.push(format!("person {who} is parked"));
        }
    }
    let all = store::events::Filter::default();
    let events = world
        .app
        .read(move |tx| store::events::list(tx, &all, None, 10_000));
    for event in events.await.unwrap_or_default() {
        if !matches!(event.state, EventState::Done | EventState::Ignored) {
            let (kind, id, state) = (&event.kind, &event.event_id, event.state.word());
            broken.push(format!("the event {id} ({kind}) is {state}"));
        }
    }
}
