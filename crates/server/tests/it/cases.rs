//! Cases of checkout, the portal, the inbox and the ledger in which something fails at the worst
//! time.

mod checkout;
mod currencies;
mod faults;
mod holds;
mod names;
mod portal;

use std::sync::Mutex;
use std::sync::atomic::Ordering;
use std::time::Duration;
use store::events::EventState;

use axum::Router;
use axum::extract::State;
use axum::routing::get;
use billing::app::App;
use billing::config::Settings;
use futures_util::future::join_all;
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use web::site::Site;

use crate::metering::{Answer, program};
use crate::stage::{
    CATALOG, Person, Stage, balance, code, column, eventually, id_of, is, is_canceled, is_tier,
    on_both, own_catalog, pack, plan_of,
};
use crate::stripe_proxy;

/// Customers at Stripe whose metadata name this user's account.
async fn customers_of(person: &Person<'_>) -> Vec<Value> {
    let account = person.account;
    let row = person.stage.account(account).await;
    let name = row.public_id;
    let listed = person.stage.stripe_get("/v1/customers?limit=100").await;
    let all = listed["data"].as_array().unwrap().clone();
    let own = all
        .into_iter()
        .filter(|one| one["metadata"]["accountId"] == json!(name));
    own.collect()
}

async fn move_to(stage: &Stage, tier: &str) {
    let held = stage.subscription().await;
    let path = format!("/v1/subscriptions/{}", held["id"].as_str().unwrap());
    let item = held["items"]["data"][0]["id"].as_str().unwrap();
    let price = stage.price(tier);
    let form = [("items[0][id]", item), ("items[0][price]", &price)];
    stage.stripe_post(&path, &form).await;
}

fn tx_count(tx: &mut store::Tx<'_>) -> store::Result<i64> {
    let (mut found, mut before) = (0, None);
    loop {
        let page = store::events::list(tx, &store::events::Filter::default(), before, 500)?;
        let Some(last) = page.last() else {
            return Ok(found);
        };
        before = Some(last.n);
        let is_done = |event: &&store::events::Event| {
            event.event_id.starts_with("evt_burst_") && event.state == EventState::Done
        };
        found += i64::try_from(page.iter().filter(is_done).count()).unwrap_or(0);
    }
}
