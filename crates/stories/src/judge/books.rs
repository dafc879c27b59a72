//! The books agree with themselves and with Stripe, and another sync changes nothing.

use billing::books::audit::{self, Scope};
use billing::jobs::alerts;
use billing::sync;

use super::accounts;
use crate::world::World;

pub(super) async fn judge(world: &mut World, broken: &mut Vec<String>) {
    for (who, account) in accounts(world) {
        let app = world.app.clone();
        match sync::differences::account(&app, account).await {
            Ok(found) => broken.extend(
                found
                    .into_iter()
                    .map(|what| format!("person {who} differs from Stripe: {what}")),
            ),
            Err(error) => broken.push(format!("person {who} can't be compared: {error}")),
        }
        // A page that was opened and left has no row before its first sync.
        match sync::whole_account(&app, account).await {
            Ok(report) => broken.extend(
                report
                    .changes
                    .into_iter()
                    .filter(|what| !what.ends_with(" is PENDING"))
                    .map(|what| format!("a sync of person {who} changes: {what}")),
            ),
            Err(error) => broken.push(format!("person {who} can't be synced: {error}")),
        }
        match sync::whole_account(&app, account).await {
            Ok(report) => broken.extend(
                report
                    .changes
                    .into_iter()
                    .map(|what| format!("another sync of person {who} changes: {what}")),
            ),
            Err(error) => broken.push(format!("person {who} can't be synced: {error}")),
        }
    }
    // Whatever numbers the programs named, every alert rule can be evaluated.
    if let Err(error) = alerts::once(&world.app).await {
        broken.push(format!("the alert rules fail: {error}"));
    }
    let open = world
        .app
        .read(|tx| store::alerts::all_open(tx, 1_000))
        .await;
    let open = open.unwrap_or_default().into_iter();
    let failing = open.filter(|alert| alert.rule == alerts::UNEVALUATED);
    broken.extend(failing.map(|alert| alert.summary));
    match audit::run(&world.app, Scope::Everything).await {
        Ok(report) => broken.extend(
            report
                .findings
                .into_iter()
                .map(|one| format!("the audit finds {} {}: {}", one.account, one.row, one.what)),
        ),
        Err(error) => broken.push(format!("the audit fails: {error}")),
    }
}
