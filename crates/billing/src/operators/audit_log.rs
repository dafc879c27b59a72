//! The audit log: who did what by hand, on what and why, in the commit that does it.
//!
//! An act carries the time of the security clock, however far a demo or a test has moved the
//! billing clock: the log says when people did things.

use domain::time::Timestamp;
use domain::words;
use serde_json::{Map, Value, json};

use crate::app::App;

/// The author of what the operator does at the command line.
pub const COMMAND_LINE: &str = "cli";

/// The author of what an invitation does when its link is opened.
pub const INVITATION: &str = "invitation";

words! {
    /// The kind of an act.
    pub enum Action {
        /// A customer of Stripe was linked to an account.
        AccountAdopt = "account.adopt",
        /// An account was closed for good.
        AccountClose = "account.close",
        /// The data of an account was downloaded.
        AccountExport = "account.export",
        /// An organization was created.
        AccountFound = "account.found",
        /// An account's rows were rebuilt from its journal.
        AccountRebuild = "account.rebuild",
        /// An account's rows were made to agree with Stripe.
        AccountRepair = "account.repair",
        /// A suspended account may spend again.
        AccountResume = "account.resume",
        /// An account may no longer spend.
        AccountSuspend = "account.suspend",
        /// An account was synced with Stripe.
        AccountSync = "account.sync",
        /// A tier was set over the subscription's, or that was ended.
        AccountTierOverride = "account.tier_override",
        /// An alert was acknowledged.
        AlertAcknowledge = "alert.acknowledge",
        /// A check of the books was started.
        AuditRun = "audit.run",
        /// A purchase was started for an account.
        CheckoutStart = "checkout.start",
        /// Credits were corrected.
        CreditsAdjust = "credits.adjust",
        /// Promotional credits were granted.
        CreditsGrant = "credits.grant",
        /// Debt was forgiven.
        DebtForgive = "debt.forgive",
        /// A webhook event was replayed.
        EventReplay = "event.replay",
        /// Tables were exported.
        Export = "export",
        /// A grant was ended.
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
        /// An account that no one owned got its owner from the host application.
        MemberOwn = "member.own",
        /// A member was removed from an account, or left it.
        MemberRemove = "member.remove",
        /// A member got another role.
        MemberRole = "member.role",
        /// An invitation was withdrawn.
        MemberWithdraw = "member.withdraw",
        /// A payment was refunded.
        PaymentRefund = "payment.refund",
        /// A price was agreed with an account.
        PriceAgree = "price.agree",
        /// An agreed price was ended.
        PriceEnd = "price.end",
        /// Notifications, thresholds or automatic top-up were changed.
        SettingsChange = "settings.change",
        /// An endpoint for outgoing webhooks was created.
        WebhookEndpointCreate = "webhook_endpoint.create",
        /// An endpoint for outgoing webhooks was deleted.
        WebhookEndpointDelete = "webhook_endpoint.delete",
        /// A delivery to an endpoint was queued again.
        WebhookEndpointResend = "webhook_endpoint.resend",
        /// An endpoint got a new secret.
        WebhookEndpointRotate = "webhook_endpoint.rotate",
        /// An endpoint was changed, enabled or disabled.
        WebhookEndpointUpdate = "webhook_endpoint.update",
    }
}

/// The author of acts: who acts, the time, and the request that causes them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Author {
    actor: String,
    request_id: Option<String>,
    at: Timestamp,
}

impl Author {
    /// An author who acts now. `actor` is the public id of a user or of a key, [`COMMAND_LINE`] or
    /// [`INVITATION`].
    pub fn new(app: &App, actor: &str) -> Author {
        Author {
            actor: actor.to_owned(),
            request_id: None,
            at: app.real_now(),
        }
    }

    /// The same author with the id of the request that causes the acts.
    pub fn with_request(self, id: Option<&str>) -> Author {
        let request_id = id.map(str::to_owned);
        Author { request_id, ..self }
    }

    /// The public id of the user or key, or one of the module's names.
    pub fn actor(&self) -> &str {
        &self.actor
    }

    /// The moment of the acts.
    pub fn at(&self) -> Timestamp {
        self.at
    }

    /// An act of this author on `subject`: the public id of an account, or the id of an event, an
    /// alert, a key and the like.
    pub fn act(&self, action: Action, subject: &str) -> Act<'_> {
        Act {
            author: self,
            action,
            subject: subject.to_owned(),
            detail: Map::new(),
        }
    }
}

/// One act, ready to be written down. The details hold no personal data: the log is never erased.
#[derive(Clone, Debug)]
#[must_use = "an act is in the log only once it was appended"]
pub struct Act<'a> {
    author: &'a Author,
    action: Action,
    subject: String,
    detail: Map<String, Value>,
}

impl Act<'_> {
    /// The act with the reason that its author gave.
    pub fn reason(self, reason: &str) -> Self {
        self.with("reason", json!(reason))
    }

    /// The act with one more detail.
    pub fn with(mut self, name: &str, value: Value) -> Self {
        self.detail.insert(name.to_owned(), value);
        self
    }

    /// Writes the act down in the transaction that does it.
    pub fn append(self, tx: &mut store::Tx<'_>) -> store::Result<()> {
        let detail = Value::Object(self.detail).to_string();
        let request_id = self.author.request_id.as_deref();
        let (actor, action) = (&self.author.actor, self.action.word());
        let at = self.author.at;
        store::audit_log::append(tx, actor, action, &self.subject, &detail, request_id, at)?;
        Ok(())
    }
}
