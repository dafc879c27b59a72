//! Holds and their deadlines.

use super::*;
use billing::app::App;
use std::sync::Arc;
use std::sync::atomic::Ordering;

on_both!(case_c7_an_expired_hold_captures_what_is_available_and_never_more);
async fn case_c7_an_expired_hold_captures_what_is_available_and_never_more(stage: &Stage) {
    let program = program(stage, "maya@example.com").await;
    let hold = program.hold(40).await;
    stage.twin.advance("10m").await.unwrap();
    stage.settled().await;
    assert_eq!(
        program.debit("others", 85).await.status,
        201,
        "the hold's credits are free again"
    );

    let late = program.capture(&hold, json!({ "credits": 40 })).await;

    assert_eq!(late.status, 200, "{}", late.body);
    assert_eq!(
        (&late.body["captured"], &late.body["uncollected"]),
        (&json!(15), &json!(25)),
        "{}",
        late.body
    );
    assert_eq!(program.available().await, 0.0);
    assert_eq!(program.debit("more", 1).await.status, 402);
    let balance = program.get("/api/v1/balance").await;
    assert_eq!(
        balance.body["debt"], 0,
        "usage makes no debt: {}",
        balance.body
    );
    stage.audited().await;
}

on_both!(case_c8_a_sweep_and_a_capture_of_an_expiring_hold_settle_it_once);
async fn case_c8_a_sweep_and_a_capture_of_an_expiring_hold_settle_it_once(stage: &Stage) {
    let program = program(stage, "maya@example.com").await;
    let mut captured = 0;
    for round in 0..8 {
        let hold = program
            .post(
                "/api/v1/holds",
                &format!("h{round}"),
                json!({ "credits": 10, "ttlSeconds": 1 }),
            )
            .await;
        let hold = id_of(&hold.body);
        stage.twin.advance("1s").await.unwrap();

        let (_, first, second) = tokio::join!(
            billing::jobs::sweep::once(&stage.app),
            program.capture(&hold, json!({ "credits": 4 })),
            program.capture(&hold, json!({ "credits": 4 })),
        );

        let statuses = [first.status, second.status];
        assert!(
            statuses.contains(&200) && statuses.contains(&409),
            "{statuses:?}"
        );
        captured += 4;
        assert_eq!(
            program.available().await,
            f64::from(100 - captured),
            "round {round}"
        );
    }
    stage.audited().await;
}

/// A system clock that the test sets.
struct SystemClock(std::sync::atomic::AtomicI64);

impl SystemClock {
    fn at(now: domain::time::Timestamp) -> Arc<SystemClock> {
        Arc::new(SystemClock(now.micros().into()))
    }

    fn jump(&self, hours: i64) {
        let micros = hours * 3_600 * 1_000_000;
        self.0.fetch_add(micros, Ordering::SeqCst);
    }
}

impl domain::time::Clock for SystemClock {
    fn now(&self) -> domain::time::Timestamp {
        domain::time::Timestamp::from_micros(self.0.load(Ordering::SeqCst))
    }
}

/// A process that starts on the stage's database with this system clock.
async fn started(stage: &Stage, clock: &Arc<SystemClock>) -> App {
    use domain::time::Clock as _;
    let mut settings = stage.app.settings.clone();
    settings.clock.follow.clear();
    let parts = billing::app::Parts {
        db: stage.app.db.clone(),
        stripe: billing::app::stripe_client(&settings).unwrap(),
        clock: billing::clock::BillingClock::new(clock.now()),
        security_clock: clock.clone(),
        rng: stage.app.rng.clone(),
    };
    App::of_parts(settings, parts).await.unwrap()
}

on_both!(case_c9_holds_keep_their_deadlines_when_only_the_systems_clock_moves);
async fn case_c9_holds_keep_their_deadlines_when_only_the_systems_clock_moves(stage: &Stage) {
    let program = program(stage, "maya@example.com").await;
    let hold = program.hold(40).await;
    let account = stage.person("maya@example.com").await.account;
    let id = hold.clone();
    let held = stage.read(move |tx| store::ledger::hold(tx, account, &id));
    let deadline = held.await.expect("the hold").expires_at;
    let clock = SystemClock::at(stage.app.now());
    let app = started(stage, &clock).await;
    let state = async |app: &App| {
        billing::jobs::sweep::once(app).await.unwrap();
        let id = hold.clone();
        let held = app
            .read(move |tx| store::ledger::hold(tx, account, &id))
            .await;
        let held = held.unwrap().expect("the hold");
        assert_eq!(held.expires_at, deadline, "the deadline never moves");
        held.state.word()
    };

    // The system clock of a running process jumps: its billing clock goes on by elapsed time.
    for hours in [-1, 24, 24 * 365] {
        let before = app.now();
        clock.jump(hours);
        assert_eq!(state(&app).await, "pending", "{hours} hours");
        let passed = app.now().seconds() - before.seconds();
        assert!((0..60).contains(&passed), "{passed} s");
        clock.jump(-hours);
    }

    // A restart an hour back does not prolong the hold beyond its deadline by the right clock.
    let behind = SystemClock::at(stage.app.now().plus_seconds(-3_600));
    assert_eq!(state(&started(stage, &behind).await).await, "pending");
    let ahead = SystemClock::at(deadline.plus_seconds(1));
    assert_eq!(state(&started(stage, &ahead).await).await, "expired");

    let session = stage.person("maya@example.com").await;
    let (before, real) = (stage.app.now(), stage.app.real_now());
    stage.twin.advance("1d").await.unwrap();
    stage.settled().await;
    assert!(
        stage.app.now() >= before.plus_days(1),
        "the twin's clock does move it"
    );
    assert!(
        stage.app.real_now() < real.plus_seconds(600),
        "sign-ins live on real time"
    );
    assert_eq!(session.get("/api/dashboard/billing").await.0, 200);
    stage.audited().await;
}
