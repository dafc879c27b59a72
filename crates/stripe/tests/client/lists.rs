//! Lists, searches and their pages.

use crate::stand_in::{Reply, StandIn};
use stripe::Form;

#[tokio::test]
async fn a_list_is_read_page_by_page_up_to_its_limit() {
    let server = StandIn::new(|request| {
        let limit: usize = request.query.get("limit").unwrap().parse().unwrap();
        let after = request
            .query
            .get("starting_after")
            .map_or(0, |id| id[3..].parse().unwrap());
        let ids = after + 1..=(after + limit).min(250);
        let data: Vec<_> = ids
            .map(|id| format!(r#"{{"id":"re_{id}","amount":1,"currency":"usd","created":1}}"#))
            .collect();
        let has_more = after + limit < 250;
        Reply::ok(&format!(
            r#"{{"data":[{}],"has_more":{has_more}}}"#,
            data.join(",")
        ))
    })
    .await;
    let client = server.client();

    let all = client.list_refunds(&Form::new(), 1000).await.unwrap();
    let some = client.list_refunds(&Form::new(), 150).await.unwrap();

    assert_eq!((all.data.len(), all.has_more), (250, false));
    assert_eq!(all.data[249].id, "re_250");
    assert_eq!((some.data.len(), some.has_more), (150, true));
    assert_eq!(server.requests().len(), 5);
}

#[tokio::test]
async fn a_search_continues_at_the_cursor_of_stripe() {
    let server = StandIn::new(|request| match request.query.get("page") {
        None => Reply::ok(r#"{"data":[{"id":"cus_1"}],"has_more":true,"next_page":"p2"}"#),
        Some(_) => Reply::ok(r#"{"data":[{"id":"cus_2"}],"has_more":false,"next_page":null}"#),
    })
    .await;

    let found = server
        .client()
        .search_customers_by_metadata("account", "acc_1", 10)
        .await
        .unwrap();

    let ids: Vec<_> = found
        .data
        .iter()
        .map(|customer| customer.id.as_str())
        .collect();
    assert_eq!((ids, found.has_more), (vec!["cus_1", "cus_2"], false));
    let requests = server.requests();
    assert_eq!(
        requests[0].query.get("query"),
        Some("metadata['account']:'acc_1'")
    );
    assert_eq!(requests[1].query.get("page"), Some("p2"));
}

#[tokio::test]
async fn a_list_that_claims_more_but_returns_nothing_ends() {
    let server = StandIn::new(|_| Reply::ok(r#"{"data":[],"has_more":true}"#)).await;

    let list = server
        .client()
        .list_refunds(&Form::new(), 1000)
        .await
        .unwrap();

    assert!(list.data.is_empty());
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn events_after_one_are_read_oldest_first() {
    let server = StandIn::new(|request| {
        let before: usize = request.query.get("ending_before").unwrap()[4..]
            .parse()
            .unwrap();
        let newest = (before + 2).min(5);
        let data: Vec<_> = (before + 1..=newest)
            .rev()
            .map(|id| format!(r#"{{"id":"evt_{id}"}}"#))
            .collect();
        Reply::ok(&format!(
            r#"{{"data":[{}],"has_more":{}}}"#,
            data.join(","),
            newest < 5
        ))
    })
    .await;

    let events = server
        .client()
        .list_events_after("evt_1", &Form::new(), 1000)
        .await
        .unwrap();

    let ids: Vec<_> = events.data.iter().map(|event| event.id.as_str()).collect();
    assert_eq!(ids, ["evt_2", "evt_3", "evt_4", "evt_5"]);
    assert_eq!(events.data[0].raw(), r#"{"id":"evt_2"}"#);
}
