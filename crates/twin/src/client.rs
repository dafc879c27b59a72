//! A client of a running twin's control interface, for commands and tests.

use serde_json::{Value, json};

/// Why a call to the control interface failed.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// The twin cannot be reached.
    #[error("the twin at {base} does not answer: {reason}")]
    Unreachable {
        /// The address that was tried.
        base: String,
        /// The connection error.
        reason: String,
    },
    /// The twin refused the call.
    #[error("{message}")]
    Refused {
        /// The HTTP status of the answer.
        status: u16,
        /// The twin's error message.
        message: String,
    },
}

/// The way a Checkout session is paid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PayBy<'a> {
    /// The test card that always succeeds.
    Card,
    /// Bank debit: the session completes now, and the payment settles later.
    Delayed,
    /// A test payment method such as `pm_card_visa`.
    Method(&'a str),
}

/// A client of the control interface of a running twin.
#[derive(Debug, Clone)]
pub struct Control {
    base: String,
    http: reqwest::Client,
}

impl Control {
    /// A client of the twin at `base`, for example `http://127.0.0.1:12111`. Fails when the HTTP
    /// client cannot be created.
    #[expect(
        clippy::disallowed_methods,
        reason = "a client with bounds, built in one place"
    )]
    pub fn new(base: &str) -> Result<Self, ControlError> {
        crate::install_crypto();
        let base = base.trim_end_matches('/').to_owned();
        let http = reqwest::Client::builder()
            .no_proxy()
            .build()
            .map_err(|error| unreachable_at(&base, &error))?;
        Ok(Self { base, http })
    }

    /// Pays a Checkout session and returns it. Fails when the session is not open or the payment is
    /// declined.
    pub async fn pay(&self, session: &str, by: PayBy<'_>) -> Result<Value, ControlError> {
        let method = match by {
            PayBy::Card => "card",
            PayBy::Delayed => "delayed",
            PayBy::Method(method) => method,
        };
        let path = format!("/_twin/checkout/sessions/{session}/pay");
        self.post(&path, &json!({ "payment_method": method })).await
    }

    /// Settles a session that was paid by bank debit. Fails when the session has no payment to
    /// settle.
    pub async fn settle(&self, session: &str, succeeded: bool) -> Result<Value, ControlError> {
        let outcome = if succeeded { "succeeded" } else { "failed" };
        let path = format!("/_twin/checkout/sessions/{session}/settle");
        self.post(&path, &json!({ "outcome": outcome })).await
    }

    /// Advances the billing clock by a duration such as `30d` (`s`, `m`, `h` or `d`). Returns when
    /// all work due by then is done. Fails when the duration is invalid or another advance is
    /// running.
    pub async fn advance(&self, duration: &str) -> Result<Value, ControlError> {
        self.post("/_twin/clock", &json!({ "advance": duration }))
            .await
    }

    /// Creates the objects that lead to an event of this type, as `stripe trigger` does. Fails when
    /// the twin has no trigger for the type.
    pub async fn trigger(&self, event_type: &str) -> Result<Value, ControlError> {
        self.post("/_twin/trigger", &json!({ "type": event_type }))
            .await
    }

    /// Declines the next payment of `customer`, or of any customer, with an optional decline code.
    pub async fn decline_next(
        &self,
        customer: Option<&str>,
        code: Option<&str>,
    ) -> Result<Value, ControlError> {
        let body = json!({ "customer": customer, "code": code });
        self.post("/_twin/decline-next", &body).await
    }

    /// Opens a dispute on a charge. Fails when the charge does not exist or is already disputed.
    pub async fn dispute(&self, charge: &str, reason: Option<&str>) -> Result<Value, ControlError> {
        self.post(
            "/_twin/dispute",
            &json!({ "charge": charge, "reason": reason }),
        )
        .await
    }

    /// Closes a dispute as won or lost. Fails when the dispute does not exist or is already closed.
    pub async fn close_dispute(&self, dispute: &str, won: bool) -> Result<Value, ControlError> {
        let outcome = if won { "won" } else { "lost" };
        let body = json!({ "dispute": dispute, "outcome": outcome });
        self.post("/_twin/dispute/close", &body).await
    }

    /// Sets the chaos for webhook deliveries: `drop`, `duplicate`, `reorder` and `delay`. Fails
    /// when a setting is invalid.
    pub async fn chaos(&self, settings: &Value) -> Result<Value, ControlError> {
        self.post("/_twin/chaos", settings).await
    }

    /// Turns webhook deliveries on or off.
    pub async fn webhooks(&self, enabled: bool) -> Result<Value, ControlError> {
        self.post("/_twin/webhooks", &json!({ "enabled": enabled }))
            .await
    }

    /// Sets a fault for the next API calls of the product. Fails when the fault is invalid.
    pub async fn faults(&self, fault: &Value) -> Result<Value, ControlError> {
        self.post("/_twin/faults", fault).await
    }

    /// The secret that signs the deliveries of `stripe listen`.
    pub async fn cli_secret(&self, key: &str) -> Result<Option<String>, ControlError> {
        let url = format!("{}/v1/stripecli/sessions", self.base);
        let body = "device_name=demo&websocket_features[]=webhooks";
        let kind = "application/x-www-form-urlencoded";
        let request = self.http.post(url).bearer_auth(key).body(body);
        let answer = self.answer(request.header("content-type", kind)).await?;
        Ok(answer["secret"].as_str().map(str::to_owned))
    }

    /// Deletes a webhook endpoint, for example one whose secret has been lost. Fails when the
    /// endpoint does not exist.
    pub async fn delete_webhook_endpoint(&self, id: &str) -> Result<Value, ControlError> {
        let url = format!("{}/v1/webhook_endpoints/{id}", self.base);
        let request = self.http.delete(url).bearer_auth("sk_test_control");
        self.answer(request).await
    }

    /// Reads a resource of the control interface, for example `/_twin/mails`.
    pub async fn get(&self, path: &str) -> Result<Value, ControlError> {
        self.answer(self.http.get(format!("{}{path}", self.base)))
            .await
    }

    async fn post(&self, path: &str, body: &Value) -> Result<Value, ControlError> {
        self.answer(self.http.post(format!("{}{path}", self.base)).json(body))
            .await
    }

    async fn answer(&self, request: reqwest::RequestBuilder) -> Result<Value, ControlError> {
        let response = request
            .send()
            .await
            .map_err(|error| unreachable_at(&self.base, &error))?;
        let status = response.status();
        let text = response
            .text()
            .await
            .map_err(|error| unreachable_at(&self.base, &error))?;
        let body: Value = serde_json::from_str(&text).unwrap_or(Value::String(text));
        if status.is_success() {
            return Ok(body);
        }
        let message = body["error"]["message"].as_str().or(body["error"].as_str());
        let message = message.unwrap_or("The twin gave no reason.");
        Err(ControlError::Refused {
            status: status.as_u16(),
            message: message.to_owned(),
        })
    }
}

fn unreachable_at(base: &str, error: &reqwest::Error) -> ControlError {
    let mut reason = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        reason = cause.to_string();
        source = cause.source();
    }
    ControlError::Unreachable {
        base: base.to_owned(),
        reason,
    }
}
