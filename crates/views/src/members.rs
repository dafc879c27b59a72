//! `/dashboard/members`: the members of an account, and invitations.

use askama::Template;

use crate::components::{Action, Badge, Choice};
use crate::format::When;
use crate::icons::Icon;
use crate::layout::{AccountLink, Nav, Shell};

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
    /// The frame.
    pub shell: Shell,
    /// "People of Acme Robotics"
    pub lead: String,
    /// Members of it.
    pub members: Vec<MemberRow>,
    /// Who is invited.
    pub invited: Vec<InvitedRow>,
    /// The form that invites; none for whoever may not.
    pub form: Option<InviteForm>,
    /// The reader's accounts.
    pub places: Vec<AccountLink>,
    /// The name of a new organisation, as typed.
    pub organisation: String,
    /// What is wrong with it.
    pub organisation_error: Option<String>,
    /// Whether the reader may close the account.
    pub may_close: bool,
}

/// One member.
#[derive(Clone, Debug)]
pub struct MemberRow {
    /// Its id, in the addresses.
    pub id: String,
    /// The name.
    pub name: String,
    /// The mail address.
    pub mail: String,
    /// "You"; none for the others.
    pub badge: Option<Badge>,
    /// The role in a word.
    pub role: String,
    /// Since when.
    pub since: When,
    /// The roles to choose from; empty for whoever may not.
    pub roles: Vec<Choice>,
    /// Leaves, or takes out.
    pub remove: Option<Action>,
}

/// One invitation.
#[derive(Clone, Debug)]
pub struct InvitedRow {
    /// The mail address.
    pub mail: String,
    /// The role in a word.
    pub role: String,
    /// Until when.
    pub until: When,
    /// Withdraws it.
    pub withdraw: Option<Action>,
}

/// The form that invites somebody.
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

/// What a mailed invitation opens. Looking does not use it up; the button does.
#[derive(Clone, Debug, Template)]
#[template(path = "invitation.html")]
pub struct InvitationPage {
    /// The frame.
    pub shell: Shell,
    /// Where the button posts.
    pub action: String,
    /// The account's name.
    pub account: String,
    /// Whom it lets in.
    pub mail: String,
    /// As what, in a word.
    pub role: String,
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

impl MembersPage {
    /// Alone, several as their owner and as a member, a refused address, the worst names.
    pub fn samples() -> Vec<(&'static str, Self)> {
        use crate::samples;
        use crate::samples::EVIL;
        use crate::samples::LONG;
        use crate::samples::account_link;

        let alone = Self {
            shell: samples::customer(Nav::Members),
            lead: "Members of Acme Robotics".to_owned(),
            members: vec![row("usr_1", "Maya Kim", "maya@acme.example", "owner", true)],
            invited: Vec::new(),
            form: Some(InviteForm::empty()),
            places: vec![account_link("Acme Robotics", true)],
            organisation: String::new(),
            organisation_error: None,
            may_close: true,
        };
        let invited = InvitedRow {
            mail: "noah@acme.example".to_owned(),
            role: "Billing".to_owned(),
            until: samples::day(7),
            withdraw: Some(
                Action::post("Withdraw", "/dashboard/invitations/inv_1/withdraw").small(),
            ),
        };
        let several = Self {
            members: vec![
                row("usr_1", "Maya Kim", "maya@acme.example", "owner", true),
                row(
                    "usr_2",
                    "Olga Petrova",
                    "olga@acme.example",
                    "billing",
                    true,
                ),
            ],
            invited: vec![invited.clone()],
            places: vec![
                account_link("Acme Robotics", true),
                account_link("Maya", false),
            ],
            ..alone.clone()
        };
        let member = Self {
            members: vec![row(
                "usr_2",
                "Olga Petrova",
                "olga@acme.example",
                "member",
                false,
            )],
            invited: vec![InvitedRow {
                withdraw: None,
                ..invited.clone()
            }],
            form: None,
            may_close: false,
            ..alone.clone()
        };
        let refused = Self {
            form: Some(InviteForm {
                mail: "noah@".to_owned(),
                mail_error: Some("Enter an email address like name@example.com.".to_owned()),
                ..InviteForm::empty()
            }),
            ..alone.clone()
        };
        let worst = Self {
            shell: samples::worst(Nav::Members),
            lead: format!("{LONG} {EVIL}"),
            members: vec![row("\"><script>", &format!("{LONG} {EVIL}"), EVIL, EVIL, true); 20],
            invited: vec![
                InvitedRow {
                    mail: EVIL.to_owned(),
                    role: EVIL.to_owned(),
                    ..invited
                };
                3
            ],
            form: Some(InviteForm {
                mail: EVIL.to_owned(),
                mail_error: Some(EVIL.to_owned()),
                ..InviteForm::empty()
            }),
            places: vec![account_link(EVIL, true), account_link(LONG, false)],
            organisation: EVIL.to_owned(),
            organisation_error: Some(EVIL.to_owned()),
            may_close: true,
        };
        vec![
            ("alone", alone),
            ("several", several),
            ("member", member),
            ("refused", refused),
            ("worst", worst),
        ]
    }
}

fn row(id: &str, name: &str, mail: &str, role: &str, is_owner: bool) -> MemberRow {
    MemberRow {
        id: id.to_owned(),
        name: name.to_owned(),
        mail: mail.to_owned(),
        badge: (name == "Maya Kim").then(|| Badge::accent("You")),
        role: role_word(role).to_owned(),
        since: crate::samples::day(-30),
        roles: if is_owner {
            Choice::list(&ROLES, role)
        } else {
            Vec::new()
        },
        remove: Some(
            Action::link("Remove", format!("{MEMBERS}/{id}/remove"))
                .small()
                .spoken(name),
        ),
    }
}

impl InvitationPage {
    /// Typical and worst.
    pub fn samples() -> Vec<(&'static str, Self)> {
        use crate::samples;
        use crate::samples::EVIL;

        let page = Self {
            shell: samples::public(),
            action: "/api/auth/invitation/tok_1".to_owned(),
            account: "Acme Robotics".to_owned(),
            mail: "noah@acme.example".to_owned(),
            role: "Billing".to_owned(),
        };
        let worst = Self {
            action: "/\"><script>".to_owned(),
            account: EVIL.to_owned(),
            mail: EVIL.to_owned(),
            role: EVIL.to_owned(),
            ..page.clone()
        };
        vec![("typical", page), ("worst", worst)]
    }
}
