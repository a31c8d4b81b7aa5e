//! Progress of long operations, and their cancellation.

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use crate::error::{Classify, ErrorKind};

macro_rules! stages {
    ($($(#[doc = $doc:literal])+ $stage:ident = $name:literal,)+) => {
        /// A part of a long operation.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Stage { $($(#[doc = $doc])+ $stage,)+ }

        impl Stage {
            /// Every stage.
            pub const ALL: &'static [Stage] = &[$(Stage::$stage,)+];

            /// A stable name of one word.
            pub const fn name(self) -> &'static str {
                match self { $(Stage::$stage => $name,)+ }
            }
        }
    };
}

stages! {
    /// Folding a table into its cube. Counted in rows.
    Fold = "fold",
    /// Encrypting into a store. Counted in bytes of ciphertext.
    Store = "store",
    /// Fetching from other peers or a daemon. Counted in bytes of blocks.
    Fetch = "fetch",
    /// Sending to a daemon. Counted in bytes of blocks.
    Upload = "upload",
    /// Writing a CAR. Counted in bytes of blocks.
    Export = "export",
    /// Reading a CAR. Counted in bytes of blocks.
    Import = "import",
    /// Decrypting. Counted in bytes of ciphertext.
    Open = "open",
    /// Writing to a ledger. Counted in transactions.
    Publish = "publish",
    /// Fetching and checking the key that proofs are made with. Counted in keys.
    LoadKey = "load key",
    /// Encrypting a query's secrets. Counted in queries.
    Encrypt = "encrypt",
    /// Making an access proof. Counted in proofs.
    Prove = "prove",
    /// Checking a request and spending its use. Counted in jobs.
    Admit = "admit",
    /// Computing on ciphertexts. Counted in jobs.
    Compute = "compute",
    /// Sealing a result and signing its receipt. Counted in jobs.
    Release = "release",
    /// Waiting for a node that cannot be reached or is busy. Counted in seconds, of those for which it is asked again.
    Wait = "wait",
}

/// How far a long operation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// The part that it is in.
    pub stage: Stage,
    /// How much of the part is done, in the stage's unit.
    pub done: u64,
    /// How much there is to do, in the stage's unit, where that is known.
    pub total: Option<u64>,
    /// How long the rest of the part will take at the rate so far, where that can be said: see [`Meter`].
    pub eta: Option<Duration>,
}

impl Step {
    /// So much of a part whose end is not known.
    pub const fn of(stage: Stage, done: u64) -> Self {
        Self { stage, done, total: None, eta: None }
    }

    /// So much of so many.
    pub const fn out_of(stage: Stage, done: u64, total: u64) -> Self {
        Self { stage, done, total: Some(total), eta: None }
    }
}

/// Counts the bytes of one stage, and says how long the rest will take.
///
/// The rate is that of the bytes moved since the meter was made. What was there already counts as done, but not for the
/// rate: an upload that is resumed does not look as if the half of it had taken no time.
#[derive(Clone, Debug)]
pub struct Meter {
    stage: Stage,
    total: Option<u64>,
    moved: u64,
    kept: u64,
    since: Instant,
}

impl Meter {
    /// A meter that starts now. `total` are the bytes of the whole stage, where they are known.
    pub fn new(stage: Stage, total: Option<u64>) -> Self {
        Self { stage, total, moved: 0, kept: 0, since: Instant::now() }
    }

    /// Says, perhaps anew, how many bytes there are in all.
    pub fn expect(&mut self, total: Option<u64>) {
        self.total = total;
    }

    /// So many bytes more were moved.
    pub fn moved(&mut self, bytes: u64) {
        self.moved = self.moved.saturating_add(bytes);
    }

    /// So many bytes more need not be moved.
    pub fn kept(&mut self, bytes: u64) {
        self.kept = self.kept.saturating_add(bytes);
    }

    /// Bytes moved or kept so far.
    pub const fn done(&self) -> u64 {
        self.moved.saturating_add(self.kept)
    }

    /// How far the stage is.
    pub fn step(&self) -> Step {
        let done = self.done();
        // A total that turned out too small is no total.
        let total = self.total.filter(|total| done <= *total);
        let eta = total.and_then(|total| remaining(self.moved, total - done, self.since.elapsed()));
        Step { stage: self.stage, done, total, eta }
    }
}

/// How long `left` bytes will take if `moved` took `elapsed`; unknown as long as nothing was moved.
fn remaining(moved: u64, left: u64, elapsed: Duration) -> Option<Duration> {
    match (moved, left) {
        (_, 0) => Some(Duration::ZERO),
        (0, _) => None,
        _ => Duration::try_from_secs_f64(elapsed.as_secs_f64() * (left as f64 / moved as f64)).ok(),
    }
}

/// Told now and then how far an operation is; answers whether to go on.
///
/// [`ControlFlow::Break`] cancels the operation, which then fails with [`ErrorKind::Cancelled`](crate::ErrorKind) and
/// leaves nothing half done. Where nothing can be taken back any more, it is told on and its answer is passed over.
pub type Progress<'a> = dyn FnMut(Step) -> ControlFlow<()> + Send + 'a;

/// A progress function that says nothing and never cancels.
pub fn quiet() -> impl FnMut(Step) -> ControlFlow<()> + Send {
    |_| ControlFlow::Continue(())
}

/// The caller cancelled the operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cancelled by the caller before it could {}", stage.name())]
pub struct Cancelled {
    /// The part that was not done any more.
    pub stage: Stage,
}

impl Classify for Cancelled {
    fn kind(&self) -> ErrorKind {
        ErrorKind::Cancelled
    }
}

/// Tells a step, and stops where the caller says so.
pub(crate) fn tell(progress: &mut Progress<'_>, step: Step) -> Result<(), Cancelled> {
    match progress(step) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(()) => Err(Cancelled { stage: step.stage }),
    }
}

/// Tells a step that nothing stops any more.
pub(crate) fn inform(progress: &mut Progress<'_>, step: Step) {
    let _answer = progress(step);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rest_takes_as_long_as_its_share_of_what_was_moved() {
        let second = Duration::from_secs(1);
        assert_eq!(remaining(10, 30, second), Some(3 * second));
        assert_eq!(remaining(10, 0, second), Some(Duration::ZERO));
        assert_eq!(remaining(0, 30, second), None, "nothing was moved yet");
        assert_eq!(remaining(1, u64::MAX, Duration::from_secs(u64::MAX)), None, "longer than a duration can be");
    }

    #[test]
    fn what_was_there_already_is_done_but_does_not_make_the_rest_look_faster() {
        let mut meter = Meter::new(Stage::Upload, Some(100));
        meter.kept(60);
        let step = meter.step();
        assert_eq!((step.done, step.total, step.eta), (60, Some(100), None));
        meter.moved(40);
        let step = meter.step();
        assert_eq!((step.done, step.total, step.eta), (100, Some(100), Some(Duration::ZERO)));
        meter.moved(1);
        assert_eq!(meter.step(), Step::of(Stage::Upload, 101), "more than was expected");
    }
}
