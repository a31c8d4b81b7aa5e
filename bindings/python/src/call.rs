//! The one way into the library.
//!
//! Python must stay responsive while the library works, and whatever happens in the library must come out as an exception.
//! [`quick`] runs what takes no time, [`Call`] everything else: on a thread of its own, with the interpreter detached,
//! while the calling thread looks for signals and shows progress.
//!
//! A call that is interrupted is *abandoned*: it is told to stop at its next step and not waited for, since a proof cannot
//! be broken off. Its result is dropped. Calls that need something to themselves, an account's node, a folder, a job, wait
//! for abandoned calls first, which may still hold it.

use std::cell::Cell;
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use pyo3::prelude::*;
use pyo3::types::PyDict;
use sealock::progress::{Progress, Stage, Step};

use crate::convert;
use crate::error::{Failure, Result};

/// How long the calling thread sleeps before it looks for signals again.
const POLL: Duration = Duration::from_millis(40);
/// Steps of one stage are told at most this often.
const TELL: Duration = Duration::from_millis(25);

/// How long a call waits for abandoned ones. One that reads from a stream that never ends is not waited for for ever.
const PATIENCE: Duration = Duration::from_secs(3);

/// Abandoned calls that still run.
static ABANDONED: Mutex<usize> = Mutex::new(0);
static NONE_ABANDONED: Condvar = Condvar::new();
/// The process that made the first call.
static PROCESS: OnceLock<u32> = OnceLock::new();

/// Callers inside the library, and calls that run, abandoned ones among them.
static RUNNING: Mutex<usize> = Mutex::new(0);
static NONE_RUNNING: Condvar = Condvar::new();
/// Whether the interpreter is about to go.
static CLOSING: AtomicBool = AtomicBool::new(false);
/// The thread that ends the interpreter.
static CLOSER: OnceLock<std::thread::ThreadId> = OnceLock::new();
/// How long the interpreter waits for calls when it goes.
const FAREWELL: Duration = Duration::from_secs(5);

thread_local! {
    /// Whether this is the thread of a call, which does not hold the interpreter.
    static WORKING: Cell<bool> = const { Cell::new(false) };
}

/// Runs `work`, which takes a while, without holding the interpreter, on whatever thread this is.
pub fn detached(work: impl FnOnce() + Send) {
    if WORKING.get() {
        return work();
    }
    let mut work = Some(work);
    let _ = Python::try_attach(|py| work.take().map(|work| py.detach(work)));
    // An interpreter that is gone cannot be attached to.
    if let Some(work) = work {
        work();
    }
}

/// Whether the interpreter is about to go: from then on no working thread may enter it.
pub fn closing() -> bool {
    CLOSING.load(Ordering::Relaxed)
}

/// Lets no call begin any more, stops those that run and waits for them and their callers, so that no thread enters an
/// interpreter that is gone, which would abort the process. Called at exit.
#[pyfunction]
pub fn close(py: Python<'_>) {
    CLOSER.get_or_init(|| std::thread::current().id());
    py.detach(|| {
        CLOSING.store(true, Ordering::Relaxed);
        let (mut running, since) = (lock(&RUNNING), Instant::now());
        while *running > 0 && since.elapsed() < FAREWELL {
            running = NONE_RUNNING.wait_timeout(running, POLL).unwrap_or_else(PoisonError::into_inner).0;
        }
    });
    ::log::set_max_level(::log::LevelFilter::Off);
}

/// Raises if this process was forked from one that had used the library.
#[pyfunction]
pub fn check_process() -> Result<()> {
    same_process()
}

/// Counts a call as running until it is dropped.
struct Running;

impl Running {
    fn begin() -> Self {
        *lock(&RUNNING) += 1;
        Self
    }

    /// A caller comes in, unless the interpreter is about to go. A daemon thread then stays here for good: the interpreter
    /// would end it inside this library, and with it the process.
    fn enter(py: Python<'_>) -> Result<Self> {
        let inside = Self::begin();
        if !closing() {
            return Ok(inside);
        }
        drop(inside);
        if CLOSER.get() != Some(&std::thread::current().id()) {
            py.detach(|| {
                loop {
                    std::thread::park();
                }
            });
        }
        Err(going())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        *lock(&RUNNING) -= 1;
        NONE_RUNNING.notify_all();
    }
}

/// What calls are told from then on.
pub fn going() -> Failure {
    Failure::argument("Python is shutting down", "end the threads that use Sealock before the program ends")
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing that is guarded in this crate can be left half-changed by a panic.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs `work`, and makes of a panic what `failure` makes of its message.
pub fn caught_as<T>(failure: impl FnOnce(String) -> Failure, work: impl FnOnce() -> Result<T>) -> Result<T> {
    // Whatever a panic leaves behind is dropped, or guarded by the library's own locks.
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let why =
            panic.downcast_ref::<&str>().map(|s| s.to_string()).or_else(|| panic.downcast_ref::<String>().cloned());
        Err(failure(why.unwrap_or_else(|| "a panic without a message".into())))
    })
}

fn caught<T>(work: impl FnOnce() -> Result<T>) -> Result<T> {
    caught_as(Failure::Panic, work)
}

/// Threads and open files do not survive a fork: what is left of them would wait for ever.
fn same_process() -> Result<()> {
    let here = std::process::id();
    if *PROCESS.get_or_init(|| here) == here { Ok(()) } else { Err(Failure::Forked) }
}

/// Runs what takes no time, detached: the library may log, or wait for a lock that a thread holds which logs.
pub fn quick<T: Send>(py: Python<'_>, work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
    same_process()?;
    let _inside = Running::enter(py)?;
    py.detach(|| caught(work))
}

/// What the two threads of a call share.
struct Shared<T> {
    state: Mutex<State<T>>,
    changed: Condvar,
    cancelled: AtomicBool,
}

struct State<T> {
    outcome: Option<Result<T>>,
    steps: Vec<Step>,
    /// Whether the working thread waits for its last step to be shown: what a progress function raises stops it there.
    waits: bool,
    abandoned: bool,
}

/// A long call.
#[derive(Default)]
pub struct Call<'py> {
    progress: Option<Bound<'py, PyAny>>,
    alone: bool,
}

impl<'py> Call<'py> {
    /// Tells `progress` how far the call is. `True` shows bars; for anything else see `sealock._progress`.
    pub fn progress(mut self, progress: Option<Bound<'py, PyAny>>) -> PyResult<Self> {
        if let Some(progress) = progress {
            let py = progress.py();
            let reporter = py.import("sealock._progress")?.call_method1("reporter", (progress,))?;
            self.progress = (!reporter.is_none()).then_some(reporter);
        }
        Ok(self)
    }

    /// The call needs something to itself, which an abandoned one may still hold.
    pub fn alone(mut self) -> Self {
        self.alone = true;
        self
    }

    /// Runs `work` on a thread of its own until it is done or interrupted.
    pub fn run<T: Send + 'static>(
        self,
        py: Python<'py>,
        work: impl FnOnce(&mut Progress<'_>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        same_process()?;
        let _inside = Running::enter(py)?;
        let shared = Arc::new(Shared {
            state: Mutex::new(State { outcome: None, steps: Vec::new(), waits: false, abandoned: false }),
            changed: Condvar::new(),
            cancelled: AtomicBool::new(false),
        });
        let (theirs, alone, told) = (Arc::clone(&shared), self.alone, self.progress.is_some());
        let thread = std::thread::Builder::new().name("sealock".into());
        let running = Running::begin();
        let spawned = thread.spawn(move || {
            let _running = running;
            WORKING.set(true);
            serve(&theirs, alone, told, work);
        });
        spawned.map_err(|e| Failure::Python(e.into()))?;
        let outcome = self.attend(py, &shared);
        if let Some(bars) = &self.progress
            && let Ok(close) = bars.getattr("close")
        {
            // Bars that cannot be closed are no reason to lose what was computed.
            let _ = close.call0();
        }
        outcome
    }

    /// Waits, shows progress, and looks for signals.
    ///
    /// A progress function that raises cancels the call, which is waited for: where nothing could be taken back any more,
    /// the result counts, and what was raised is reported as unraisable.
    fn attend<T: Send>(&self, py: Python<'py>, shared: &Shared<T>) -> Result<T> {
        let mut raised: Option<PyErr> = None;
        loop {
            let (steps, outcome) = py.detach(|| {
                let mut state = lock(&shared.state);
                if state.outcome.is_none() && state.steps.is_empty() {
                    let woken = shared.changed.wait_timeout(state, POLL);
                    state = woken.unwrap_or_else(PoisonError::into_inner).0;
                }
                (std::mem::take(&mut state.steps), state.outcome.take())
            });
            if raised.is_none()
                && let Err(error) = self.show(steps)
            {
                shared.cancelled.store(true, Ordering::Relaxed);
                raised = Some(error);
            }
            lock(&shared.state).waits = false;
            shared.changed.notify_all();
            // What is done is done: a signal that comes with it is Python's to deliver.
            match (outcome, raised.take()) {
                (Some(Ok(done)), error) => {
                    if let Some(error) = error {
                        error.write_unraisable(py, None);
                    }
                    return Ok(done);
                }
                (Some(Err(_)), Some(error)) => return Err(error.into()),
                (Some(Err(failure)), None) => return Err(failure),
                (None, error) => raised = error,
            }
            if let Err(signal) = py.check_signals() {
                let late = py.detach(|| abandon(shared));
                drop(late);
                return Err(signal.into());
            }
        }
    }

    fn show(&self, steps: Vec<Step>) -> PyResult<()> {
        let Some(progress) = &self.progress else { return Ok(()) };
        let py = progress.py();
        for Step { stage, done, total, eta } in steps {
            let fields = PyDict::new(py);
            fields.set_item("stage", stage.name())?;
            fields.set_item("done", done)?;
            fields.set_item("total", total)?;
            fields.set_item("eta", eta.map(|eta| convert::from_duration(py, eta)).transpose()?)?;
            progress.call_method1("on_step", (convert::record(py, "Step", &fields)?,))?;
        }
        Ok(())
    }
}

/// Gives a call up. What it has brought in the meantime is dropped.
fn abandon<T: Send>(shared: &Shared<T>) -> Option<Result<T>> {
    shared.cancelled.store(true, Ordering::Relaxed);
    let mut state = lock(&shared.state);
    let late = state.outcome.take();
    if late.is_none() {
        state.abandoned = true;
        *lock(&ABANDONED) += 1;
    }
    late
}

/// The working thread.
fn serve<T: Send>(shared: &Shared<T>, alone: bool, told: bool, work: impl FnOnce(&mut Progress<'_>) -> Result<T>) {
    if alone {
        let (mut running, since) = (lock(&ABANDONED), Instant::now());
        while *running > 0 && since.elapsed() < PATIENCE && !shared.cancelled.load(Ordering::Relaxed) {
            running = NONE_ABANDONED.wait_timeout(running, POLL).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
    let mut last: Option<(Stage, Instant)> = None;
    let mut tell = |step: Step| {
        if shared.cancelled.load(Ordering::Relaxed) || closing() {
            return ControlFlow::Break(());
        }
        let ends = step.done == 0 || step.total == Some(step.done);
        let fresh = last.is_some_and(|(stage, at)| stage == step.stage && at.elapsed() < TELL);
        if told && (ends || !fresh) {
            last = Some((step.stage, Instant::now()));
            let mut state = lock(&shared.state);
            state.steps.push(step);
            state.waits = true;
            shared.changed.notify_all();
            while state.waits && !state.abandoned && !closing() {
                state = shared.changed.wait_timeout(state, POLL).unwrap_or_else(PoisonError::into_inner).0;
            }
        }
        if shared.cancelled.load(Ordering::Relaxed) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    let outcome = caught(|| work(&mut tell));
    let mut state = lock(&shared.state);
    if state.abandoned {
        drop(state);
        drop(outcome);
        *lock(&ABANDONED) -= 1;
        NONE_ABANDONED.notify_all();
    } else {
        state.outcome = Some(outcome);
        shared.changed.notify_all();
    }
}
