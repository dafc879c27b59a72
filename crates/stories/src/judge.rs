//! What must be true of a world at rest.

mod access;
mod allowances;
mod books;
mod ends;
mod identity;
mod money;
mod next_charge;
pub mod pages;
pub(crate) mod turn;

pub use money::watch;

use crate::world::World;

/// Everything that is not as it must be, one line for each.
pub async fn judge(world: &mut World) -> Vec<String> {
    let mut broken = Vec::new();
    if !world.rest().await {
        broken.push("the application does not come to rest".to_owned());
    }
    broken.extend(watch(world).await);
    ends::judge(world, &mut broken).await;
    books::judge(world, &mut broken).await;
    money::judge(world, &mut broken).await;
    money::judge_promises(world, &mut broken).await;
    allowances::judge(world, &mut broken).await;
    access::judge(world, &mut broken).await;
    next_charge::judge(world, &mut broken).await;
    identity::judge(world, &mut broken).await;
    broken
}

/// The accounts of all people, each with the number of the person.
fn accounts(world: &World) -> Vec<(usize, i64)> {
    let all = world.people.iter().enumerate();
    all.filter_map(|(who, person)| Some((who, person.account?)))
        .collect()
}
