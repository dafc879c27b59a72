//! The sender of webhook deliveries. It takes what is due from the queue, signs it and posts it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;

use crate::clock::MICROS_PER_SECOND;
use crate::deliveries::Job;
use crate::delivery_log::Try;
use crate::shell::Twin;
use crate::stopping::stopped;

/// An attempt fails if the receiver has not responded within this time.
const TRY_TIMEOUT: Duration = Duration::from_secs(10);

/// The number of characters of a receiver's response that are kept in the log.
const EXCERPT_CHARS_MAX: usize = 400;

/// The HTTP client for deliveries. Like Stripe's, it follows no redirects.
///
/// # Errors
///
/// Fails when the system offers no usable TLS configuration.
#[expect(
    clippy::disallowed_methods,
    reason = "a client with bounds, built in one place"
)]
pub(crate) fn client() -> Result<reqwest::Client, reqwest::Error> {
    reqwest::Client::builder()
        .timeout(TRY_TIMEOUT)
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .user_agent("Stripe/1.0 (+https://stripe.com/docs/webhooks)")
        .build()
}

/// Sends deliveries as they fall due, until `stop` is set.
pub(crate) async fn run(twin: Arc<Twin>, http: reqwest::Client, mut stop: watch::Receiver<bool>) {
    loop {
        let now = twin.clock.now();
        for job in twin.deliveries.take_startable(now) {
            let (twin, http) = (Arc::clone(&twin), http.clone());
            tokio::spawn(async move {
                if let Some(listener) = job.listener() {
                    announce(&twin, job, listener).await;
                    return;
                }
                let secrets = twin.secrets_of(&job.endpoint);
                let tried = if let Some(secrets) = &secrets {
                    attempt(&twin, &http, &job, secrets).await
                } else {
                    let reason = "the endpoint is deleted or disabled";
                    Try::without_answer(twin.clock.now(), reason)
                };
                let now = twin.clock.now();
                let ended = twin.deliveries.finish(job, tried, secrets.is_some(), now);
                twin.delivery_ended(&ended);
                twin.deliveries.wake();
                twin.clock.notify();
            });
        }
        let pause = twin
            .deliveries
            .next_due(now)
            .map_or(MICROS_PER_SECOND, |due| {
                (due - now).clamp(1_000, MICROS_PER_SECOND)
            });
        let pause = Duration::from_micros(u64::try_from(pause).unwrap_or(1_000_000));
        tokio::select! {
            () = twin.deliveries.woken() => {}
            () = tokio::time::sleep(pause) => {}
            () = stopped(&mut stop) => return,
        }
    }
}

/// Hands an event to a listener, when its queue has room for it.
async fn announce(twin: &Twin, job: Job, listener: u64) {
    if let Some(queue) = twin.listeners.queue_of(listener) {
        // An error means that the listener has just disconnected.
        let _ = queue.send(Arc::new(job.announced())).await;
    }
    let now = twin.clock.now();
    let tried = Try::without_answer(now, "");
    twin.deliveries.finish(job, tried, false, now);
    twin.deliveries.wake();
    twin.clock.notify();
}

/// Makes one attempt, signed with the secrets that the endpoint has now.
async fn attempt(twin: &Twin, http: &reqwest::Client, job: &Job, secrets: &[String]) -> Try {
    let began = Instant::now();
    let mut tried = Try::without_answer(twin.clock.now(), "");
    let secrets: Vec<&str> = secrets.iter().map(String::as_str).collect();
    let signed_at = twin.real_time.now_seconds();
    let signature = stripe::signature::sign_with_all(job.payload.as_bytes(), &secrets, signed_at);
    let request = http
        .post(&job.url)
        .header("content-type", "application/json; charset=utf-8")
        .header("cache-control", "no-cache")
        .header("accept", "*/*; q=0.5, application/xml")
        .header("stripe-signature", signature)
        .body(job.payload.as_bytes().to_vec());
    tried.error = match request.send().await {
        Ok(mut response) => {
            tried.status = Some(response.status().as_u16());
            tried.response = excerpt(&mut response).await;
            None
        }
        Err(error) if error.is_timeout() => Some(format!("no answer in {TRY_TIMEOUT:?}")),
        Err(error) if error.is_connect() => Some("cannot connect".to_owned()),
        Err(error) => Some(error.without_url().to_string()),
    };
    tried.millis = began.elapsed().as_millis();
    tried
}

/// Reads the beginning of the receiver's response for the log.
async fn excerpt(response: &mut reqwest::Response) -> String {
    let mut bytes = Vec::new();
    while bytes.len() < EXCERPT_CHARS_MAX * 4 {
        match response.chunk().await {
            Ok(Some(chunk)) => bytes.extend_from_slice(&chunk),
            _ => break,
        }
    }
    String::from_utf8_lossy(&bytes)
        .chars()
        .take(EXCERPT_CHARS_MAX)
        .collect()
}
