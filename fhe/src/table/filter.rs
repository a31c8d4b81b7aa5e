//! From a filter to gates: what a row's bit costs.
//!
//! Every predicate on one digit is a product with a public polynomial and costs no bootstrap. What combines them is a
//! **threshold**: a sum of indicators with integer weights, and the question whether it reaches `t`. The sum is linear, the
//! question one bootstrap. With `up` = greatest sum − t and `down` = t − 1 − least sum:
//!
//! | | sum | `up`, `down` |
//! |---|---|---|
//! | a predicate on a digit | its indicator, t = 1 | 0, 0 |
//! | `x > c`, high digits first | `(up+down+2)·[h > c_h] + (up+1)·[h = c_h] + low digits` | `up+down+1` both |
//! | `A and B`, `up_B = 0` | `A + (up_A+1)·B`, t = t_A + (up_A+1)·t_B | `up_A`, `down_A + (up_A+1)(down_B+1)` |
//! | `A or B`, `down_B = 0` | `A + (down_A+1)·B`, t such that either reaches it | `up_A + (down_A+1)(up_B+1)`, `down_A` |
//!
//! So `a > c AND b = d` with 16-bit `a` and 8-bit `b` is `2[a_h > c_h] + [a_h = c_h] + [a_l > c_l] + 2[b = d] ≥ 4`: one bootstrap.
//! Where neither side has the slack that a rule wants, or a sum would leave the 32 values that the torus has room for, one
//! side is bootstrapped to a bit first.
//!
//! A **score** is cut into limbs that are added from the lowest up, see `score`. What one hands to the next is a **table**
//! looked up by one bootstrap: a gate whose sum is one of 16 values, in the boxes of the parameter set's lookup tables.

use std::collections::BTreeMap;

use super::{
    column::{Form, digits},
    params::{BOXES, MAX_SLACK},
    score::{self, Points},
};
use crate::Error;

/// A condition on encrypted columns, with clear literals. Columns are named by their index.
///
/// As in SQL's `WHERE`, a comparison with a null is not true, and neither is its negation.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Filter {
    /// The value is at least this.
    AtLeast(usize, u64),
    /// The value is at most this.
    AtMost(usize, u64),
    /// The value is one of these.
    In(usize, Vec<u64>),
    /// There is no value.
    Null(usize),
    /// What the columns' values score, added up, is at least this: a linear model's, or any additive one's. Of a row in which
    /// one of the values is null nothing is known.
    Score(Vec<(usize, Points)>, i64),
    /// Not so, as far as that is known: of nulls neither holds.
    Not(Box<Filter>),
    /// All of them; of none: every row.
    And(Vec<Filter>),
    /// Any of them; of none: no row.
    Or(Vec<Filter>),
}

impl Filter {
    /// The value is between these, both included.
    pub fn between(column: usize, low: u64, high: u64) -> Self {
        Self::And(vec![Self::AtLeast(column, low), Self::AtMost(column, high)])
    }

    /// Whether it holds of a row, computed in the clear: what [`super::Evaluator`] computes under encryption.
    pub fn holds(&self, row: &[Option<u64>]) -> bool {
        self.known(row) == Some(true)
    }

    /// SQL's three values.
    fn known(&self, row: &[Option<u64>]) -> Option<bool> {
        let of = |column: &usize, holds: &dyn Fn(u64) -> bool| row.get(*column).copied().flatten().map(holds);
        match self {
            Self::AtLeast(column, least) => of(column, &|v| v >= *least),
            Self::AtMost(column, most) => of(column, &|v| v <= *most),
            Self::In(column, values) => of(column, &|v| values.contains(&v)),
            Self::Null(column) => Some(row.get(*column).copied().flatten().is_none()),
            Self::Score(terms, least) => {
                let points = terms.iter().map(|(column, points)| points.of(row.get(*column).copied().flatten()?));
                points.sum::<Option<i128>>().map(|score| score >= i128::from(*least))
            }
            Self::Not(inner) => inner.known(row).map(|holds| !holds),
            Self::And(all) => {
                let all: Vec<_> = all.iter().map(|one| one.known(row)).collect();
                if all.contains(&Some(false)) { Some(false) } else { all.iter().all(Option::is_some).then_some(true) }
            }
            Self::Or(any) => {
                let any: Vec<_> = any.iter().map(|one| one.known(row)).collect();
                if any.contains(&Some(true)) { Some(true) } else { any.iter().all(Option::is_some).then_some(false) }
            }
        }
    }
}

/// A digit of a column: column, index of the digit.
pub(crate) type Digit = (usize, usize);

/// A threshold: see the [module](self).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Threshold {
    /// For each digit, what each of its values adds.
    pub digits: BTreeMap<Digit, Vec<i64>>,
    /// Bits that other gates make, and their weights.
    pub gates: Vec<(usize, i64)>,
    pub constant: i64,
    pub threshold: i64,
    pub up: i64,
    pub down: i64,
    /// What is looked up for each sum from 0 to 15, where that is not whether a threshold is reached.
    pub table: Option<Box<[u64; BOXES]>>,
}

impl Threshold {
    /// What has no sum yet, and is never reached.
    pub(super) fn zero() -> Self {
        Self { digits: BTreeMap::new(), gates: Vec::new(), constant: 0, threshold: 1, up: 0, down: 0, table: None }
    }

    /// A lookup of a sum that is from 0 to 15.
    pub(super) fn lookup(self, table: impl Fn(u64) -> u64) -> Self {
        let table = Some(Box::new(std::array::from_fn(|sum| table(sum as u64))));
        Self { threshold: 0, up: MAX_SLACK, down: 0, table, ..self }
    }

    pub(super) fn bit(digit: Digit, width: u8, holds: impl Fn(u64) -> bool) -> Self {
        let weights = (0..1 << width).map(|v| i64::from(holds(v))).collect();
        Self { digits: BTreeMap::from([(digit, weights)]), ..Self::zero() }
    }

    /// The complement of a bit of digits: 1 where it is 0, nulls included.
    fn complement(mut self) -> Self {
        debug_assert!(self.is_bit());
        self.digits.values_mut().flatten().for_each(|weight| *weight = -*weight);
        self.gates.iter_mut().for_each(|(_, weight)| *weight = -*weight);
        self.constant = 1 - self.constant;
        self
    }

    fn gate(index: usize) -> Self {
        Self { gates: vec![(index, 1)], ..Self::zero() }
    }

    /// Whether its sum is 0 or 1, and 1 where it holds.
    pub(crate) fn is_bit(&self) -> bool {
        self.up == 0 && self.down == 0
    }

    /// The sum of this and `weight` times another.
    fn plus(mut self, weight: i64, other: &Self) -> Self {
        for (digit, weights) in &other.digits {
            let own = self.digits.entry(*digit).or_insert_with(|| vec![0; weights.len()]);
            own.iter_mut().zip(weights).for_each(|(own, w)| *own += weight * w);
        }
        self.gates.extend(other.gates.iter().map(|(gate, w)| (*gate, weight * w)));
        self.constant += weight * other.constant;
        self
    }

    fn and(self, other: &Self) -> Option<Self> {
        let weight = self.up + 1;
        let (threshold, down) = (self.threshold + weight * other.threshold, self.down + weight * (other.down + 1));
        let up = self.up;
        (other.up == 0 && down <= MAX_SLACK).then(|| Self { threshold, up, down, ..self.plus(weight, other) })
    }

    fn or(self, other: &Self) -> Option<Self> {
        let weight = self.down + 1;
        // One holds and the other is at its least: t_A + w·(t_B − 1 − down_B), which with down_B = 0 is also reached by
        // w·t_B beside the least of A.
        let threshold = self.threshold + weight * (other.threshold - 1);
        let (up, down) = (self.up + weight * (other.up + 1), self.down);
        (other.down == 0 && up <= MAX_SLACK).then(|| Self { threshold, up, down, ..self.plus(weight, other) })
    }
}

/// What one row's bit takes: bootstraps to bits, in order, and the last sum.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Gates {
    /// Each becomes a bit, or what its table says, which later ones use: all of them at the same scale.
    pub gates: Vec<Threshold>,
    pub last: Threshold,
}

impl Gates {
    /// Columns whose digits are needed.
    pub(crate) fn columns(&self) -> Vec<usize> {
        let all = self.gates.iter().chain([&self.last]).flat_map(|gate| gate.digits.keys().map(|digit| digit.0));
        let mut all: Vec<usize> = all.collect();
        all.sort_unstable();
        all.dedup();
        all
    }

    /// Plans a filter over columns of these widths.
    pub(crate) fn plan(filter: &Filter, bits: &[u8]) -> Result<Option<Self>, Error> {
        let mut planner = Planner { bits, gates: Vec::new(), weights: MAX_WEIGHTS };
        Ok(match planner.node(filter, true)? {
            Node::Always(true) => None,
            Node::Always(false) => Some(Self { gates: Vec::new(), last: Threshold::zero() }),
            Node::Threshold(last) => Some(Self { gates: planner.gates, last }.used()),
        })
    }

    /// Without the gates that nothing uses: those of a part that another decides.
    fn used(mut self) -> Self {
        let mut used = vec![false; self.gates.len()];
        self.last.gates.iter().for_each(|(gate, _)| used[*gate] = true);
        for index in (0..self.gates.len()).rev() {
            if used[index] {
                self.gates[index].gates.iter().for_each(|(gate, _)| used[*gate] = true);
            }
        }
        let mut places = Vec::with_capacity(used.len());
        let mut kept = 0;
        for used in &used {
            places.push(kept);
            kept += usize::from(*used);
        }
        let mut used = used.into_iter();
        self.gates.retain(|_| used.next() == Some(true));
        let all = self.gates.iter_mut().chain([&mut self.last]);
        all.flat_map(|gate| &mut gate.gates).for_each(|(gate, _)| *gate = places[*gate]);
        self
    }
}

enum Node {
    Always(bool),
    Threshold(Threshold),
}

/// Most weights of the gates of all scores of a filter: 4 MiB.
const MAX_WEIGHTS: usize = 1 << 19;

struct Planner<'a> {
    bits: &'a [u8],
    gates: Vec<Threshold>,
    /// Weights that scores may still have: what plans them may come from a stranger.
    weights: usize,
}

impl Planner<'_> {
    /// The filter, or its negation. Of a null neither holds, so negation goes down to the predicates on digits.
    fn node(&mut self, filter: &Filter, positive: bool) -> Result<Node, Error> {
        Ok(match filter {
            Filter::Not(inner) => self.node(inner, !positive)?,
            Filter::And(parts) | Filter::Or(parts) => {
                let and = matches!(filter, Filter::And(_)) == positive;
                let nodes = parts.iter().map(|part| self.node(part, positive)).collect::<Result<Vec<_>, _>>()?;
                self.combine(nodes, and)
            }
            Filter::AtLeast(column, least) => self.at_least(*column, *least, positive)?,
            // x ≤ c is not x ≥ c + 1, where there is a value.
            Filter::AtMost(column, most) => match most.checked_add(1) {
                Some(above) => self.at_least(*column, above, !positive)?,
                None => self.present(*column, positive)?,
            },
            Filter::In(column, values) => self.one_of(*column, values, positive)?,
            Filter::Score(terms, least) => self.score(terms, *least, positive)?,
            Filter::Null(column) => match self.present(*column, true)? {
                Node::Threshold(there) if positive => Node::Threshold(there.complement()),
                there => there,
            },
        })
    }

    fn width(&self, column: usize) -> Result<u8, Error> {
        let bits = *self.bits.get(column).ok_or(Error::Column { got: column, columns: self.bits.len() })?;
        Form::Digits.check(bits)
    }

    /// Whether there is a value; for `false`, what holds of no row.
    fn present(&self, column: usize, positive: bool) -> Result<Node, Error> {
        let widths = digits(self.width(column)?);
        let last = widths.len() - 1;
        Ok(if positive {
            Node::Threshold(Threshold::bit((column, last), widths[last], |_| true))
        } else {
            Node::Always(false)
        })
    }

    fn at_least(&mut self, column: usize, least: u64, positive: bool) -> Result<Node, Error> {
        let bits = self.width(column)?;
        if least == 0 {
            return self.present(column, positive);
        }
        if bits < 64 && least >> bits != 0 {
            return self.present(column, !positive);
        }
        let mut node: Option<Threshold> = None;
        let mut rest = least;
        for (digit, width) in digits(bits).into_iter().enumerate() {
            let (here, own) = ((column, digit), rest & ((1 << width) - 1));
            rest = rest.checked_shr(u32::from(width)).unwrap_or(0);
            // The lowest digit decides for itself, the others hand an equal digit down.
            let Some(low) = node else {
                node = Some(Threshold::bit(here, width, |v| (v >= own) == positive));
                continue;
            };
            let low = self.fitting(low, |low| low.up + low.down < MAX_SLACK);
            let (up, down) = (low.up, low.down);
            let beyond = |v: u64| if positive { v > own } else { v < own };
            let weights = (0..1u64 << width)
                .map(|v| {
                    if beyond(v) {
                        up + down + 2
                    } else if v == own {
                        up + 1
                    } else {
                        0
                    }
                })
                .collect();
            let own = Threshold { digits: BTreeMap::from([(here, weights)]), ..Threshold::zero() };
            let slack = up + down + 1;
            let threshold = low.threshold + up + 1;
            node = Some(Threshold { threshold, up: slack, down: slack, ..low.plus(1, &own) });
        }
        Ok(Node::Threshold(node.expect("a column has a digit")))
    }

    /// That there are all values, and that what they score reaches the least.
    fn score(&mut self, terms: &[(usize, Points)], least: i64, positive: bool) -> Result<Node, Error> {
        let mut all = Vec::new();
        let mut columns: Vec<usize> = terms.iter().map(|(column, _)| *column).collect();
        columns.sort_unstable();
        columns.dedup();
        for column in columns {
            all.push(self.present(column, true)?);
        }
        let score = score::Score::new(terms, self.bits, least, positive)?;
        let left = self.weights.checked_sub(score.weights());
        self.weights = left
            .ok_or_else(|| Error::Score { why: "there are too many, or too large ones: round their weights".into() })?;
        all.push(match score.plan(&mut self.gates) {
            Ok(threshold) => Node::Threshold(threshold),
            Err(always) => Node::Always(always),
        });
        Ok(self.combine(all, true))
    }

    fn one_of(&mut self, column: usize, values: &[u64], positive: bool) -> Result<Node, Error> {
        let bits = self.width(column)?;
        let widths = digits(bits);
        if let [width] = widths[..] {
            return Ok(Node::Threshold(Threshold::bit((column, 0), width, |v| values.contains(&v) == positive)));
        }
        let mut values: Vec<u64> = values.iter().copied().filter(|v| bits == 64 || v >> bits == 0).collect();
        values.sort_unstable();
        values.dedup();
        if values.is_empty() {
            return self.present(column, !positive);
        }
        // By all digits but the lowest, whose predicate takes several values at once.
        let mut groups = BTreeMap::<u64, Vec<u64>>::new();
        let low = (1 << widths[0]) - 1;
        for value in values {
            groups.entry(value >> widths[0]).or_default().push(value & low);
        }
        let mut any = Vec::new();
        for (high, lows) in groups {
            let mut rest = high;
            let mut all = vec![Threshold::bit((column, 0), widths[0], |v| lows.contains(&v) == positive)];
            for (digit, &width) in widths.iter().enumerate().skip(1) {
                let own = rest & ((1 << width) - 1);
                rest >>= width;
                all.push(Threshold::bit((column, digit), width, |v| (v == own) == positive));
            }
            let node = self.combine(all.into_iter().map(Node::Threshold).collect(), positive);
            any.push(node);
        }
        Ok(self.combine(any, !positive))
    }

    /// All of these, or any.
    fn combine(&mut self, nodes: Vec<Node>, and: bool) -> Node {
        let mut parts = Vec::new();
        for node in nodes {
            match node {
                Node::Always(holds) if holds == and => {}
                Node::Always(holds) => return Node::Always(holds),
                Node::Threshold(part) => parts.push(part),
            }
        }
        // Bits on one digit are one bit.
        let mut merged: Vec<Threshold> = Vec::new();
        for part in parts {
            match merged.iter_mut().find(|own| single(own).is_some() && single(own) == single(&part)) {
                Some(own) => join(own, &part, and),
                None => merged.push(part),
            }
        }
        // The one with the most slack comes first: the others must have none of one kind.
        merged.sort_by_key(|part| std::cmp::Reverse(if and { part.up } else { part.down }));
        let mut merged = merged.into_iter();
        let Some(mut own) = merged.next() else { return Node::Always(and) };
        for next in merged {
            let slack = |part: &Threshold| if and { part.up } else { part.down };
            let next = self.fitting(next, |next| slack(next) == 0);
            let joined = |own: &Threshold, next: &Threshold| {
                let own = own.clone();
                if and { own.and(next) } else { own.or(next) }
            };
            own = match joined(&own, &next) {
                Some(both) => both,
                None => {
                    // There is room for 16 bits: make one of what is there.
                    let own = self.fitting(own, Threshold::is_bit);
                    match joined(&own, &next) {
                        Some(both) => both,
                        None => {
                            let next = self.fitting(next, Threshold::is_bit);
                            joined(&own, &next).expect("two bits fit into one sum")
                        }
                    }
                }
            };
        }
        Node::Threshold(own)
    }

    /// The threshold, or a gate of it where it does not fit.
    fn fitting(&mut self, part: Threshold, fits: impl Fn(&Threshold) -> bool) -> Threshold {
        if fits(&part) {
            return part;
        }
        self.gates.push(part);
        Threshold::gate(self.gates.len() - 1)
    }
}

/// The digit that a bit depends on, if it is a single one.
fn single(part: &Threshold) -> Option<Digit> {
    let alone = part.is_bit() && part.gates.is_empty() && part.constant == 0 && part.digits.len() == 1;
    part.digits.keys().next().copied().filter(|_| alone)
}

fn join(own: &mut Threshold, other: &Threshold, and: bool) {
    let pairs = own.digits.values_mut().zip(other.digits.values());
    for (own, other) in pairs.flat_map(|(own, other)| own.iter_mut().zip(other)) {
        *own = if and { (*own).min(*other) } else { (*own).max(*other) };
    }
}
