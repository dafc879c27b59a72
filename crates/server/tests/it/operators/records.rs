//! Replays, audits, the catalog, the audit log, exports and searches.

use super::*;
use domain::plan::AccountKind;
use store::alerts::Severity;
use store::events::EventState;
use store::outbox::MessageKind;

on_both!(all_failed_events_are_replayed_together_after_a_preview);
async fn all_failed_events_are_replayed_together_after_a_preview(stage: &Stage) {
    let (_, _, _) = buyer(stage, "maya@example.com").await;
    let admin = stage.person_as("ops@example.com", "admin").await;
    let events = stage.events().await;
    let parked: Vec<i64> = events.iter().take(2).map(|event| event.n).collect();
    let numbers = parked.clone();
    let now = stage.app.real_now();
    stage
        .write(0, move |tx| {
            for n in &numbers {
                store::events::settle(tx, *n, EventState::Parked, "a person must look", now)?;
            }
            Ok(())
        })
        .await;

    let (_, list) = admin.page("/admin/events").await;
    let (_, asked) = admin.page("/admin/events/replay").await;
    let (_, look) = admin
        .page(&format!("/admin/events/{}/replay", events[0].event_id))
        .await;
    let done = send(&admin, "/admin/events/replay", &[]).await;
    stage.settled().await;

    assert!(list.contains("Replay failed (2)"), "{list}");
    assert!(asked.contains("Replay 2 failed events?") && asked.contains(&events[1].event_id));
    assert!(look.contains("everything already agrees"), "{look}");
    assert_eq!(done.status(), 303);
    assert!(
        stage
            .events()
            .await
            .iter()
            .all(|event| event.state == EventState::Done)
    );
    assert_eq!(acts(stage, "event.replay").await.len(), 2);
    let (_, from) = admin.page("/admin/events?from=2100-01-01").await;
    assert!(from.contains("No events"));
}

on_both!(the_books_are_checked_from_their_page_in_the_background);
async fn the_books_are_checked_from_their_page_in_the_background(stage: &Stage) {
    let (_, _, _) = buyer(stage, "maya@example.com").await;
    let finance = stage.person_as("finance@example.com", "finance").await;

    let (_, before) = finance.page("/admin/audit").await;
    let started = send(&finance, "/admin/audit/run", &[]).await;
    let soon = send(&finance, "/admin/audit/run", &[]).await;
    let mut page = String::new();
    for _ in 0..400 {
        page = finance.page("/admin/audit").await.1;
        if page.contains("The books agree") {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(25)).await;
    }

    assert!(before.contains("No result yet"));
    assert_eq!(
        (started.status(), soon.status()),
        (303.try_into().unwrap(), 409.try_into().unwrap())
    );
    assert!(page.contains("The books agree"), "{page}");
    assert_eq!(acts(stage, "audit.run").await.len(), 1);
}

on_both!(the_catalog_is_shown_with_its_prices_and_what_stripe_says);
async fn the_catalog_is_shown_with_its_prices_and_what_stripe_says(stage: &Stage) {
    let viewer = stage.person_as("looks@example.com", "viewer").await;

    let (_, agrees) = viewer.page("/admin/plans").await;
    let price = stage.price("PRO");
    stage
        .faults(json!({ "mode": "status", "count": 1_000 }))
        .await;
    let (status, silent) = viewer.page("/admin/plans").await;
    stage.no_faults().await;

    assert!(
        agrees.contains("Stripe agrees") && agrees.contains(&price),
        "{agrees}"
    );
    assert!(agrees.contains("15%") || agrees.contains("fee"), "{agrees}");
    assert_eq!(status, 200);
    assert!(silent.contains("Stripe does not answer") && silent.contains(&price));
}

on_both!(the_audit_log_is_read_narrowed_and_taken_as_a_file);
async fn the_audit_log_is_read_narrowed_and_taken_as_a_file(stage: &Stage) {
    let maya = stage.person("maya@example.com").await;
    let admin = stage.person_as("ops@example.com", "admin").await;
    let id = stage.public_id(maya.account).await;
    let path = format!("/admin/accounts/{id}/status");
    send(
        &admin,
        &path,
        &[
            ("status", "suspended"),
            ("reason", "=HYPERLINK(\"x\") <script>"),
        ],
    )
    .await;
    send(&admin, &path, &[("status", "active"), ("reason", "Fine")]).await;

    let (_, page) = admin.page("/admin/log?action=account.suspend").await;
    let (_, list) = admin
        .get(&format!("/api/admin/audit?subject={id}&limit=1"))
        .await;
    let next = list["next"].as_str().unwrap();
    let (_, older) = admin
        .get(&format!("/api/admin/audit?subject={id}&after={next}"))
        .await;
    let csv = admin
        .fetch(Method::GET, "/admin/log.csv")
        .await
        .text()
        .await
        .unwrap();
    let api_csv = admin
        .request(Method::GET, "/api/admin/audit")
        .header("accept", "text/csv");
    let api_csv = Answer::of(api_csv).await;
    let viewer = stage.person_as("looks@example.com", "viewer").await;
    let refused = viewer
        .request(Method::GET, "/api/admin/audit")
        .header("accept", "text/csv");
    let refused = Answer::of(refused).await;

    assert!(
        page.contains("&#60;script&#62;") && !page.contains("<script> "),
        "{page}"
    );
    assert!(page.contains("<td class=\" wrap\">Account suspended</td>"));
    assert!(!page.contains(">Account resumed</td>"));
    assert_eq!(
        (&list["data"][0]["action"], &list["data"][0]["reason"]),
        (&json!("account.resume"), &json!("Fine"))
    );
    assert_eq!(older["data"][0]["action"], "account.suspend");
    assert!(
        csv.contains("'=HYPERLINK") && csv.lines().count() == 3,
        "{csv}"
    );
    assert_eq!(api_csv.status, 200);
    assert_eq!(
        (refused.status, viewer.get("/api/admin/audit").await.0),
        (403, 200)
    );
}

on_both!(every_table_is_exported_without_credentials);
async fn every_table_is_exported_without_credentials(stage: &Stage) {
    let (maya, _, _) = buyer(stage, "maya@example.com").await;
    maya.meter_key().await;
    let finance = stage.person_as("finance@example.com", "finance").await;
    let (_, page) = finance.page("/admin/export").await;

    for table in store::export::TABLES {
        let csv = finance.request(Method::GET, &format!("/admin/export/{}.csv", table.name));
        let csv = csv.send().await.unwrap();
        assert_eq!(csv.status(), 200, "{}", table.name);
        let csv = csv.text().await.unwrap();
        let lines = finance.request(Method::GET, &format!("/admin/export/{}.jsonl", table.name));
        let lines = lines.send().await.unwrap().text().await.unwrap();
        assert!(page.contains(&format!("/admin/export/{}.csv", table.name)));
        assert_eq!(
            csv.split("\r\n").next().unwrap().split(',').count(),
            table.columns.len()
        );
        for line in lines.lines() {
            let row: Value = serde_json::from_str(line).unwrap();
            assert_eq!(
                row.as_object().unwrap().len(),
                table.columns.len(),
                "{}",
                table.name
            );
        }
        if [
            "account",
            "journal",
            "credit_grant",
            "transactions",
            "api_key",
            "usage_day",
        ]
        .contains(&table.name)
            && table.name != "usage_day"
        {
            assert!(lines.lines().count() > 0, "{}", table.name);
        }
    }
    let keys = finance
        .fetch(Method::GET, "/admin/export/api_key.csv")
        .await;
    assert!(!keys.text().await.unwrap().contains("hash"));
    for secret in [
        "setting",
        "login_link",
        "stripe_event_payload",
        "refinery_schema_history",
    ] {
        let (status, _) = finance.page(&format!("/admin/export/{secret}.csv")).await;
        assert_eq!(status, 404, "{secret}");
    }
    for (table, door) in [
        ("session", "token_hash"),
        ("outbox", "payload"),
        ("webhook_endpoint", "secret"),
    ] {
        let (_, file) = finance.page(&format!("/admin/export/{table}.csv")).await;
        let head = file.lines().next().unwrap();
        assert!(
            head.contains("created_at") && !head.split(',').any(|name| name == door),
            "{head}"
        );
    }
    assert!(acts(stage, "export").await.len() >= store::export::TABLES.len());
}

on_both!(case_a13_strings_of_other_languages_stay_strings_in_every_search);
async fn case_a13_strings_of_other_languages_stay_strings_in_every_search(stage: &Stage) {
    let admin = stage.person_as("ops@example.com", "admin").await;
    for evil in [
        "' or 1=1 --",
        "%00",
        "\u{202e}x",
        "${7*7}",
        "a%0d%0aset-cookie: x=1",
        "\\' union select *",
    ] {
        let q: String = form_urlencoded_of(evil);
        for path in [
            "/admin/transactions?q=",
            "/admin/accounts?q=",
            "/admin/events?q=",
            "/admin/log?actor=",
            "/api/admin/accounts?q=",
        ] {
            let request = admin
                .request(Method::GET, &format!("{path}{q}"))
                .header("accept", "text/html");
            let answer = request.send().await.unwrap();
            assert!(answer.headers().get("set-cookie").is_none());
            assert!(
                matches!(answer.status().as_u16(), 200 | 400),
                "{path}{q}: {}",
                answer.status()
            );
        }
    }
}

on_both!(case_a15_an_error_at_an_operators_url_is_a_page_without_internals);
async fn case_a15_an_error_at_an_operators_url_is_a_page_without_internals(stage: &Stage) {
    let admin = stage.person_as("ops@example.com", "admin").await;
    for path in [
        "/admin/transactions?after=x",
        "/admin/accounts?after=x",
        "/admin/log?after=x",
        "/admin/accounts/acc_none",
        "/admin/accounts/acc_none/journal",
        "/admin/events/evt_none",
        "/admin/events/evt_none/replay",
        "/admin/refunds/txn_none",
        "/admin/export/none.csv",
        "/admin/accounts/acc_none/undo?entry=x",
    ] {
        let (status, page) = admin.page(path).await;
        assert!(matches!(status, 400 | 404), "{path}: {status}");
        assert!(page.starts_with("<!doctype html>"), "{path}: {page}");
        for inside in ["panicked", "select ", ".rs:", "sqlite", "postgres"] {
            assert!(!page.contains(inside), "{path}: {inside}");
        }
    }
}

fn form_urlencoded_of(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

/// Creates fifty-five rows in every list that operators see.
async fn crowded(stage: &Stage, account: i64) {
    let now = stage.app.real_now();
    stage
        .write(account, move |tx| {
            let new = store::webhook_endpoints::NewEndpoint {
                public_id: "we_crowd",
                url: "https://hooks.example.com/",
                description: "",
                events: "no.event",
                secret: "whsec_x",
                created_by: "test",
            };
            store::webhook_endpoints::insert(tx, &new, now)?;
            for number in 0..55 {
                let name = format!("crowd{number:02}");
                let event = store::events::NewEvent {
                    event_id: &name,
                    kind: "invoice.paid",
                    state: EventState::Ignored,
                    account_id: Some(account),
                    ..store::events::NewEvent::default()
                };
                store::events::insert(tx, &event, now)?;
                store::audit_log::append(tx, "crowd", "crowd.act", &name, "{}", None, now)?;
                let alert = store::alerts::NewAlert {
                    public_id: &name,
                    rule: "crowd",
                    subject: &name,
                    severity: Severity::Warning,
                    summary: "Crowded.",
                };
                store::alerts::open(tx, &alert, now)?;
                let message = store::outbox::NewMessage {
                    key: &name,
                    kind: MessageKind::Webhook,
                    account_id: None,
                    recipient: "we_crowd",
                    payload: "{}",
                };
                store::outbox::enqueue(tx, &message, now)?;
                let account = store::accounts::NewAccount {
                    public_id: &format!("acc_{name}"),
                    external_id: None,
                    kind: AccountKind::Organisation,
                    name: "Crowd",
                    email: None,
                    tier: "FREE",
                    email_verified_at: None,
                };
                store::accounts::insert(tx, &account, now)?;
            }
            Ok(())
        })
        .await;
    for number in 0..55 {
        crate::alerts::paid(stage, account, 20_000, number, 100).await;
    }
}

on_both!(every_list_has_pages_of_fifty_that_keep_its_filters);
async fn every_list_has_pages_of_fifty_that_keep_its_filters(stage: &Stage) {
    let admin = stage.person_as("ops@example.com", "admin").await;
    let maya = stage.person("maya@example.com").await;
    crowded(stage, maya.account).await;
    let host = crate::metering::host(stage).await;
    let id = stage.public_id(maya.account).await;
    for number in 0..55 {
        let key = format!("j{number}");
        let body = json!({ "credits": 1, "reason": "other" });
        host.post(
            &format!("/api/v1/accounts/{id}/credits/adjustments"),
            &key,
            body,
        )
        .await;
    }
    let lists = [
        ("/admin/accounts".to_owned(), "q=Crowd", 55),
        ("/admin/transactions".to_owned(), "type=CREDIT_TOPUP", 55),
        ("/admin/events".to_owned(), "state=ignored", 55),
        ("/admin/log".to_owned(), "action=crowd.act", 55),
        ("/admin/alerts".to_owned(), "state=open", 55),
        ("/admin/webhooks/we_crowd".to_owned(), "", 55),
        (format!("/admin/accounts/{id}/journal"), "", 56),
    ];
    for (path, filter, count) in lists {
        let mut next = format!("{path}?{filter}");
        let mut rows = Vec::new();
        while !next.is_empty() {
            let (status, html) = admin.page(&next).await;
            assert_eq!(status, 200, "{next}");
            assert!(next.contains(filter), "{next}");
            let body = html
                .split("<tbody>")
                .nth(1)
                .unwrap_or_else(|| panic!("{next}: {html}"));
            rows.push(
                body.split("</tbody>")
                    .next()
                    .unwrap()
                    .matches("<tr")
                    .count(),
            );
            next = match html
                .split("rel=\"next\"")
                .next()
                .filter(|before| before.len() < html.len())
            {
                None => String::new(),
                Some(before) => {
                    let href = before.rsplit("href=\"").next().unwrap();
                    href.split('"')
                        .next()
                        .unwrap()
                        .replace("&#38;", "&")
                        .replace("&amp;", "&")
                }
            };
        }
        assert_eq!(rows, [50, count - 50], "{path}");
    }
}
