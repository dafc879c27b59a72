//! One person of the host application is one account, and two persons never share one (G12).

use domain::plan::AccountStatus;

use super::accounts;
use crate::world::World;

pub(super) async fn judge(world: &mut World, broken: &mut Vec<String>) {
    let all = accounts(world);
    for (who, _) in &all {
        let row = world.account(*who).await;
        if row.is_some_and(|row| row.status == AccountStatus::Closed) {
            let person = &mut world.people[*who];
            person.is_closed = true;
            if !person.asked_to_close {
                broken.push(format!(
                    "person {who}'s account was closed without being asked"
                ));
            }
        }
    }
    for (who, account) in &all {
        if all.iter().any(|(other, one)| other > who && one == account) {
            broken.push(format!("person {who} shares the account {account}"));
        }
    }
    for (who, account) in all {
        if world.people[who].is_closed {
            continue;
        }
        let (email, id) = (world.people[who].email.clone(), format!("host-{who}"));
        let read = world.app.read(move |tx| {
            let named = store::accounts::by_external_id(tx, &id)?;
            let user = store::users::by_email(tx, &email)?;
            let places = match user {
                Some(user) => store::users::places(tx, user.id)?,
                None => Vec::new(),
            };
            Ok((named, places))
        });
        let Ok((named, places)) = read.await else {
            broken.push(format!("person {who} can't be looked up"));
            continue;
        };
        if !places.iter().any(|place| place.account_id == account) {
            broken.push(format!(
                "person {who} doesn't find the account {account} by their address"
            ));
        }
        if let Some(named) = named
            && named.id != account
            && named.status != AccountStatus::Closed
        {
            let other = named.id;
            broken.push(format!(
                "person {who} has the account {account}, and the host names {other}"
            ));
        }
    }
}
