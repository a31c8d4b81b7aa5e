//! Progress of long operations, and their cancellation.

use std::ops::ControlFlow;

/// Told now and then how many bytes of the source are done; answers whether to go on.
///
/// [`ControlFlow::Break`] cancels the operation, which then fails with [`ErrorKind::Cancelled`](crate::ErrorKind) and
/// leaves nothing half done.
pub type Progress<'a> = dyn FnMut(u64) -> ControlFlow<()> + Send + 'a;

/// A progress function that says nothing and never cancels.
pub fn quiet() -> impl FnMut(u64) -> ControlFlow<()> + Send {
    |_| ControlFlow::Continue(())
}
