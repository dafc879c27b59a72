//! The audit log: who manually did what, to what and why, written in the commit that does it.
//!
//! Actions are timestamped with the security clock, however far a demo or test has moved the
//! billing clock: the log says when an action really happened.

use domain::time::Timestamp;
use domain::words;
use serde_json::{Map, Value, json};

use crate::app::App;

/// The actor of an operator at the command line.
pub const COMMAND_LINE: &str = "cli";

/// The actor when the link of an invitation is opened.
pub const INVITATION: &str = "invitation";

/// The actor of what the host application's session or an emailed link did.
pub const HOST: &str = "sign-in";

words! {
    /// The kind of an action.
    pub enum Action {
        /// A Stripe customer was linked to an account.
        AccountAdopt = "account.adopt",
        /// An account was closed for good.
        AccountClose = "account.close",
        /// The data of an account was downloaded.
        AccountExport = "account.export",
        /// An organization was created.
        AccountFound = "account.found",
        /// An account that existed got the host application's id or another kind, or its owner the id
        /// by which they sign in.
        AccountIdentify = "account.identify",
        /// An account's rows were rebuilt from its journal.
        AccountRebuild = "account.rebuild",
        /// An account's rows were repaired to match Stripe.
        AccountRepair = "account.repair",
        /// A suspended account was allowed to spend again.
        AccountResume = "account.resume",
        /// An account was suspended from spending.
        AccountSuspend = "account.suspend",
        /// A customer that Stripe no longer has was dropped.
        AccountRetire = "account.retire_customer",
        /// An account was synced with Stripe.
        AccountSync = "account.sync",
        /// A tier override was set or removed.
        AccountTierOverride = "account.tier_override",
        /// An alert was acknowledged.
        AlertAcknowledge = "alert.acknowledge",
        /// An audit of the books was started.
        AuditRun = "audit.run",
        /// A purchase was started for an account.
        CheckoutStart = "checkout.start",
        /// Credits were adjusted.
        CreditsAdjust = "credits.adjust",
        /// Promotional credits were granted.
        CreditsGrant = "credits.grant",
        /// Debt was forgiven.
        DebtForgive = "debt.forgive",
        /// It was decided whether a plan continues after a lost dispute.
        DisputeDecide = "dispute.decide",
        /// A webhook event was replayed.
        EventReplay = "event.replay",
        /// Tables were exported.
        Export = "export",
        /// A grant was voided.
        GrantVoid = "grant.void",
        /// An API key was created.
        KeyCreate = "key.create",
        /// An API key was revoked.
        KeyRevoke = "key.revoke",
        /// A spend limit was removed.
        LimitRemove = "limit.remove",
        /// A spend limit was set.
        LimitSet = "limit.set",
        /// Someone was invited to an account.
        MemberInvite = "member.invite",
        /// Someone accepted an invitation.
        MemberJoin = "member.join",
        /// An account without an owner got its owner from the host application.
        MemberOwn = "member.own",
        /// A member was removed from an account, or left it.
        MemberRemove = "member.remove",
        /// A member's role was changed.
        MemberRole = "member.role",
        /// An invitation was withdrawn.
        MemberWithdraw = "member.withdraw",
        /// What an unexplained payment was for was decided.
        PaymentDecide = "payment.decide",
        /// A payment was refunded.
        PaymentRefund = "payment.refund",
        /// A price was agreed with an account.
        PriceAgree = "price.agree",
        /// An agreed price was ended.
        PriceEnd = "price.end",
        /// An unfinished request to Stripe was ended, because it was settled in another way.
        RequestDismiss = "request.dismiss",
        /// An unfinished request to Stripe was tried again.
        RequestRetry = "request.retry",
        /// Notifications, thresholds or automatic top-up were changed.
        SettingsChange = "settings.change",
        /// The host application changed a user's email address.
        UserAddress = "user.address",
        /// The host application ended a user's sessions.
        UserSignOut = "user.sign_out",
        /// An endpoint for outgoing webhooks was created.
        WebhookEndpointCreate = "webhook_endpoint.create",
        /// An endpoint for outgoing webhooks was deleted.
        WebhookEndpointDelete = "webhook_endpoint.delete",
        /// A delivery to an endpoint was queued for resending.
        WebhookEndpointResend = "webhook_endpoint.resend",
        /// An endpoint's secret was rotated.
        WebhookEndpointRotate = "webhook_endpoint.rotate",
        /// An endpoint was changed, enabled or disabled.
        WebhookEndpointUpdate = "webhook_endpoint.update",
    }
}

/// The author of actions: the actor, the time, and the request that caused them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Author {
    actor: String,
    request_id: Option<String>,
    at: Timestamp,
}

impl Author {
    /// Creates an author who acts now. `actor` is the public id of a user or API key,
    /// [`COMMAND_LINE`] or [`INVITATION`].
    pub fn new(app: &App, actor: &str) -> Author {
        Author {
            actor: actor.to_owned(),
            request_id: None,
            at: app.real_now(),
        }
    }

    /// The same author with the id of the request that caused the actions.
    pub fn with_request(self, id: Option<&str>) -> Author {
        let request_id = id.map(str::to_owned);
        Author { request_id, ..self }
    }

    /// The public id of the user or API key, [`COMMAND_LINE`] or [`INVITATION`].
    pub fn actor(&self) -> &str {
        &self.actor
    }

    /// The time of the actions.
    pub fn at(&self) -> Timestamp {
        self.at
    }

    /// An action of this author on `subject`: the public id of an account, or the id of an event,
    /// alert, key and so on.
    pub fn act(&self, action: Action, subject: &str) -> Act<'_> {
        Act {
            author: self,
            action,
            subject: subject.to_owned(),
            detail: Map::new(),
        }
    }
}

/// An action ready to be appended. Details must hold no personal data: the log is never erased.
#[derive(Clone, Debug)]
#[must_use = "an act is in the log only once it was appended"]
pub struct Act<'a> {
    author: &'a Author,
    action: Action,
    subject: String,
    detail: Map<String, Value>,
}

impl Act<'_> {
    /// Adds the reason that the author gave.
    pub fn reason(self, reason: &str) -> Self {
        self.with("reason", json!(reason))
    }

    /// Adds a detail.
    pub fn with(mut self, name: &str, value: Value) -> Self {
        self.detail.insert(name.to_owned(), value);
        self
    }

    /// Appends the action to the log, in the transaction that performs it.
    pub fn append(self, tx: &mut store::Tx<'_>) -> store::Result<()> {
        let detail = Value::Object(self.detail).to_string();
        let request_id = self.author.request_id.as_deref();
        let (actor, action) = (&self.author.actor, self.action.word());
        let at = self.author.at;
        store::audit_log::append(tx, actor, action, &self.subject, &detail, request_id, at)?;
        Ok(())
    }
}
