//! `/dashboard/members`: the members of an account, and invitations.

use askama::Template;

use crate::components::{Action, Badge, Choice};
use crate::format::When;
use crate::icons::Icon;
use crate::layout::{AccountLink, Shell, page};
use crate::links::filters;

#[cfg(any(test, feature = "samples"))]
mod samples;

pub const MEMBERS: &str = "/dashboard/members";

/// The permissions of each role, in words.
pub const ROLES: [(&str, &str); 3] = [
    ("member", "Member: sees everything"),
    ("billing", "Billing: buys, changes, cancels"),
    ("owner", "Owner: also manages members"),
];

#[derive(Clone, Debug, Template)]
#[template(path = "members.html")]
pub struct MembersPage {
    pub shell: Shell,
    /// For example "People of Acme Robotics".
    pub lead: String,
    pub members: Vec<MemberRow>,
    pub invited: Vec<InvitedRow>,
    /// The invitation form; `None` if the reader may not invite.
    pub form: Option<InviteForm>,
    pub accounts: Vec<AccountLink>,
    /// The name of a new organization, as typed.
    pub organization: String,
    pub organization_error: Option<String>,
    /// Whether the reader may close the account.
    pub may_close: bool,
}

page!(MembersPage);

#[derive(Clone, Debug)]
pub struct MemberRow {
    pub id: String,
    pub name: String,
    pub email: String,
    /// "You" for the reader; `None` for other members.
    pub badge: Option<Badge>,
    pub role: String,
    pub since: When,
    /// The roles to choose from; empty if the reader may not change roles.
    pub roles: Vec<Choice>,
    /// The action to leave the account or remove the member.
    pub remove: Option<Action>,
}

impl MemberRow {
    fn address(&self) -> String {
        format!("{MEMBERS}/{}", self.id)
    }
}

#[derive(Clone, Debug)]
pub struct InvitedRow {
    pub email: String,
    pub role: String,
    pub until: When,
    pub withdraw: Option<Action>,
}

#[derive(Clone, Debug)]
pub struct InviteForm {
    pub email: String,
    pub email_error: Option<String>,
    pub roles: Vec<Choice>,
}

pub fn role_word(role: &str) -> &str {
    match role {
        "owner" => "Owner",
        "billing" => "Billing",
        "member" => "Member",
        other => other,
    }
}

/// The page that an emailed invitation opens. Opening it doesn't use the invitation; the button
/// does.
#[derive(Clone, Debug, Template)]
#[template(path = "invitation.html")]
pub struct InvitationPage {
    pub shell: Shell,
    pub action: String,
    pub account: String,
    pub email: String,
    /// The name of the offered role.
    pub role: String,
}

page!(InvitationPage);

impl InviteForm {
    pub fn empty() -> Self {
        Self {
            email: String::new(),
            email_error: None,
            roles: Choice::list(&ROLES, "member"),
        }
    }
}
