//! The client: it retries calls under one idempotency key until a deadline, and its errors say
//! whether a call may have been executed. The calls themselves are in
//! [`endpoints`](crate::endpoints).

mod config;
mod retry;
mod transport;

pub use config::{ClientConfig, DEFAULT_API_VERSION};

use crate::carrier::Carrier;
use crate::error::{Error, Result};
use crate::form::Form;
use crate::objects::{Identified, List};
use reqwest::Method;
use serde::de::DeserializeOwned;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::time::{Instant, sleep, timeout_at};
use transport::{Failure, Transport};

/// The largest number of objects on a page of a list.
pub const PAGE_ITEMS_MAX: usize = 100;

/// The longest idempotency key that Stripe accepts.
pub const IDEMPOTENCY_KEY_BYTES_MAX: usize = 255;

/// A client for one Stripe account. It is cheap to clone, and clones share connections and limits.
#[derive(Debug, Clone)]
pub struct Client {
    transport: Arc<Transport>,
    failures: Arc<AtomicU64>,
}

/// One call as it is sent in every attempt.
#[derive(Debug)]
pub(crate) struct Call<'a> {
    method: Method,
    path: &'a str,
    form: &'a Form,
    idempotency_key: Option<&'a str>,
    /// Whether the call changes something at Stripe, so that an unknown outcome matters.
    changes_something: bool,
}

impl<'a> Call<'a> {
    fn new(method: Method, path: &'a str, form: &'a Form) -> Self {
        Call {
            changes_something: method != Method::GET,
            method,
            path,
            form,
            idempotency_key: None,
        }
    }
}

/// How a list is read page by page.
enum Pages<'a> {
    /// The whole list, newest object first.
    List(&'a Form),
    /// Only what is newer than this id, oldest first.
    NewerThan(&'a Form, &'a str),
    /// The results of a search query.
    Search(&'a str),
}

impl Client {
    /// Creates a client. It sends nothing yet.
    ///
    /// The program must have installed a rustls crypto provider.
    ///
    /// # Errors
    ///
    /// Fails with [`Error::Unsendable`] if the configuration is invalid: a malformed URL, an empty
    /// key, or a live key that would be sent over plain HTTP.
    pub fn new(config: ClientConfig) -> Result<Self> {
        Ok(Self {
            transport: Arc::new(Transport::new(config)?),
            failures: Arc::default(),
        })
    }

    /// Creates a client whose calls travel another way than over HTTP, for example to a twin in the
    /// same program.
    ///
    /// # Errors
    ///
    /// The same as those of [`Client::new`].
    pub fn over(config: ClientConfig, carrier: Arc<dyn Carrier>) -> Result<Self> {
        Ok(Self {
            transport: Arc::new(Transport::over(config, carrier)?),
            failures: Arc::default(),
        })
    }

    /// The number of calls that failed since the client was created, including refusals. Clones
    /// share the count.
    pub fn failures(&self) -> u64 {
        self.failures.load(Ordering::Relaxed)
    }

    pub(crate) async fn get<T: DeserializeOwned>(&self, path: &str, form: &Form) -> Result<T> {
        self.send(&Call::new(Method::GET, path, form)).await
    }

    /// Posts under the caller's idempotency key, which is the same in every attempt.
    pub(crate) async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        form: &Form,
        idempotency_key: &str,
    ) -> Result<T> {
        let length = idempotency_key.len();
        if length == 0 || length > IDEMPOTENCY_KEY_BYTES_MAX || !is_visible(idempotency_key) {
            return Err(Error::Unsendable(
                "the idempotency key must have 1 to 255 visible ASCII characters",
            ));
        }
        let mut call = Call::new(Method::POST, path, form);
        call.idempotency_key = Some(idempotency_key);
        self.send(&call).await
    }

    /// Posts a call that is harmless to repeat and must not be replayed, such as a preview.
    pub(crate) async fn post_without_key<T: DeserializeOwned>(
        &self,
        path: &str,
        form: &Form,
    ) -> Result<T> {
        let mut call = Call::new(Method::POST, path, form);
        call.changes_something = false;
        self.send(&call).await
    }

    /// Deletes an object. Stripe accepts no idempotency key here: after an attempt without an
    /// answer, the next one may report that the object no longer exists.
    pub(crate) async fn delete<T: DeserializeOwned>(&self, path: &str, form: &Form) -> Result<T> {
        self.send(&Call::new(Method::DELETE, path, form)).await
    }

    /// Reads a list page by page up to `items_max`. `has_more` says whether the list continues.
    pub(crate) async fn list<T>(
        &self,
        path: &str,
        filter: &Form,
        items_max: usize,
    ) -> Result<List<T>>
    where
        T: DeserializeOwned + Identified,
    {
        self.pages(path, &Pages::List(filter), items_max).await
    }

    /// Reads the objects that are newer than `id`, oldest first, up to `items_max`.
    pub(crate) async fn list_newer_than<T>(
        &self,
        path: &str,
        filter: &Form,
        id: &str,
        items_max: usize,
    ) -> Result<List<T>>
    where
        T: DeserializeOwned + Identified,
    {
        self.pages(path, &Pages::NewerThan(filter, id), items_max)
            .await
    }

    /// Reads the results of a search page by page up to `items_max`. The search index lags by up to
    /// a minute.
    pub(crate) async fn search<T>(
        &self,
        path: &str,
        query: &str,
        items_max: usize,
    ) -> Result<List<T>>
    where
        T: DeserializeOwned + Identified,
    {
        self.pages(path, &Pages::Search(query), items_max).await
    }

    async fn pages<T>(&self, path: &str, pages: &Pages<'_>, items_max: usize) -> Result<List<T>>
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
            let form = match pages {
                Pages::List(filter) => (*filter)
                    .clone()
                    .push("limit", wanted)
                    .push_opt("starting_after", last_id),
                Pages::NewerThan(filter, id) => (*filter)
                    .clone()
                    .push("limit", wanted)
                    .push("ending_before", last_id.unwrap_or(id)),
                Pages::Search(query) => Form::new()
                    .push("query", query)
                    .push("limit", wanted)
                    .push_opt("page", all.next_page.take()),
            };
            let mut page: List<T> = self.get(path, &form).await?;
            // A page that claims more objects but has none would be requested forever.
            all.has_more = page.has_more && !page.data.is_empty();
            match pages {
                Pages::List(_) => {}
                // Stripe sends the page next to the cursor, newest first.
                Pages::NewerThan(..) => page.data.reverse(),
                Pages::Search(_) => all.has_more &= page.next_page.is_some(),
            }
            all.next_page = page.next_page;
            all.url = page.url;
            all.data.append(&mut page.data);
        }
        Ok(all)
    }

    /// Sends the call until there is an answer, no retries are left or the next attempt would
    /// exceed the deadline.
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
                "Retrying a call to Stripe: {error}"
            );
            sleep(wait).await;
        }
    }
}

/// The path of an object or of an action on it.
///
/// An externally supplied id must remain one path segment: an empty one would address the list, and
/// one with slashes another object.
pub(crate) fn path_of(collection: &str, id: &str, action: &str) -> Result<String> {
    let is_id_byte = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    if id.is_empty() || id.len() > 255 || !id.bytes().all(is_id_byte) {
        return Err(Error::Unsendable(
            "an id has characters that Stripe's ids never have",
        ));
    }
    Ok(format!("{collection}/{id}{action}"))
}

fn is_visible(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// Awaits the future for the rest of the deadline, which also bounds the wait for a free slot.
async fn within<F: Future>(deadline: Instant, future: F) -> Option<F::Output> {
    timeout_at(deadline, future).await.ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_stays_a_single_path_segment() {
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
