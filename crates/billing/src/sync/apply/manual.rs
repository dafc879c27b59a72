//! What needs manual review, in words.

use domain::ledger::{Command, Refusal, Request};
use domain::projection::{Desired, Finding};
use store::intents::{IntentKind, IntentState};

use crate::sync::{Held, duplicate_subscription};

/// The finding about a command that the ledger refused; none if there is nothing left to do.
pub(super) fn refused_text(request: &Request, refusal: &Refusal) -> Option<String> {
    let what = match &request.command {
        Command::Grant(new) => format!("{} credits for {}", new.amount, new.source_key),
        Command::Clawback { source_key, .. } => format!("the reversal of {source_key}"),
        Command::Freeze { source_key, .. } => format!("the dispute of {source_key}"),
        _ => return None,
    };
    Some(format!("{what} could not be entered: {refusal}"))
}

/// What needs manual review: the current findings, and purchases that couldn't be undone.
pub(super) fn findings(held: &Held, wanted: &Desired) -> Vec<String> {
    let failed = held.intents.values();
    let failed = failed.filter(|intent| {
        let is_stuck = intent.needs_attention
            && matches!(intent.state, IntentState::Open | IntentState::Calling);
        intent.kind == IntentKind::DuplicateSubscription
            && (is_stuck || intent.state == IntentState::Failed)
    });
    let failed = failed.map(|intent| {
        let what = duplicate_subscription::unfinished_text(intent);
        let why = intent.error.as_deref().unwrap_or_default();
        format!("{what}: {why}")
    });
    wanted
        .findings
        .iter()
        .map(Finding::text)
        .chain(failed)
        .collect()
}
