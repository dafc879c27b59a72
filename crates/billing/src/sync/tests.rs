use std::time::Duration;

use domain::people::UserRole;

use super::*;
use crate::config::Settings;

async fn app(database: &store::testing::TestDatabase) -> App {
    let mut settings = Settings::load(None, &|_| None).expect("the defaults are valid");
    settings.database.url = database.url_text.clone().into();
    App::open(settings).await.expect("the database opens")
}

async fn leased(app: &App) -> Lease {
    let user = crate::people::users::ensure(app, "ann@example.com", UserRole::User, true).await;
    let user = user.expect("a user").id;
    let memberships = app
        .read(move |tx| store::users::memberships(tx, user))
        .await;
    let account = memberships.expect("memberships")[0].account_id;
    let now = app.real_now();
    app.write(account, move |tx| {
        store::sync::mark_for_sync(tx, account, now)?;
        store::sync::lease_account(tx, account, now, now.plus_seconds(1))
    })
    .await
    .expect("a write")
    .expect("a lease")
}

#[tokio::test]
async fn a_lease_is_prolonged_while_its_work_goes_on_and_its_work_ends_when_it_is_lost() {
    let database = store::testing::sqlite();
    let app = app(&database).await;
    let lease = leased(&app).await;
    let account = lease.account_id;
    let work = async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        Ok(7)
    };
    let every = Duration::from_millis(20);

    let done = while_renewed(&app, &lease, every, work).await;

    assert_eq!(done.expect("the work is done"), 7);
    let state = app
        .read(move |tx| store::sync::of_account(tx, account))
        .await;
    let until = state.expect("a read").expect("a state").lease_until;
    assert!(until.expect("a lease") > app.real_now().plus_seconds(60));

    let late = app.real_now().plus_seconds(LEASE_SECONDS + 1);
    let taken = app.write(account, move |tx| {
        store::sync::lease_account(tx, account, late, late.plus_seconds(90))
    });
    taken
        .await
        .expect("a write")
        .expect("another worker's lease");
    let endless = std::future::pending::<Result<()>>();
    let lost = while_renewed(&app, &lease, every, endless).await;
    assert!(lost.is_err(), "it is another worker's now");
}
