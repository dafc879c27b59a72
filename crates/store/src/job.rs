//! The unit of work: a closure over [`Tx`], or a batch of jobs of one kind.

use tokio::sync::oneshot;

use crate::db::Tx;
use crate::error::Result;

/// Consecutive jobs of one kind in a batch, which share its statements.
pub(crate) trait BatchJob: Sized {
    /// Loads, decides and saves for all `jobs`, in order; each keeps its own result for later. An
    /// error rolls back what was written for all of them. Runs again after a conflict with another
    /// writer, so it starts by discarding the decisions of an earlier run.
    fn run_batch(tx: &mut Tx<'_>, jobs: &mut [Self]) -> Result<()>;

    /// Sends the result, after the commit. `Err` when the batch was not written.
    fn answer(self, outcome: Result<()>);
}

/// A closure with a slot in which its result waits for the commit.
pub(crate) trait ClosureJob: Send {
    fn run(&mut self, tx: &mut Tx<'_>) -> Result<()>;
    fn answer(self: Box<Self>, outcome: Result<()>);
}

struct Closure<F, T> {
    job: F,
    value: Option<T>,
    reply: oneshot::Sender<Result<T>>,
}

impl<F, T> ClosureJob for Closure<F, T>
where
    F: FnMut(&mut Tx<'_>) -> Result<T> + Send,
    T: Send,
{
    fn run(&mut self, tx: &mut Tx<'_>) -> Result<()> {
        self.value = None;
        self.value = Some((self.job)(tx)?);
        Ok(())
    }

    fn answer(self: Box<Self>, outcome: Result<()>) {
        let Closure { value, reply, .. } = *self;
        let answer = outcome.map(|()| value.expect("a job that succeeded has a value"));
        // The receiver is gone if the caller stopped waiting; the job is committed nevertheless.
        let _ = reply.send(answer);
    }
}

/// Boxes `job`; its result is sent to the receiver.
pub(crate) fn closure<F, T>(job: F) -> (Box<dyn ClosureJob>, oneshot::Receiver<Result<T>>)
where
    F: FnMut(&mut Tx<'_>) -> Result<T> + Send + 'static,
    T: Send + 'static,
{
    let (reply, answer) = oneshot::channel();
    (
        Box::new(Closure {
            job,
            value: None,
            reply,
        }),
        answer,
    )
}
