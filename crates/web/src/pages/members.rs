//! `/dashboard/members`: an account's members and invitations, and the reader's other accounts;
//! and the page that an invitation opens.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use billing::accounts::closing;
use billing::actors::SignedIn;
use billing::app::App;
use billing::error::{Error, Kind};
use billing::people::members;
use serde::Deserialize;
use views::components::{Action, Badge, Choice};
use views::confirm::ConfirmPage;
use views::format;
use views::layout::{AccountLink, Nav};
use views::login::LoginPage;
use views::members::{
    InvitationPage, InviteForm, InvitedRow, MEMBERS, MemberRow, MembersPage, ROLES, role_word,
};

use crate::frame::{account_shell, html, page, public_shell, redirect};
use crate::http::error::{HttpResult, status_of};
use crate::http::form::{Fields, is_correctable, refusal};
use crate::http::params::Params;

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
            role: role_word(row.role.word()).to_owned(),
            since: format::day(row.created_at.micros()),
            roles: if is_owner {
                Choice::list(&ROLES, row.role.word())
            } else {
                Vec::new()
            },
            remove: (is_owner || is_you).then(|| take_out(&row, is_you)),
            id: row.public_id,
            name: row.name,
            email: row.email,
        }
    };
    let invited = |row: store::invitations::Invitation| InvitedRow {
        withdraw: is_owner.then(|| {
            let to = format!("/dashboard/invitations/{}/withdraw", row.public_id);
            Action::post("Withdraw", to).small()
        }),
        email: row.email.unwrap_or_default(),
        role: role_word(row.role.word()).to_owned(),
        until: format::day(row.expires_at.micros()),
    };
    let place = |place: &store::users::Place| AccountLink {
        name: place.name.clone(),
        href: format!("/dashboard?account={}", place.public_id),
        current: place.account_id == caller.account.id,
    };
    Ok(MembersPage {
        shell: account_shell(app, caller, Nav::Members),
        lead: format!("Members of {}", caller.account.name),
        members: people.members.into_iter().map(member).collect(),
        invited: people.invited.into_iter().map(invited).collect(),
        form: is_owner.then(InviteForm::empty),
        accounts: caller.places.iter().map(place).collect(),
        organization: String::new(),
        organization_error: None,
        may_close: is_owner,
    })
}

fn take_out(row: &store::users::Member, is_you: bool) -> Action {
    let to = format!("{MEMBERS}/{}/remove", row.public_id);
    let label = if is_you { "Leave" } else { "Remove" };
    Action::link(label, to).small().spoken(&row.name)
}

/// Who to invite, or which role to assign.
#[derive(Debug, Deserialize)]
pub struct MemberForm {
    email: Option<String>,
    role: Option<String>,
}

/// `POST /dashboard/members`: invites a person.
pub async fn invite(
    State(app): State<App>,
    caller: SignedIn,
    Fields(form): Fields<MemberForm>,
) -> HttpResult<Response> {
    let (mail, role) = (
        form.email.unwrap_or_default(),
        form.role.unwrap_or_default(),
    );
    let invited = members::invite(&app, &caller, &mail, &role).await;
    let is_shown = |error: &Error| is_correctable(error) && error.0.kind != Kind::Forbidden;
    let Some(error) = refusal(invited, is_shown)? else {
        return Ok(redirect(&caller, MEMBERS).into_response());
    };
    let mut shown = list(&app, &caller).await?;
    shown.form = Some(InviteForm {
        email: mail,
        email_error: Some(error.0.detail.clone()),
        roles: Choice::list(&ROLES, &role),
    });
    page(status_of(error.0.kind), &shown)
}

/// `POST /dashboard/members/{id}`: changes the role.
pub async fn change(
    State(app): State<App>,
    caller: SignedIn,
    Path(id): Path<String>,
    Fields(form): Fields<MemberForm>,
) -> HttpResult<Redirect> {
    members::set_role(&app, &caller, &id, form.role.as_deref().unwrap_or_default()).await?;
    Ok(redirect(&caller, MEMBERS))
}

/// `GET /dashboard/members/{id}/remove`: asks for confirmation.
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
    // A member who left sees another of their accounts, or the sign-in.
    let is_you = id == caller.user.public_id;
    Ok(redirect(&caller, if is_you { "/" } else { MEMBERS }))
}

/// `POST /dashboard/invitations/{id}/withdraw`
pub async fn withdraw(
    State(app): State<App>,
    caller: SignedIn,
    Path(id): Path<String>,
) -> HttpResult<Redirect> {
    members::withdraw(&app, &caller, &id).await?;
    Ok(redirect(&caller, MEMBERS))
}

/// An organization to create.
#[derive(Debug, Deserialize)]
pub struct NewOrganisation {
    name: String,
}

/// `POST /dashboard/organisations`: creates an organization and opens it.
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
        Err(error) if is_correctable(&error) => {
            let mut shown = list(&app, &caller).await?;
            shown.organization = form.name;
            shown.organization_error = Some(error.0.detail.clone());
            page(status_of(error.0.kind), &shown)
        }
        Err(error) => Err(error.into()),
    }
}

/// `GET /dashboard/close`: asks for confirmation.
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

/// The token in an emailed link.
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
            banner: Some(LoginPage::link_expired()),
            ..LoginPage::ask(shell)
        };
        return page(StatusCode::BAD_REQUEST, &over);
    };
    let view = InvitationPage {
        shell,
        // An invitation that was found has one of our tokens: hexadecimal digits.
        action: format!("/api/auth/invitation/{token}"),
        account: account.name,
        email: row.email.unwrap_or_default(),
        role: role_word(row.role.word()).to_owned(),
    };
    page(StatusCode::OK, &view)
}
