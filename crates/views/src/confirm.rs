//! The confirmation page for actions that are hard to undo: cancel a plan, revoke a key, replay an
//! event.

use askama::Template;

use crate::components::{Action, Choice, Fact, Prose};
use crate::layout::{Shell, page};
use crate::links::filters;

#[cfg(any(test, feature = "samples"))]
mod samples;

/// Asks for confirmation and describes the consequences.
#[derive(Clone, Debug, Template)]
#[template(path = "confirm.html")]
pub struct ConfirmPage {
    pub shell: Shell,
    /// The question: "Cancel Pro?"
    pub title: String,
    pub text: Prose,
    /// The consequences, one line each.
    pub points: Vec<String>,
    pub facts: Vec<Fact>,
    /// An optional question: the field, the label, the choices.
    pub why: Option<(String, String, Vec<Choice>)>,
    pub action: String,
    /// Names and values of the hidden fields.
    pub fields: Vec<(String, String)>,
    /// The label of the button, which names the action: "Cancel Pro".
    pub label: String,
    pub danger: bool,
    pub back: Action,
    /// An alternative action with a similar result.
    pub other: Option<Action>,
}

page!(ConfirmPage);

impl ConfirmPage {
    pub fn new(
        shell: Shell,
        title: impl Into<String>,
        label: impl Into<String>,
        action: impl Into<String>,
        back: Action,
    ) -> Self {
        Self {
            shell,
            title: title.into(),
            text: Prose::default(),
            points: Vec::new(),
            facts: Vec::new(),
            why: None,
            action: action.into(),
            fields: Vec::new(),
            label: label.into(),
            danger: false,
            back,
            other: None,
        }
    }

    /// Cancels a plan at the end of the period. `ends` is "15 Dec 2026".
    pub fn cancel_plan(shell: Shell, plan: &str, ends: &str, points: Vec<String>) -> Self {
        let reasons = [
            ("", "Choose a reason"),
            ("too_expensive", "Too expensive"),
            ("missing_features", "Missing a feature"),
            ("unused", "Not using it enough"),
            ("switched_service", "Moving to another service"),
            ("other", "Something else"),
        ];
        let back = Action::link(format!("Keep {plan}"), "/dashboard/billing");
        let title = format!("Cancel {plan}?");
        let why = format!("Why are you leaving {plan}? (optional)");
        Self {
            text: format!("You keep {plan} until {ends} and won't be charged again. After that:")
                .into(),
            points,
            why: Some(("reason".to_owned(), why, Choice::list(&reasons, ""))),
            fields: vec![("act".to_owned(), "cancel".to_owned())],
            danger: true,
            ..Self::new(
                shell,
                title,
                format!("Cancel {plan}"),
                crate::banners::PLAN,
                back,
            )
        }
    }

    /// Ends a plan immediately. `refund` is "$11.40", `None` when nothing is refunded; `quote`
    /// identifies it.
    pub fn end_now(
        shell: Shell,
        plan: &str,
        refund: Option<&str>,
        quote: &str,
        points: Vec<String>,
    ) -> Self {
        let back = Action::link(format!("Keep {plan}"), "/dashboard/billing");
        let (text, label) = match refund {
            Some(refund) => (
                format!(
                    "{plan} ends now. We refund {refund} for the unused time to your card. From \
                     then on:"
                ),
                format!("End {plan} and refund {refund}"),
            ),
            None => (
                format!("{plan} ends now and nothing is refunded. From then on:"),
                format!("End {plan} now"),
            ),
        };
        Self {
            text: text.into(),
            points,
            fields: vec![
                ("act".to_owned(), "end".to_owned()),
                ("quote".to_owned(), quote.to_owned()),
            ],
            danger: true,
            ..Self::new(
                shell,
                format!("End {plan} now?"),
                label,
                crate::banners::PLAN,
                back,
            )
        }
    }

    pub fn revoke_key(shell: Shell, id: &str, name: &str, last_used: &str) -> Self {
        let back = Action::link("Keep the key", "/dashboard/keys");
        let action = format!("/dashboard/keys/{id}/revoke");
        Self {
            text: format!(
                "Calls with this key are refused immediately. {last_used} This cannot \
                           be undone. Create a new key first if something still uses this one."
            )
            .into(),
            danger: true,
            fields: vec![("confirm".to_owned(), "yes".to_owned())],
            ..Self::new(
                shell,
                format!("Revoke {name}?"),
                "Revoke the key",
                action,
                back,
            )
        }
    }

    /// Removes a member from an account, or leaves the account.
    pub fn remove_member(shell: Shell, id: &str, name: &str, account: &str, is_you: bool) -> Self {
        let back = Action::link("Not now", "/dashboard/members");
        let action = format!("/dashboard/members/{id}/remove");
        let (title, label, text) = if is_you {
            let text = "You'll lose access to this account. An owner can invite you again.";
            (format!("Leave {account}?"), "Leave", text)
        } else {
            let text = "They lose access to this account. Keys they created keep working: revoke \
                        those you don't recognize.";
            (format!("Remove {name} from {account}?"), "Remove", text)
        };
        Self {
            text: text.into(),
            danger: true,
            fields: vec![("confirm".to_owned(), "yes".to_owned())],
            ..Self::new(shell, title, label, action, back)
        }
    }

    pub fn close_account(shell: Shell, account: &str) -> Self {
        let back = Action::link("Keep the account", "/dashboard/members");
        let points = [
            "Its plan ends now and nothing more is charged.",
            "Remaining credits are lost and API keys stop working immediately.",
            "Names and email addresses are deleted. We keep receipts as the law requires.",
            "Data of members who belong to no other account is deleted too.",
        ];
        Self {
            text: "This cannot be undone:".into(),
            points: points.map(str::to_owned).to_vec(),
            danger: true,
            fields: vec![("confirm".to_owned(), "yes".to_owned())],
            ..Self::new(
                shell,
                format!("Close {account} permanently?"),
                "Close the account",
                "/dashboard/close",
                back,
            )
        }
    }

    pub fn replay_event(shell: Shell, id: &str, kind: &str, facts: Vec<Fact>) -> Self {
        let back = Action::link("Not now", format!("/admin/events/{id}"));
        let action = format!("/admin/events/{id}/replay");
        Self {
            text: Prose::new("We fetch ").code(kind).text(
                "'s object from Stripe again and apply its current state. Replaying twice \
                       is safe: a second run changes nothing.",
            ),
            facts,
            fields: vec![("confirm".to_owned(), "yes".to_owned())],
            ..Self::new(
                shell,
                "Replay this event?",
                "Replay the event",
                action,
                back,
            )
        }
    }
}
