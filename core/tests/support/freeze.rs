//! A disk that stops at a chosen write, to try a database at every point at which the power can fail.
//!
//! [`every_crash_point`] runs a workload once to count its disk operations (write, sync, change of length), then once per
//! operation with the disk stopping there, and hands what was left on the disk to a check. The operation at which it
//! stops, and all after it, fail; what was written and not synced may be lost in any combination ([`Loss`]).

use std::{
    io,
    sync::{Arc, Mutex},
};

use redb::{StorageBackend, backends::InMemoryBackend};

/// A disk keeps or loses a sector as a whole.
const SECTOR: usize = 512;

/// What happens to what was not synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// Nothing is lost: the process was killed, not the machine.
    Nothing,
    /// All of it is lost.
    Everything,
    /// Each sector of each write, and each change of length, is kept or lost by the toss of a coin with this seed.
    Some {
        /// Seed of the coin.
        seed: u64,
    },
}

/// Where and how a run crashed. Its `Debug` is what one needs to repeat it.
#[derive(Clone, Copy, Debug)]
#[allow(dead_code, reason = "the fields are shown when a check fails")]
pub struct CrashPoint {
    /// The operation that failed first, from 0.
    pub operation: u64,
    /// Of how many.
    pub of: u64,
    /// What happened to what was not synced.
    pub loss: Loss,
}

enum Pending {
    Write { offset: usize, data: Vec<u8> },
    SetLen(usize),
}

#[derive(Default)]
struct State {
    /// What the process sees.
    live: Vec<u8>,
    /// What is safe.
    synced: Vec<u8>,
    /// What happened since the last sync.
    pending: Vec<Pending>,
    operations: u64,
    stop_at: Option<u64>,
}

/// The disk. Clones are the same disk.
#[derive(Clone, Default)]
pub struct Disk(Arc<Mutex<State>>);

impl std::fmt::Debug for Disk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Disk")
    }
}

impl Disk {
    /// A disk that holds `image`, and stops at operation `stop_at`, if at all.
    pub fn new(image: Vec<u8>, stop_at: Option<u64>) -> Self {
        Self(Arc::new(Mutex::new(State { live: image.clone(), synced: image, stop_at, ..State::default() })))
    }

    /// How many operations it was asked for.
    pub fn operations(&self) -> u64 {
        self.0.lock().unwrap().operations
    }

    /// What is on the disk when the power comes back.
    pub fn image(&self, loss: Loss) -> Vec<u8> {
        let state = self.0.lock().unwrap();
        let mut image = state.synced.clone();
        let mut coin = match loss {
            Loss::Nothing => Coin::Always(true),
            Loss::Everything => Coin::Always(false),
            Loss::Some { seed } => Coin::Random(seed),
        };
        for operation in &state.pending {
            match operation {
                Pending::SetLen(len) => {
                    if coin.toss() {
                        image.resize(*len, 0);
                    }
                }
                Pending::Write { offset, data } => {
                    let mut start = 0;
                    while start < data.len() {
                        // Up to the next boundary of a sector of the disk.
                        let end = (start + SECTOR - (offset + start) % SECTOR).min(data.len());
                        if coin.toss() {
                            write_at(&mut image, offset + start, &data[start..end]);
                        }
                        start = end;
                    }
                }
            }
        }
        image
    }

    fn operate<T>(&self, work: impl FnOnce(&mut State) -> io::Result<T>) -> io::Result<T> {
        let mut state = self.0.lock().unwrap();
        let number = state.operations;
        state.operations += 1;
        if state.stop_at.is_some_and(|stop| number >= stop) {
            return Err(io::Error::other("the disk has stopped"));
        }
        work(&mut state)
    }
}

fn write_at(image: &mut Vec<u8>, offset: usize, data: &[u8]) {
    if image.len() < offset + data.len() {
        image.resize(offset + data.len(), 0);
    }
    image[offset..offset + data.len()].copy_from_slice(data);
}

impl StorageBackend for Disk {
    fn len(&self) -> io::Result<u64> {
        Ok(self.0.lock().unwrap().live.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let state = self.0.lock().unwrap();
        let offset = offset as usize;
        let found = state.live.get(offset..offset + out.len()).ok_or(io::ErrorKind::UnexpectedEof)?;
        out.copy_from_slice(found);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.operate(|state| {
            state.live.resize(len as usize, 0);
            state.pending.push(Pending::SetLen(len as usize));
            Ok(())
        })
    }

    fn sync_data(&self) -> io::Result<()> {
        self.operate(|state| {
            state.synced = state.live.clone();
            state.pending.clear();
            Ok(())
        })
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.operate(|state| {
            write_at(&mut state.live, offset as usize, data);
            state.pending.push(Pending::Write { offset: offset as usize, data: data.to_vec() });
            Ok(())
        })
    }
}

enum Coin {
    Always(bool),
    Random(u64),
}

impl Coin {
    fn toss(&mut self) -> bool {
        match self {
            Coin::Always(side) => *side,
            // SplitMix64 (Steele, Lea and Flood, OOPSLA 2014).
            Coin::Random(state) => {
                *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
                let mut z = *state;
                z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
                z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
                (z ^ (z >> 31)) & 1 == 1
            }
        }
    }
}

/// Memory that holds `image`: a disk that works.
pub fn healthy(image: &[u8]) -> InMemoryBackend {
    let backend = InMemoryBackend::new();
    backend.set_len(image.len() as u64).unwrap();
    backend.write(0, image).unwrap();
    backend
}

/// What a check sees after a crash.
pub struct Crash<'a, A> {
    /// What the workload said was done before the disk stopped.
    pub acknowledged: &'a A,
    /// The disk after the power came back.
    pub image: Vec<u8>,
    /// Where it stopped; put it into every assertion's message.
    pub point: CrashPoint,
}

/// Tries `workload` with the disk stopping at each of its operations, and calls `check` for each of the losses: nothing,
/// everything, and `random` times some. Returns how many operations there were.
///
/// `workload` opens its database on the disk that it is given, which starts as `image`, stops at the first error, and
/// returns what had been acknowledged by then. The seeds follow from the environment's `SEALOCK_CRASH_SEED` (0 by default),
/// and each is part of its crash point.
pub fn every_crash_point<A>(
    image: &[u8],
    random: u64,
    workload: impl Fn(Disk) -> A,
    mut check: impl FnMut(Crash<'_, A>),
) -> u64 {
    let base: u64 = std::env::var("SEALOCK_CRASH_SEED").map_or(0, |s| s.parse().expect("a number"));
    let probe = Disk::new(image.to_vec(), None);
    workload(probe.clone());
    let of = probe.operations();
    assert!(of > 0, "the workload writes something");
    for operation in 0..of {
        let disk = Disk::new(image.to_vec(), Some(operation));
        let acknowledged = workload(disk.clone());
        let seeds = (0..random).map(|i| Loss::Some { seed: base.wrapping_add(operation * random + i) });
        for loss in [Loss::Nothing, Loss::Everything].into_iter().chain(seeds) {
            let point = CrashPoint { operation, of, loss };
            check(Crash { acknowledged: &acknowledged, image: disk.image(loss), point });
        }
    }
    of
}
