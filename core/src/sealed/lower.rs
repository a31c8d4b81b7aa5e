//! From a program to passes over encrypted columns, and from what they open to back to the program's numbers.
//!
//! A filter is pushed down to sets of cells, so that SQL's three values are gone: a comparison becomes the cells of which it is
//! true, or of whose it is false where it is negated, and a null is in neither. What the filter says of public dimensions is
//! worked out for each combination of their cells; combinations that leave the same condition on the encrypted columns are one
//! pass.

use std::collections::HashMap;

use num_integer::gcd;
use sealock_fhe::table::Opened;

use super::SealedError;
use super::layout::{Holds, Layout};
use super::pass::{Condition, MAX_BOOTSTRAPS, MAX_COMBINATIONS, MAX_PASSES, MAX_RING_ELEMENTS, Out, Pass, Points};
use super::task::{MAX_PART_BYTES, MAX_TASK_BYTES};
use crate::asset::{Schema, Value};
use crate::codec::to_canonical;
use crate::policy::Policy;
use crate::privacy::Noise;
use crate::program::{Exact, Plan, Predicate, Series, test_cells};

/// Most numbers of an answer.
pub(crate) const MAX_NUMBERS: usize = 1 << 20;
/// Most groups by encrypted columns.
const MAX_ENCRYPTED_GROUPS: usize = 64;
/// Widest column of which any set of cells is one condition.
const MAX_LISTED_BITS: u8 = 11;
/// Most ranges that a condition on a wider column may have.
const MAX_RANGES: usize = 16;
/// Most values that a filter lists, times the combinations of public cells.
const MAX_COMPARED: usize = 1 << 26;

/// A program as passes, and where their numbers go.
#[derive(Debug)]
pub(crate) struct Lowered {
    pub(crate) passes: Vec<Pass>,
    targets: Vec<Target>,
    /// Numbers of all groups.
    numbers: usize,
}

/// Where the numbers of a pass go.
#[derive(Clone, Debug)]
struct Target {
    /// For each of its groups, the first of its numbers.
    places: Vec<usize>,
    outputs: Vec<Number>,
}

/// What an output is among the numbers of a group.
#[derive(Clone, Debug)]
enum Number {
    Count(usize),
    /// The sum of what is above `low`, and how many values there are.
    Sum {
        low: i64,
        sum: Option<usize>,
        valid: Option<usize>,
    },
    /// The sum of squares, to which the output before it gives the sum.
    Squares {
        low: i64,
        at: usize,
    },
    /// The first of so many bins.
    Bins(usize, usize),
}

fn uncomputable(why: impl Into<String>, hint: &'static str) -> SealedError {
    SealedError::Uncomputable { why: why.into(), hint }
}

/// The series that executors compute for a plan: what it asks for, and what noise is drawn for beside.
pub(crate) fn series(policy: &Policy, plan: &Plan) -> Vec<(Series, usize)> {
    match policy.noise() {
        Some(Noise::PerJob(_)) => policy.noisy_series(plan.series()),
        _ => plan.series().to_vec(),
    }
}

/// Lays a plan out over encrypted columns.
///
/// # Errors
/// [`SealedError::Secret`], [`SealedError::Uncomputable`].
pub(crate) fn lower(schema: &Schema, policy: &Policy, layout: &Layout, plan: &Plan) -> Result<Lowered, SealedError> {
    if let Some(column) = plan.hidden().first() {
        return Err(SealedError::Secret { column: column.clone() });
    }
    let filter = plan.clear_filter().map(|filter| node(schema, layout, filter, true)).transpose()?;
    let lowering = Lowering { schema, layout, plan, filter, series: series(policy, plan) };
    let width: usize = lowering.series.iter().map(|(_, numbers)| numbers).sum();
    let numbers = plan.groups().saturating_mul(width);
    if numbers > MAX_NUMBERS {
        return Err(uncomputable(format!("the answer would have {numbers} numbers"), "group by fewer columns"));
    }
    let mut lowered = Lowered { passes: Vec::new(), targets: Vec::new(), numbers };
    let (mut outputs, mut targets, mut at) = (Vec::new(), Vec::new(), 0);
    let mut histograms = Vec::new();
    let place = |wanted: &Series| {
        let mut at = 0;
        lowering.series.iter().find_map(|(series, numbers)| {
            at += numbers;
            (series == wanted).then(|| at - numbers)
        })
    };
    for (series, count) in &lowering.series {
        let measure = |name: &str| {
            layout.measure(name).ok_or_else(|| uncomputable(format!("{name:?} is not encrypted to be summed"), ASK))
        };
        match series {
            Series::Count => {
                // It comes first, so that the others are compared with it.
                outputs.insert(0, Out::Count);
                targets.insert(0, Number::Count(at));
            }
            Series::Sum(name) | Series::Valid(name) | Series::SumOfSquares(name) => {
                let (column, low) = measure(name)?;
                let column = column as u32;
                if !outputs.contains(&Out::Sum(column)) {
                    outputs.push(Out::Sum(column));
                    let (sum, valid) = (place(&Series::Sum(name.clone())), place(&Series::Valid(name.clone())));
                    targets.push(Number::Sum { low, sum, valid });
                    if let Some(at) = place(&Series::SumOfSquares(name.clone())) {
                        outputs.push(Out::Squares(column));
                        targets.push(Number::Squares { low, at });
                    }
                }
            }
            Series::Bins(name) => match (layout.public(name), layout.dimension(name)) {
                (Some(public), _) => histograms.push((public, at, *count)),
                (None, Some(column)) if layout.columns.place(column, sealock_fhe::table::Form::OneHot).is_some() => {
                    outputs.push(Out::Categories(column as u32));
                    targets.push(Number::Bins(at, *count));
                }
                _ => {
                    return Err(uncomputable(
                        format!("{name:?} has {count} bins, and executors count up to 64 encrypted ones"),
                        "ask the owner for coarser bins, or to make the column a public dimension",
                    ));
                }
            },
        }
        at += count;
    }
    if !outputs.is_empty() {
        lowering.add(&mut lowered, None, &outputs, &targets, width)?;
    }
    for (public, at, bins) in histograms {
        lowering.add(&mut lowered, Some((public, at, bins)), &[Out::Count], &[Number::Count(0)], width)?;
    }
    let got = to_canonical("task", &lowered.passes)?.len();
    if got > MAX_TASK_BYTES / 2 {
        return Err(uncomputable(format!("its task would have {got} bytes"), FEWER));
    }
    let (mut bytes, mut bootstraps) = (0usize, 0usize);
    for pass in &lowered.passes {
        let plan = pass.check(&layout.columns)?;
        bytes += pass.result_len(&plan);
        bootstraps += plan.bootstraps_per_row();
        let elements = pass.result_len(&plan) / (4 * 2048);
        if elements > MAX_RING_ELEMENTS {
            return Err(uncomputable(format!("a chunk's result would have {elements} ring elements"), FEWER));
        }
    }
    if bytes > MAX_PART_BYTES {
        return Err(uncomputable(format!("a chunk's result would have {bytes} bytes"), FEWER));
    }
    if bootstraps > MAX_BOOTSTRAPS {
        let why = format!("it would take {bootstraps} bootstraps for each row, at most {MAX_BOOTSTRAPS} are computed");
        return Err(uncomputable(why, FEWER));
    }
    Ok(lowered)
}

const ASK: &str = "ask the owner to publish the column for it";
const FEWER: &str = "group by fewer columns, ask for fewer aggregates, or filter by fewer public dimensions";

struct Lowering<'a> {
    schema: &'a Schema,
    layout: &'a Layout,
    plan: &'a Plan,
    filter: Option<Node>,
    series: Vec<(Series, usize)>,
}

impl Lowering<'_> {
    /// Adds passes for some outputs; for those of a histogram over a public dimension, with its bins among the groups.
    fn add(
        &self,
        lowered: &mut Lowered,
        bins: Option<(usize, usize, usize)>,
        outputs: &[Out],
        targets: &[Number],
        width: usize,
    ) -> Result<(), SealedError> {
        let (schema, layout) = (self.schema, self.layout);
        let mut public: Vec<usize> = Vec::new();
        let mut encrypted: Vec<(usize, usize, usize)> = Vec::new();
        let mut by_public: Vec<(usize, usize)> = Vec::new();
        // A step along each grouping column, among the groups of the answer.
        let mut stride = self.plan.groups();
        for name in self.plan.group_by() {
            let cells = schema.column(name)?.cells()? as usize;
            stride /= cells;
            match (layout.public(name), layout.dimension(name)) {
                (Some(column), _) => by_public.push((column, stride)),
                (None, Some(column)) => encrypted.push((column, cells, stride)),
                (None, None) => return Err(uncomputable(format!("{name:?} is not encrypted to group by"), ASK)),
            }
        }
        self.filter.iter().for_each(|filter| filter.public(&mut public));
        public.extend(by_public.iter().map(|(column, _)| *column));
        public.extend(bins.iter().map(|(column, _, _)| *column));
        public.sort_unstable();
        public.dedup();
        let sizes: Vec<usize> = public.iter().map(|&column| layout.columns.public[column].cells as usize).collect();
        let combinations = sizes.iter().fold(1usize, |all, size| all.saturating_mul(*size));
        if combinations > MAX_COMBINATIONS {
            return Err(uncomputable(format!("its public dimensions have {combinations} combinations"), FEWER));
        }
        let weight = self.filter.as_ref().map_or(0, Node::weight);
        if combinations.saturating_mul(weight) > MAX_COMPARED {
            let why =
                format!("its filter lists {weight} values for each of {combinations} combinations of public cells");
            return Err(uncomputable(why, FEWER));
        }
        let groups = by_public.iter().fold(1, |all, (column, _)| all * layout.columns.public[*column].cells as usize);
        let groups = groups * bins.map_or(1, |(_, _, bins)| bins);
        let mut places = vec![0; groups];
        let mut residuals: Vec<(Condition, Vec<Option<u32>>)> = Vec::new();
        let mut known: HashMap<Condition, usize> = HashMap::new();
        for combination in 0..combinations {
            let mut cells = vec![0usize; layout.columns.public.len()];
            let mut rest = combination;
            for (column, size) in public.iter().zip(&sizes).rev() {
                cells[*column] = rest % size;
                rest /= size;
            }
            let residual = self.filter.as_ref().map_or_else(Condition::always, |filter| filter.given(&cells));
            let (mut group, mut place) = (0, 0);
            for (column, stride) in &by_public {
                group = group * layout.columns.public[*column].cells as usize + cells[*column];
                place += cells[*column] * stride * width;
            }
            if let Some((column, at, bins)) = bins {
                // The null cell is the one behind the bins.
                if cells[column] >= bins {
                    continue;
                }
                group = group * bins + cells[column];
                place += at + cells[column];
            }
            places[group] = place;
            if residual.is_never() {
                continue;
            }
            let at = match known.get(&residual) {
                Some(at) => *at,
                None => {
                    known.insert(residual.clone(), residuals.len());
                    residuals.push((residual, vec![None; combinations]));
                    residuals.len() - 1
                }
            };
            residuals[at].1[combination] = Some(group as u32);
            if residuals.len() > MAX_PASSES {
                return Err(uncomputable("its filter differs too much between public cells", FEWER));
            }
        }
        if residuals.is_empty() {
            // A filter that nothing passes is a task like any other.
            residuals.push((Condition::Any(Vec::new()), vec![None; combinations]));
        }
        let encrypted_groups = encrypted.iter().fold(1usize, |all, (_, cells, _)| all.saturating_mul(*cells));
        if encrypted_groups > MAX_ENCRYPTED_GROUPS {
            return Err(uncomputable(
                format!(
                    "it groups by {encrypted_groups} encrypted cells, and at most {MAX_ENCRYPTED_GROUPS} are told apart"
                ),
                "group by public dimensions, or by fewer or coarser encrypted ones",
            ));
        }
        for (residual, of) in residuals {
            for group in 0..encrypted_groups {
                let (mut keep, mut rest, mut offset) = (vec![residual.clone()], group, 0);
                for (column, cells, stride) in encrypted.iter().rev() {
                    keep.push(self.in_cell(*column, rest % cells));
                    offset += (rest % cells) * stride * width;
                    rest /= cells;
                }
                lowered.passes.push(Pass {
                    public: public.iter().map(|column| *column as u32).collect(),
                    groups: groups as u32,
                    of: of.clone(),
                    keep: all(keep),
                    outputs: outputs.to_vec(),
                });
                let places = places.iter().map(|place| place + offset).collect();
                lowered.targets.push(Target { places, outputs: targets.to_vec() });
            }
        }
        if lowered.passes.len() > MAX_PASSES {
            let passes = lowered.passes.len();
            return Err(uncomputable(format!("it would take {passes} passes, at most {MAX_PASSES} are run"), FEWER));
        }
        Ok(())
    }

    /// That an encrypted dimension is in one cell.
    fn in_cell(&self, column: usize, cell: usize) -> Condition {
        match self.layout.values[column].holds {
            Holds::Cell { values } if cell as u64 >= values => Condition::Null(column as u32),
            _ => Condition::In(column as u32, vec![cell as u64]),
        }
    }
}

impl Lowered {
    /// The program's numbers: `group * width + n`, as a marginal of the cube has them.
    pub(crate) fn numbers(&self, opened: &[Vec<Vec<Opened>>]) -> Result<Vec<i64>, SealedError> {
        let mut numbers = vec![0i128; self.numbers];
        for (target, groups) in self.targets.iter().zip(opened) {
            for (place, group) in target.places.iter().zip(groups) {
                let mut before = 0i128;
                for (number, value) in target.outputs.iter().zip(group) {
                    let mut add = |at: &usize, value: i128| numbers[place + at] += value;
                    match (number, value) {
                        (Number::Count(at), Opened::Count(count)) => add(at, (*count).into()),
                        (Number::Sum { low, sum, valid }, Opened::Sum { count, sum: above }) => {
                            before = *above as i128;
                            let count = i128::from(*count);
                            sum.iter().for_each(|at| add(at, before + count * i128::from(*low)));
                            valid.iter().for_each(|at| add(at, count));
                        }
                        (Number::Squares { low, at }, Opened::Sum { count, sum: squares }) => {
                            // (u + l)² = u² + 2ul + l².
                            let low = i128::from(*low);
                            add(at, *squares as i128 + 2 * low * before + i128::from(*count) * low * low);
                        }
                        (Number::Bins(at, bins), Opened::Categories(counts)) => {
                            counts.iter().take(*bins).enumerate().for_each(|(bin, n)| add(&(at + bin), (*n).into()));
                        }
                        _ => return Err(SealedError::invalid("result", "its outputs are not those of its passes")),
                    }
                }
            }
        }
        let fits =
            |number| i64::try_from(number).map_err(|_| SealedError::invalid("result", "a number leaves 64 bits"));
        numbers.into_iter().map(fits).collect()
    }
}

/// A filter of which nothing is negated.
enum Node {
    All(Vec<Node>),
    Any(Vec<Node>),
    /// The public column's cell is one of these.
    Public(usize, Vec<bool>),
    Encrypted(Condition),
    Score(Score),
}

/// What columns score. The points of encrypted ones are multiples of `unit`.
struct Score {
    /// What each cell adds, if that is known.
    public: Vec<(usize, Vec<Option<i128>>)>,
    encrypted: Vec<(u32, Points)>,
    /// Where all encrypted columns have points.
    known: Condition,
    unit: i128,
    /// What is to be reached.
    least: i128,
}

impl Node {
    /// How many values it lists, which are gone through for each combination of public cells.
    fn weight(&self) -> usize {
        match self {
            Node::All(parts) | Node::Any(parts) => parts.iter().map(Self::weight).sum::<usize>() + 1,
            Node::Public(..) => 1,
            Node::Encrypted(condition) => condition.weight(),
            Node::Score(score) => {
                score.known.weight() + score.encrypted.iter().map(|(_, points)| points.len()).sum::<usize>()
            }
        }
    }

    /// The public columns that it names.
    fn public(&self, columns: &mut Vec<usize>) {
        match self {
            Node::All(parts) | Node::Any(parts) => parts.iter().for_each(|part| part.public(columns)),
            Node::Public(column, _) => columns.push(*column),
            Node::Score(score) => columns.extend(score.public.iter().map(|(column, _)| *column)),
            Node::Encrypted(_) => {}
        }
    }

    /// What is left of it where public columns are in these cells.
    fn given(&self, cells: &[usize]) -> Condition {
        match self {
            Node::All(parts) => all(parts.iter().map(|part| part.given(cells)).collect()),
            Node::Any(parts) => any(parts.iter().map(|part| part.given(cells)).collect()),
            Node::Public(column, holds) if holds[cells[*column]] => Condition::always(),
            Node::Public(..) => Condition::Any(Vec::new()),
            Node::Encrypted(condition) => condition.clone(),
            Node::Score(score) => score.given(cells),
        }
    }
}

impl Score {
    fn new(layout: &Layout, exact: Exact<'_>) -> Result<Self, SealedError> {
        let (mut public, mut points, mut known) = (Vec::new(), Vec::new(), Vec::new());
        let (mut least, mut unit) = (exact.least, 0);
        for (name, cells) in exact.terms {
            if let Some(column) = layout.public(name) {
                public.push((column, cells));
                continue;
            }
            let number = layout.dimension(name);
            let number = number.ok_or_else(|| uncomputable(format!("{name:?} is not encrypted to filter by"), ASK))?;
            let column = &layout.values[number];
            let values = &cells[..cells.len() - usize::from(column.nullable)];
            if column.bits > MAX_LISTED_BITS {
                // From equal step to equal step.
                let first = values.first().copied().flatten();
                let step = values.get(1).copied().flatten().zip(first).map(|(second, first)| second - first);
                let even = |(first, step): (i128, i128)| {
                    values.iter().zip(0..).all(|(points, cell)| *points == Some(first + step * cell))
                };
                let (first, step) = first.zip(step).filter(|both| even(*both)).ok_or_else(|| {
                    let why = format!("{name:?} has {} values, and points that are no factor of them", values.len());
                    uncomputable(why, "give a factor, or ask the owner for coarser bins")
                })?;
                least -= first;
                unit = gcd(unit, step);
                points.push((number as u32, vec![step]));
            } else {
                let lowest = values.iter().flatten().min().copied().unwrap_or(0);
                least -= lowest;
                if values.contains(&None) {
                    let list = values.iter().zip(0..).filter(|(points, _)| points.is_some()).map(|(_, cell)| cell);
                    known.push(Condition::In(number as u32, list.collect()));
                }
                let mut each = vec![0; 1 << column.bits];
                for (own, points) in each.iter_mut().zip(values) {
                    *own = points.map_or(0, |points| points - lowest);
                    unit = gcd(unit, *own);
                }
                points.push((number as u32, each));
            }
        }
        let unit = unit.max(1);
        let whole = |points: i128| {
            i64::try_from(points / unit).map_err(|_| {
                uncomputable("a score has too many digits", "round its weights: 0.0412 instead of 0.04123456789")
            })
        };
        let wide = |column: u32| layout.values[column as usize].bits > MAX_LISTED_BITS;
        let encrypted = points.into_iter().map(|(column, points)| {
            let points = points.into_iter().map(whole).collect::<Result<Vec<_>, _>>()?;
            Ok((column, if wide(column) { Points::Times(points[0]) } else { Points::Each(points) }))
        });
        Ok(Self { public, encrypted: encrypted.collect::<Result<_, SealedError>>()?, known: all(known), unit, least })
    }

    fn given(&self, cells: &[usize]) -> Condition {
        let public: Option<i128> = self.public.iter().map(|(column, points)| points[cells[*column]]).sum();
        let Some(public) = public else { return Condition::Any(Vec::new()) };
        let least = self.least - public;
        if self.encrypted.is_empty() {
            return if least <= 0 { Condition::always() } else { Condition::Any(Vec::new()) };
        }
        // The engine refuses points whose sums are beyond.
        let least = (least.div_euclid(self.unit) + i128::from(least.rem_euclid(self.unit) != 0))
            .clamp(i64::MIN.into(), i64::MAX.into()) as i64;
        all(vec![self.known.clone(), Condition::Score(self.encrypted.clone(), least)])
    }
}

/// All of these.
fn all(parts: Vec<Condition>) -> Condition {
    if parts.iter().any(Condition::is_never) {
        return Condition::Any(Vec::new());
    }
    let mut parts: Vec<Condition> = parts.into_iter().filter(|part| !part.is_always()).collect();
    if parts.len() == 1 { parts.remove(0) } else { Condition::All(parts) }
}

/// Any of these.
fn any(parts: Vec<Condition>) -> Condition {
    if parts.iter().any(Condition::is_always) {
        return Condition::always();
    }
    let mut parts: Vec<Condition> = parts.into_iter().filter(|part| !part.is_never()).collect();
    if parts.len() == 1 { parts.remove(0) } else { Condition::Any(parts) }
}

fn node(schema: &Schema, layout: &Layout, filter: &Predicate<Vec<Value>>, positive: bool) -> Result<Node, SealedError> {
    let parts = |parts: &[Predicate<Vec<Value>>]| {
        parts.iter().map(|part| node(schema, layout, part, positive)).collect::<Result<Vec<_>, _>>()
    };
    Ok(match filter {
        Predicate::Not(part) => node(schema, layout, part, !positive)?,
        Predicate::All(all) if positive => Node::All(parts(all)?),
        Predicate::Any(any) if !positive => Node::All(parts(any)?),
        Predicate::All(some) | Predicate::Any(some) => Node::Any(parts(some)?),
        Predicate::Score(scored) => {
            let exact = scored.exact(schema)?;
            Node::Score(Score::new(layout, if positive { exact } else { exact.negated() })?)
        }
        Predicate::Test { column: name, op, literals } => {
            let column = schema.column(name)?;
            let cells = test_cells(column, *op, literals)?.into_iter().map(|holds| holds == Some(positive));
            let cells: Vec<bool> = cells.collect();
            match (layout.public(name), layout.dimension(name)) {
                (Some(public), _) => Node::Public(public, cells),
                (None, Some(number)) => Node::Encrypted(in_cells(layout, number, &cells)?),
                (None, None) => return Err(uncomputable(format!("{name:?} is not encrypted to filter by"), ASK)),
            }
        }
    })
}

/// That an encrypted dimension is in one of some cells, the null cell last.
fn in_cells(layout: &Layout, number: usize, cells: &[bool]) -> Result<Condition, SealedError> {
    let (column, values) = (&layout.values[number], number as u32);
    let (of_values, of_null) = cells.split_at(cells.len() - usize::from(column.nullable));
    let null = of_null.first().copied().unwrap_or(false);
    if cells.iter().all(|holds| *holds) {
        return Ok(Condition::always());
    }
    let mut parts = Vec::new();
    if of_values.iter().all(|holds| *holds) {
        parts.push(Condition::Between(values, 0, of_values.len() as u64 - 1));
    } else if column.bits <= MAX_LISTED_BITS {
        let list = of_values.iter().enumerate().filter(|(_, holds)| **holds).map(|(cell, _)| cell as u64);
        parts.push(Condition::In(values, list.collect()));
    } else {
        let mut start = 0;
        for run in of_values.chunk_by(|a, b| a == b) {
            if run[0] {
                parts.push(Condition::Between(values, start, start + run.len() as u64 - 1));
            }
            start += run.len() as u64;
        }
        if parts.len() > MAX_RANGES {
            let why = format!("{:?} is compared with {} ranges of its cells", column.name, parts.len());
            return Err(uncomputable(why, "compare it with fewer values, or ask the owner for coarser bins"));
        }
    }
    parts.retain(|part| !matches!(part, Condition::In(_, list) if list.is_empty()));
    if null {
        parts.push(Condition::Null(values));
    }
    Ok(any(parts))
}
