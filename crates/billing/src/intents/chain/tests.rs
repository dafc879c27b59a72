//! Chains whose end can't be recorded.

use domain::plan::AccountKind;
use store::accounts::NewAccount;

use super::*;
use crate::config::Settings;

/// A request that is made and can't be recorded.
struct Unrecorded;

impl Chain for Unrecorded {
    const KIND: IntentKind = IntentKind::CustomerChange;

    fn steps(_: &Intent) -> Vec<NewStep> {
        vec![NewStep::call()]
    }

    async fn take(_: &App, _: &Intent, _: &Step) -> std::result::Result<Taken, Trouble> {
        Ok(Taken::Done(None))
    }

    async fn finish(_: &App, _: &Intent, _: &[Step]) -> Result<()> {
        Err(Error::unavailable("busy", "Not now."))
    }
}

#[tokio::test]
async fn a_request_whose_end_cannot_be_recorded_is_put_off_and_alerted_at_the_third_failure() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let database = store::testing::sqlite();
    let mut settings = Settings::load(None, &|_| None).expect("the defaults are valid");
    settings.database.url = database.url_text.clone().into();
    let app = App::open(settings).await.expect("the database opens");
    let now = app.now();
    let made = app.write(0, move |tx| {
        let new = NewAccount {
            public_id: "acc_1",
            external_id: None,
            kind: AccountKind::Personal,
            name: "Ann",
            email: None,
            tier: "FREE",
            email_verified_at: None,
        };
        let account = store::accounts::insert(tx, &new, now)?.id;
        let new = NewIntent::new("int_1", account, Unrecorded::KIND, "");
        insert::<Unrecorded>(tx, &new, now)
    });
    let mut intent = made.await.expect("a write").expect("a new intent");

    for attempt in 1..=3 {
        let progress = run::<Unrecorded>(&app, &intent).await;

        assert_eq!(progress.expect("it was made"), Progress::Owed);
        let account = intent.account_id;
        let held = app.read(move |tx| store::intents::find(tx, account, "int_1"));
        intent = held.await.expect("a read").expect("the intent");
        assert_eq!(intent.attempts, attempt);
        assert_eq!(intent.needs_attention, attempt >= ATTEMPTS_UNTIL_ALERT);
        assert!(intent.next_attempt_at > now && intent.next_attempt_at < NEVER);
    }
}
