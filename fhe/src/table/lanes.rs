//! Bootstraps on devices apart from the processor, a whole chunk at a time.
//!
//! Such a device gives back single coefficients of the ring elements that it has turned, each as a ciphertext under the
//! flattened key, whose mask is the ring element's mask in another order. So the first one's mask, and one body of each
//! box, are the ring element as far as it counts. What is taken are the multiples of a box's width; for the middles of boxes
//! to lie there, bits turn ring elements by half a box more.
//!
//! A device works on several batches at once, each in a **lane** of its own: while one is computed, others are being
//! copied. A batch has a lane for one call, or from [`Bootstrap::bits`] on until the bits are dropped; nothing that holds
//! one waits for another, nor for a thread of the pool.

use std::{
    ops::{Deref, DerefMut},
    sync::{Condvar, Mutex, PoisonError},
};

use super::{
    bootstrap::{Bootstrap, Digits},
    evaluate::ELEMENT,
    params::{BOX, BOXES, N},
    result::{MIDDLE, to_element},
};

/// Words of a ciphertext under the big key.
pub(crate) const CIPHERTEXT: usize = N + 1;
/// Half a box, as a phase that turns by as much.
const HALF_BOX: u64 = (MIDDLE as u64) << (64 - (2 * N).ilog2());

/// Room on a device for up to [`super::ROWS_PER_CHUNK`] rows.
pub(crate) trait Lane: Send {
    /// Switches ciphertexts to the small key, where they stay.
    fn switch(&mut self, big: &[u64]);

    /// Turns one ring element by each of what was switched, and gives the constant coefficients.
    fn constants(&mut self, digits: Digits, element: &[u64]) -> Vec<u64>;

    /// Turns a ring element for each of what was switched, with fine digits, and gives the constant coefficients, then of each
    /// multiple of [`BOX`] the bodies of all rows.
    fn boxes(&mut self, elements: &[u64]) -> (Vec<u64>, Vec<u64>);
}

/// Lanes on one or several devices, over which the rows of a chunk are spread.
pub(crate) struct Lanes<L> {
    /// Of each device, those that nobody has.
    free: Mutex<Vec<Vec<L>>>,
    returned: Condvar,
    devices: usize,
}

/// A lane that is given back when this is dropped.
pub(crate) struct Held<'a, L> {
    lanes: &'a Lanes<L>,
    device: usize,
    /// There until then.
    lane: Option<L>,
}

impl<L> Lanes<L> {
    /// With at least one lane on each of at least one device.
    pub fn new(of_devices: Vec<Vec<L>>) -> Self {
        debug_assert!(!of_devices.is_empty() && of_devices.iter().all(|lanes| !lanes.is_empty()));
        Self { devices: of_devices.len(), free: Mutex::new(of_devices), returned: Condvar::new() }
    }

    /// A lane of the device that has most of them free; waits for one.
    fn hold(&self) -> Held<'_, L> {
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let most = (0..self.devices).max_by_key(|&device| free[device].len());
            if let Some((device, lane)) = most.and_then(|device| Some((device, free[device].pop()?))) {
                return Held { lanes: self, device, lane: Some(lane) };
            }
            free = self.returned.wait(free).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl<L> Drop for Held<'_, L> {
    fn drop(&mut self) {
        let mut free = self.lanes.free.lock().unwrap_or_else(PoisonError::into_inner);
        free[self.device].extend(self.lane.take());
        self.lanes.returned.notify_one();
    }
}

impl<L> Deref for Held<'_, L> {
    type Target = L;

    fn deref(&self) -> &L {
        self.lane.as_ref().expect("it is there until it is given back")
    }
}

impl<L> DerefMut for Held<'_, L> {
    fn deref_mut(&mut self) -> &mut L {
        self.lane.as_mut().expect("it is there until it is given back")
    }
}

impl<L: Lane> Bootstrap for Lanes<L> {
    type Bits<'a>
        = Held<'a, L>
    where
        L: 'a;

    fn batch(&self, rows: usize) -> usize {
        rows.div_ceil(self.devices)
    }

    fn look_up(&self, digits: Digits, big: &[Vec<u64>], polynomial: &[u64]) -> Vec<Vec<u64>> {
        let mut element = vec![0; ELEMENT];
        element[N..].copy_from_slice(polynomial);
        let words = big.concat();
        let mut lane = self.hold();
        lane.switch(&words);
        let constants = lane.constants(digits, &element);
        drop(lane);
        constants.chunks_exact(CIPHERTEXT).map(<[u64]>::to_vec).collect()
    }

    fn bits(&self, big: &[Vec<u64>]) -> Held<'_, L> {
        let mut words = big.concat();
        words.chunks_exact_mut(CIPHERTEXT).for_each(|bit| bit[N] = bit[N].wrapping_add(HALF_BOX));
        let mut lane = self.hold();
        lane.switch(&words);
        lane
    }

    fn turn(&self, bits: &mut Held<'_, L>, elements: &[u64]) -> Vec<u64> {
        let rows = elements.len() / ELEMENT;
        let (constants, bodies) = bits.boxes(elements);
        let mut turned = Vec::with_capacity(elements.len());
        for (row, constant) in constants.chunks_exact(CIPHERTEXT).enumerate() {
            let mut element = to_element(constant);
            (0..BOXES).for_each(|i| element[N + i * BOX + MIDDLE] = bodies[i * rows + row]);
            turned.extend(element);
        }
        turned
    }
}
