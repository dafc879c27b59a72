use domain::ledger::{Command, Context, IdempotencyKey, NewGrant, Request};
use domain::plan::AccountKind;
use store::Db;
use store::accounts::NewAccount;

use super::*;
use crate::config::Settings;
use domain::ledger::GrantKind;

/// An app with an in-memory database and one account that has a grant, holds, a capture, a release
/// and a debit.
async fn books() -> (App, i64) {
    let settings = Settings::load(None, &|_| None).unwrap();
    let _ = rustls::crypto::ring::default_provider().install_default();
    let app = App::with_db(settings, Db::open_in_memory_inline().unwrap())
        .await
        .unwrap();
    let now = app.now();
    let account = app
        .write(0, move |tx| {
            store::accounts::insert(tx, &new_account(), now)
        })
        .await
        .unwrap();
    let hold = |name: &str, amount| Command::Authorize {
        hold: name.to_owned(),
        amount: Credits::parse(amount).unwrap(),
        least: None,
        ttl_seconds: 60,
    };
    let capture = Command::Capture {
        hold: "a".to_owned(),
        amount: Some(Credits::parse("2.5").unwrap()),
    };
    let credits = Credits::parse("100").unwrap();
    let commands = [
        Command::Grant(NewGrant::new(GrantKind::Promo, "promo:x", credits)),
        hold("a", "5"),
        hold("b", "7"),
        hold("c", "3"),
        capture,
        Command::Release {
            hold: "b".to_owned(),
        },
        Command::Debit {
            amount: Credits::parse("1").unwrap(),
        },
    ];
    for (number, command) in commands.into_iter().enumerate() {
        let key = IdempotencyKey {
            key: format!("key-{number}"),
            request_hash: [1; 32],
        };
        let request = Request {
            command,
            key: Some(key),
            context: Context::default(),
        };
        app.ledger(account.id, request).await.unwrap().unwrap();
    }
    (app, account.id)
}

fn new_account() -> NewAccount<'static> {
    NewAccount {
        public_id: "acc_a",
        external_id: None,
        kind: AccountKind::Personal,
        name: "A",
        email: None,
        tier: "FREE",
        email_verified_at: None,
    }
}

/// Changes rows as someone with direct access to the database could.
async fn tamper(app: &App, statement: &'static str) {
    app.write(0, move |tx| {
        tx.execute("drop trigger if exists journal_keeps_values", &[])?;
        tx.execute("drop trigger if exists journal_keeps_rows", &[])?;
        tx.execute(statement, &[]).map(|_| ())
    })
    .await
    .unwrap();
}

async fn rows_found(app: &App) -> Vec<String> {
    let report = run(app, Scope::Everything).await.unwrap();
    assert_eq!(report.findings.len(), report.findings_count);
    report.findings.into_iter().map(|found| found.row).collect()
}

#[tokio::test]
async fn books_that_nobody_touched_agree() {
    let (app, _) = books().await;

    let report = run(&app, Scope::Everything).await.unwrap();

    assert_eq!((report.accounts, report.entries), (1, 7));
    assert_eq!(report.findings, []);
}

#[tokio::test]
async fn case_m10_a_changed_byte_of_the_journal_is_found() {
    let (app, _) = books().await;
    let flip = "update journal set canonical = cast(substr(canonical, 1, 40) || x'07' \
                || substr(canonical, 42) as blob) where seq = 7";
    tamper(&app, flip).await;

    let report = run(&app, Scope::Chain).await.unwrap();

    assert_eq!(report.findings[0].row, "journal 7");
    assert!(report.findings[0].what.contains("chain"));
}

#[tokio::test]
async fn a_column_that_its_bytes_do_not_say_is_found() {
    let (app, _) = books().await;
    tamper(&app, "update journal set charged = 9 where seq = 7").await;

    assert_eq!(rows_found(&app).await, ["journal 7"]);
}

#[tokio::test]
async fn an_unknown_word_for_an_entry_is_found_and_the_audit_continues() {
    let (app, _) = books().await;
    tamper(&app, "update journal set kind = 'x' where seq = 3").await;
    tamper(&app, "update journal set charged = 9 where seq = 7").await;

    assert_eq!(rows_found(&app).await, ["journal 3", "journal 7"]);
}

#[tokio::test]
async fn a_missing_entry_is_found_in_the_middle_and_at_the_end() {
    let (app, _) = books().await;
    tamper(&app, "delete from journal where seq = 7").await;
    let at_the_end = rows_found(&app).await;
    tamper(&app, "delete from journal where seq = 3").await;
    let in_the_middle = rows_found(&app).await;

    assert!(at_the_end.contains(&"wallet".to_owned()));
    assert!(in_the_middle.contains(&"journal 4".to_owned()));
}

#[tokio::test]
async fn a_changed_wallet_is_found() {
    let (app, _) = books().await;
    tamper(&app, "update wallet set posted = posted + 1000000").await;

    let found = rows_found(&app).await;

    assert!(found.iter().all(|row| row == "wallet") && !found.is_empty());
}

#[tokio::test]
async fn a_missing_a_changed_and_an_invented_lot_are_found() {
    let (app, _) = books().await;
    tamper(&app, "update credit_grant set priority = 1").await;
    let changed = rows_found(&app).await;
    let invent = "insert into credit_grant select account_id, 99, kind, 'y', parent, amount, \
                  amount, 0, 0, 0, 0, priority, effective_at, expires_at, 0, 0, null, null, null \
                  from credit_grant";
    tamper(&app, invent).await;
    let invented = rows_found(&app).await;
    tamper(&app, "delete from credit_grant where lot = 1").await;
    let missing = rows_found(&app).await;

    assert_eq!(changed, ["grant 1"]);
    assert_eq!(invented, ["grant 1", "grant 99"]);
    assert!(missing.contains(&"grant 1".to_owned()) && missing.contains(&"wallet".to_owned()));
}

#[tokio::test]
async fn a_changed_hold_and_changed_usage_are_found() {
    let (app, _) = books().await;
    tamper(&app, "update hold set captured = 0 where hold_id = 'a'").await;
    tamper(&app, "update usage_day set calls = calls + 1").await;
    tamper(&app, "delete from hold where hold_id = 'b'").await;

    let found = rows_found(&app).await;

    assert_eq!(found[..3], ["hold a", "hold b", "holds"]);
    assert!(found[3].starts_with("usage of day"));
}

#[tokio::test]
async fn case_i12_a_completed_top_up_without_its_credits_is_found() {
    let (app, account) = books().await;
    let purchase = NewGrant::new(
        GrantKind::Purchase,
        "topup:pi_1",
        Credits::parse("5").unwrap(),
    );
    let request = Request::internal(Command::Grant(purchase));
    app.ledger(account, request).await.unwrap().unwrap();
    let without_payment = rows_found(&app).await;
    tamper(
        &app,
        "insert into transactions (public_id, account_id, stripe_payment_intent_id, natural_key,
             type, status, amount_minor, currency, refunded_minor, product_type,
             credits_purchased_micros, attempts, occurred_at, created_at, updated_at)
         select 'txn_' || n, 1, 'pi_' || n, 'topup:' || n, 'CREDIT_TOPUP', 'COMPLETED', 50,
                'usd', 0, 'credit_topup', 5000000, 0, 1, 1, 1
           from (select 1 as n union all select 2)",
    )
    .await;
    let without_credits = rows_found(&app).await;

    assert_eq!(without_payment, ["grant 8"]);
    assert_eq!(without_credits, ["transaction txn_2"]);
}
