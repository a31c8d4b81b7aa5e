//! The general route: tfhe-rs's integers. A value's blocks of two bits are products of its digits with public polynomials,
//! so that what was stored to be filtered by is an integer of tfhe-rs without a bootstrap.

use rayon::prelude::*;
use tfhe::{
    core_crypto::prelude::*,
    integer::{BooleanBlock, IntegerCiphertext, RadixCiphertext, ServerKey, prelude::ServerKeyDefaultCMux},
    shortint::{
        self, Ciphertext, PBSOrder,
        atomic_pattern::{AtomicPatternKind, AtomicPatternServerKey, StandardAtomicPatternServerKey},
        ciphertext::{Degree, MaxDegree, NoiseLevel},
        server_key::{ModulusSwitchConfiguration, ShortintBootstrappingKey},
    },
};

use super::{
    bootstrap::{BATCH, Cpu},
    column::{Form, digits, range},
    evaluate::{ELEMENT, Elements, Products, Rows, bits, digit_of, times},
    params::{BLOCK_BITS, BLOCK_DELTA, DELTA, SET, native},
    query::Plan,
    result::{Sample, to_element},
};

impl Cpu {
    /// For each output that is an extremum, of each group: whether there is a value, and the blocks of it.
    pub(crate) fn general(
        &self,
        plan: &Plan,
        rows: &Rows<'_>,
        groups: usize,
        elements: &Elements,
    ) -> Vec<Vec<Vec<Sample>>> {
        let mut extrema = plan.extrema.iter();
        let of_output = plan.outputs().iter().map(|output| {
            let Some((column, greatest)) = output.extremum() else { return Vec::new() };
            let gates = extrema.next().expect("there are gates for each extremum");
            let products = Products::new(plan, gates, rows.len(), elements, None);
            let blocks = blocks(plan.width(column), rows.len(), &elements[&(column, Form::Digits)]);
            (0..groups)
                .map(|group| {
                    let some: Vec<usize> =
                        rows.included().into_iter().filter(|&row| rows.group(row) == Some(group)).collect();
                    self.extremum(&products, &some, &blocks, greatest)
                })
                .collect()
        });
        of_output.collect()
    }

    /// The integer arithmetic of tfhe-rs on this key. It holds a copy of the coarse key.
    fn integers(&self) -> &ServerKey {
        self.integers.get_or_init(|| {
            let bootstrap = ShortintBootstrappingKey::Classic {
                bsk: self.coarse.clone(),
                modulus_switch_noise_reduction_key: ModulusSwitchConfiguration::CenteredMeanNoiseReduction,
            };
            let key = StandardAtomicPatternServerKey::from_raw_parts(
                self.switch.clone(),
                bootstrap,
                PBSOrder::KeyswitchBootstrap,
            );
            ServerKey::new_radix_server_key_from_shortint(shortint::ServerKey::from_raw_parts(
                AtomicPatternServerKey::from(key),
                SET.message_modulus,
                SET.carry_modulus,
                MaxDegree::from_msg_carry_modulus(SET.message_modulus, SET.carry_modulus),
                SET.max_noise_level,
            ))
        })
    }

    fn extremum(
        &self,
        products: &Products<'_>,
        rows: &[usize],
        blocks: &(dyn Fn(usize) -> Vec<Vec<u64>> + Sync),
        greatest: bool,
    ) -> Vec<Sample> {
        let integers = self.integers();
        let count = blocks(0).len();
        let least: RadixCiphertext = integers.create_trivial_zero_radix(count);
        let most: RadixCiphertext = integers.create_trivial_max_radix(count);
        let bound = if greatest { &least } else { &most };
        let mut all: Vec<(BooleanBlock, RadixCiphertext)> = rows
            .par_chunks(BATCH)
            .flat_map_iter(|batch| {
                let bits = bits(self, products, batch, BLOCK_DELTA);
                batch
                    .iter()
                    .zip(bits)
                    .map(|(&row, bit)| {
                        let bit = BooleanBlock::new_unchecked(block(bit, 1));
                        let value =
                            RadixCiphertext::from(blocks(row).into_iter().map(|b| block(b, 3)).collect::<Vec<_>>());
                        let chosen = integers.if_then_else_parallelized(&bit, &value, bound);
                        (bit, chosen)
                    })
                    .collect::<Vec<_>>()
            })
            .collect();
        while all.len() > 1 {
            all = all
                .par_chunks(2)
                .map(|pair| match pair {
                    [(any, a), (other, b)] => {
                        let any = integers.boolean_bitor(any, other);
                        let best =
                            if greatest { integers.max_parallelized(a, b) } else { integers.min_parallelized(a, b) };
                        (any, best)
                    }
                    one => one[0].clone(),
                })
                .collect();
        }
        let (any, value) = all.pop().unwrap_or_else(|| (integers.create_trivial_boolean_block(false), bound.clone()));
        let any = any.into_raw_parts();
        [any].iter().chain(value.blocks()).map(|block| Sample::of_boxes(&to_element(block.ct.as_ref()), 1)).collect()
    }
}

/// A block of tfhe-rs's integers.
fn block(lwe: Vec<u64>, degree: u64) -> Ciphertext {
    Ciphertext::new(
        LweCiphertext::from_container(lwe, native()),
        Degree::new(degree),
        NoiseLevel::NOMINAL,
        SET.message_modulus,
        SET.carry_modulus,
        AtomicPatternKind::Standard(PBSOrder::KeyswitchBootstrap),
    )
}

/// The blocks of each row's value, lowest first.
fn blocks(bits: u8, rows: usize, elements: &[u64]) -> impl Fn(usize) -> Vec<Vec<u64>> + Sync + use<> {
    // For each block: its digit's width, and the digit's ring elements times the block's polynomial.
    let mut products: Vec<(u8, Vec<u64>)> = Vec::new();
    for (digit, width) in digits(bits).into_iter().enumerate() {
        let range = range(bits, rows, digit);
        let words = &elements[range.start * ELEMENT..range.end * ELEMENT];
        for index in 0..u32::from(width).div_ceil(BLOCK_BITS) {
            let of = |v: u64| (v >> (index * BLOCK_BITS)) & ((1 << BLOCK_BITS) - 1);
            let weights: Vec<i64> = (0..1u64 << width).map(|v| of(v) as i64).collect();
            products.push((width, times(words, &weights, BLOCK_DELTA / DELTA)));
        }
    }
    move |row| products.iter().map(|(width, words)| digit_of(words, *width, row)).collect()
}
