//! Panics, and an SMTP server that is down.

use super::*;

/// Serves a test's routes behind the same middleware as the service's own routes.
async fn shielded(app: &App, routes: Router<Site>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let router = web::router::shielded(Site::new(app.clone()), routes);
    let router = router.into_make_service_with_connect_info::<std::net::SocketAddr>();
    tokio::spawn(async move { axum::serve(listener, router).await });
    base
}

async fn panics_in_a_job(State(app): State<App>) -> web::http::error::HttpResult<&'static str> {
    let job = |_: &mut store::Tx<'_>| -> store::Result<()> { panic!("case D12 in a job") };
    app.db.write(0, job).await?;
    Ok("never")
}

async fn panics_after_a_hold(State(app): State<App>) -> &'static str {
    let account = app
        .read(|tx| store::accounts::ids_after(tx, 0, 1))
        .await
        .unwrap()[0];
    let command = domain::ledger::Command::Authorize {
        hold: app.new_id("hold"),
        amount: domain::money::Credits::new(30),
        least: None,
        ttl_seconds: 60,
    };
    let request = domain::ledger::Request::internal(command);
    app.db
        .ledger(app.rules(), account, request, app.now())
        .await
        .unwrap()
        .unwrap();
    panic!("case D12 after a hold")
}

on_both!(case_d12_a_panic_fails_one_request_and_affects_no_other);
async fn case_d12_a_panic_fails_one_request_and_affects_no_other(stage: &Stage) {
    let maya = stage.person("maya@example.com").await;
    let program = maya.program().await;
    assert_eq!(program.available().await, 100.0);
    let routes = Router::new()
        .route("/job", get(panics_in_a_job))
        .route("/hold", get(panics_after_a_hold));
    let base = shielded(&stage.app, routes).await;

    for path in ["/job", "/hold", "/job"] {
        let answer = Answer::of(stage.http.get(format!("{base}{path}"))).await;
        assert_eq!(answer.status, 500, "{}", answer.body);
        assert_eq!(answer.body["code"], "internal");
        assert!(
            !answer.body.to_string().contains("D12"),
            "nothing of the inside: {}",
            answer.body
        );
    }

    assert_eq!(program.available().await, 70.0);
    assert_eq!(
        program.debit("after", 5).await.status,
        201,
        "neither pool nor lock is poisoned"
    );
    stage.twin.advance("2m").await.unwrap();
    stage.settled().await;
    assert_eq!(program.available().await, 95.0, "the hold ran out");
    stage.audited().await;
}

/// The address of an SMTP server that isn't running yet.
static DEAD: Mutex<Vec<(u16, u16)>> = Mutex::new(Vec::new());

fn without_mail(settings: &mut Settings) {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = free.local_addr().unwrap().port();
    DEAD.lock().unwrap().push((port, settings.mail.port));
    settings.mail.port = port;
}

/// Forwards connections on the port to the mailbox.
async fn revive(port: u16, mailbox: u16) {
    let listener = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
    tokio::spawn(async move {
        while let Ok((mut from, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut to = TcpStream::connect(("127.0.0.1", mailbox)).await.unwrap();
                let _ = tokio::io::copy_bidirectional(&mut from, &mut to).await;
            });
        }
    });
}

on_both!(
    case_d15_while_the_smtp_server_is_down_billing_works_and_emails_wait,
    without_mail
);
async fn case_d15_while_the_smtp_server_is_down_billing_works_and_emails_wait(stage: &Stage) {
    let maya = stage.person("maya@example.com").await;
    maya.subscribe("PRO").await;
    maya.buy_pack(500).await;
    maya.balance_is(1_600).await;
    let queued = async || {
        let queued =
            |tx: &mut store::Tx<'_>| store::outbox::list(tx, Some("queued"), None, None, 100);
        stage.read(queued).await
    };
    let waiting = eventually(queued, |mails| {
        mails.len() == 2 && mails.iter().all(|mail| mail.last_error.is_some())
    })
    .await;
    assert!(waiting.iter().all(|mail| mail.attempts >= 1));
    assert!(stage.app.busy.load(Ordering::SeqCst) < 100);

    let port = stage.app.settings.mail.port;
    let mailbox = DEAD
        .lock()
        .unwrap()
        .iter()
        .find(|dead| dead.0 == port)
        .unwrap()
        .1;
    revive(port, mailbox).await;
    // A repeated email has the same idempotency key.
    stage.sync(maya.account).await;

    eventually(async || stage.mail_subjects().await, |all| all.len() >= 2).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    let subjects = stage.mail_subjects().await;
    assert_eq!(subjects.len(), 2, "each once: {subjects:?}");
}
