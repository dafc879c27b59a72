//! The forms for endpoints of outgoing webhooks.

use super::*;

fn between<'a>(text: &'a str, start: &str, end: &str) -> &'a str {
    let from = text
        .find(start)
        .unwrap_or_else(|| panic!("no {start} in {text}"))
        + start.len();
    let until = text[from..].find(end).unwrap();
    &text[from..from + until]
}

on_both!(
    the_forms_for_endpoints_do_what_they_say_and_refuse_who_may_not,
    hosted
);
#[expect(clippy::too_many_lines, reason = "one story, told in order")]
async fn the_forms_for_endpoints_do_what_they_say_and_refuse_who_may_not(stage: &Stage) {
    let host = Host::start().await;
    let operator = stage.person_as("boss@example.com", "admin").await;
    let viewer = stage.person_as("look@example.com", "viewer").await;
    let home = "/admin/webhooks";

    let wrong = send(&operator, home, &[("url", "https://10.0.0.1/hook")]).await;
    let (wrong_status, wrong) = (wrong.status().as_u16(), wrong.text().await.unwrap());
    let refused = send(&viewer, home, &[("url", &host.url)])
        .await
        .status()
        .as_u16();
    let made = send(&operator, home, &[("url", &host.url)]).await;
    let (made_status, made) = (made.status().as_u16(), made.text().await.unwrap());
    let first = between(&made, "id=\"new-secret\">", "<").to_owned();
    let (_, list) = operator.page(home).await;
    let id = between(&list, "href=\"/admin/webhooks/we_", "\"");
    let page = format!("{home}/we_{id}");

    assert_eq!((wrong_status, refused, made_status), (400, 403, 201));
    assert!(
        wrong.contains("id=\"url-error\"") && wrong.contains("https://10.0.0.1/hook"),
        "{wrong}"
    );
    assert!(!list.contains(&first), "shown once");
    let act = async |act: &str| send(&operator, &format!("{page}/{act}"), &[]).await;
    assert_eq!(act("test").await.status(), 303);
    let got = host.until("endpoint.test", 1).await;
    assert!(got[0].is_signed_with(&first));
    all_sent(stage).await;
    let shown = act("rotate").await.text().await.unwrap();
    let second = between(&shown, "id=\"new-secret\">", "<").to_owned();
    assert_ne!(first, second);
    let (_, shown) = operator.page(&page).await;
    assert!(!shown.contains(&second), "shown once");
    let delivery = between(&shown, "name=\"delivery\" value=\"", "\"").to_owned();
    let resend = format!("{page}/resend");
    assert_eq!(
        send(&operator, &resend, &[("delivery", &delivery)])
            .await
            .status(),
        303
    );
    let got = host.until("endpoint.test", 2).await;
    assert_eq!(got[0].id, got[1].id);
    assert!(got[1].is_signed_with(&first) && got[1].is_signed_with(&second));
    assert_eq!(
        send(&operator, &resend, &[("delivery", "999999")])
            .await
            .status(),
        404
    );
    assert_eq!(act("disable").await.status(), 303);
    let (_, shown) = operator.page(&page).await;
    assert!(
        shown.contains("Disabled") && shown.contains("Enable"),
        "{shown}"
    );
    assert_eq!(act("enable").await.status(), 303);
    for path in ["test", "rotate", "disable", "delete", "resend"] {
        let status = send(&viewer, &format!("{page}/{path}"), &[]).await.status();
        assert_eq!(status, 403, "{path}");
    }
    assert_eq!(act("explode").await.status(), 404);
    let elsewhere = operator
        .request(Method::POST, &format!("{page}/delete"))
        .header("sec-fetch-site", "cross-site")
        .form(&[("delivery", "")]);
    assert_eq!(elsewhere.send().await.unwrap().status(), 403);
    assert_eq!(act("delete").await.status(), 303);
    let (status, _) = operator.page(&page).await;
    assert_eq!(status, 404);
    let (_, list) = operator.page(home).await;
    assert!(list.contains("No endpoints yet"));
}
