//! A start whose system clock is far from the last commit (G14).

use billing::app::App;
use billing::jobs::sweep;
use domain::time::Timestamp;
use serde_json::Value;

use crate::audit::run_on;
use crate::stage::{Stage, balance, on_both};

/// Notes a last commit this far from now, and opens the database as a new process does.
async fn opened_after(stage: &Stage, days: i64, accepts: bool) -> App {
    let noted = stage.app.real_now().plus_days(-days);
    stage
        .write(0, move |tx| store::clock::note(tx, noted))
        .await;
    let mut settings = stage.app.settings.clone();
    settings.clock.follow.clear();
    settings.clock.accept = accepts;
    App::with_db(settings, stage.app.db.clone()).await.unwrap()
}

async fn last_commit(app: &App) -> Timestamp {
    let last = app.read(store::clock::last_commit).await.unwrap();
    last.expect("it was noted")
}

fn clock_check(doctor: &Value) -> (bool, String) {
    let checks = doctor["checks"].as_array().unwrap().iter();
    let clock = checks.clone().find(|one| one["name"] == "clock").unwrap();
    let detail = clock["detail"].as_str().unwrap().to_owned();
    (clock["ok"] == true, detail)
}

on_both!(a_start_a_year_ahead_expires_nothing_until_the_clock_is_accepted);
async fn a_start_a_year_ahead_expires_nothing_until_the_clock_is_accepted(stage: &Stage) {
    let maya = stage.buyer("maya@example.com", 500).await;
    let program = maya.program().await;
    let held = serde_json::json!({ "credits": 10, "ttlSeconds": 80_000 });
    assert_eq!(program.post("/api/v1/holds", "h", held).await.status, 201);
    let free = maya.get("/api/v1/balance").await.1;
    assert_eq!(free["balance"], 600);

    // The last commit was a year ago, by the clock of the new process.
    let app = opened_after(stage, 365, false).await;
    sweep::once(&app).await.unwrap();
    let view = billing::summary::view(&app, maya.account).await.unwrap();
    let (code, doctor) = run_on(&app, &["doctor"]).await;
    billing::jobs::alerts::once(&app).await.unwrap();

    let doubt = app.clock_doubt().expect("the clock is in doubt");
    assert!(doubt.text().contains("--accept-clock"), "{}", doubt.text());
    assert!(
        app.now() < app.real_now().plus_days(-364),
        "it continues from the last commit"
    );
    assert_eq!(
        (view.posted.floor(), view.held.floor()),
        (600, 10),
        "nothing has expired"
    );
    assert_eq!(code, 1);
    let (is_ok, said) = clock_check(&doctor);
    assert!(!is_ok && said.contains("--accept-clock"), "{said}");
    let open = app
        .read(|tx| store::alerts::all_open(tx, 10))
        .await
        .unwrap();
    assert!(open.iter().any(|alert| alert.rule == "clock"), "{open:?}");
    assert!(
        last_commit(&app).await < app.real_now().plus_days(-300),
        "not noted"
    );

    // Another start asks again; one that accepts goes on by the system clock.
    assert!(
        opened_after(stage, 365, false)
            .await
            .clock_doubt()
            .is_some()
    );
    let app = opened_after(stage, 365, true).await;
    assert_eq!(app.clock_doubt(), None);
    assert!(app.now() > app.real_now().plus_days(-1));
    assert_eq!(balance(&maya.billing().await), 600.0);
}

on_both!(a_start_within_a_day_of_the_last_commit_in_either_direction_is_not_asked);
async fn a_start_within_a_day_of_the_last_commit_in_either_direction_is_not_asked(stage: &Stage) {
    for (days, is_asked) in [(0, false), (2, true), (-2, true)] {
        let app = opened_after(stage, days, false).await;
        assert_eq!(app.clock_doubt().is_some(), is_asked, "{days} days");
        let ahead = app.now().seconds() - app.real_now().seconds();
        if days == -2 {
            assert!(
                ahead > 86_400,
                "it never goes back behind the last commit: {ahead}"
            );
        }
    }
}

on_both!(the_audit_log_shows_the_system_time_whatever_the_billing_clock_shows);
async fn the_audit_log_shows_the_system_time_whatever_the_billing_clock_shows(stage: &Stage) {
    let maya = stage.person("maya@example.com").await;
    stage.twin.advance("90d").await.unwrap();
    let name = maya.account_id().await;
    let adjust = [
        "admin", "credits", "adjust", &name, "5", "--reason", "other", "--note", "test",
    ];
    assert_eq!(run_on(&stage.app, &adjust).await.0, 0);
    let operator = stage.person_as("boss@example.com", "admin").await;
    let (status, _) = operator
        .post(&format!("/api/admin/accounts/{name}/sync"), Value::Null)
        .await;
    assert!(status < 500);

    let acts = stage
        .read(|tx| store::audit_log::list(tx, None, None, None, None, 100))
        .await;

    assert!(!acts.is_empty());
    let now = stage.app.real_now();
    for act in acts {
        let apart = now.seconds() - act.at.seconds();
        assert!((0..3_600).contains(&apart), "{act:?}");
    }
}
