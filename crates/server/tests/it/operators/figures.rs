//! The business metrics and the list of transactions.

use super::*;
use domain::plan::SubscriptionStatus;
use domain::projection::{TransactionStatus, TransactionType};

on_both!(the_overview_and_metrics_agree_and_link_to_the_rows);
async fn the_overview_and_metrics_agree_and_link_to_the_rows(stage: &Stage) {
    let (_maya, _, _) = buyer(stage, "maya@example.com").await;
    stage.subscriber("noah@example.com", "PRO").await;
    stage.settled().await;
    let viewer = stage.person_as("looks@example.com", "viewer").await;

    let (status, page) = viewer.page("/admin").await;
    let metrics = stage.get("/metrics").await;
    let metrics = metrics.text().await.unwrap();

    assert_eq!(status, 200);
    // Two accounts paid $5.00 and $19.00; there is one subscription of $19.00.
    for text in ["100.00%", "$12.00", "$19.00"] {
        assert!(page.contains(text), "{text} in {page}");
    }
    for line in [
        "lbx_payment_success_ratio 1.0000",
        "lbx_webhook_success_ratio 1.0000",
        "lbx_arpu_minor_units{currency=\"usd\"} 1200",
        "lbx_mrr_minor_units{currency=\"usd\"} 1900",
    ] {
        assert!(metrics.contains(line), "{line} in {metrics}");
    }
    assert!(metrics.contains("lbx_balance_average_credits"), "{metrics}");
    for (start, _) in page.match_indices("<dd><a href=\"") {
        let rest = &page[start + 13..];
        let href = rest[..rest.find('"').unwrap()].replace("&#38;", "&");
        let (status, rows) = viewer.page(&href).await;
        assert_eq!(status, 200, "{href}");
        assert!(
            rows.contains("<table") || href.contains("churned"),
            "{href}"
        );
    }
    let (_, subscribed) = viewer.page("/admin/accounts?view=subscribed").await;
    assert!(subscribed.contains("noah") && !subscribed.contains("maya@"));
    assert_eq!(viewer.page("/admin/export").await.0, 403);
}

on_both!(churn_arpu_and_mrr_match_a_manual_calculation);
#[expect(clippy::too_many_lines, reason = "one story, told in order")]
async fn churn_arpu_and_mrr_match_a_manual_calculation(stage: &Stage) {
    // Five accounts: ann pays $19 a month, ben $190 a year, cid canceled 10 days ago, dee has a
    // trial, eve canceled 50 days ago. Payments of 30 days: $19.00, $190.00 of which $40.00 was
    // refunded, and one that failed.
    let now = stage.app.now();
    let mut accounts = Vec::new();
    for name in ["ann", "ben", "cid", "dee", "eve"] {
        accounts.push(stage.person(&format!("{name}@example.com")).await.account);
    }
    let row = move |place: usize, account: i64| store::subscriptions::Subscription {
        subscription_id: format!("sub_{place}"),
        account_id: account,
        customer_id: format!("cus_{place}"),
        status: if matches!(place, 2 | 4) {
            SubscriptionStatus::Canceled
        } else {
            SubscriptionStatus::Active
        },
        tier: Some("PRO".to_owned()),
        price_id: None,
        currency: Some("usd".to_owned()),
        amount_minor: Some(if place == 1 { 19_000 } else { 1_900 }),
        billing_interval: Some(if place == 1 { "year" } else { "month" }.to_owned()),
        period_start: None,
        period_end: None,
        cancel_at: None,
        cancel_at_period_end: false,
        canceled_at: None,
        ended_at: match place {
            2 => Some(now.plus_days(-10)),
            4 => Some(now.plus_days(-50)),
            _ => None,
        },
        trial_end: (place == 3).then(|| now.plus_days(5)),
        paused: false,
        past_due_since: None,
        pending_change: None,
        schedule_id: None,
        live: !matches!(place, 2 | 4),
        created_at: now.plus_days(-100),
        synced_at: now,
        items: None,
        anchor_at: None,
        quantity: 1,
        monthly_minor: None,
        discount_ends_at: None,
        pause_behavior: None,
        paused_by_us: false,
        resumes_at: None,
    };
    stage
        .write(0, move |tx| {
            for (place, account) in accounts.iter().enumerate() {
                store::subscriptions::put(tx, &row(place, *account))?;
            }
            for (key, account, status, minor, back, day) in [
                (
                    "p1",
                    accounts[0],
                    TransactionStatus::Completed,
                    1_900,
                    0,
                    -3,
                ),
                (
                    "p2",
                    accounts[1],
                    TransactionStatus::Completed,
                    19_000,
                    4_000,
                    -20,
                ),
                ("p3", accounts[0], TransactionStatus::Failed, 1_900, 0, -5),
                (
                    "p4",
                    accounts[4],
                    TransactionStatus::Completed,
                    1_900,
                    0,
                    -60,
                ),
            ] {
                let new = store::transactions::NewTransaction {
                    public_id: key,
                    account_id: account,
                    natural_key: key,
                    kind: TransactionType::SubscriptionPayment,
                    status,
                    amount_minor: minor,
                    refunded_minor: back,
                    currency: "usd",
                    product_type: "subscription",
                    occurred_at: now.plus_days(day),
                    ..store::testing::transaction()
                };
                store::transactions::put(tx, &new, now)?;
            }
            Ok(())
        })
        .await;

    let figures = billing::books::figures::of(&stage.app).await.unwrap();

    // Subscribed 30 days ago: ann, ben, cid. Of these cid canceled: 1 of 3.
    assert_eq!((figures.churn.part, figures.churn.whole), (1, 3));
    // 19.00 + 150.00 from two accounts.
    assert_eq!(figures.revenue.amount, 16_900);
    assert_eq!((figures.paying, figures.arpu.unwrap().amount), (2, 8_450));
    // 19.00 and a twelfth of 190.00.
    assert_eq!(
        (figures.mrr.amount, figures.subscriptions),
        (1_900 + 1_583, 2)
    );
    assert_eq!((figures.payments.part, figures.payments.whole), (2, 3));
}

/// What the journal itself says of an account's purchases: the credits that they brought, and those
/// that went back with money.
async fn moved(stage: &Stage, account: i64) -> (domain::money::Credits, domain::money::Credits) {
    use domain::ledger::{Body, EntryKind, GrantKind};
    let entries = stage.read(move |tx| store::ledger::journal_after(tx, account, 0, 100));
    let entries = entries.await;
    let bought = entries.iter().filter_map(|entry| match entry.body {
        Body::Grant {
            kind: GrantKind::Purchase,
            amount,
            ..
        } => Some(amount),
        _ => None,
    });
    let taken = entries
        .iter()
        .filter(|entry| entry.kind == EntryKind::Clawback);
    let taken = taken.flat_map(|entry| &entry.lines).map(|line| line.taken);
    (bought.sum(), taken.sum())
}

on_both!(transactions_add_up_to_the_ledger_and_are_saved_as_views_and_files);
#[expect(clippy::too_many_lines, reason = "one story, told in order")]
async fn transactions_add_up_to_the_ledger_and_are_saved_as_views_and_files(stage: &Stage) {
    let (maya, _, payment) = buyer(stage, "maya@example.com").await;
    maya.buy_pack(1_000).await;
    maya.balance_is(6_100).await;
    let finance = stage.person_as("finance@example.com", "finance").await;
    refund(
        &finance,
        "r",
        json!({ "payment": payment, "amount": "1.00", "reason": "duplicate" }),
    )
    .await;
    stage.settled().await;
    let session = stage.stripe_id("/v1/checkout/sessions").await;

    let (_, all) = finance.page("/admin/transactions").await;
    let (_, found) = finance
        .page(&format!("/admin/transactions?q={session}"))
        .await;
    let (bad, _) = finance.page("/admin/transactions?after=nonsense").await;
    let saved = send(
        &finance,
        "/admin/transactions/views",
        &[
            ("name", "Packs <b>"),
            ("query", "type=CREDIT_TOPUP&evil=//x"),
        ],
    )
    .await;
    let (_, with_view) = finance.page("/admin/transactions?type=CREDIT_TOPUP").await;
    let (_, of_others) = stage
        .person_as("ops@example.com", "admin")
        .await
        .page("/admin/transactions")
        .await;
    let csv = finance
        .fetch(Method::GET, "/admin/transactions.csv?type=PAYMENT")
        .await;
    let csv_type = csv.headers()["content-type"].to_str().unwrap().to_owned();
    let csv = csv.text().await.unwrap();

    assert!(all.contains("$6.00") && all.contains("$1.00"), "{all}");
    assert_eq!(
        found.matches("<tr>").count(),
        2,
        "the head and one row: {found}"
    );
    let figures = billing::books::figures::of(&stage.app).await.unwrap();
    let (sold, granted) = figures.bought;
    assert_eq!(sold, granted, "the transactions add up to the ledger");
    assert_eq!(sold, domain::money::Credits::new(6_000));
    let (bought, taken) = moved(stage, maya.account).await;
    assert_eq!((bought, taken), (sold, domain::money::Credits::new(1_000)));
    // $6.00 less $1.00, and what is left of the credits in the same proportion.
    assert_eq!(figures.revenue.amount, 500);
    maya.balance_is(5_100).await;
    assert_eq!(bad, 400);
    assert_eq!(location(&saved), "/admin/transactions?type=CREDIT_TOPUP");
    assert!(with_view.contains("Packs &#60;b&#62;") && with_view.contains("Remove the view"));
    assert!(!of_others.contains("Packs"));
    assert!(csv_type.starts_with("text/csv"));
    assert_eq!(csv.lines().count(), 3, "{csv}");
    let remove = with_view
        .split("/admin/transactions/views/")
        .nth(1)
        .unwrap();
    let remove = format!(
        "/admin/transactions/views/{}/remove",
        remove.split('/').next().unwrap()
    );
    let ops = stage.person_as("ops@example.com", "admin").await;
    send(&ops, &remove, &[]).await;
    assert!(
        finance
            .page("/admin/transactions")
            .await
            .1
            .contains("Packs")
    );
    send(&finance, &remove, &[]).await;
    assert!(
        !finance
            .page("/admin/transactions")
            .await
            .1
            .contains("Packs")
    );
    let empty = send(
        &finance,
        "/admin/transactions/views",
        &[("name", "All"), ("query", "")],
    )
    .await;
    assert_eq!(empty.status(), 400);

    // A payment that brought no credits is a difference between the two sums.
    let (account, now) = (maya.account, stage.app.now());
    stage
        .write(account, move |tx| {
            let new = store::transactions::NewTransaction {
                public_id: "txn_lost",
                account_id: account,
                natural_key: "lost",
                kind: TransactionType::CreditTopup,
                status: TransactionStatus::Completed,
                credits_purchased_micros: Some(7_000_000),
                occurred_at: now,
                ..store::testing::transaction()
            };
            store::transactions::put(tx, &new, now)
        })
        .await;
    stage.twin.advance("2m").await.unwrap();
    let figures = billing::books::figures::of(&stage.app).await.unwrap();
    assert_eq!(figures.bought.0, domain::money::Credits::new(6_007));
    assert_eq!(figures.bought.1, domain::money::Credits::new(6_000));
}
