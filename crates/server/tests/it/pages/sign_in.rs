//! API keys and signing in, on pages.

use super::*;

on_both!(a_key_is_shown_once_and_is_refused_after_it_is_revoked);
async fn a_key_is_shown_once_and_is_refused_after_it_is_revoked(stage: &Stage) {
    let (maya, eve) = (
        stage.person("maya@example.com").await,
        stage.person("eve@example.com").await,
    );

    let made = send(
        &maya,
        "/dashboard/keys",
        &[("name", "prod-web"), ("scope", "meter")],
    )
    .await;
    let again = send(&maya, "/dashboard/keys", &[("name", "prod-web")]).await;

    assert_eq!(
        (made.status().as_u16(), again.status().as_u16()),
        (200, 409)
    );
    let page = made.text().await.unwrap();
    let start = page.find("lbx_test_").unwrap();
    let secret = page[start..].split('<').next().unwrap().to_owned();
    assert_eq!(secret.len(), "lbx_test_".len() + 64);
    let (_, list) = maya.page("/dashboard/keys").await;
    assert!(list.contains("prod-web") && !list.contains(&secret));

    let revoke = list
        .split('"')
        .find(|part| part.ends_with("/revoke"))
        .unwrap()
        .to_owned();
    assert_eq!(eve.page(&revoke).await.0, 404);
    assert_eq!(
        send(&eve, &revoke, &[("confirm", "yes")]).await.status(),
        404
    );
    assert_eq!(maya.page(&revoke).await.0, 200);
    assert_eq!(
        send(&maya, &revoke, &[("confirm", "yes")]).await.status(),
        303
    );
    let balance = stage.http.get(format!("{}/api/v1/balance", stage.base));
    assert_eq!(
        balance.bearer_auth(&secret).send().await.unwrap().status(),
        401
    );
}

on_both!(a_user_makes_no_key_that_acts_for_others);
async fn a_user_makes_no_key_that_acts_for_others(stage: &Stage) {
    let maya = stage.person("maya@example.com").await;
    let olga = stage.person_as("olga@example.com", "admin").await;
    let form = [("name", "host"), ("scope", "server")];

    assert_eq!(send(&maya, "/dashboard/keys", &form).await.status(), 403);
    assert_eq!(send(&olga, "/dashboard/keys", &form).await.status(), 200);
}

on_both!(an_emailed_link_signs_in_through_its_button_and_only_once);
async fn an_emailed_link_signs_in_through_its_button_and_only_once(stage: &Stage) {
    let nobody = Person {
        stage,
        cookie: String::new(),
        account: 0,
        user: 0,
    };

    let wrong = send(&nobody, "/login", &[("email", "maya@")]).await;
    let sent = send(
        &nobody,
        "/login",
        &[("email", "maya@example.com"), ("next", "/dashboard/usage")],
    )
    .await;

    assert_eq!(
        (wrong.status().as_u16(), sent.status().as_u16()),
        (400, 200)
    );
    assert!(wrong.text().await.unwrap().contains("maya@"));
    let link = mailed_link(stage).await;
    for _ in 0..2 {
        assert_eq!(
            stranger(stage, &link).await.status(),
            200,
            "looking does not use it up"
        );
    }
    let token = link.rsplit('=').next().unwrap();
    let button = format!("/api/auth/link/{token}");
    let signed_in = send(&nobody, &button, &[]).await;
    assert_eq!(
        (signed_in.status().as_u16(), &*location(&signed_in)),
        (303, "/dashboard/usage")
    );
    assert!(
        signed_in.headers()["set-cookie"]
            .to_str()
            .unwrap()
            .contains("HttpOnly")
    );
    assert_eq!(send(&nobody, &button, &[]).await.status(), 400);
    assert_eq!(stranger(stage, &link).await.status(), 400);
}

on_both!(case_a14_no_redirect_leads_to_another_site);
async fn case_a14_no_redirect_leads_to_another_site(stage: &Stage) {
    for next in [
        "//evil.example",
        "/%5Cevil.example",
        "https://evil.example",
        "javascript:alert(1)",
    ] {
        let page = stranger(stage, &format!("/login?next={next}"))
            .await
            .text()
            .await
            .unwrap();
        assert!(
            !page.contains("evil") && !page.contains("javascript:"),
            "{next}"
        );
    }
}

on_both!(too_many_links_are_refused_with_when_to_try_again);
async fn too_many_links_are_refused_with_when_to_try_again(stage: &Stage) {
    let nobody = Person {
        stage,
        cookie: String::new(),
        account: 0,
        user: 0,
    };
    let limit = stage.app.settings.limits.sign_in_per_minute;
    for _ in 0..limit {
        let sent = send(&nobody, "/login", &[("email", "maya@example.com")]).await;
        assert_eq!(sent.status(), 200);
    }

    let refused = send(&nobody, "/login", &[("email", "maya@example.com")]).await;

    assert_eq!(refused.status(), 429);
    assert!(refused.headers().contains_key("retry-after"));
    assert!(
        refused
            .text()
            .await
            .unwrap()
            .contains("Too many sign-in links")
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_billing_is_off_its_pages_say_so_and_usage_works() {
    let off = |settings: &mut billing::config::Settings| settings.billing.enabled = false;
    let stage = Stage::with(store::testing::sqlite(), off).await;
    let maya = stage.person("maya@example.com").await;

    for path in [
        BILLING,
        "/dashboard/billing/upgrade",
        "/dashboard/billing/credits",
    ] {
        let (status, page) = maya.page(path).await;
        assert_eq!(status, 404, "{path}");
        assert!(page.contains("Billing is not available yet"), "{path}");
    }
    assert_eq!(maya.page("/dashboard/usage").await.0, 200);
    let (_, keys) = maya.page("/dashboard/keys").await;
    assert!(!keys.contains("href=\"/dashboard/billing"), "{keys}");
    stage.close().await;
}
