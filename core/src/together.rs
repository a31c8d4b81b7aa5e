//! Work that costs little more for many than for one: those who come while it is done for others wait, and have it done
//! together.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Threads that bring a `T` each, and get an `R` for it.
///
/// A few may work at the same time, each in a *lane* of its own. Who finds a lane free works at once. The others wait until one
/// that has worked passes its lane on: to who has waited longest, which then takes along what others wait with. So nobody
/// waits for company, and the more there are, the more is done together.
#[derive(Debug)]
pub(crate) struct Together<T, R> {
    lanes: usize,
    state: Mutex<State<T, R>>,
}

#[derive(Debug)]
struct State<T, R> {
    /// How many lanes are taken. Nobody waits unless all are.
    busy: usize,
    waiting: VecDeque<Waiting<T, R>>,
}

/// What a thread waits with, and where to tell it. It is dropped untold if the work came to nothing.
#[derive(Debug)]
struct Waiting<T, R> {
    item: Arc<T>,
    tell: SyncSender<Word<R>>,
}

#[derive(Debug)]
enum Word<R> {
    Done(R),
    /// The thread has a lane, and what it waited with was taken out.
    Turn,
}

/// A lane, passed on when it is dropped.
struct Lane<'a, T, R>(&'a Together<T, R>);

impl<T, R> Together<T, R> {
    /// So many may work at the same time.
    pub(crate) fn new(lanes: usize) -> Self {
        Self { lanes, state: Mutex::new(State { busy: 0, waiting: VecDeque::new() }) }
    }

    /// Has `item` worked on, by this thread or by another. `most` says how many are taken together, at least one, at the moment
    /// they are taken; `work` gives one `R` for each, in their order.
    ///
    /// Returns nothing if `work` gave nothing or panicked, here or where `item` had been taken along: it is then this
    /// thread's to see to it alone.
    pub(crate) fn join(
        &self,
        item: &Arc<T>,
        most: impl FnOnce() -> usize,
        work: impl FnOnce(&[Arc<T>]) -> Option<Vec<R>>,
    ) -> Option<R> {
        let lane = match self.enter(item) {
            Ok(lane) => lane,
            Err(told) => match told.recv().ok()? {
                Word::Done(outcome) => return Some(outcome),
                Word::Turn => Lane(self),
            },
        };
        let others: Vec<_> = {
            let (most, mut state) = (most(), self.state());
            let count = state.waiting.len().min(most.saturating_sub(1));
            state.waiting.drain(..count).collect()
        };
        let all: Vec<_> = [item].into_iter().chain(others.iter().map(|one| &one.item)).cloned().collect();
        // Whichever it was that could not be borne, its own thread is to find out.
        let outcomes = catch_unwind(AssertUnwindSafe(|| work(&all))).ok().flatten();
        drop(lane);
        let mut outcomes = outcomes?.into_iter();
        let own = outcomes.next();
        for (one, outcome) in others.into_iter().zip(outcomes) {
            // Whoever waits is there, and there is room for one word.
            let _ = one.tell.send(Word::Done(outcome));
        }
        own
    }

    /// A lane, or a place among those that wait.
    fn enter(&self, item: &Arc<T>) -> Result<Lane<'_, T, R>, Receiver<Word<R>>> {
        let mut state = self.state();
        if state.busy < self.lanes {
            state.busy += 1;
            return Ok(Lane(self));
        }
        let (tell, told) = sync_channel(1);
        state.waiting.push_back(Waiting { item: Arc::clone(item), tell });
        Err(told)
    }

    fn state(&self) -> MutexGuard<'_, State<T, R>> {
        // Nothing that could panic happens under it.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T, R> Drop for Lane<'_, T, R> {
    fn drop(&mut self) {
        let mut state = self.0.state();
        match state.waiting.pop_front() {
            Some(next) => {
                drop(state);
                let _ = next.tell.send(Word::Turn);
            }
            None => state.busy -= 1,
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
    use std::thread;
    use std::time::Duration;

    use super::*;

    /// Brings all while every lane is taken, so that they wait for each other; then lets them go on. Says what each got.
    pub(crate) fn waiting_together<T: Send + Sync, R: Send, A: Send>(
        together: &Together<T, R>,
        items: &[T],
        first: &Arc<T>,
        bring: impl Fn(&T) -> A + Sync,
    ) -> Vec<A> {
        let lanes: Vec<_> = (0..together.lanes).map(|_| together.enter(first).ok().unwrap()).collect();
        let answers = thread::scope(|scope| {
            let bring = &bring;
            let mut threads = Vec::new();
            for (number, item) in items.iter().enumerate() {
                threads.push(scope.spawn(move || bring(item)));
                // In their order.
                while together.state().waiting.len() <= number {
                    thread::sleep(Duration::from_millis(1));
                }
            }
            drop(lanes);
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        let state = together.state();
        assert!(state.busy == 0 && state.waiting.is_empty(), "whoever comes next finds it free");
        answers
    }

    fn doubled(all: &[Arc<u32>]) -> Option<Vec<(u32, usize)>> {
        Some(all.iter().map(|n| (**n * 2, all.len())).collect())
    }

    #[test]
    fn those_who_wait_are_served_together_and_in_turn() {
        let together = Together::new(1);
        let bring = |n: &u32| together.join(&Arc::new(*n), || 4, doubled).unwrap();
        let answers = waiting_together(&together, &[0, 1, 2, 3, 4, 5], &Arc::new(9), bring);
        assert_eq!(answers, [(0, 4), (2, 4), (4, 4), (6, 4), (8, 2), (10, 2)]);
        assert_eq!(bring(&7), (14, 1), "nobody waits for company");
        let answers =
            waiting_together(&together, &[1, 2], &Arc::new(9), |n| together.join(&Arc::new(*n), || 0, doubled));
        assert_eq!(answers, [Some((2, 1)), Some((4, 1))], "at least one");
    }

    #[test]
    fn work_that_comes_to_nothing_leaves_each_to_itself() {
        let together = Together::new(1);
        for panics in [false, true] {
            let work = |all: &[Arc<u32>]| {
                assert!(!(panics && all.len() > 1), "on purpose");
                if all.len() > 1 { None } else { doubled(all) }
            };
            let bring = |n: &u32| together.join(&Arc::new(*n), || 3, work);
            let answers = waiting_together(&together, &[0, 1, 2, 3], &Arc::new(9), bring);
            assert_eq!(answers, [None, None, None, Some((6, 1))]);
        }
    }

    /// The one who has a lane may go without having worked, by a panic of its caller's.
    #[test]
    fn a_panic_while_others_wait_passes_the_lane_on() {
        let together = Together::new(1);
        let bring = |n: &u32| {
            let most = || if *n == 1 { panic!("on purpose") } else { 1 };
            catch_unwind(AssertUnwindSafe(|| together.join(&Arc::new(*n), most, doubled))).ok().flatten()
        };
        let answers = waiting_together(&together, &[0, 1, 2], &Arc::new(9), bring);
        assert_eq!(answers, [Some((0, 1)), None, Some((4, 1))]);
    }

    #[test]
    fn there_are_as_many_at_work_as_there_are_lanes_and_each_gets_its_own() {
        let (together, at_work, wrong) = (Together::new(3), AtomicUsize::new(0), AtomicBool::new(false));
        thread::scope(|scope| {
            for thread in 0..16 {
                let (together, at_work, wrong) = (&together, &at_work, &wrong);
                scope.spawn(move || {
                    for round in 0..200 {
                        let work = |all: &[Arc<u32>]| {
                            let now = at_work.fetch_add(1, Ordering::SeqCst);
                            thread::yield_now();
                            at_work.fetch_sub(1, Ordering::SeqCst);
                            if now < 3 { doubled(all) } else { None }
                        };
                        let n = thread * 1000 + round;
                        if together.join(&Arc::new(n), || 5, work).is_none_or(|(twice, _)| twice != 2 * n) {
                            wrong.store(true, Ordering::SeqCst);
                        }
                    }
                });
            }
        });
        assert!(!wrong.into_inner());
    }
}
