//! Calls to a running twin's control interface, for commands and tests.

use serde_json::{Value, json};

/// Why the twin did not do it.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// Nothing answers at the address.
    #[error("the twin at {base} does not answer: {reason}")]
    Unreachable {
        /// The address that was tried.
        base: String,
        /// What the connection said.
        reason: String,
    },
    /// The twin answered that it cannot.
    #[error("{message}")]
    Refused {
        /// The HTTP status.
        status: u16,
        /// The twin's own sentence.
        message: String,
    },
}

/// How a Checkout session is paid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PayBy<'a> {
    /// The card that always works.
    Card,
    /// Bank debit: completes now, settles later.
    Delayed,
    /// A test payment method, as `pm_card_visa`.
    Method(&'a str),
}

/// A running twin.
#[derive(Debug, Clone)]
pub struct Control {
    base: String,
    http: reqwest::Client,
}

impl Control {
    /// The twin at `base`, as `http://127.0.0.1:12111`.
    ///
    /// # Errors
    ///
    /// When no HTTP client can be made.
    pub fn new(base: &str) -> Result<Self, ControlError> {
        crate::install_crypto();
        let base = base.trim_end_matches('/').to_owned();
        let http = reqwest::Client::builder()
            .no_proxy()
            .build()
            .map_err(|error| unreachable_at(&base, &error))?;
        Ok(Self { base, http })
    }

    /// Pays a Checkout session and returns it.
    ///
    /// # Errors
    ///
    /// When the session is not open or the payment is declined.
    pub async fn pay(&self, session: &str, by: PayBy<'_>) -> Result<Value, ControlError> {
        let method = match by {
            PayBy::Card => "card",
            PayBy::Delayed => "delayed",
            PayBy::Method(method) => method,
        };
        let path = format!("/_twin/checkout/sessions/{session}/pay");
        self.post(&path, &json!({ "payment_method": method })).await
    }

    /// Settles a session that was paid by bank debit.
    ///
    /// # Errors
    ///
    /// When nothing waits to be settled.
    pub async fn settle(&self, session: &str, succeeded: bool) -> Result<Value, ControlError> {
        let outcome = if succeeded { "succeeded" } else { "failed" };
        let path = format!("/_twin/checkout/sessions/{session}/settle");
        self.post(&path, &json!({ "outcome": outcome })).await
    }

    /// Moves the billing clock by a number and `s`, `m`, `h` or `d`; returns when all that falls
    /// due is done.
    ///
    /// # Errors
    ///
    /// When the duration cannot be read or another advance runs.
    pub async fn advance(&self, duration: &str) -> Result<Value, ControlError> {
        self.post("/_twin/clock", &json!({ "advance": duration }))
            .await
    }

    /// Makes what leads to an event of this type, as `stripe trigger` does.
    ///
    /// # Errors
    ///
    /// When the twin knows no such trigger.
    pub async fn trigger(&self, event_type: &str) -> Result<Value, ControlError> {
        self.post("/_twin/trigger", &json!({ "type": event_type }))
            .await
    }

    /// Declines the next payment, of one customer if named, with a decline code if given.
    ///
    /// # Errors
    ///
    /// When the code is none of Stripe's.
    pub async fn decline_next(
        &self,
        customer: Option<&str>,
        code: Option<&str>,
    ) -> Result<Value, ControlError> {
        let body = json!({ "customer": customer, "code": code });
        self.post("/_twin/decline-next", &body).await
    }

    /// Opens a dispute on a charge.
    ///
    /// # Errors
    ///
    /// When the charge is unknown or disputed already.
    pub async fn dispute(&self, charge: &str, reason: Option<&str>) -> Result<Value, ControlError> {
        self.post(
            "/_twin/dispute",
            &json!({ "charge": charge, "reason": reason }),
        )
        .await
    }

    /// Closes a dispute, won or lost.
    ///
    /// # Errors
    ///
    /// When the dispute is unknown or closed.
    pub async fn close_dispute(&self, dispute: &str, won: bool) -> Result<Value, ControlError> {
        let outcome = if won { "won" } else { "lost" };
        let body = json!({ "dispute": dispute, "outcome": outcome });
        self.post("/_twin/dispute/close", &body).await
    }

    /// Sets the trouble that deliveries meet: `drop`, `duplicate`, `reorder`, `delay`.
    ///
    /// # Errors
    ///
    /// When a setting cannot be read.
    pub async fn chaos(&self, settings: &Value) -> Result<Value, ControlError> {
        self.post("/_twin/chaos", settings).await
    }

    /// Switches webhook deliveries on or off.
    ///
    /// # Errors
    ///
    /// When the twin is not reached.
    pub async fn webhooks(&self, enabled: bool) -> Result<Value, ControlError> {
        self.post("/_twin/webhooks", &json!({ "enabled": enabled }))
            .await
    }

    /// Sets a fault for the product's next calls.
    ///
    /// # Errors
    ///
    /// When the fault cannot be read.
    pub async fn faults(&self, fault: &Value) -> Result<Value, ControlError> {
        self.post("/_twin/faults", fault).await
    }

    /// What the deliveries of `stripe listen` are signed with.
    ///
    /// # Errors
    ///
    /// When the twin is not reached or refuses.
    pub async fn cli_secret(&self, key: &str) -> Result<Option<String>, ControlError> {
        let url = format!("{}/v1/stripecli/sessions", self.base);
        let body = "device_name=demo&websocket_features[]=webhooks";
        let kind = "application/x-www-form-urlencoded";
        let request = self.http.post(url).bearer_auth(key).body(body);
        let answer = self.answer(request.header("content-type", kind)).await?;
        Ok(answer["secret"].as_str().map(str::to_owned))
    }

    /// Deletes a webhook endpoint, whose secret nobody knows any more.
    ///
    /// # Errors
    ///
    /// When there is no such endpoint.
    pub async fn delete_webhook_endpoint(&self, id: &str) -> Result<Value, ControlError> {
        let url = format!("{}/v1/webhook_endpoints/{id}", self.base);
        let request = self.http.delete(url).bearer_auth("sk_test_control");
        self.answer(request).await
    }

    /// Reads from the control interface, as `/_twin/mails`.
    ///
    /// # Errors
    ///
    /// When the twin is not reached or refuses.
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
        let said = body["error"]["message"].as_str().or(body["error"].as_str());
        let said = said.unwrap_or("The twin gave no reason.");
        Err(ControlError::Refused {
            status: status.as_u16(),
            message: said.to_owned(),
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
