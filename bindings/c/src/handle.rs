//! Handles: what a C program holds instead of a pointer.
//!
//! A handle is a ticket, written as a pointer and never followed. The registry below knows which object each ticket stands
//! for and of which type it is, so that a handle that was freed, is of another type, or never was one is found out and
//! reported: with plain pointers all of these would be undefined behaviour.
//!
//! Tickets count up and are never used twice. Each is scrambled with a key of the process, so that neighbours do not look
//! alike, and has its top bit set, which no address of a program has: no stray pointer is a handle, and a handle that is
//! followed by mistake faults at once.
//!
//! The registry holds one share of each object. A call takes another for as long as it runs, so that one thread may free
//! what another still uses.

use std::any::Any;
use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};
use std::ptr;
use std::sync::{Arc, OnceLock, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use sealock::ErrorKind;

use crate::error::Failure;
use crate::process;

/// A type of the header whose pointers are handles.
pub(crate) trait Handle: 'static {
    /// What a handle stands for.
    type Value: Send + Sync + 'static;
    /// The type's name in C.
    const NAME: &'static str;
}

/// Says what the handles of each type stand for.
macro_rules! handles {
    ($($name:ident => $value:ty),+ $(,)?) => {
        $(impl $crate::handle::Handle for $name {
            type Value = $value;
            const NAME: &'static str = stringify!($name);
        })+
    };
}
pub(crate) use handles;

struct Entry {
    type_name: &'static str,
    value: Arc<dyn Any + Send + Sync>,
}

struct Registry {
    scramble: Scramble,
    issued: u64,
    // Not a hash map: leak checkers do not follow its pointers, which lead into the middle of an allocation.
    live: BTreeMap<u64, Entry>,
}

static OWN: OnceLock<RwLock<Registry>> = OnceLock::new();

/// The handles of this process. The child of a fork has a registry of its own, which holds no more than its errors: it
/// may never wait for the lock of the one that it inherits, which another thread may have held during the fork.
fn registry() -> &'static RwLock<Registry> {
    static CHILD: OnceLock<RwLock<Registry>> = OnceLock::new();
    let registry = if process::is_forked() { &CHILD } else { &OWN };
    registry.get_or_init(|| {
        let scramble = Scramble { key: RandomState::new().hash_one(0u8) };
        RwLock::new(Registry { scramble, issued: 0, live: BTreeMap::new() })
    })
}

// Nothing panics while it holds the lock half-way through a change.
fn reading() -> RwLockReadGuard<'static, Registry> {
    registry().read().unwrap_or_else(PoisonError::into_inner)
}
fn writing() -> RwLockWriteGuard<'static, Registry> {
    registry().write().unwrap_or_else(PoisonError::into_inner)
}

/// A new handle of an object, which the caller of the library has to free.
pub(crate) fn issue<T: Handle>(value: impl Into<Arc<T::Value>>) -> *mut T {
    let value: Arc<dyn Any + Send + Sync> = value.into();
    let mut registry = writing();
    registry.issued += 1;
    let number = registry.issued;
    registry.live.insert(number, Entry { type_name: T::NAME, value });
    ptr::without_provenance_mut(registry.scramble.ticket(number))
}

/// The object that a handle stands for.
///
/// # Errors
/// [`ErrorKind::InvalidArgument`] for anything but a live handle of this type.
pub(crate) fn find<T: Handle>(handle: *const T) -> Result<Arc<T::Value>, Failure> {
    let found = reading().find(handle);
    if found.is_err() && process::is_forked() {
        // What the parent had can be read, where that needs no waiting.
        return OWN.get().and_then(|inherited| inherited.try_read().ok()?.find(handle).ok()).map_or(found, Ok);
    }
    found
}

/// Takes a handle out of the registry. The object goes with the last call that uses it.
///
/// # Errors
/// As [`find`]; the handle is as it was then.
pub(crate) fn revoke<T: Handle>(handle: *const T) -> Result<Arc<T::Value>, Failure> {
    let mut registry = writing();
    let number = registry.number(handle)?;
    let entry = registry.live.get(&number).ok_or_else(|| registry.unknown::<T>(number))?;
    let value = entry.of_type::<T>()?;
    registry.live.remove(&number);
    Ok(value)
}

/// Frees a handle.
///
/// In the child of a fork, handles of the parent stay: what they stand for has files that the parent writes, and threads
/// that the child has not.
///
/// # Errors
/// As [`find`].
pub(crate) fn discard<T: Handle>(handle: *const T) -> Result<(), Failure> {
    let value = revoke(handle);
    if process::is_forked() { Ok(()) } else { value.map(drop) }
}

/// How many handles are live.
pub(crate) fn live() -> usize {
    reading().live.len()
}

impl Entry {
    fn of_type<T: Handle>(&self) -> Result<Arc<T::Value>, Failure> {
        // Types of C may stand for the same type of Rust: the name decides.
        let value = (self.type_name == T::NAME).then(|| Arc::clone(&self.value));
        value
            .and_then(|value| value.downcast().ok())
            .ok_or_else(|| invalid::<T>(&format!("a {} handle", self.type_name), "check the order of the arguments"))
    }
}

impl Registry {
    fn find<T: Handle>(&self, handle: *const T) -> Result<Arc<T::Value>, Failure> {
        let number = self.number(handle)?;
        self.live.get(&number).ok_or_else(|| self.unknown::<T>(number))?.of_type::<T>()
    }

    fn number<T: Handle>(&self, handle: *const T) -> Result<u64, Failure> {
        if handle.is_null() {
            return Err(invalid::<T>("NULL", "check the status of the call that should have made it"));
        }
        self.scramble.number(handle.addr()).ok_or_else(|| self.unknown::<T>(0))
    }

    fn unknown<T: Handle>(&self, number: u64) -> Failure {
        match number {
            1.. if number <= self.issued => {
                invalid::<T>("one that was freed", "free a handle once, when nothing uses it")
            }
            _ => invalid::<T>("something that is no handle", "pass what a function of this library put out"),
        }
    }
}

fn invalid<T: Handle>(got: &str, hint: &str) -> Failure {
    Failure::with_hint(ErrorKind::InvalidArgument, format!("expected a {} handle, got {got}", T::NAME), hint)
}

/// Scrambles 63-bit numbers, one to one.
struct Scramble {
    key: u64,
}

const MASK: u64 = u64::MAX >> 1;
const TOP: u64 = !MASK;
const FACTOR: u64 = 0x1e37_79b9_7f4a_7c15;
const INVERSE: u64 = {
    // Newton's iteration doubles the number of correct low bits, beginning with three.
    let (mut inverse, mut round) = (FACTOR, 0);
    while round < 5 {
        inverse = inverse.wrapping_mul(2u64.wrapping_sub(FACTOR.wrapping_mul(inverse)));
        round += 1;
    }
    inverse
};

const _: () = assert!(usize::BITS == 64, "a ticket has 64 bits");

impl Scramble {
    fn ticket(&self, number: u64) -> usize {
        let mixed = half((half((number ^ self.key) & MASK)).wrapping_mul(FACTOR) & MASK);
        (mixed | TOP) as usize
    }

    fn number(&self, ticket: usize) -> Option<u64> {
        let ticket = ticket as u64;
        let mixed = half(half(ticket & MASK).wrapping_mul(INVERSE) & MASK);
        (ticket & TOP != 0).then_some((mixed ^ self.key) & MASK)
    }
}

/// Mixes the upper half of a 63-bit number into the lower. Twice is not at all.
const fn half(x: u64) -> u64 {
    x ^ (x >> 32)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Apple;
    struct Pear;
    handles! { Apple => String, Pear => String }

    #[test]
    fn a_ticket_is_one_number_and_no_address() {
        for key in [0, 1, u64::MAX, 0x0123_4567_89ab_cdef] {
            let scramble = Scramble { key };
            for number in (0..1000).chain([MASK - 1, MASK, 1 << 40]) {
                let ticket = scramble.ticket(number);
                assert_eq!(scramble.number(ticket), Some(number));
                assert!(ticket as u64 & TOP != 0);
                // A pointer that is off by some bytes is some other number, and next to surely none that was issued.
                assert_ne!(scramble.number(ticket ^ 8), Some(number));
            }
            assert_eq!(scramble.number(0x7fff_ffff_f000), None);
        }
    }

    #[test]
    fn freed_foreign_and_invented_handles_are_told_apart() {
        let handle: *mut Apple = issue("apple".to_owned());
        assert_eq!(*find(handle).unwrap(), "apple");
        let message = |failure: Failure| failure.message;
        assert_eq!(message(find(handle.cast::<Pear>()).unwrap_err()), "expected a Pear handle, got a Apple handle");
        let used = find(handle).unwrap();
        revoke(handle).unwrap();
        assert_eq!(*used, "apple", "a call that is under way keeps its object");
        assert!(message(revoke(handle).unwrap_err()).ends_with("got one that was freed"));
        assert!(message(find(handle).unwrap_err()).ends_with("got one that was freed"));
        for garbage in [1, 8, 0xdead_beef, usize::MAX, &raw const used as usize] {
            let garbage: *mut Apple = ptr::without_provenance_mut(garbage);
            assert!(message(find(garbage).unwrap_err()).ends_with("something that is no handle"));
        }
        assert!(message(find(ptr::null::<Apple>()).unwrap_err()).ends_with("got NULL"));
    }
}
