use serde_json::json;
use twin::core::{ApiRequest, Core, Permission};

use crate::shop::NOW;

#[test]
fn only_test_keys_are_accepted() {
    let mut core = Core::new(1, NOW);
    let mut ask = |key: Option<&str>| {
        let request = ApiRequest {
            method: "GET".to_owned(),
            path: "/v1/customers".to_owned(),
            api_key: key.map(str::to_owned),
            ..ApiRequest::default()
        };
        core.api(&request, NOW)
    };

    assert_eq!(ask(None).status, 401);
    assert_eq!(ask(Some("sk_live_abc")).status, 401);
    assert_eq!(ask(Some("nonsense")).status, 401);
    assert_eq!(ask(Some("sk_test_abc")).status, 200);
    assert_eq!(ask(Some("rk_test_abc")).status, 401);
}

#[test]
fn a_restricted_key_may_do_what_it_was_given_and_nothing_else() {
    let mut core = Core::new(1, NOW);
    let permissions = [
        ("customer".to_owned(), Permission::Read),
        ("product".to_owned(), Permission::Write),
    ];
    let key = core.add_restricted_key(permissions.into());
    let mut ask = |method: &str, path: &str, key: &str| {
        let request = ApiRequest {
            method: method.to_owned(),
            path: path.to_owned(),
            body: if method == "POST" {
                "name=Ann".to_owned()
            } else {
                String::new()
            },
            api_key: Some(key.to_owned()),
            ..ApiRequest::default()
        };
        core.api(&request, NOW)
    };

    let denied = ask("POST", "/v1/customers", &key);

    assert_eq!(ask("GET", "/v1/customers", &key).status, 200);
    assert_eq!(ask("POST", "/v1/products", &key).status, 200);
    assert_eq!(ask("GET", "/v1/products", &key).status, 200);
    assert_eq!(ask("GET", "/v1/invoices", &key).status, 403);
    assert_eq!(ask("GET", "/v1/customers", "rk_test_unknown").status, 401);
    assert_eq!(denied.status, 403);
    let message = denied.body["error"]["message"].as_str().unwrap();
    assert!(
        message.contains("'rak_customer_write' permission"),
        "{message}"
    );
    assert!(!message.contains(&key), "{message}");
}

#[test]
fn another_account_and_another_content_type_are_refused() {
    let mut core = Core::new(1, NOW);
    let own = core.account_id().to_owned();
    let mut ask = |account: Option<&str>, kind: Option<&str>| {
        let request = ApiRequest {
            account: account.map(str::to_owned),
            content_type: kind.map(str::to_owned),
            method: "POST".to_owned(),
            path: "/v1/customers".to_owned(),
            body: "name=Ann".to_owned(),
            api_key: Some("sk_test_x".to_owned()),
            ..ApiRequest::default()
        };
        core.api(&request, NOW)
    };

    let other = ask(Some("acct_other"), None);
    let json = ask(None, Some("application/json"));

    assert_eq!(
        (other.status, &other.body["error"]["code"]),
        (403, &json!("account_invalid"))
    );
    assert_eq!(json.status, 400);
    assert_eq!(
        ask(
            Some(&own),
            Some("application/x-www-form-urlencoded; charset=utf-8")
        )
        .status,
        200
    );
}
