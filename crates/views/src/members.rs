//! `/dashboard/members`: the members of an account, and invitations.

use askama::Template;

use crate::components::{Action, Badge, Choice};
use crate::format::When;
use crate::icons::Icon;
use crate::layout::{AccountLink, Page, Shell};
use crate::links::filters;

#[cfg(any(test, feature = "samples"))]
mod samples;

/// This page.
pub const MEMBERS: &str = "/dashboard/members";

/// What each role may do, in words.
pub const ROLES: [(&str, &str); 3] = [
    ("member", "Member: sees everything"),
    ("billing", "Billing: buys, changes, cancels"),
    ("owner", "Owner: also manages members"),
];

/// The people of an account.
#[derive(Clone, Debug, Template)]
#[template(path = "members.html")]
pub struct MembersPage {
    /// The frame around the page.
    pub shell: Shell,
    /// For example "People of Acme Robotics".
    pub lead: String,
    /// The members of the account.
    pub members: Vec<MemberRow>,
    /// Who is invited.
    pub invited: Vec<InvitedRow>,
    /// The form that invites; none for whoever may not.
    pub form: Option<InviteForm>,
    /// The reader's accounts.
    pub places: Vec<AccountLink>,
    /// The name of a new organization, as typed.
    pub organisation: String,
    /// What is wrong with it.
    pub organisation_error: Option<String>,
    /// Whether the reader may close the account.
    pub may_close: bool,
}

impl Page for MembersPage {
    fn shell(&self) -> &Shell {
        &self.shell
    }
}

/// One member.
#[derive(Clone, Debug)]
pub struct MemberRow {
    /// Its id, in the addresses.
    pub id: String,
    /// The name.
    pub name: String,
    /// The email address.
    pub mail: String,
    /// "You"; none for the others.
    pub badge: Option<Badge>,
    /// The role in a word.
    pub role: String,
    /// The day they joined.
    pub since: When,
    /// The roles to choose from; empty for whoever may not.
    pub roles: Vec<Choice>,
    /// The action that leaves the account or removes the member.
    pub remove: Option<Action>,
}

impl MemberRow {
    /// Where their role is changed.
    fn address(&self) -> String {
        format!("{MEMBERS}/{}", self.id)
    }
}

/// One invitation.
#[derive(Clone, Debug)]
pub struct InvitedRow {
    /// The email address.
    pub mail: String,
    /// The role in a word.
    pub role: String,
    /// Until when.
    pub until: When,
    /// Withdraws it.
    pub withdraw: Option<Action>,
}

/// The form that invites a person.
#[derive(Clone, Debug)]
pub struct InviteForm {
    /// The address, as typed.
    pub mail: String,
    /// What is wrong with it.
    pub mail_error: Option<String>,
    /// The roles to choose from.
    pub roles: Vec<Choice>,
}

/// A role as people read it.
pub fn role_word(role: &str) -> &str {
    match role {
        "owner" => "Owner",
        "billing" => "Billing",
        "member" => "Member",
        other => other,
    }
}

/// The page that an emailed invitation opens. Opening it does not use it up; the button does.
#[derive(Clone, Debug, Template)]
#[template(path = "invitation.html")]
pub struct InvitationPage {
    /// The frame around the page.
    pub shell: Shell,
    /// Where the button posts.
    pub action: String,
    /// The account's name.
    pub account: String,
    /// Whom it lets in.
    pub mail: String,
    /// The role that is offered, in a word.
    pub role: String,
}

impl Page for InvitationPage {
    fn shell(&self) -> &Shell {
        &self.shell
    }
}

impl InviteForm {
    /// The form before anything was typed.
    pub fn empty() -> Self {
        Self {
            mail: String::new(),
            mail_error: None,
            roles: Choice::list(&ROLES, "member"),
        }
    }
}
