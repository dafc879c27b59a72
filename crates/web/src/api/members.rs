//! An account's members, invitations and organizations, exporting its data, and closing it.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use billing::accounts::closing;
use billing::actors::{SignedIn, Visitor};
use billing::app::App;
use billing::export::own_data;
use billing::people::members;
use billing::people::sign_in::wrong_link;
use domain::people::MemberRole;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use store::invitations::Invitation;
use store::users::{Member, Place};
use utoipa::ToSchema;

use crate::api::auth::enter;
use crate::api::metered::AccountParam;
use crate::files;
use crate::http::address::ClientAddress;
use crate::http::error::HttpResult;
use crate::http::json::Body;

/// A member of an account.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MemberShown {
    /// The id of the user: `usr_...`.
    id: String,
    /// The email address of the member.
    email: String,
    /// The name of the member.
    name: String,
    /// The role of the member: `member`, `billing` or `owner`.
    role: &'static str,
    /// The time at which the user became a member (RFC 3339, UTC).
    since: String,
    /// Whether this member is the caller.
    you: bool,
}

/// An invitation to join an account.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct InvitationShown {
    /// The id of the invitation: `inv_...`.
    id: String,
    /// The email address of the invited person, or null once it was erased.
    email: Option<String>,
    /// The role that the invitation gives: `member`, `billing` or `owner`.
    role: &'static str,
    /// The time at which the invitation expires (RFC 3339, UTC).
    expires_at: String,
}

/// The members of an account and its open invitations.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PeopleShown {
    /// The members of the account.
    data: Vec<MemberShown>,
    /// The invitations that can still be accepted.
    invitations: Vec<InvitationShown>,
}

/// An account that the caller belongs to.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PlaceShown {
    /// The id of the account: `acc_...`.
    id: String,
    /// The name of the account.
    name: String,
    /// The kind of account: `personal` or `organisation`.
    kind: &'static str,
    /// The caller's role in the account: `member`, `billing` or `owner`.
    role: &'static str,
}

impl From<Invitation> for InvitationShown {
    fn from(row: Invitation) -> Self {
        Self {
            id: row.public_id,
            email: row.email,
            role: row.role.word(),
            expires_at: row.expires_at.rfc3339(),
        }
    }
}

impl From<Place> for PlaceShown {
    fn from(row: Place) -> Self {
        Self {
            id: row.public_id,
            name: row.name,
            kind: row.kind.word(),
            role: row.role.word(),
        }
    }
}

fn member(row: Member, caller: &SignedIn) -> MemberShown {
    MemberShown {
        you: row.user_id == caller.user.id,
        id: row.public_id,
        email: row.email,
        name: row.name,
        role: row.role.word(),
        since: row.created_at.rfc3339(),
    }
}

/// Lists the members of an account and its open invitations.
#[utoipa::path(
    get,
    path = "/api/v1/members",
    operation_id = "listMembers",
    tag = "people",
    params(AccountParam),
    responses((status = 200, body = PeopleShown), (status = 401), (status = 404))
)]
pub async fn list(State(app): State<App>, caller: SignedIn) -> HttpResult<Json<PeopleShown>> {
    let people = members::list(&app, caller.account.id).await?;
    let rows = people.members.into_iter();
    Ok(Json(PeopleShown {
        data: rows.map(|row| member(row, &caller)).collect(),
        invitations: people.invited.into_iter().map(Into::into).collect(),
    }))
}

/// An invitation to send.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewInvitation {
    /// The email address that the invitation is sent to.
    email: String,
    /// The role that the invitation gives: `member`, `billing` or `owner`.
    role: String,
}

/// Invites a person by email. Only owners can invite. The link works once and expires after seven
/// days.
#[utoipa::path(
    post,
    path = "/api/v1/members",
    operation_id = "inviteMember",
    tag = "people",
    params(AccountParam),
    request_body = NewInvitation,
    responses(
        (status = 201, body = InvitationShown), (status = 400), (status = 401), (status = 403),
        (status = 404), (status = 409), (status = 429)
    )
)]
pub async fn invite(
    State(app): State<App>,
    caller: SignedIn,
    Body(body): Body<NewInvitation>,
) -> HttpResult<(StatusCode, Json<InvitationShown>)> {
    let invited = members::invite(&app, &caller, &body.email, &body.role).await?;
    Ok((StatusCode::CREATED, Json(invited.into())))
}

/// The new role of a member.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewRole {
    /// The role: `member`, `billing` or `owner`.
    role: String,
}

/// Changes a member's role. Only owners can change roles. The last owner must remain an owner.
#[utoipa::path(
    put,
    path = "/api/v1/members/{id}",
    operation_id = "updateMember",
    tag = "people",
    params(("id" = String, Path, description = "The id of the member"), AccountParam),
    request_body = NewRole,
    responses((status = 200), (status = 400), (status = 401), (status = 403), (status = 404), (status = 409))
)]
pub async fn put(
    State(app): State<App>,
    caller: SignedIn,
    Path(id): Path<String>,
    Body(body): Body<NewRole>,
) -> HttpResult<Json<Value>> {
    members::set_role(&app, &caller, &id, &body.role).await?;
    Ok(Json(json!({ "id": id, "role": body.role })))
}

/// Removes a member from the account. Only owners can remove others; all members can remove
/// themselves. The last owner can't be removed.
#[utoipa::path(
    delete,
    path = "/api/v1/members/{id}",
    operation_id = "removeMember",
    tag = "people",
    params(("id" = String, Path, description = "The id of the member"), AccountParam),
    responses((status = 204), (status = 401), (status = 403), (status = 404), (status = 409))
)]
pub async fn remove(
    State(app): State<App>,
    caller: SignedIn,
    Path(id): Path<String>,
) -> HttpResult<StatusCode> {
    members::remove(&app, &caller, &id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Withdraws an invitation. Only owners can withdraw invitations.
#[utoipa::path(
    delete,
    path = "/api/v1/invitations/{id}",
    operation_id = "withdrawInvitation",
    tag = "people",
    params(("id" = String, Path, description = "The id of the invitation"), AccountParam),
    responses((status = 204), (status = 401), (status = 403), (status = 404))
)]
pub async fn withdraw(
    State(app): State<App>,
    caller: SignedIn,
    Path(id): Path<String>,
) -> HttpResult<StatusCode> {
    members::withdraw(&app, &caller, &id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Accepts an invitation and signs in. Having the emailed link proves ownership of the address.
#[utoipa::path(
    post,
    path = "/api/auth/invitation/{token}",
    operation_id = "acceptInvitation",
    tag = "sign-in",
    security(()),
    params(("token" = String, Path, description = "The token of the link")),
    responses((status = 303), (status = 400), (status = 403), (status = 429))
)]
pub async fn accept(
    State(app): State<App>,
    from: ClientAddress,
    Path(token): Path<String>,
    headers: HeaderMap,
) -> HttpResult<Response> {
    let Some((user, account)) = members::accept(&app, &token).await? else {
        return Err(wrong_link(&app, &from.network()).await.into());
    };
    let next = format!("/dashboard?account={}", account.public_id);
    enter(&app, user, &headers, Some(next)).await
}

/// Lists the accounts that the caller belongs to.
#[utoipa::path(
    get,
    path = "/api/v1/organisations",
    operation_id = "listOrganizations",
    tag = "people",
    responses((status = 200), (status = 401))
)]
pub async fn places(State(app): State<App>, user: Visitor) -> HttpResult<Json<Value>> {
    let id = user.id;
    let rows = app.read(move |tx| store::users::places(tx, id)).await?;
    let rows: Vec<PlaceShown> = rows.into_iter().map(Into::into).collect();
    Ok(Json(json!({ "data": rows })))
}

/// An organization to create.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewOrganisation {
    /// The name of the organization, up to 80 characters.
    name: String,
}

/// Creates an organization owned by the caller. It receives no free credits.
#[utoipa::path(
    post,
    path = "/api/v1/organisations",
    operation_id = "createOrganization",
    tag = "people",
    request_body = NewOrganisation,
    responses((status = 201, body = PlaceShown), (status = 400), (status = 401), (status = 409), (status = 429))
)]
pub async fn found(
    State(app): State<App>,
    user: Visitor,
    Body(body): Body<NewOrganisation>,
) -> HttpResult<(StatusCode, Json<PlaceShown>)> {
    let account = members::found(&app, &user, &body.name).await?;
    let place = PlaceShown {
        id: account.public_id,
        name: account.name,
        kind: account.kind.word(),
        role: MemberRole::Owner.word(),
    };
    Ok((StatusCode::CREATED, Json(place)))
}

/// Exports the account's data as one JSON document. Only owners can export it.
#[utoipa::path(
    get,
    path = "/api/v1/account/export",
    operation_id = "exportAccount",
    tag = "people",
    params(AccountParam),
    responses(
        (status = 200, content_type = "application/json"), (status = 401), (status = 403),
        (status = 404), (status = 429)
    )
)]
pub async fn export(State(app): State<App>, caller: SignedIn) -> HttpResult<Response> {
    own_data::begin(&app, &caller).await?;
    let account = caller.account;
    let name = own_data::file_name(&account);
    let kind = "application/json; charset=utf-8";
    Ok(files::file(
        &name,
        kind,
        own_data::Place::default(),
        move |place| {
            let (app, account) = (app.clone(), account.clone());
            async move { own_data::part(&app, &account, place).await }
        },
    ))
}

/// Closes the account permanently. Only owners can close it. Its subscriptions are canceled at
/// Stripe first; if that fails, nothing is deleted. Names and email addresses are erased; the
/// financial records are kept.
#[utoipa::path(
    delete,
    path = "/api/v1/account",
    operation_id = "closeAccount",
    tag = "people",
    params(AccountParam),
    responses(
        (status = 200), (status = 401), (status = 403), (status = 404), (status = 409),
        (status = 429), (status = 502), (status = 503)
    )
)]
pub async fn close(State(app): State<App>, caller: SignedIn) -> HttpResult<Json<Value>> {
    closing::close(&app, &caller).await?;
    Ok(Json(
        json!({ "id": caller.account.public_id, "closed": true }),
    ))
}
