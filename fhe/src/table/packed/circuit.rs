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
    score::Points,
};

/// Most leaves of a circuit: 256 MiB of ciphertexts.
const MAX_LEAVES: usize = 512;
/// Most products of a circuit.
const MAX_PRODUCTS: usize = 2048;
/// Widest columns of a score.
const MAX_SCORED_BITS: u8 = 16;
/// Values, ranges and parts that are looked at to plan a filter, which may be a stranger's: some tenths of a second.
const MAX_WORK: usize = 1 << 21;
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
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Set {
    /// Ascending, none empty, none next to another.
    ranges: Vec<Range<u64>>,
    null: bool,
}

impl Circuit {
    /// Plans it; nothing where the parameters do not hold its degree, or where it is too large.
    pub fn plan(bits: &[u8], filter: &Filter, outputs: &[Output]) -> Option<Self> {
        Self::ways(bits, filter, outputs).into_iter().flatten().min_by_key(|circuit| (circuit.primes, circuit.degree))
    }

    /// Two ways to write a filter down: a product for each condition, or a decision diagram over its columns, of which each is
    /// looked at once, however often it is named.
    pub fn ways(bits: &[u8], filter: &Filter, outputs: &[Output]) -> [Option<Self>; 2] {
        let product = |planner: &mut Planner<'_>| {
            let part = planner.node(filter, true)?;
            planner.settle(part)
        };
        let diagram = |planner: &mut Planner<'_>| {
            let tree = planner.tree(filter, true)?;
            let part = planner.diagram(&tree)?;
            planner.settle(part)
        };
        [Self::of(bits, outputs, product), Self::of(bits, outputs, diagram)]
    }

    fn of(bits: &[u8], outputs: &[Output], write: impl FnOnce(&mut Planner<'_>) -> Option<Part>) -> Option<Self> {
        let mut planner = Planner { bits, leaves: BTreeMap::new(), products: 0, work: MAX_WORK };
        let keep = match write(&mut planner)? {
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

/// A filter of sets, each of one column's values.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Tree {
    Always(bool),
    Set(usize, Set),
    /// All of these, or any.
    Of(bool, Vec<Self>),
}

impl Tree {
    fn of(and: bool, parts: impl IntoIterator<Item = Self>) -> Self {
        let mut kept = Vec::new();
        for part in parts {
            match part {
                Self::Always(holds) if holds == and => {}
                Self::Always(holds) => return Self::Always(holds),
                part if kept.contains(&part) => {}
                part => kept.push(part),
            }
        }
        match kept.len() {
            0 => Self::Always(and),
            1 => kept.remove(0),
            _ => Self::Of(and, kept),
        }
    }

    /// How many parts it has, and ranges of values.
    fn len(&self) -> usize {
        match self {
            Self::Always(_) => 1,
            Self::Set(_, set) => 1 + set.ranges.len(),
            Self::Of(_, parts) => 1 + parts.iter().map(Self::len).sum::<usize>(),
        }
    }

    /// The sets of its columns.
    fn sets<'a>(&'a self, all: &mut BTreeMap<usize, Vec<&'a Set>>) {
        match self {
            Self::Always(_) => {}
            Self::Set(column, set) => {
                let own = all.entry(*column).or_default();
                if !own.contains(&set) {
                    own.push(set);
                }
            }
            Self::Of(_, parts) => parts.iter().for_each(|part| part.sets(all)),
        }
    }

    /// What is left where a column's value is known to be in these of its sets.
    fn given(&self, column: usize, sets: &[&Set], is_in: &[bool]) -> Self {
        match self {
            Self::Set(own, set) if *own == column => {
                Self::Always(sets.iter().zip(is_in).any(|(other, is_in)| *is_in && *other == set))
            }
            Self::Of(and, parts) => Self::of(*and, parts.iter().map(|part| part.given(column, sets, is_in))),
            other => other.clone(),
        }
    }
}

struct Planner<'a> {
    bits: &'a [u8],
    leaves: BTreeMap<Leaf, usize>,
    products: usize,
    /// What is left of [`MAX_WORK`].
    work: usize,
}

impl Planner<'_> {
    fn spend(&mut self, work: usize) -> Option<()> {
        self.work = self.work.checked_sub(work)?;
        Some(())
    }

    /// The filter, or its negation, which of a null neither holds.
    fn node(&mut self, filter: &Filter, positive: bool) -> Option<Part> {
        self.spend(if let Filter::In(_, values) = filter { 1 + values.len() } else { 1 })?;
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
            Filter::Score(terms, least) => self.score(terms, *least, positive),
        }
    }

    /// The filter as sets, or its negation; nothing where there are scores.
    fn tree(&mut self, filter: &Filter, positive: bool) -> Option<Tree> {
        match filter {
            Filter::Not(inner) => self.tree(inner, !positive),
            Filter::And(parts) | Filter::Or(parts) => {
                let and = matches!(filter, Filter::And(_)) == positive;
                let parts = parts.iter().map(|part| self.tree(part, positive)).collect::<Option<Vec<_>>>()?;
                Some(Tree::of(and, parts))
            }
            Filter::Score(..) => None,
            _ => match self.node(filter, positive)? {
                Part::Set(column, set) => Some(Tree::Set(column, set)),
                Part::Always(holds) => Some(Tree::Always(holds)),
                Part::Expr(_) => None,
            },
        }
    }

    /// A filter by its columns, one after the other, the narrowest first: values that leave the same filter of the others go
    /// together.
    fn diagram(&mut self, tree: &Tree) -> Option<Part> {
        if let Tree::Always(holds) = tree {
            return Some(Part::Always(*holds));
        }
        self.spend(tree.len())?;
        let mut sets = BTreeMap::new();
        tree.sets(&mut sets);
        let (column, sets) = sets.into_iter().min_by_key(|(column, _)| self.bits[*column])?;
        let mut ends: Vec<u64> =
            sets.iter().flat_map(|set| &set.ranges).flat_map(|range| [range.start, range.end]).collect();
        ends.extend([0, 1 << self.bits[column]]);
        ends.sort_unstable();
        ends.dedup();
        self.spend(ends.len() * sets.len())?;
        let mut kinds = BTreeMap::<Vec<bool>, Set>::new();
        for ends in ends.windows(2) {
            let is_in = sets.iter().map(|set| set.has(ends[0])).collect();
            let kind = kinds.entry(is_in).or_default();
            append(&mut kind.ranges, ends[0]..ends[1]);
        }
        kinds.entry(sets.iter().map(|set| set.null).collect()).or_default().null = true;
        let mut rests: Vec<(Tree, Set)> = Vec::new();
        for (is_in, set) in kinds {
            self.spend(tree.len() * sets.len())?;
            let rest = tree.given(column, &sets, &is_in);
            match rests.iter_mut().find(|(own, _)| *own == rest) {
                Some((_, own)) => *own = own.clone().join(set, false),
                None => rests.push((rest, set)),
            }
        }
        let cases = rests.into_iter().map(|(rest, set)| Some((set, self.diagram(&rest)?))).collect::<Option<_>>()?;
        self.cases(column, cases)
    }

    /// What holds of a row whose value of the column is in one of these sets, of which no two meet.
    fn cases(&mut self, column: usize, mut cases: Vec<(Set, Part)>) -> Option<Part> {
        cases.retain(|(_, rest)| !matches!(rest, Part::Always(false)));
        let mut any = Part::Always(false);
        for (set, rest) in cases {
            let both = self.combine(vec![Part::Set(column, set), rest], true)?;
            any = match any {
                Part::Always(_) => both,
                others => match (self.settle(others)?, self.settle(both)?) {
                    (Part::Expr(others), Part::Expr(both)) => Part::Expr(either(others, both)),
                    (Part::Always(false), only) | (only, _) => only,
                },
            };
        }
        Some(any)
    }

    /// That there are all values, and that what they score reaches the least. Each value of a column leaves a score that the
    /// other columns must reach: values that leave the same go together, and the widest column comes last, where what is left
    /// is a set of its values.
    fn score(&mut self, terms: &[(usize, Points)], least: i64, positive: bool) -> Option<Part> {
        let mut columns = BTreeMap::<usize, Vec<i128>>::new();
        for (column, points) in terms {
            let bits = self.bits[*column];
            if bits > MAX_SCORED_BITS {
                return None;
            }
            self.spend(1 << bits)?;
            let own = columns.entry(*column).or_insert_with(|| vec![0; 1 << bits]);
            for (own, value) in own.iter_mut().zip(0..) {
                *own += points.of(value)?;
            }
        }
        let mut columns: Vec<(usize, Vec<i128>)> = columns.into_iter().collect();
        columns.sort_by_key(|(_, points)| points.len());
        // What the columns behind each can score.
        let mut ends = vec![(0, 0)];
        for (_, points) in columns.iter().rev() {
            let (low, high) = ends[ends.len() - 1];
            ends.push((low + points.iter().min()?, high + points.iter().max()?));
        }
        ends.reverse();
        self.scored(&columns, &ends[1..], least.into(), positive)
    }

    fn scored(
        &mut self,
        columns: &[(usize, Vec<i128>)],
        ends: &[(i128, i128)],
        least: i128,
        positive: bool,
    ) -> Option<Part> {
        let Some(((column, points), others)) = columns.split_first() else {
            return Some(Part::Always((least <= 0) == positive));
        };
        self.spend(points.len())?;
        // What is left to reach, as far as it makes a difference.
        let (low, high) = ends[0];
        let mut kinds = BTreeMap::<i128, Vec<Range<u64>>>::new();
        for (points, value) in points.iter().zip(0..) {
            append(kinds.entry((least - points).clamp(low, high + 1)).or_default(), value..value + 1);
        }
        let case =
            |(rest, ranges)| Some((Set { ranges, null: false }, self.scored(others, &ends[1..], rest, positive)?));
        let cases = kinds.into_iter().map(case).collect::<Option<_>>()?;
        self.cases(*column, cases)
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
                    Some(own) => {
                        self.spend(own.ranges.len() + set.ranges.len())?;
                        sets.insert(column, own.join(set, and));
                    }
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
        self.spend((1 << width) + ranges.len())?;
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
                Some(others) => either(others, own),
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

fn either(a: Expr, b: Expr) -> Expr {
    Expr::Either(a.into(), b.into())
}

fn not(expr: Expr) -> Expr {
    if let Expr::Not(inner) = expr { *inner } else { Expr::Not(expr.into()) }
}

impl Set {
    fn has(&self, value: u64) -> bool {
        let next = self.ranges.partition_point(|range| range.end <= value);
        self.ranges.get(next).is_some_and(|range| range.start <= value)
    }

    /// What is in both, or in either.
    fn join(self, other: Self, and: bool) -> Self {
        if and {
            let (mut own, mut others) = (self.ranges.iter().peekable(), other.ranges.iter().peekable());
            let mut ranges = Vec::new();
            while let (Some(a), Some(b)) = (own.peek(), others.peek()) {
                let both = a.start.max(b.start)..a.end.min(b.end);
                if !both.is_empty() {
                    ranges.push(both);
                }
                if a.end < b.end {
                    own.next()
                } else {
                    others.next()
                };
            }
            return Self { ranges, null: self.null && other.null };
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
    ranges.into_iter().for_each(|range| append(&mut apart, range));
    apart
}

/// Adds a range that does not start before the others.
fn append(ranges: &mut Vec<Range<u64>>, range: Range<u64>) {
    match ranges.last_mut().filter(|last| range.start <= last.end) {
        Some(last) => last.end = last.end.max(range.end),
        None => ranges.push(range),
    }
}

/// The values of `whole` that are not in these ascending ranges.
fn complement(ranges: &[Range<u64>], whole: &Range<u64>) -> Vec<Range<u64>> {
    let starts = std::iter::once(whole.start).chain(ranges.iter().map(|range| range.end));
    let ends = ranges.iter().map(|range| range.start).chain(std::iter::once(whole.end));
    starts.zip(ends).map(|(start, end)| start..end).filter(|range| !range.is_empty()).collect()
}
