//! What happens to a plan after a dispute about its payment was lost.

use serde_json::json;
use store::disputes::{Decision, Dispute};

use crate::app::App;
use crate::error::{Error, Result};
use crate::intents::chain::run_latest;
use crate::operators::audit_log::{Action, Author};
use crate::sync::disputed_plan;

/// Keeps the plan (`keep`), or cancels it without a refund (`end`). Repeating the decision changes
/// nothing; a plan that was kept or ended is not decided about again.
pub async fn decide(
    app: &App,
    dispute_id: &str,
    plan: &str,
    (actor, request_id): (&str, &str),
) -> Result<Dispute> {
    let decision = match plan {
        "keep" => Decision::Kept,
        "end" => Decision::Ended,
        _ => return Err(Error::field("plan", "Choose keep or end.")),
    };
    let author = Author::new(app, actor).with_request(Some(request_id));
    let (id, intent, now) = (dispute_id.to_owned(), app.new_id("int"), app.now());
    let no_dispute = || Error::not_found("There is no such dispute.");
    let found = {
        let id = id.clone();
        app.read(move |tx| store::disputes::any(tx, &id)).await?
    };
    let row = found.ok_or_else(no_dispute)?.account_id;
    let dispute = app
        .write(row, move |tx| {
            let Some(dispute) = store::disputes::find(tx, row, &id)? else {
                return Ok(None);
            };
            let account = store::accounts::find(tx, row)?;
            let subject = account.map_or_else(String::new, |account| account.public_id);
            let Some(subscription) = dispute.subscription_id.clone() else {
                return Ok(Some(dispute));
            };
            if dispute.decision() == Some(Decision::Asked)
                && store::disputes::decide(tx, row, &id, decision, Some(author.actor()))?
            {
                if decision == Decision::Ended {
                    disputed_plan::end(tx, row, &subscription, (&intent, now))?;
                }
                let act = author.act(Action::DisputeDecide, &subject);
                act.with("dispute", json!(id))
                    .with("decision", json!(decision.word()))
                    .append(tx)?;
            }
            store::disputes::find(tx, row, &id)
        })
        .await?
        .ok_or_else(no_dispute)?;
    match dispute.decision() {
        Some(held) if held == decision => {
            run_latest::<disputed_plan::End>(app, row).await;
            Ok(dispute)
        }
        Some(Decision::Kept | Decision::Ended) => {
            let detail = "This was decided already. Change the plan on the account's page.";
            Err(Error::conflict("already_decided", detail))
        }
        _ => {
            let detail = "Only a lost dispute about a plan's payment leaves something to decide.";
            Err(Error::conflict("nothing_to_decide", detail))
        }
    }
}
