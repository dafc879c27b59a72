//! Calls to Stripe: one key over all tries, patience within a deadline, and errors that say what
//! is known. The calls themselves are in [`endpoints`](crate::endpoints).

mod config;
mod retry;
mod transport;

pub use config::{ClientConfig, DEFAULT_API_VERSION};

use crate::error::{Error, Result};
use crate::form::Form;
use crate::objects::{Identified, List};
use reqwest::Method;
use serde::de::DeserializeOwned;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::time::{Instant, sleep, timeout_at};
use transport::{Failure, Transport};

/// Most objects a page of a list can hold.
pub const PAGE_ITEMS_MAX: usize = 100;

/// Longest idempotency key that Stripe takes.
pub const IDEMPOTENCY_KEY_BYTES_MAX: usize = 255;

/// A client for one Stripe account. Cheap to clone; clones share connections and limits.
#[derive(Debug, Clone)]
pub struct Client {
    transport: Arc<Transport>,
    failures: Arc<AtomicU64>,
}

/// One call, as it goes over the wire in every try.
#[derive(Debug)]
pub(crate) struct Call<'a> {
    method: Method,
    path: String,
    form: Form,
    idempotency_key: Option<&'a str>,
    /// Whether doing it is of consequence, so that not knowing matters.
    changes_something: bool,
}

impl Client {
    /// Makes a client. Nothing is sent yet.
    ///
    /// The program must have installed a rustls crypto provider before.
    ///
    /// # Errors
    ///
    /// [`Error::Unsendable`] if the configuration cannot be right: an address that is none, an
    /// empty key, a live key on its way over plain HTTP.
    pub fn new(config: ClientConfig) -> Result<Self> {
        Ok(Self {
            transport: Arc::new(Transport::new(config)?),
            failures: Arc::default(),
        })
    }

    /// Calls that failed since the client was made, refusals of Stripe's included; its clones
    /// count together.
    pub fn failures(&self) -> u64 {
        self.failures.load(Ordering::Relaxed)
    }

    pub(crate) async fn get<T: DeserializeOwned>(&self, path: String, form: Form) -> Result<T> {
        let call = Call {
            method: Method::GET,
            path,
            form,
            idempotency_key: None,
            changes_something: false,
        };
        self.send(&call).await
    }

    /// Posts under the caller's idempotency key, the same in every try.
    pub(crate) async fn post<T: DeserializeOwned>(
        &self,
        path: String,
        form: Form,
        idempotency_key: &str,
    ) -> Result<T> {
        let length = idempotency_key.len();
        if length == 0 || length > IDEMPOTENCY_KEY_BYTES_MAX || !is_visible(idempotency_key) {
            return Err(Error::Unsendable(
                "the idempotency key is not 1 to 255 visible letters",
            ));
        }
        let call = Call {
            method: Method::POST,
            path,
            form,
            idempotency_key: Some(idempotency_key),
            changes_something: true,
        };
        self.send(&call).await
    }

    /// Posts what is harmless to do twice and wrong to replay, such as a preview.
    pub(crate) async fn post_again_and_again<T: DeserializeOwned>(
        &self,
        path: String,
        form: Form,
    ) -> Result<T> {
        let call = Call {
            method: Method::POST,
            path,
            form,
            idempotency_key: None,
            changes_something: false,
        };
        self.send(&call).await
    }

    /// Deletes. Stripe takes no key here: after a try without an answer the next one may say that
    /// the object is not there any more.
    pub(crate) async fn delete<T: DeserializeOwned>(&self, path: String, form: Form) -> Result<T> {
        let call = Call {
            method: Method::DELETE,
            path,
            form,
            idempotency_key: None,
            changes_something: true,
        };
        self.send(&call).await
    }

    /// Reads a list page by page up to `items_max`; `has_more` tells whether that cut it short.
    pub(crate) async fn list<T>(
        &self,
        path: &str,
        filter: Form,
        items_max: usize,
    ) -> Result<List<T>>
    where
        T: DeserializeOwned + Identified,
    {
        let mut all = List {
            has_more: true,
            ..List::default()
        };
        while all.has_more && all.data.len() < items_max {
            let wanted = (items_max - all.data.len()).min(PAGE_ITEMS_MAX);
            let last_id = all.data.last().map(Identified::id);
            let form = filter
                .clone()
                .push("limit", wanted)
                .push_opt("starting_after", last_id);
            let page: List<T> = self.get(path.to_owned(), form).await?;
            // A page that says there is more and brings nothing would be asked for without end.
            all.has_more = page.has_more && !page.data.is_empty();
            all.url = page.url;
            all.data.extend(page.data);
        }
        Ok(all)
    }

    /// Reads what is newer than `id`, oldest first, up to `items_max`.
    pub(crate) async fn list_newer_than<T>(
        &self,
        path: &str,
        filter: Form,
        id: &str,
        items_max: usize,
    ) -> Result<List<T>>
    where
        T: DeserializeOwned + Identified,
    {
        let mut all = List {
            has_more: true,
            ..List::default()
        };
        while all.has_more && all.data.len() < items_max {
            let wanted = (items_max - all.data.len()).min(PAGE_ITEMS_MAX);
            let newest_id = all.data.last().map_or(id, Identified::id);
            let form = filter
                .clone()
                .push("limit", wanted)
                .push("ending_before", newest_id);
            // The page next to the cursor, newest first.
            let page: List<T> = self.get(path.to_owned(), form).await?;
            all.has_more = page.has_more && !page.data.is_empty();
            all.url = page.url;
            all.data.extend(page.data.into_iter().rev());
        }
        Ok(all)
    }

    /// Reads what a search finds, page by page up to `items_max`. A search lags behind by up to a
    /// minute.
    pub(crate) async fn search<T: DeserializeOwned>(
        &self,
        path: &str,
        query: &str,
        items_max: usize,
    ) -> Result<List<T>> {
        let mut all = List {
            has_more: true,
            ..List::default()
        };
        while all.has_more && all.data.len() < items_max {
            let wanted = (items_max - all.data.len()).min(PAGE_ITEMS_MAX);
            let form = Form::new()
                .push("query", query)
                .push("limit", wanted)
                .push_opt("page", all.next_page.take());
            let page: List<T> = self.get(path.to_owned(), form).await?;
            all.has_more = page.has_more && !page.data.is_empty() && page.next_page.is_some();
            all.next_page = page.next_page;
            all.url = page.url;
            all.data.extend(page.data);
        }
        Ok(all)
    }

    /// Tries until there is an answer, the tries are used up or the deadline would pass.
    async fn send<T: DeserializeOwned>(&self, call: &Call<'_>) -> Result<T> {
        let config = &self.transport.config;
        let deadline = Instant::now() + config.deadline;
        let mut outcome_unknown = false;
        let mut tries = 0;
        loop {
            let Failure { error, may_retry } = match self.transport.send_once(call, deadline).await
            {
                Ok(answer) => return answer.read(call),
                Err(failure) => failure,
            };
            let wait =
                retry::wait(config, call, tries).max(error.retry_after().unwrap_or_default());
            let in_time = Instant::now() + wait < deadline;
            if !may_retry || tries >= config.retries_max || !in_time {
                self.failures.fetch_add(1, Ordering::Relaxed);
                return Err(error.after_unknown_outcome(outcome_unknown));
            }
            outcome_unknown |= error.is_outcome_unknown();
            tries += 1;
            tracing::debug!(
                stripe.path = call.path,
                tries,
                "Trying a call to Stripe again: {error}"
            );
            sleep(wait).await;
        }
    }
}

/// The path of an object, or of what is done with it.
///
/// An id that came from elsewhere must stay one segment: an empty one would address the list, one
/// with slashes another object.
pub(crate) fn path_of(collection: &str, id: &str, action: &str) -> Result<String> {
    let is_id_byte = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    if id.is_empty() || id.len() > 255 || !id.bytes().all(is_id_byte) {
        return Err(Error::Unsendable("an id is not one of Stripe's"));
    }
    Ok(format!("{collection}/{id}{action}"))
}

fn is_visible(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// What is left of the deadline bounds everything, waiting for a free place included.
async fn within<F: Future>(deadline: Instant, future: F) -> Option<F::Output> {
    timeout_at(deadline, future).await.ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_stays_one_segment_of_the_path() {
        assert_eq!(
            path_of("/v1/invoices", "in_1", "/pay").unwrap(),
            "/v1/invoices/in_1/pay"
        );
        for id in [
            "",
            ".",
            "..",
            "a/b",
            "a?b",
            "a#b",
            "a%2Fb",
            "a b",
            "ä",
            &"a".repeat(256),
        ] {
            assert!(
                matches!(path_of("/v1/customers", id, ""), Err(Error::Unsendable(_))),
                "{id}"
            );
        }
    }
}
