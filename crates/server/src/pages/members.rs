//! `/dashboard/members`: who belongs to an account, invitations, the reader's accounts; and what
//! an invitation opens.

use askama::Template;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;

use super::components::{Action, Badge, Choice};
use super::confirm::ConfirmPage;
use super::format::{self, When};
use super::icons::Icon;
use super::layout::{AccountLink, Nav, Shell};
use super::login::LoginPage;
use super::serve::{Fields, account_shell, html, page, public_shell};
use crate::actors::SignedIn;
use crate::app::App;
use crate::closing;
use crate::error::{Error, Kind};
use crate::http::error::{HttpResult, status_of};
use crate::http::params::Params;
use crate::members;

/// This page.
const MEMBERS: &str = "/dashboard/members";
/// What each role may do, in words.
const ROLES: [(&str, &str); 3] = [
    ("member", "Member: sees everything"),
    ("billing", "Billing: buys, changes, cancels"),
    ("owner", "Owner: also decides who belongs"),
];

/// The people of an account.
#[derive(Clone, Debug, Template)]
#[template(path = "members.html")]
pub struct MembersPage {
    /// The frame.
    pub shell: Shell,
    /// "People of Acme Robotics"
    pub lead: String,
    /// Who belongs to it.
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

/// `GET /dashboard/members`
pub async fn show(State(app): State<App>, caller: SignedIn) -> HttpResult<Response> {
    page(StatusCode::OK, &list(&app, &caller).await?)
}

async fn list(app: &App, caller: &SignedIn) -> HttpResult<MembersPage> {
    let people = members::list(app, caller.account.id).await?;
    let is_owner = caller.may_own().is_ok();
    let member = |row: store::users::Member| {
        let is_you = row.user_id == caller.user.id;
        MemberRow {
            badge: is_you.then(|| Badge::accent("You")),
            role: role_word(&row.role).to_owned(),
            since: format::day(row.created_at.micros()),
            roles: if is_owner {
                Choice::list(&ROLES, &row.role)
            } else {
                Vec::new()
            },
            remove: (is_owner || is_you).then(|| take_out(&row, is_you)),
            id: row.public_id,
            name: row.name,
            mail: row.email,
        }
    };
    let invited = |row: store::invitations::Invitation| InvitedRow {
        withdraw: is_owner.then(|| {
            let to = format!("/dashboard/invitations/{}/withdraw", row.public_id);
            Action::post("Withdraw", to).small()
        }),
        mail: row.email.unwrap_or_default(),
        role: role_word(&row.role).to_owned(),
        until: format::day(row.expires_at.micros()),
    };
    let place = |place: &store::users::Place| AccountLink {
        name: place.name.clone(),
        href: format!("/dashboard?account={}", place.public_id),
        current: place.account_id == caller.account.id,
    };
    Ok(MembersPage {
        shell: account_shell(app, caller, Nav::Members),
        lead: format!("Who belongs to {}", caller.account.name),
        members: people.members.into_iter().map(member).collect(),
        invited: people.invited.into_iter().map(invited).collect(),
        form: is_owner.then(InviteForm::empty),
        places: caller.places.iter().map(place).collect(),
        organisation: String::new(),
        organisation_error: None,
        may_close: is_owner,
    })
}

fn take_out(row: &store::users::Member, is_you: bool) -> Action {
    let to = format!("{MEMBERS}/{}/remove", row.public_id);
    let label = if is_you { "Leave" } else { "Remove" };
    Action::link(label, to).small().spoken(&row.name)
}

fn role_word(role: &str) -> &str {
    match role {
        "owner" => "Owner",
        "billing" => "Billing",
        "member" => "Member",
        other => other,
    }
}

/// Whom to invite, or which role to give.
#[derive(Debug, Deserialize)]
pub struct Wanted {
    email: Option<String>,
    role: Option<String>,
}

/// `POST /dashboard/members`: invites somebody.
pub async fn invite(
    State(app): State<App>,
    caller: SignedIn,
    Fields(form): Fields<Wanted>,
) -> HttpResult<Response> {
    let (mail, role) = (
        form.email.unwrap_or_default(),
        form.role.unwrap_or_default(),
    );
    match members::invite(&app, &caller, &mail, &role).await {
        Ok(_) => Ok(Redirect::to(MEMBERS).into_response()),
        Err(error) if error.0.kind.is_client_error() && error.0.kind != Kind::Forbidden => {
            let mut shown = list(&app, &caller).await?;
            shown.form = Some(InviteForm {
                mail,
                mail_error: Some(error.0.detail.clone()),
                roles: Choice::list(&ROLES, &role),
            });
            page(status_of(error.0.kind), &shown)
        }
        Err(error) => Err(error.into()),
    }
}

/// `POST /dashboard/members/{id}`: another role.
pub async fn change(
    State(app): State<App>,
    caller: SignedIn,
    Path(id): Path<String>,
    Fields(form): Fields<Wanted>,
) -> HttpResult<Redirect> {
    members::set_role(&app, &caller, &id, form.role.as_deref().unwrap_or_default()).await?;
    Ok(Redirect::to(MEMBERS))
}

/// `GET /dashboard/members/{id}/remove`: asks once more.
pub async fn ask(
    State(app): State<App>,
    caller: SignedIn,
    Path(id): Path<String>,
) -> HttpResult<Response> {
    let people = members::list(&app, caller.account.id).await?;
    let mut known = people.members.into_iter();
    let row = known.find(|member| member.public_id == id);
    let row = row.ok_or_else(|| Error::not_found("There is no such member."))?;
    let is_you = row.user_id == caller.user.id;
    if !is_you {
        caller.may_own()?;
    }
    let shell = account_shell(&app, &caller, Nav::Members);
    let view = ConfirmPage::remove_member(shell, &id, &row.name, &caller.account.name, is_you);
    Ok(html(&view)?.into_response())
}

/// `POST /dashboard/members/{id}/remove`
pub async fn remove(
    State(app): State<App>,
    caller: SignedIn,
    Path(id): Path<String>,
) -> HttpResult<Redirect> {
    members::remove(&app, &caller, &id).await?;
    // Whoever left sees another account, or the sign-in.
    let is_you = id == caller.user.public_id;
    Ok(Redirect::to(if is_you { "/" } else { MEMBERS }))
}

/// `POST /dashboard/invitations/{id}/withdraw`
pub async fn withdraw(
    State(app): State<App>,
    caller: SignedIn,
    Path(id): Path<String>,
) -> HttpResult<Redirect> {
    members::withdraw(&app, &caller, &id).await?;
    Ok(Redirect::to(MEMBERS))
}

/// A new organisation.
#[derive(Debug, Deserialize)]
pub struct NewOrganisation {
    name: String,
}

/// `POST /dashboard/organisations`: founds one and goes there.
pub async fn found(
    State(app): State<App>,
    caller: SignedIn,
    Fields(form): Fields<NewOrganisation>,
) -> HttpResult<Response> {
    match members::found(&app, &caller.user, &form.name).await {
        Ok(account) => {
            let there = format!("{MEMBERS}?account={}", account.public_id);
            Ok(Redirect::to(&there).into_response())
        }
        Err(error) if error.0.kind.is_client_error() => {
            let mut shown = list(&app, &caller).await?;
            shown.organisation = form.name;
            shown.organisation_error = Some(error.0.detail.clone());
            page(status_of(error.0.kind), &shown)
        }
        Err(error) => Err(error.into()),
    }
}

/// `GET /dashboard/close`: asks once more.
pub async fn ask_close(State(app): State<App>, caller: SignedIn) -> HttpResult<Response> {
    let shell = account_shell(&app, &caller, Nav::Members);
    let view = ConfirmPage::close_account(shell, &caller.account.name);
    Ok(html(&view)?.into_response())
}

/// `POST /dashboard/close`
pub async fn close(State(app): State<App>, caller: SignedIn) -> HttpResult<Redirect> {
    closing::close(&app, &caller).await?;
    Ok(Redirect::to("/"))
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

/// What a mailed link carries.
#[derive(Debug, Deserialize)]
pub struct Token {
    token: Option<String>,
}

/// `GET /invitation`
pub async fn invitation(
    State(app): State<App>,
    Params(asked): Params<Token>,
) -> HttpResult<Response> {
    let token = asked.token.unwrap_or_default();
    let shell = public_shell(&app, None, Nav::None);
    let Some((row, account)) = members::asked(&app, &token).await? else {
        let over = LoginPage {
            banner: Some(LoginPage::link_is_over()),
            ..LoginPage::ask(shell)
        };
        return page(StatusCode::BAD_REQUEST, &over);
    };
    let view = InvitationPage {
        shell,
        // An invitation that was found has a token of ours: hexadecimal digits.
        action: format!("/api/auth/invitation/{token}"),
        account: account.name,
        mail: row.email.unwrap_or_default(),
        role: role_word(&row.role).to_owned(),
    };
    page(StatusCode::OK, &view)
}

impl InviteForm {
    fn empty() -> Self {
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
        use super::samples::{self, EVIL, LONG, account_link};

        let alone = Self {
            shell: samples::customer(Nav::Members),
            lead: "Who belongs to Acme Robotics".to_owned(),
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
                mail_error: Some("Enter a mail address like name@example.com.".to_owned()),
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
        since: super::samples::day(-30),
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
        use super::samples::{self, EVIL};

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
