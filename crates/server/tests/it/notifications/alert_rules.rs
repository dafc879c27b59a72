//! Alert rules.

use super::*;
use domain::projection::{TransactionStatus, TransactionType};
use domain::time::Timestamp;
use store::events::EventState;
use store::intents::{self, IntentKind, NewIntent, unfinished};
use store::outbox::MessageKind;

/// A request that Stripe refused and an operator must look at.
pub fn put_owed(
    tx: &mut store::Tx<'_>,
    account: i64,
    id: &str,
    now: Timestamp,
) -> store::Result<()> {
    let new = NewIntent::new(id, account, IntentKind::Closing, "");
    intents::insert(tx, &new, now)?;
    let failure = unfinished::Failure {
        counts: true,
        error: "Stripe refused",
        needs_attention: true,
        next_attempt_at: unfinished::NEVER,
    };
    unfinished::put_off(tx, id, &failure, now)?;
    Ok(())
}

/// Tests one rule: its problem begins and then ends.
#[expect(clippy::too_many_lines, reason = "one story, told in order")]
async fn begins(stage: &Stage, ann: &Person<'_>, rule: &str) {
    let (account, now) = (ann.account, stage.app.real_now());
    let long_ago = now.plus_days(-2);
    let event = move |event_id| events::NewEvent {
        event_id,
        kind: "invoice.paid",
        state: EventState::Received,
        account_id: Some(account),
        ..events::NewEvent::default()
    };
    let rule = rule.to_owned();
    match &*rule {
        "audit" => return nightly::note(&stage.app, 1, 0).await.unwrap(),
        "clock" => {
            return stage.app.set_clock_doubt(Some(billing::clock::ClockDoubt {
                last_commit: long_ago,
                system: now,
            }));
        }
        _ => {}
    }
    stage
        .write(0, move |tx| {
            match rule.as_str() {
                "failed-webhooks" => {
                    for _ in 0..6 {
                        rows::failed_again(tx)?;
                    }
                }
                "inbox-age" => {
                    events::insert(tx, &event("evt_old"), long_ago)?;
                }
                "parked" => {
                    let n = events::insert(tx, &event("evt_parked"), now)?;
                    events::settle(tx, n.unwrap(), EventState::Parked, "for a person", now)?;
                }
                "bad-signatures" => {
                    rows::add(tx, "bad-signature", 21, now)?;
                }
                "stripe-errors" => {
                    rows::add(tx, "stripe-error", 21, now)?;
                }
                "other-mode" => {
                    rows::add(tx, "other-mode", 1, now)?;
                }
                "outbox" => {
                    let new = outbox::NewMessage {
                        key: "mail:old",
                        kind: MessageKind::Mail,
                        account_id: None,
                        recipient: "somebody@example.com",
                        payload: "{}",
                    };
                    outbox::enqueue(tx, &new, long_ago)?;
                    let row = outbox::by_key(tx, "mail:old")?.unwrap();
                    outbox::set_failed(tx, row.id, "not reached", Some(now.plus_days(1)))?;
                }
                "stuck-holds" => {
                    tx.execute(
                    "update hold set expires_at = expires_at - 86400000000 where account_id = $1",
                    args![account],
                )?;
                }
                "uncollected" => {
                    tx.execute(
                        "update hold set uncollected = 1001000000, resolved_at = authorized_at
                      where account_id = $1",
                        args![account],
                    )?;
                }
                "endpoint-disabled" => {
                    let all = store::webhook_endpoints::all(tx)?;
                    let id = &all[0].public_id;
                    store::webhook_endpoints::disable(tx, id, "it answered 410", now)?;
                }
                "dispute" => put_dispute(tx, account, "needs_response")?,
                "lost-dispute" => {
                    tx.execute(
                        "insert into subscription (subscription_id, account_id, customer_id,
                                status, cancel_at_period_end, paused, live, created_at, synced_at)
                         values ('sub_lost', $1, 'cus_lost', 'active', 0, 0, 1, $2, $2)",
                        args![account, now],
                    )?;
                    put_dispute(tx, account, "lost")?;
                    let asked = store::disputes::Decision::Asked;
                    store::disputes::decide(tx, account, "dp_1", asked, None)?;
                }
                "owed" => put_owed(tx, account, "int_owed", now)?,
                "alert-rule" => {
                    // A newer version wrote it, or it was damaged: the rule about what is owed
                    // can't read it.
                    put_owed(tx, account, "int_later", now)?;
                    tx.execute(
                        "update stripe_intent set kind = 'not_known' where id = 'int_later'",
                        args![],
                    )?;
                }
                "stripe-account" => sync_fails(tx, account, Some("other_stripe_account: no"))?,
                "customer-missing" => sync_fails(tx, account, Some("customer_missing: cus_1"))?,
                "closed-account" => {
                    tx.execute(
                        "update account set status = 'closed', closed_at = $2 where id = $1",
                        args![account, long_ago],
                    )?;
                    tx.execute(
                        "insert into subscription (subscription_id, account_id, customer_id,
                                status, cancel_at_period_end, paused, live, created_at, synced_at)
                         values ('sub_late', $1, 'cus_late', 'unpaid', 0, 0, 1, $2, $2)",
                        args![account, now],
                    )?;
                }
                "unexplained-payments" => {
                    let new = store::transactions::NewTransaction {
                        public_id: "txn_odd",
                        account_id: account,
                        natural_key: "payment:pi_odd",
                        kind: TransactionType::CreditTopup,
                        status: TransactionStatus::Completed,
                        credits_purchased_micros: None,
                        amount_minor: 1,
                        ..store::testing::transaction()
                    };
                    store::transactions::put(tx, &new, long_ago)?;
                }
                other => panic!("how does {other} begin?"),
            }
            Ok(())
        })
        .await;
}

fn put_dispute(tx: &mut store::Tx<'_>, account: i64, status: &str) -> store::Result<()> {
    let row = store::disputes::Dispute {
        dispute_id: "dp_1".to_owned(),
        account_id: account,
        charge_id: "ch_1".to_owned(),
        payment_intent_id: "pi_1".to_owned(),
        subscription_id: Some("sub_lost".to_owned()),
        status: status.to_owned(),
        amount_minor: 4_900,
        currency: "usd".to_owned(),
        reason: Some("fraudulent".to_owned()),
        due_by: domain::time::parse("2026-12-09"),
        decision: None,
        decided_by: None,
        created_at: domain::time::Timestamp::default(),
    };
    store::disputes::put(tx, &row)
}

/// Stores the error of an account's last sync, as if one had failed or succeeded.
fn sync_fails(tx: &mut store::Tx<'_>, account: i64, error: Option<&str>) -> store::Result<()> {
    let now = domain::time::Timestamp::from_seconds(1);
    store::sync::lease_account(tx, account, now, now)?;
    let error = error.map(str::to_owned);
    tx.execute(
        "update account_sync set last_error = $2, lease_until = null where account_id = $1",
        args![account, &error],
    )
    .map(|_| ())
}

#[expect(clippy::too_many_lines, reason = "one arm for each rule")]
async fn ends(stage: &Stage, ann: &Person<'_>, rule: &str) {
    let (account, now) = (ann.account, stage.app.real_now());
    let rule = rule.to_owned();
    match &*rule {
        "audit" => return nightly::note(&stage.app, 0, 0).await.unwrap(),
        "clock" => return stage.app.set_clock_doubt(None),
        _ => {}
    }
    stage
        .write(0, move |tx| {
            let settle = |tx: &mut store::Tx<'_>, id: &str| {
                let event = events::find(tx, id)?.unwrap();
                events::settle(tx, event.n, EventState::Done, "applied", now).map(|_| ())
            };
            match rule.as_str() {
                "failed-webhooks" => {
                    rows::succeeded(tx)?;
                }
                "inbox-age" => settle(tx, "evt_old")?,
                "parked" => settle(tx, "evt_parked")?,
                "bad-signatures" | "stripe-errors" | "other-mode" => {
                    rows::forget_tallies(tx, now.plus_seconds(7_200))?;
                }
                "outbox" => {
                    let row = outbox::by_key(tx, "mail:old")?.unwrap();
                    outbox::set_sent(tx, row.id, now)?;
                }
                "stuck-holds" => {
                    tx.execute(
                    "update hold set expires_at = expires_at + 86400000000 where account_id = $1",
                    args![account],
                )?;
                }
                "uncollected" => {
                    tx.execute(
                        "update hold set uncollected = 0, resolved_at = null where account_id = $1",
                        args![account],
                    )?;
                }
                "endpoint-disabled" => {
                    let all = store::webhook_endpoints::all(tx)?;
                    store::webhook_endpoints::enable(tx, &all[0].public_id, now)?;
                }
                "dispute" => put_dispute(tx, account, "won")?,
                "lost-dispute" => {
                    let kept = store::disputes::Decision::Kept;
                    store::disputes::decide(tx, account, "dp_1", kept, Some("usr_boss"))?;
                }
                "owed" => {
                    intents::close(tx, "int_owed", now)?;
                }
                "stripe-account" | "customer-missing" => sync_fails(tx, account, None)?,
                "closed-account" => {
                    tx.execute(
                        "update account set status = 'active', closed_at = null where id = $1",
                        args![account],
                    )?;
                    tx.execute(
                        "delete from subscription where subscription_id = 'sub_late'",
                        args![],
                    )?;
                }
                "unexplained-payments" => {
                    store::transactions::unexplained::take_out(tx, account, "pi_odd")?;
                }
                "alert-rule" => {
                    tx.execute(
                        "update stripe_intent set kind = 'closing' where id = 'int_later'",
                        args![],
                    )?;
                    intents::close(tx, "int_later", now)?;
                }
                other => panic!("how does {other} end?"),
            }
            Ok(())
        })
        .await;
}

on_both!(
    every_alert_rule_opens_one_incident_sends_one_email_and_closes_it_automatically,
    hosted
);
async fn every_alert_rule_opens_one_incident_sends_one_email_and_closes_it_automatically(
    stage: &Stage,
) {
    let (quiet, host) = (Host::start().await, Host::start().await);
    let operator = stage.person_as("boss@example.com", "admin").await;
    endpoint(&operator, &quiet, json!(["payment.failed"])).await;
    endpoint(&operator, &host, json!(["alert.opened", "alert.closed"])).await;
    let ann = stage.person("ann@example.com").await;
    let program = ann.program().await;
    let held = program
        .post(
            "/api/v1/holds",
            &fresh_key(),
            json!({ "credits": 10, "ttlSeconds": 80_000 }),
        )
        .await;
    assert_eq!(held.status, 201, "{}", held.body);
    alerts::once(&stage.app).await.unwrap();
    assert_eq!(
        operator.get("/api/admin/alerts").await.1["data"],
        json!([]),
        "all is well"
    );

    // The rule that runs once a day is tested separately.
    let rules = alerts::names().filter(|rule| *rule != alerts::REVENUE);
    for (number, rule) in rules.enumerate() {
        begins(stage, &ann, rule).await;
        alerts::once(&stage.app).await.unwrap();
        alerts::once(&stage.app).await.unwrap();
        let open = operator.get("/api/admin/alerts?state=open").await.1["data"].clone();
        let open: Vec<&str> = open
            .as_array()
            .unwrap()
            .iter()
            .map(|one| one["rule"].as_str().unwrap())
            .collect();
        assert_eq!(open, [rule], "this and no other");
        let opened = host.until("alert.opened", number + 1).await;
        ends(stage, &ann, rule).await;
        alerts::once(&stage.app).await.unwrap();
        alerts::once(&stage.app).await.unwrap();
        let closed = host.until("alert.closed", number + 1).await;

        assert_eq!(states(&operator, rule).await, ["closed"], "{rule}");
        assert_eq!(
            (opened.len(), closed.len()),
            (number + 1, number + 1),
            "{rule}: once each"
        );
        assert_eq!(opened[number].json()["data"]["rule"], rule);
        assert_eq!(closed[number].json()["data"]["rule"], rule);
        stage.settled().await;
        let summary = opened[number].json()["data"]["summary"]
            .as_str()
            .unwrap()
            .trim_end_matches('.')
            .to_owned();
        let subjects = stage.mail_subjects().await;
        let told = |start: &str| {
            let wanted = format!("{start}: {summary}");
            subjects.iter().filter(|one| **one == wanted).count()
        };
        assert_eq!(
            (told("Alert"), told("Resolved")),
            (1, 1),
            "{rule}: {subjects:?}"
        );
    }
}
