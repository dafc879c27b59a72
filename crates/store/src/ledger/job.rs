//! A queued ledger command, and how a batch of them is decided.

use std::collections::BTreeMap;
use std::sync::Arc;

use domain::ledger::Request;
use domain::time::Timestamp;
use tokio::sync::oneshot;

use super::{Decision, Rules, decide};
use crate::db::Tx;
use crate::error::Result;
use crate::job::BatchJob;

/// A ledger command queued for the writer.
#[derive(Debug)]
pub(crate) struct LedgerJob {
    account: i64,
    request: Request,
    rules: Arc<Rules>,
    now: Timestamp,
    decision: Option<Decision>,
    reply: oneshot::Sender<Result<Decision>>,
}

impl LedgerJob {
    /// Makes a job for the writer; its decision is sent to the receiver after its commit.
    pub(crate) fn new(
        rules: Arc<Rules>,
        account: i64,
        request: Request,
        now: Timestamp,
    ) -> (LedgerJob, oneshot::Receiver<Result<Decision>>) {
        let (reply, answer) = oneshot::channel();
        let job = LedgerJob {
            account,
            request,
            rules,
            now,
            decision: None,
            reply,
        };
        (job, answer)
    }
}

impl BatchJob for LedgerJob {
    fn run_batch(tx: &mut Tx<'_>, jobs: &mut [Self]) -> Result<()> {
        let mut by_account: BTreeMap<i64, Vec<usize>> = BTreeMap::new();
        for (index, job) in jobs.iter_mut().enumerate() {
            job.decision = None;
            by_account.entry(job.account).or_default().push(index);
        }
        // In account order, so that two writers that need the same rows lock them in the same
        // order.
        for (account, indexes) in by_account {
            let (rules, now) = (jobs[indexes[0]].rules.clone(), jobs[indexes[0]].now);
            let requests: Vec<&Request> = indexes.iter().map(|i| &jobs[*i].request).collect();
            let decisions = decide(tx, &rules, account, &requests, now)?;
            for (index, decision) in indexes.into_iter().zip(decisions) {
                jobs[index].decision = Some(decision);
            }
        }
        Ok(())
    }

    fn answer(self, outcome: Result<()>) {
        let answer = outcome.map(|()| {
            self.decision
                .expect("a batch that succeeded decided every job")
        });
        // The receiver is gone if the caller stopped waiting; the entry is committed nevertheless.
        let _ = self.reply.send(answer);
    }
}
