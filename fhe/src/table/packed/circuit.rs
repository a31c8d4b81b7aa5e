//! From a filter to sums and products of indicators, and how large the noise gets.

use std::{collections::BTreeMap, ops::Range};

use super::{
    column::{MAX_INDICATOR_BITS, digits, limbs},
    ring::{N, NOISE_VARIANCE, PRIMES, T, modulus_bits},
};
use crate::table::{
    column::Form,
    filter::{Digit, Filter},
    query::Output,
};

/// Most leaves of a circuit: 256 MiB of ciphertexts.
const MAX_LEAVES: usize = 512;
/// Most products of a circuit.
const MAX_PRODUCTS: usize = 2048;
/// Standard deviations that a normal complex number exceeds with a probability of 2^-141.
const TAIL: f64 = 9.9;

/// What a row's bit is computed by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Expr {
    /// The sum of some indicators of one digit.
    Leaf(usize),
    /// One minus it.
    Not(Box<Self>),
    /// The product.
    And(Box<Self>, Box<Self>),
    /// The sum of what excludes each other.
    Either(Box<Self>, Box<Self>),
}

/// Some values of a digit.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Leaf {
    pub digit: Digit,
    /// For each value of the digit, whether it is one of them.
    pub holds: Vec<bool>,
}

/// Which rows count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Keep {
    Every,
    None,
    Some(Expr),
}

/// A ciphertext that is computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Computed {
    /// The rows' bits.
    Bits,
    /// A column's limb, of the rows that count.
    Limb(usize, usize),
}

/// A planned query over packed columns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Circuit {
    pub leaves: Vec<Leaf>,
    pub keep: Keep,
    /// What is computed, in this order.
    pub computed: Vec<Computed>,
    /// Degree of the rows' bits.
    pub degree: usize,
    /// So many of the primes hold the noise.
    pub primes: usize,
}

/// A part of a filter.
enum Part {
    Always(bool),
    /// Values of a column.
    Set(usize, Set),
    Expr(Expr),
}

/// Values of a column, nulls perhaps among them.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Set {
    /// Ascending, none empty, none next to another.
    ranges: Vec<Range<u64>>,
    null: bool,
}

impl Circuit {
    /// Plans it; nothing where the parameters do not hold its degree, or where it is too large.
    pub fn plan(bits: &[u8], filter: &Filter, outputs: &[Output]) -> Option<Self> {
        let mut planner = Planner { bits, leaves: BTreeMap::new(), products: 0 };
        let part = planner.node(filter, true)?;
        let keep = match planner.settle(part)? {
            Part::Always(true) => Keep::Every,
            Part::Always(false) => Keep::None,
            Part::Expr(expr) => Keep::Some(expr),
            Part::Set(..) => unreachable!("sets were settled"),
        };
        let mut leaves: Vec<(Leaf, usize)> = planner.leaves.into_iter().collect();
        leaves.sort_unstable_by_key(|(_, index)| *index);
        let leaves: Vec<Leaf> = leaves.into_iter().map(|(leaf, _)| leaf).collect();
        let (degree, bound) = match &keep {
            Keep::Some(expr) => bound(expr, &leaves),
            _ => (0, 0.0),
        };
        let mut computed = Vec::new();
        if keep != Keep::None {
            if outputs.contains(&Output::Count) && keep != Keep::Every {
                computed.push(Computed::Bits);
            }
            let mut columns: Vec<usize> = outputs.iter().filter_map(|output| output.source()).map(|(c, _)| c).collect();
            columns.sort_unstable();
            columns.dedup();
            computed.extend(columns.iter().flat_map(|c| (0..limbs(bits[*c])).map(|limb| Computed::Limb(*c, limb))));
        }
        let masked = computed.iter().any(|one| matches!(one, Computed::Limb(..)));
        let bound = if masked { bound + fresh(1) } else { bound };
        // Below a quarter of the modulus.
        let primes = (1..=PRIMES.len()).find(|primes| bound < modulus_bits(*primes) - 2.0)?;
        Some(Self { leaves, keep, computed, degree, primes })
    }

    /// Degree of what is computed.
    pub fn degree_of(&self, computed: Computed) -> usize {
        self.degree + usize::from(computed != Computed::Bits)
    }

    /// Columns and forms that it takes.
    pub fn sources(&self) -> Vec<(usize, Form)> {
        let mut all: Vec<(usize, Form)> = self.leaves.iter().map(|leaf| (leaf.digit.0, Form::Indicators)).collect();
        all.extend(self.computed.iter().filter_map(|one| match one {
            Computed::Limb(column, _) => Some((*column, Form::Values)),
            Computed::Bits => None,
        }));
        all.sort_unstable();
        all.dedup();
        all
    }
}

/// log2 of the greatest absolute value, in the canonical embedding, of `m + t·e` of a sum of so many fresh ciphertexts.
fn fresh(count: usize) -> f64 {
    let variance = (N * count) as f64 * (T * T) as f64 * (1.0 / 12.0 + NOISE_VARIANCE);
    (TAIL * variance.sqrt()).log2()
}

/// Degree, and log2 of the greatest absolute value in the canonical embedding.
pub(crate) fn bound(expr: &Expr, leaves: &[Leaf]) -> (usize, f64) {
    let sum = |a: f64, b: f64| (a.exp2() + b.exp2()).log2();
    match expr {
        Expr::Leaf(leaf) => (1, fresh(leaves[*leaf].holds.iter().filter(|holds| **holds).count())),
        Expr::Not(inner) => {
            let (degree, inner) = bound(inner, leaves);
            (degree, sum(inner, 0.0))
        }
        Expr::And(a, b) => {
            let (a, b) = (bound(a, leaves), bound(b, leaves));
            (a.0 + b.0, a.1 + b.1)
        }
        Expr::Either(a, b) => {
            let (a, b) = (bound(a, leaves), bound(b, leaves));
            (a.0.max(b.0), sum(a.1, b.1))
        }
    }
}

struct Planner<'a> {
    bits: &'a [u8],
    leaves: BTreeMap<Leaf, usize>,
    products: usize,
}

impl Planner<'_> {
    /// The filter, or its negation, which of a null neither holds.
    fn node(&mut self, filter: &Filter, positive: bool) -> Option<Part> {
        let all = |column: &usize| 0..1u64 << self.bits[*column].min(MAX_INDICATOR_BITS);
        let stored = |column: &usize| self.bits[*column] <= MAX_INDICATOR_BITS;
        let set = |column: &usize, ranges: Vec<Range<u64>>| {
            let (whole, ranges) = (all(column), union(ranges, &all(column)));
            let ranges = if positive { ranges } else { complement(&ranges, &whole) };
            stored(column).then_some(Part::Set(*column, Set { ranges, null: false }))
        };
        match filter {
            Filter::Not(inner) => self.node(inner, !positive),
            Filter::And(parts) | Filter::Or(parts) => {
                let and = matches!(filter, Filter::And(_)) == positive;
                let parts = parts.iter().map(|part| self.node(part, positive)).collect::<Option<Vec<_>>>()?;
                self.combine(parts, and)
            }
            Filter::AtLeast(column, least) => set(column, alone(*least..u64::MAX)),
            Filter::AtMost(column, most) => set(column, alone(0..most.saturating_add(1))),
            Filter::In(column, values) => {
                set(column, values.iter().map(|value| *value..value.saturating_add(1)).collect())
            }
            Filter::Null(column) => {
                let ranges = if positive { Vec::new() } else { alone(all(column)) };
                stored(column).then_some(Part::Set(*column, Set { ranges, null: positive }))
            }
            // Its carries have a high degree.
            Filter::Score(..) => None,
        }
    }

    /// All of these, or any: of one column, one set.
    fn combine(&mut self, parts: Vec<Part>, and: bool) -> Option<Part> {
        let mut sets = BTreeMap::<usize, Set>::new();
        let mut exprs = Vec::new();
        for part in parts {
            match part {
                Part::Always(holds) if holds == and => {}
                Part::Always(holds) => return Some(Part::Always(holds)),
                Part::Set(column, set) => match sets.remove(&column) {
                    None => drop(sets.insert(column, set)),
                    Some(own) => drop(sets.insert(column, own.join(set, and))),
                },
                Part::Expr(expr) => exprs.push(expr),
            }
        }
        if exprs.is_empty() && sets.len() == 1 {
            return sets.pop_first().map(|(column, set)| Part::Set(column, set));
        }
        for (column, set) in sets {
            match self.settle(Part::Set(column, set))? {
                Part::Expr(expr) => exprs.push(expr),
                Part::Always(holds) if holds == and => {}
                always => return Some(always),
            }
        }
        let mut exprs = exprs.into_iter();
        let Some(first) = exprs.next() else { return Some(Part::Always(and)) };
        // One is not if none of them is not.
        let negated = |expr| if and { expr } else { not(expr) };
        let product = exprs.try_fold(negated(first), |own, next| self.and(own, negated(next)))?;
        Some(Part::Expr(negated(product)))
    }

    fn and(&mut self, a: Expr, b: Expr) -> Option<Expr> {
        self.products += 1;
        (self.products <= MAX_PRODUCTS).then(|| Expr::And(a.into(), b.into()))
    }

    /// A set as an expression.
    fn settle(&mut self, part: Part) -> Option<Part> {
        let Part::Set(column, set) = part else { return Some(part) };
        let bits = self.bits[column];
        if !set.null {
            return self.digit(column, digits(bits).len(), bits, &set.ranges);
        }
        let others = complement(&set.ranges, &(0..1 << bits));
        Some(match self.digit(column, digits(bits).len(), bits, &others)? {
            Part::Always(holds) => Part::Always(!holds),
            Part::Expr(expr) => Part::Expr(not(expr)),
            Part::Set(..) => unreachable!("it is settled"),
        })
    }

    /// Whether the lowest `count` digits, of so many bits, are in the ranges: by the highest of them, each of whose values
    /// leaves a set of the lower ones.
    fn digit(&mut self, column: usize, count: usize, bits: u8, ranges: &[Range<u64>]) -> Option<Part> {
        let top = count == digits(self.bits[column]).len();
        if ranges.is_empty() {
            return Some(Part::Always(false));
        }
        // Where a higher digit has been looked at, there is a value.
        if !top && matches!(ranges, [whole] if *whole == (0..1 << bits)) {
            return Some(Part::Always(true));
        }
        let digit = count - 1;
        let width = digits(self.bits[column])[digit];
        let low = bits - width;
        let mut kinds: Vec<(Vec<Range<u64>>, Vec<bool>)> = Vec::new();
        for value in 0..1u64 << width {
            let (start, end) = (value << low, (value + 1) << low);
            let from = ranges.partition_point(|range| range.end <= start);
            let cut = ranges[from..].iter().take_while(|range| range.start < end);
            let rest: Vec<_> = cut.map(|r| r.start.max(start) - start..r.end.min(end) - start).collect();
            match kinds.iter_mut().find(|(own, _)| *own == rest) {
                Some((_, holds)) => holds[value as usize] = true,
                None => {
                    let mut holds = vec![false; 1 << width];
                    holds[value as usize] = true;
                    kinds.push((rest, holds));
                }
            }
        }
        let mut any: Option<Expr> = None;
        for (rest, holds) in kinds {
            let leaf = |planner: &mut Self, holds| planner.leaf(Leaf { digit: (column, digit), holds });
            let own = if digit == 0 || rest.is_empty() {
                if rest.is_empty() { continue } else { leaf(self, holds)? }
            } else {
                match self.digit(column, digit, low, &rest)? {
                    Part::Always(true) => leaf(self, holds)?,
                    Part::Expr(lower) => {
                        let own = leaf(self, holds)?;
                        self.and(own, lower)?
                    }
                    _ => continue,
                }
            };
            any = Some(match any {
                None => own,
                Some(others) => Expr::Either(others.into(), own.into()),
            });
        }
        Some(any.map_or(Part::Always(false), Part::Expr))
    }

    fn leaf(&mut self, leaf: Leaf) -> Option<Expr> {
        let next = self.leaves.len();
        let index = *self.leaves.entry(leaf).or_insert(next);
        (index < MAX_LEAVES).then_some(Expr::Leaf(index))
    }
}

fn not(expr: Expr) -> Expr {
    if let Expr::Not(inner) = expr { *inner } else { Expr::Not(expr.into()) }
}

impl Set {
    /// What is in both, or in either.
    fn join(self, other: Self, and: bool) -> Self {
        if and {
            let both = self
                .ranges
                .iter()
                .flat_map(|own| other.ranges.iter().map(move |o| own.start.max(o.start)..own.end.min(o.end)));
            return Self { ranges: both.filter(|range| !range.is_empty()).collect(), null: self.null && other.null };
        }
        let ranges = [self.ranges, other.ranges].concat();
        Self { ranges: union(ranges, &(0..u64::MAX)), null: self.null || other.null }
    }
}

fn alone(range: Range<u64>) -> Vec<Range<u64>> {
    std::iter::once(range).collect()
}

/// The same values as ascending ranges apart from each other, of those in `whole`.
fn union(mut ranges: Vec<Range<u64>>, whole: &Range<u64>) -> Vec<Range<u64>> {
    ranges.iter_mut().for_each(|range| *range = range.start.max(whole.start)..range.end.min(whole.end));
    ranges.retain(|range| !range.is_empty());
    ranges.sort_unstable_by_key(|range| range.start);
    let mut apart: Vec<Range<u64>> = Vec::with_capacity(ranges.len());
    for range in ranges {
        match apart.last_mut().filter(|last| range.start <= last.end) {
            Some(last) => last.end = last.end.max(range.end),
            None => apart.push(range),
        }
    }
    apart
}

/// The values of `whole` that are not in these ascending ranges.
fn complement(ranges: &[Range<u64>], whole: &Range<u64>) -> Vec<Range<u64>> {
    let starts = std::iter::once(whole.start).chain(ranges.iter().map(|range| range.end));
    let ends = ranges.iter().map(|range| range.start).chain(std::iter::once(whole.end));
    starts.zip(ends).map(|(start, end)| start..end).filter(|range| !range.is_empty()).collect()
}
