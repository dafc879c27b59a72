//! The language of searches, and what is refused in it.

use serde_json::Value;

use crate::shop::Shop;

fn found(shop: &mut Shop, kind: &str, query: &str) -> Vec<String> {
    let query = query
        .replace('>', "%3E")
        .replace('<', "%3C")
        .replace('=', "%3D");
    let page = shop.get(&format!("/v1/{kind}/search?query={query}"));
    let rows = page["data"].as_array().unwrap().iter();
    rows.map(|row| row["name"].as_str().unwrap_or("").to_owned())
        .collect()
}

fn fault(shop: &mut Shop, query: &str) -> Value {
    let query = query
        .replace('>', "%3E")
        .replace('<', "%3C")
        .replace('=', "%3D");
    let (status, error) = shop.refused("GET", &format!("/v1/customers/search?query={query}"), "");
    assert_eq!(status, 400);
    error
}

fn people() -> Shop {
    let mut shop = Shop::open();
    shop.post(
        "/v1/customers",
        "name=Ann AND Bob&email=ann@a.example&metadata[team]=red",
    );
    shop.wait(10);
    shop.post("/v1/customers", "name=O'Hara&email=ohara@b.example");
    shop
}

#[test]
fn words_of_the_language_inside_quotation_marks_are_text() {
    let mut shop = people();

    assert_eq!(
        found(&mut shop, "customers", "name:'Ann AND Bob'"),
        ["Ann AND Bob"]
    );
    assert_eq!(found(&mut shop, "customers", "name:'O\\'Hara'"), ["O'Hara"]);
    assert_eq!(found(&mut shop, "customers", "name:\"O'Hara\""), ["O'Hara"]);
    assert_eq!(found(&mut shop, "customers", "email~'b.ex'"), ["O'Hara"]);
}

#[test]
fn clauses_with_only_a_space_between_them_must_all_hold() {
    let mut shop = people();

    let both = found(&mut shop, "customers", "name~'ann' metadata['team']:'red'");
    let one = found(&mut shop, "customers", "name~'ann' -metadata['team']:'red'");
    let any = found(&mut shop, "customers", "name~'ann' OR name~'hara'");
    let without = found(&mut shop, "customers", "metadata['team']:null");
    let with = found(&mut shop, "customers", "-metadata['team']:null");

    assert_eq!(both, ["Ann AND Bob"]);
    assert!(one.is_empty());
    assert_eq!(any.len(), 2);
    assert_eq!(without, ["O'Hara"]);
    assert_eq!(with, ["Ann AND Bob"]);
}

#[test]
fn numbers_are_compared_with_and_without_quotation_marks() {
    let mut shop = people();
    let start = crate::shop::NOW;

    assert_eq!(
        found(&mut shop, "customers", &format!("created>{start}")),
        ["O'Hara"]
    );
    assert_eq!(
        found(&mut shop, "customers", &format!("created>='{start}'")).len(),
        2
    );
    assert_eq!(
        found(&mut shop, "customers", &format!("created<={start}")),
        ["Ann AND Bob"]
    );
    assert_eq!(
        found(&mut shop, "customers", &format!("created:{start}")),
        ["Ann AND Bob"]
    );
}

#[test]
fn each_fault_in_a_search_is_refused_with_its_reason() {
    let mut shop = people();
    let eleven = ["name:'a'"; 11].join(" ");
    for (query, why) in [
        ("name", "no operator follows the field `name`"),
        ("name:", "has no value"),
        ("name:'Ann", "isn't closed"),
        ("name:Ann", "must be in quotation marks"),
        ("name:'Ann'x", "directly follows a value"),
        (
            "name:'a' AND email:'b' OR name:'c'",
            "AND and OR can't be combined",
        ),
        (
            "name:'a' email:'b' OR name:'c'",
            "AND and OR can't be combined",
        ),
        ("(name:'a')", "isn't the name of a field"),
        ("AND name:'a'", "no operator follows the field `AND`"),
        ("name:'a' AND ", "no operator follows the field `AND`"),
        ("metadata[team]:'red'", "must be quoted"),
        ("metadata['team'~'red'", "must be quoted"),
        ("name>'a'", "`>` isn't supported for the field `name`"),
        (
            "created~'176'",
            "`~` isn't supported for the field `created`",
        ),
        ("metadata['team']~'red'", "`~` isn't supported"),
        ("created>'today'", "is compared with a number"),
        ("name~'an'", "at least 3 characters"),
        (eleven.as_str(), "more than 10 clauses"),
        (" ", "has no clauses"),
    ] {
        let error = fault(&mut shop, query);

        let message = error["message"].as_str().unwrap();
        assert!(message.contains(why), "{query}: {message}");
        assert_eq!(error["param"], "query", "{query}");
    }
    let error = fault(&mut shop, "metadata:'red'");
    assert!(
        error["message"]
            .as_str()
            .unwrap()
            .contains("unsupported search field")
    );
}
