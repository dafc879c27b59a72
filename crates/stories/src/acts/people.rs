//! Who comes in: the host application's users, members, and what bounds them.

use billing::accounts::limits::{self, Definition};
use billing::actors::KeyCaller;
use billing::keys;
use billing::operators::unfinished;
use billing::people::{members, users};
use domain::ledger::{LimitScope, LimitWindow};
use domain::letters::Letter;
use domain::money::Credits;

use super::customer::{puts, settle_in};
use super::{person, said};
use crate::world::World;

/// The person comes from the host application, which names them by its id.
pub(super) async fn come_from_host(world: &mut World, who: u8) -> String {
    let who = person(world, who);
    let (app, email, id) = (
        world.app.clone(),
        world.people[who].email.clone(),
        format!("host-{who}"),
    );
    let done = world
        .run(async move { users::hand_over(&app, Some(&id), &email).await })
        .await;
    if let Some(Ok(user)) = &done {
        settle_in(world, who, *user).await;
    }
    said(world, "come from the host", done)
}

/// The person's address changes at the host application, which says so.
pub(super) async fn change_address(world: &mut World, who: u8) -> String {
    let who = person(world, who);
    let named = world.account(who).await.and_then(|row| row.external_id);
    if world.people[who].is_closed || named != Some(format!("host-{who}")) {
        return "the host has not named the account".to_owned();
    }
    world.mark("address");
    let email = format!("person{who}.{}@example.com", world.marks["address"]);
    let done = puts(world, who, &email).await;
    if matches!(done, Some(Ok(_))) {
        world.people[who].email = email;
    }
    said(world, "change of address", done)
}

fn address_of_member(who: usize) -> String {
    format!("member{who}@example.com")
}

/// Someone joins the person's account and makes a key.
pub(super) async fn join(world: &mut World, who: u8) -> String {
    let who = person(world, who);
    let Some(caller) = world.signed_in(who).await else {
        return "no account".to_owned();
    };
    let address = address_of_member(who);
    let (app, to) = (world.app.clone(), address.clone());
    let invited = world.run(async move { members::invite(&app, &caller, &to, "billing").await });
    let invited = invited.await;
    if !matches!(invited, Some(Ok(_))) {
        return said(world, "invite", invited);
    }
    world.work().await;
    let token = world.letters.iter().rev().find_map(|(to, letter)| {
        let Letter::Invitation { token, .. } = letter else {
            return None;
        };
        (*to == address).then(|| token.clone())
    });
    let Some(token) = token else {
        return "the invitation is not here yet".to_owned();
    };
    let app = world.app.clone();
    let done = world
        .run(async move { members::accept(&app, &token).await })
        .await;
    let Some(Ok(Some((user, account)))) = done else {
        return said(world, "join", done.map(|done| done.map(|_| ())));
    };
    let found = world
        .app
        .read(move |tx| store::users::find(tx, user))
        .await
        .ok()
        .flatten();
    let Some(member) = found else {
        return "the member is nobody".to_owned();
    };
    let (app, actor) = (world.app.clone(), member.public_id.clone());
    let made = world.run(async move { keys::make(&app, Some(account.id), "mine", &actor).await });
    let made = made.await;
    if let Some(Ok((key, _))) = &made {
        world.people[who].member = Some((
            member.public_id,
            KeyCaller {
                key: key.id,
                public_id: key.public_id.clone(),
                account: Some(account.id),
                member: Some(user),
            },
        ));
    }
    said(world, "join", made)
}

/// The member is removed from the account; their keys stop.
pub(super) async fn leave(world: &mut World, who: u8) -> String {
    let who = person(world, who);
    let Some(caller) = world.signed_in(who).await else {
        return "no account".to_owned();
    };
    let Some((member, key)) = world.people[who].member.take() else {
        return "no member".to_owned();
    };
    let app = world.app.clone();
    let done = world
        .run(async move { members::remove(&app, &caller, &member).await })
        .await;
    if matches!(done, Some(Ok(()))) {
        let account = key.account.unwrap_or_default();
        let keys = world
            .app
            .read(move |tx| store::api_keys::of_account(tx, account));
        let keys = keys.await.unwrap_or_default();
        if keys
            .iter()
            .any(|one| one.id == key.key && one.revoked_at.is_none())
        {
            let line = format!("person {who}: the key of a removed member still works");
            world.broken.push(line);
        }
    }
    said(world, "leave", done)
}

/// The person bounds what a day may spend.
pub(super) async fn limit(world: &mut World, who: u8, credits: u32) -> String {
    let who = person(world, who);
    let Some(caller) = world.signed_in(who).await else {
        return "no account".to_owned();
    };
    let wanted = Definition {
        scope: LimitScope::Account,
        subject: None,
        window: LimitWindow::Day,
        cap: Credits::new(i64::from(credits)),
    };
    let app = world.app.clone();
    let done = world.run(async move {
        limits::set(&app, caller.account.id, wanted, &caller.user.public_id).await
    });
    let done = done.await;
    said(world, "limit", done)
}

/// An operator tries an unfinished request again.
pub(super) async fn try_again(world: &mut World, who: u8) -> String {
    let who = person(world, who);
    let Some(account) = world.account(who).await else {
        return "no account".to_owned();
    };
    let id = account.id;
    let troubled = world
        .app
        .read(move |tx| store::intents::unfinished::troubled(tx, id, 10))
        .await;
    let Some(intent) = troubled.unwrap_or_default().into_iter().next() else {
        return "nothing needs attention".to_owned();
    };
    let app = world.app.clone();
    let done = world
        .run(async move { unfinished::retry(&app, &account, &intent.id, "usr_operator").await })
        .await;
    said(world, "try again", done)
}
