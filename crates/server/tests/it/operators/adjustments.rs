//! Credits that operators add or remove.

use super::*;

on_both!(support_adjusts_up_to_its_limit_and_finance_beyond);
async fn support_adjusts_up_to_its_limit_and_finance_beyond(stage: &Stage) {
    let maya = stage.person("maya@example.com").await;
    let support = stage.person_as("support@example.com", "support").await;
    let finance = stage.person_as("finance@example.com", "finance").await;
    let id = stage.public_id(maya.account).await;
    let path = format!("/api/v1/accounts/{id}/credits/adjustments");
    let give = |person: &'_ Person<'_>, key: &str, credits: i64| {
        let body = json!({ "credits": credits, "reason": "goodwill" });
        let request = person.request(Method::POST, &path).json(&body);
        Answer::of(request.header("idempotency-key", key.to_owned()))
    };

    let first = give(&support, "a", 3_000).await;
    let beyond = give(&support, "b", 2_001).await;
    let again = give(&support, "a", 3_000).await;
    let rest = give(&support, "c", -2_000).await;
    let over = give(&support, "d", -1).await;
    let by_finance = give(&finance, "e", 50_000).await;

    assert_eq!(
        (first.status, rest.status, by_finance.status),
        (201, 201, 201)
    );
    assert_eq!(beyond.refusal(), (403, "credits_limit"));
    assert_eq!(
        (again.status, again.header("idempotency-replayed")),
        (201, Some("true"))
    );
    assert_eq!(over.refusal(), (403, "credits_limit"));
    assert_eq!(maya.billing().await["credits"]["balance"], 51_100);
    assert_eq!(acts(stage, "credits.adjust").await.len(), 3);
    stage.settled().await;
    let subjects = stage.mail_subjects().await;
    assert_eq!(subjects.len(), 3, "{subjects:?}");
}

on_both!(an_adjustment_on_the_page_is_previewed_made_once_and_reversed_by_its_opposite);
#[expect(clippy::too_many_lines, reason = "one story, told in order")]
async fn an_adjustment_on_the_page_is_previewed_made_once_and_reversed_by_its_opposite(
    stage: &Stage,
) {
    let maya = stage.person("maya@example.com").await;
    let admin = stage.person_as("ops@example.com", "admin").await;
    let id = stage.public_id(maya.account).await;
    maya.billing().await;
    let home = format!("/admin/accounts/{id}");
    let credits = format!("{home}/credits");

    let wrong = send(
        &admin,
        &credits,
        &[("credits", "many"), ("reason", "goodwill"), ("note", "")],
    )
    .await;
    let wrong = (wrong.status().as_u16(), wrong.text().await.unwrap());
    let below = send(
        &admin,
        &credits,
        &[("credits", "-500"), ("reason", "goodwill"), ("note", "T1")],
    )
    .await;
    let below = (below.status().as_u16(), below.text().await.unwrap());
    let look = send(
        &admin,
        &credits,
        &[
            ("credits", "250"),
            ("reason", "goodwill"),
            ("note", "Ticket 1"),
        ],
    )
    .await;
    let look = look.text().await.unwrap();
    assert_eq!(maya.billing().await["credits"]["balance"], 100);
    let attempt = hidden(&look, "attempt").to_owned();
    let form = [
        ("credits", "250"),
        ("reason", "goodwill"),
        ("note", "Ticket 1"),
        ("attempt", &attempt),
        ("confirm", "yes"),
    ];
    let made = send(&admin, &credits, &form).await;
    let twice = send(&admin, &credits, &form).await;

    assert_eq!(wrong.0, 422);
    assert!(wrong.1.contains("id=\"credits-error\"") && wrong.1.contains("id=\"note-error\""));
    assert_eq!(below.0, 422);
    assert!(
        below.1.contains("The lowest you can enter is"),
        "{}",
        below.1
    );
    assert!(
        look.contains("Adjust by +250 credits?") && look.contains(">350<"),
        "{look}"
    );
    assert_eq!(
        (made.status(), twice.status()),
        (303.try_into().unwrap(), 303.try_into().unwrap())
    );
    assert_eq!(location(&made), format!("{home}?done=adjusted"));
    assert_eq!(maya.billing().await["credits"]["balance"], 350);

    let (_, journal) = admin.page(&format!("{home}/journal")).await;
    assert!(journal.contains("Undo entry 2"), "{journal}");
    let (_, undo) = admin.page(&format!("{home}/undo?entry=2")).await;
    let fields = ["credits", "reason", "note", "attempt", "confirm"];
    let form: Vec<(&str, &str)> = fields
        .iter()
        .map(|name| (*name, hidden(&undo, name)))
        .collect();
    assert_eq!(send(&admin, &credits, &form).await.status(), 303);
    assert_eq!(send(&admin, &credits, &form).await.status(), 303);
    assert_eq!(maya.billing().await["credits"]["balance"], 100);
    assert_eq!(admin.page(&format!("{home}/undo?entry=1")).await.0, 404);
    assert_eq!(acts(stage, "credits.adjust").await.len(), 2);
    stage.audited().await;
}
