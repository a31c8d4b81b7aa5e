//! Progress of long operations, and their cancellation.

use std::ops::ControlFlow;

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
}

impl Step {
    /// So much of a part whose end is not known.
    pub const fn of(stage: Stage, done: u64) -> Self {
        Self { stage, done, total: None }
    }

    /// So much of so many.
    pub const fn out_of(stage: Stage, done: u64, total: u64) -> Self {
        Self { stage, done, total: Some(total) }
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
