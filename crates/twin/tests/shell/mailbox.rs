use lettre::message::{Mailbox, MultiPart};
use lettre::transport::smtp::client::Tls;
use lettre::{AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor};

use serde_json::json;

use crate::harness::*;

fn address(text: &str) -> Mailbox {
    text.parse().unwrap()
}

async fn send(twin: &Running, subject: &str, text: &str, html: &str) {
    let at = twin.handle.smtp_address().unwrap();
    let parts = MultiPart::alternative_plain_html(text.to_owned(), html.to_owned());
    let email = Message::builder()
        .from(address("Shop <shop@example.com>"))
        .to(address("Ada <ada@example.com>"))
        .subject(subject)
        .multipart(parts)
        .unwrap();
    let transport = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(at.ip().to_string())
        .port(at.port())
        .tls(Tls::None)
        .build();
    transport.send(email).await.unwrap();
}

#[tokio::test]
async fn an_email_sent_by_smtp_is_shown_with_its_text_its_html_and_its_links() {
    let twin = start().await;
    let text = "Grüße!\n.A line that begins with a dot\nSign in: http://127.0.0.1:3000/x?y=1\n";

    send(&twin, "Ihre Rechnung über 19 €", text, "<p>Grüße</p>").await;

    let emails = twin.control_get("/_twin/mails").await;
    let email = &emails["data"][0];
    assert_eq!(email["subject"], "Ihre Rechnung über 19 €");
    assert_eq!(email["to"], json!(["ada@example.com"]));
    assert_eq!(email["from"], "shop@example.com");
    assert!(
        email["text"]
            .as_str()
            .unwrap()
            .contains("\n.A line that begins"),
        "{email}"
    );
    assert_eq!(email["html"].as_str().unwrap().trim(), "<p>Grüße</p>");

    let (_, list) = twin.page("/_twin/mailbox").await;
    assert!(list.contains("Ihre Rechnung"));
    let (_, page) = twin.page("/_twin/mailbox/1").await;
    assert!(
        page.contains("<a href=\"http://127.0.0.1:3000/x?y=1\">"),
        "{page}"
    );
    assert_eq!(twin.page("/_twin/mailbox/2").await.0, 404);
}

#[tokio::test]
async fn an_email_cannot_run_scripts_in_its_page() {
    let twin = start().await;
    send(
        &twin,
        "<script>1</script>",
        "<script>2</script>",
        "<script>3</script>",
    )
    .await;

    let (_, page) = twin.page("/_twin/mailbox/1").await;
    let html = twin
        .http
        .get(twin.url("/_twin/mailbox/1/html"))
        .send()
        .await
        .unwrap();

    assert!(!page.contains("<script>"));
    let policy = html.headers()["content-security-policy"].to_str().unwrap();
    assert!(
        policy.contains("sandbox") && !policy.contains("allow-scripts"),
        "{policy}"
    );
    assert!(policy.contains("default-src 'none'"), "{policy}");
}
