use super::*;

fn paid(id: &str, left_minor: i64) -> Refundable {
    Refundable {
        payment_intent_id: id.to_owned(),
        charged_minor: 1_900,
        left_minor,
        currency: "usd".to_owned(),
    }
}

#[test]
fn a_refund_takes_the_newest_payments_first_and_never_more_than_they_have() {
    let payments = [paid("pi_2", 300), paid("pi_1", 1_900)];

    assert_eq!(split(0, &payments), []);
    assert_eq!(split(200, &payments), [("pi_2".to_owned(), 200)]);
    let both = [("pi_2".to_owned(), 300), ("pi_1".to_owned(), 700)];
    assert_eq!(split(1_000, &payments), both);
    let all: i64 = split(9_000, &payments).iter().map(|part| part.1).sum();
    assert_eq!(all, 2_200);
}

#[test]
fn what_was_spent_since_the_quote_is_not_paid_back() {
    let promised = [300, 700];

    assert_eq!(capped(&promised, 1_000), [300, 700]);
    assert_eq!(capped(&promised, 440), [300, 140]);
    assert_eq!(capped(&promised, 0), [0, 0]);
    assert_eq!(capped(&promised, i64::MAX), [300, 700]);
}

#[test]
fn of_what_was_paid_no_more_goes_back_than_is_left_of_its_credits() {
    let earned = |amount, left| Earned {
        keys: Vec::new(),
        amount,
        left,
        ..Earned::default()
    };

    assert_eq!(earned(1_000, 1_000).left_of(1_900), 1_900);
    assert_eq!(earned(1_000, 250).left_of(1_900), 475);
    assert_eq!(earned(3, 1).left_of(100), 33);
    assert_eq!(earned(1_000, -5).left_of(1_900), 0);
    assert_eq!(earned(0, 0).left_of(1_900), 1_900);
}

#[test]
fn an_earlier_refund_is_counted_once() {
    // Half of the payment was refunded, and half of its credits were taken.
    let earned = |left| Earned {
        amount: 1_000,
        left,
        ..Earned::default()
    };
    let payments = [paid("pi_1", 950)];
    let back = |left| split(earned(left).left_of(1_900), &payments);

    assert_eq!(back(500), [("pi_1".to_owned(), 950)]);
    assert_eq!(back(200), [("pi_1".to_owned(), 380)]);
    assert_eq!(back(0), []);
    assert_eq!(
        back(1_000),
        [("pi_1".to_owned(), 950)],
        "no more than is left"
    );

    let year = earned(500).and_later(11_000, part_of(11_000, 9_500, 19_000));
    assert_eq!(year.left_of(19_000), 9_500);
}

#[test]
fn a_years_payment_covers_the_months_that_have_not_begun() {
    let at = |text: &str| domain::time::parse(text).unwrap();
    let year = (at("2026-01-31"), at("2027-01-31"));

    assert_eq!(months_after(year, at("2026-01-31").seconds()), 11);
    assert_eq!(months_after(year, at("2026-02-28").seconds()), 10);
    assert_eq!(months_after(year, at("2027-01-30").seconds()), 0);
    let month = (at("2026-01-31"), at("2026-02-28"));
    assert_eq!(months_after(month, at("2026-01-31").seconds()), 0);

    let spent_one_of_three = Earned {
        amount: 3_000,
        left: 2_000,
        ..Earned::default()
    };
    let all = spent_one_of_three.and_later(9_000, 9_000);
    assert_eq!(all.left_of(19_000), 17_416);
}

#[tokio::test]
async fn an_end_from_before_steps_that_canceled_nothing_is_closed_at_the_start() {
    let database = store::testing::sqlite();
    let mut settings = crate::config::Settings::load(None, &|_| None).expect("the defaults");
    settings.database.url = database.url_text.clone().into();
    let app = App::open(settings).await.expect("the database opens");
    let role = domain::people::UserRole::User;
    let user = crate::people::users::ensure(&app, "ann@example.com", role, true).await;
    let user = user.expect("a user").id;
    let now = app.now();
    let undone = Form::new().push(SUBSCRIPTION, "sub_1").encode();
    let settled = Form::new()
        .push(SUBSCRIPTION, "sub_2")
        .push(SETTLED, "true")
        .encode();
    let account = app
        .write(0, move |tx| {
            let account = store::users::memberships(tx, user)?[0].account_id;
            for (id, params) in [("int_undone", &undone), ("int_settled", &settled)] {
                store::intents::insert(tx, &NewIntent::new(id, account, KIND, params), now)?;
                unfinished::set_owed(tx, id, now)?;
                let failure = unfinished::Failure {
                    error: "refused",
                    needs_attention: true,
                    counts: true,
                    next_attempt_at: unfinished::NEVER,
                };
                unfinished::put_off(tx, id, &failure, now)?;
            }
            Ok(account)
        })
        .await
        .expect("both are recorded");

    close_undone(&app).await.expect("a write");

    let state = async |id: &'static str| {
        let found = app.read(move |tx| store::intents::find(tx, account, id));
        found.await.expect("a read").expect("an intent").state
    };
    assert_eq!(state("int_undone").await, IntentState::Failed);
    assert_eq!(
        state("int_settled").await,
        IntentState::Open,
        "a refund is owed"
    );
}
