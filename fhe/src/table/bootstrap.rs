//! What bootstraps: the one thing of an evaluation that takes time, and what differs from device to device.

use std::{cell::RefCell, sync::OnceLock};

use tfhe::core_crypto::{
    algorithms::slice_algorithms::slice_wrapping_sub_scalar_mul_assign,
    commons::computation_buffers::ComputationBuffers,
    fft_impl::fft64::{crypto::bootstrap::batch_blind_rotate_assign_scratch, math::fft::Fft},
    prelude::*,
};

use super::{
    evaluate::{ELEMENT, extract},
    key::EvaluationKey,
    params::{GLWE_SIZE, N, POLY, SMALL, native},
};

/// Rows whose ciphertexts go through the processor's keys together: each part of a key is read once for all of them.
pub(crate) const BATCH: usize = 16;

/// Which bootstrapping key: the parameter set's own, or the one of finer digits, whose outputs have less noise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Digits {
    Coarse,
    Fine,
}

/// A device with an evaluation key on it.
pub(crate) trait Bootstrap: Sync {
    /// Bits, ready to turn ring elements.
    type Bits<'a>
    where
        Self: 'a;

    /// How many of `rows` rows are best given together.
    fn batch(&self, rows: usize) -> usize;

    /// Bootstraps ciphertexts: each turns the polynomial by its phase, and the constant coefficient comes back. Under the
    /// big key, as what is given.
    fn look_up(&self, digits: Digits, big: &[Vec<u64>], polynomial: &[u64]) -> Vec<Vec<u64>>;

    /// Makes bits under the big key ready.
    fn bits(&self, big: &[Vec<u64>]) -> Self::Bits<'_>;

    /// Turns ring elements, one for each bit, by its phase, with fine digits. Of what comes back the masks are whole; of the
    /// bodies, those in the middles of boxes count.
    fn turn(&self, bits: &mut Self::Bits<'_>, elements: &[u64]) -> Vec<u64>;
}

/// The processor: tfhe-rs's bootstrap, one batch on each core.
pub(crate) struct Cpu {
    pub switch: LweKeyswitchKeyOwned<u64>,
    pub coarse: FourierLweBootstrapKeyOwned,
    fine: FourierLweBootstrapKeyOwned,
    pub integers: OnceLock<tfhe::integer::ServerKey>,
}

impl Cpu {
    /// Expands the key, to 240 MB.
    pub fn new(key: &EvaluationKey) -> Self {
        Self {
            switch: key.expand_switch(),
            coarse: key.expand_fourier(Digits::Coarse),
            fine: key.expand_fourier(Digits::Fine),
            integers: OnceLock::new(),
        }
    }

    /// Switches ciphertexts to the small key. As [`keyswitch_lwe_ciphertext`], with each part of the key read once.
    pub fn switch(&self, big: &[Vec<u64>]) -> Vec<Vec<u64>> {
        let key = &self.switch;
        let decomposer = SignedDecomposer::new(key.decomposition_base_log(), key.decomposition_level_count());
        let mut small = vec![vec![0u64; SMALL + 1]; big.len()];
        for (small, big) in small.iter_mut().zip(big) {
            small[SMALL] = big[N];
        }
        for (i, block) in key.iter().enumerate() {
            for (small, big) in small.iter_mut().zip(big) {
                for (part, digit) in block.iter().zip(decomposer.decompose(big[i])) {
                    slice_wrapping_sub_scalar_mul_assign(small, part.as_ref(), digit.value());
                }
            }
        }
        small
    }

    pub fn key(&self, digits: Digits) -> &FourierLweBootstrapKeyOwned {
        match digits {
            Digits::Coarse => &self.coarse,
            Digits::Fine => &self.fine,
        }
    }
}

impl Bootstrap for Cpu {
    type Bits<'a> = Vec<Vec<u64>>;

    fn batch(&self, _: usize) -> usize {
        BATCH
    }

    fn look_up(&self, digits: Digits, big: &[Vec<u64>], polynomial: &[u64]) -> Vec<Vec<u64>> {
        let small = self.switch(big);
        let mut element = vec![0; ELEMENT];
        element[N..].copy_from_slice(polynomial);
        let mut turned = element.repeat(big.len());
        turn(self.key(digits), &mut turned, &small);
        turned.chunks_exact(ELEMENT).map(|element| extract(element, 0)).collect()
    }

    fn bits(&self, big: &[Vec<u64>]) -> Vec<Vec<u64>> {
        self.switch(big)
    }

    fn turn(&self, bits: &mut Vec<Vec<u64>>, elements: &[u64]) -> Vec<u64> {
        let mut turned = elements.to_vec();
        turn(&self.fine, &mut turned, bits);
        turned
    }
}

/// Turns each accumulator by the phase of its bit, which is under the small key.
pub(crate) fn turn(key: &FourierLweBootstrapKeyOwned, accumulators: &mut [u64], bits: &[Vec<u64>]) {
    thread_local! {
        static BUFFERS: RefCell<ComputationBuffers> = RefCell::new(ComputationBuffers::new());
    }
    let modulus = POLY.to_blind_rotation_input_modulus_log();
    let switched: Vec<_> = bits
        .iter()
        .map(|bit| {
            let bit = LweCiphertext::from_container(bit.as_slice(), native());
            lwe_ciphertext_centered_binary_modulus_switch::<u64, usize, _>(bit, modulus)
        })
        .collect();
    let fft = Fft::new(POLY);
    let need = batch_blind_rotate_assign_scratch::<u64>(GLWE_SIZE, POLY, CiphertextCount(bits.len()), fft.as_view());
    let mut list = GlweCiphertextList::from_container(accumulators, GLWE_SIZE, POLY, native());
    BUFFERS.with_borrow_mut(|buffers| {
        buffers.resize(need.unaligned_bytes_required());
        key.as_view().batch_blind_rotate_assign(list.as_mut_view(), &switched, fft.as_view(), buffers.stack());
    });
}
