//! Actions of a test at Stripe, as the product's owner would take them in the dashboard, and on the
//! twin.

use super::*;

impl Stage {
    /// The twin's events of a type, newest first.
    pub async fn stripe_events(&self, kind: &str) -> Vec<Value> {
        self.stripe_list(&format!("/v1/events?limit=100&type={kind}"))
            .await
    }

    /// The twin's newest event of a type.
    pub async fn stripe_event(&self, kind: &str) -> Value {
        self.stripe_events(kind).await.remove(0)
    }

    /// Reads from the twin with a secret key.
    pub async fn stripe_get(&self, path: &str) -> Value {
        self.stripe(self.http.get(self.at_stripe(path))).await
    }

    /// The objects of a list, newest first.
    pub async fn stripe_list(&self, path: &str) -> Vec<Value> {
        let listed = self.stripe_get(path).await;
        listed["data"].as_array().expect("a list").clone()
    }

    /// The id of the newest object of a list.
    pub async fn stripe_id(&self, path: &str) -> String {
        id_of(&self.stripe_list(path).await[0])
    }

    /// Writes to the twin.
    pub async fn stripe_post(&self, path: &str, form: &[(&str, &str)]) -> Value {
        let request = self.http.post(self.at_stripe(path)).form(form);
        let value = self.stripe(request).await;
        assert!(value.get("error").is_none(), "{path}: {value}");
        value
    }

    pub async fn stripe_delete(&self, path: &str) -> Value {
        self.stripe(self.http.delete(self.at_stripe(path))).await
    }

    fn at_stripe(&self, path: &str) -> String {
        format!("{}{path}", self.twin_url)
    }

    async fn stripe(&self, request: reqwest::RequestBuilder) -> Value {
        let answer = request.bearer_auth("sk_test_other").send().await;
        let answer = answer.expect("the twin answers");
        answer.json().await.expect("JSON")
    }

    /// The newest subscription, whatever its status.
    pub async fn subscription(&self) -> Value {
        let mut all = self.stripe_list("/v1/subscriptions?status=all").await;
        all.remove(0)
    }

    /// The path of the newest subscription.
    pub async fn subscription_path(&self) -> String {
        format!("/v1/subscriptions/{}", id_of(&self.subscription().await))
    }

    /// The price at Stripe that sells a plan.
    pub fn price(&self, plan: &str) -> String {
        self.app.prices().price_of_tier[plan].clone()
    }

    /// The newest charge of this amount.
    pub async fn charge_of(&self, amount: i64) -> String {
        let all = self.stripe_list("/v1/charges").await;
        let found = all.iter().find(|charge| charge["amount"] == amount);
        id_of(found.expect("the charge"))
    }

    /// Refunds the remaining amount of a charge.
    pub async fn refund(&self, charge: &str) {
        let form = [("charge", charge)];
        self.stripe_post("/v1/refunds", &form).await;
    }

    /// Refunds this many minor units of a charge.
    pub async fn refund_part(&self, charge: &str, amount: &str) {
        let form = [("charge", charge), ("amount", amount)];
        self.stripe_post("/v1/refunds", &form).await;
    }

    /// Refunds the remaining amount of the newest charge.
    pub async fn refund_newest(&self) {
        self.refund(&self.stripe_id("/v1/charges").await).await;
    }

    /// Issues a credit note that returns this many minor units of an invoice in the way that `how`
    /// names: `refund_amount`, `credit_amount` or `out_of_band_amount`.
    pub async fn credit_note(&self, invoice: &str, amount: &str, how: &str) {
        let form = [("invoice", invoice), ("amount", amount), (how, amount)];
        self.stripe_post("/v1/credit_notes", &form).await;
    }

    /// Creates a promotion code that works once and takes this percentage off.
    pub async fn promotion_code(&self, code: &str, percent: &str) {
        let form = [("percent_off", percent), ("duration", "once")];
        let coupon = id_of(&self.stripe_post("/v1/coupons", &form).await);
        let form = [
            ("promotion[type]", "coupon"),
            ("promotion[coupon]", &coupon),
            ("code", code),
        ];
        self.stripe_post("/v1/promotion_codes", &form).await;
    }

    /// Enters a promotion code on the page of a session.
    pub async fn enter_code(&self, session: &str, code: &str) {
        let page = format!("{}/c/pay/{session}/promotion", self.twin_url);
        let typed = self
            .http
            .post(page)
            .form(&[("promotion_code", code)])
            .send();
        let status = typed.await.expect("the twin answers").status();
        assert!(status.is_redirection(), "{status}");
    }

    /// Starts a trial of a plan for a customer.
    pub async fn start_trial(&self, customer: &str, plan: &str) {
        let form = [
            ("customer", customer),
            ("items[0][price]", &self.price(plan)),
            ("trial_period_days", "14"),
        ];
        self.stripe_post("/v1/subscriptions", &form).await;
    }

    /// Attaches a test card such as `pm_card_visa` to a customer and returns its id.
    pub async fn attach(&self, card: &str, customer: &str) -> String {
        let path = format!("/v1/payment_methods/{card}/attach");
        id_of(&self.stripe_post(&path, &[("customer", customer)]).await)
    }

    /// Makes a payment method the customer's default for later payments.
    pub async fn pays_with(&self, customer: &str, method: &str) {
        let form = [("invoice_settings[default_payment_method]", method)];
        self.stripe_post(&format!("/v1/customers/{customer}"), &form)
            .await;
    }

    /// Pays a session by bank debit, which settles later.
    pub async fn pay_later(&self, session: &str) {
        self.pay(session, twin::client::PayBy::Delayed).await;
    }

    pub async fn pay(&self, session: &str, by: twin::client::PayBy<'_>) {
        self.twin.pay(session, by).await.expect("the card is good");
    }

    /// Declines the next payment with this code.
    pub async fn decline_next(&self, code: &str) {
        let declined = self.twin.decline_next(None, Some(code)).await;
        declined.expect("the twin obeys");
    }

    /// Fails the service's next calls to Stripe.
    pub async fn faults(&self, fault: Value) {
        self.twin.faults(&fault).await.expect("the twin obeys");
    }

    /// Answers the service's next calls to Stripe with this status.
    pub async fn answers(&self, status: u16, count: u32) {
        self.faults(json!({ "mode": "status", "status": status, "count": count }))
            .await;
    }

    /// Ends the faults.
    pub async fn no_faults(&self) {
        self.faults(json!({ "mode": "none" })).await;
    }

    /// Turns the twin's deliveries on or off.
    pub async fn webhooks(&self, enabled: bool) {
        self.twin.webhooks(enabled).await.expect("the twin obeys");
    }
}

/// The id of an object of an API.
pub fn id_of(object: &Value) -> String {
    object["id"].as_str().expect("an id").to_owned()
}
