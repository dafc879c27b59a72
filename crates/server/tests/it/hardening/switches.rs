//! Billing switched on and off, restarts, and rollout to a cohort.

use super::*;
use domain::plan::{AccountKind, AccountStatus, PlanStatus};
use store::events::EventState;

/// An environment in which billing is off, or on for some accounts.
async fn with_billing(
    database: TestDatabase,
    enabled: bool,
    percent: i64,
    listed: Vec<String>,
) -> Stage {
    Stage::with(database, move |settings| {
        settings.billing.enabled = enabled;
        settings.billing.cohort_percent = percent;
        settings.billing.cohort = listed;
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_w34_while_billing_is_off_events_are_kept_and_applied_when_it_is_on() {
    for database in databases().await {
        let stage = Stage::with(database, |_| {}).await;
        let (maya, session) = {
            let maya = stage.person("maya@example.com").await;
            (maya.kept(), maya.session(pack(500)).await)
        };
        let stage = stage
            .restarted(|settings| settings.billing.enabled = false)
            .await;
        let person = maya.on(&stage);
        person.pay(&session).await;
        eventually(async || stage.events().await, |all| !all.is_empty()).await;
        // Long enough for a worker to act, if it were running.
        tokio::time::sleep(Duration::from_millis(1_500)).await;

        assert!(
            stage
                .events()
                .await
                .iter()
                .all(|event| event.state != EventState::Done)
        );
        let (status, answer) = person.checkout(pack(500)).await;
        assert_eq!((status, code(&answer)), (404, "billing_disabled"));
        for path in [
            "/dashboard/billing",
            "/dashboard/billing/upgrade",
            "/dashboard/billing/credits",
        ] {
            assert_eq!(person.page(path).await.0, 404, "{path}");
        }
        let (status, html) = person.page("/dashboard/usage").await;
        assert!(
            status == 200 && !html.contains("/dashboard/billing"),
            "{html}"
        );

        let stage = stage
            .restarted(|settings| settings.billing.enabled = true)
            .await;
        maya.on(&stage).balance_is(600).await;
        stage.settled().await;
        stage.close().await;
    }
}

/// Uptime of the webhook (19.2): Stripe redelivers the events that it sends while the service is
/// down.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requirement_19_2_restarts_while_events_arrive_lose_none() {
    const BUYERS: usize = 6;
    for database in databases().await {
        let mut stage = Stage::with(database, |_| {}).await;
        let mut buyers = Vec::new();
        for number in 0..BUYERS {
            let buyer = stage.person(&format!("buyer{number}@example.com")).await;
            let session = buyer.session(pack(500)).await;
            buyers.push((buyer.kept(), session));
        }
        let (twin, sessions) = (stage.twin.clone(), buyers.clone());
        let paying = tokio::spawn(async move {
            for (_, session) in sessions {
                twin.pay(&session, twin::client::PayBy::Card).await.unwrap();
                tokio::time::sleep(Duration::from_millis(150)).await;
            }
        });

        while !paying.is_finished() {
            stage = stage.restarted(|_| {}).await;
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        paying.await.unwrap();
        // Past the first retries. The poll, which would find the events without them, is switched
        // off.
        for _ in 0..3 {
            stage.twin.advance("2m").await.unwrap();
        }

        for (buyer, _) in buyers {
            buyer.on(&stage).balance_is(600).await;
        }
        stage.settled().await;
        stage.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_a_cohort_by_id_by_email_or_by_percentage_sees_billing() {
    let hash = hex::encode(billing::secrets::hash("noah@example.com"));
    for database in databases().await {
        let stage = with_billing(database, true, 0, vec![hash.clone()]).await;
        let maya = stage.person("maya@example.com").await;
        let noah = stage.person("noah@example.com").await;

        let body = pack(500);
        let (status, refused) = maya.checkout(body.clone()).await;

        assert_eq!((status, code(&refused)), (404, "billing_disabled"));
        assert_eq!(maya.page("/dashboard/billing").await.0, 404);
        let (status, html) = maya.page("/dashboard/usage").await;
        assert!(
            status == 200 && !html.contains("/dashboard/billing"),
            "{html}"
        );
        let home = maya.fetch(Method::GET, "/dashboard").await;
        assert_eq!(home.headers()["location"], "/dashboard/usage");
        assert_eq!(noah.checkout(body).await.0, 200);
        assert_eq!(noah.page("/dashboard/billing").await.0, 200);
        stage.close().await;
    }
}

#[tokio::test]
async fn a_cohort_percentage_selects_about_that_share_and_only_grows() {
    let mut settings = billing::config::Settings::load(None, &|_| None).unwrap();
    let account = |number: u32| store::accounts::Account {
        id: 1,
        public_id: format!("acc_{number}"),
        external_id: None,
        kind: AccountKind::Personal,
        name: String::new(),
        email: None,
        status: AccountStatus::Active,
        stripe_customer_id: None,
        stripe_subscription_id: None,
        subscription_tier: "FREE".to_owned(),
        subscription_status: PlanStatus::None,
        subscription_expires_at: None,
        past_due_since: None,
        tier_override: None,
        tier_override_reason: None,
        tier_override_actor: None,
        tier_override_until: None,
        anchor_at: domain::time::Timestamp::from_micros(0),
        email_verified_at: None,
        created_at: domain::time::Timestamp::from_micros(0),
        updated_at: domain::time::Timestamp::from_micros(0),
        suspended_at: None,
    };
    let mut before: Vec<u32> = Vec::new();
    for percent in [0, 10, 50, 100] {
        settings.billing.cohort_percent = percent;

        let shown: Vec<u32> = (0..2_000)
            .filter(|n| settings.billing.is_on_for(&account(*n)))
            .collect();

        let wanted = 2_000 * usize::try_from(percent).unwrap() / 100;
        assert!(
            shown.len().abs_diff(wanted) < 150,
            "{percent}: {}",
            shown.len()
        );
        assert!(
            before.iter().all(|one| shown.contains(one)),
            "who saw it still does"
        );
        before = shown;
    }
}
