//! Samples of `members`: empty, typical and worst.

use super::*;
use crate::components::{Action, Badge, Choice};
use crate::layout::Nav;

impl MembersPage {
    /// A single member, several seen by an owner and by a member, a rejected address, the worst
    /// names.
    #[expect(clippy::too_many_lines, reason = "a table of samples")]
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
            accounts: vec![account_link("Acme Robotics", true)],
            organization: String::new(),
            organization_error: None,
            may_close: true,
        };
        let invited = InvitedRow {
            email: "noah@acme.example".to_owned(),
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
            accounts: vec![
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
                email: "noah@".to_owned(),
                email_error: Some("Enter an email address like name@example.com.".to_owned()),
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
                    email: EVIL.to_owned(),
                    role: EVIL.to_owned(),
                    ..invited
                };
                3
            ],
            form: Some(InviteForm {
                email: EVIL.to_owned(),
                email_error: Some(EVIL.to_owned()),
                ..InviteForm::empty()
            }),
            accounts: vec![account_link(EVIL, true), account_link(LONG, false)],
            organization: EVIL.to_owned(),
            organization_error: Some(EVIL.to_owned()),
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

fn row(id: &str, name: &str, email: &str, role: &str, is_owner: bool) -> MemberRow {
    MemberRow {
        id: id.to_owned(),
        name: name.to_owned(),
        email: email.to_owned(),
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
    pub fn samples() -> Vec<(&'static str, Self)> {
        use crate::samples;
        use crate::samples::EVIL;

        let page = Self {
            shell: samples::public(),
            action: "/api/auth/invitation/tok_1".to_owned(),
            account: "Acme Robotics".to_owned(),
            email: "noah@acme.example".to_owned(),
            role: "Billing".to_owned(),
        };
        let worst = Self {
            action: "/\"><script>".to_owned(),
            account: EVIL.to_owned(),
            email: EVIL.to_owned(),
            role: EVIL.to_owned(),
            ..page.clone()
        };
        vec![("typical", page), ("worst", worst)]
    }
}
