//! What executors run: passes over the rows of a chunk, each a filter, some outputs, and the groups that are known in the
//! clear. And the same in the clear, for rows whose values the owner has made up.

use std::collections::BTreeSet;

use sealock_fhe::table::{self, EncryptedChunk, EncryptedResult, Filter, Form, Opened, Output, Plan};
use serde::{Deserialize, Serialize};

use super::SealedError;
use super::layout::Columns;
use super::task::MAX_PART_BYTES;

/// Most passes of a program.
pub const MAX_PASSES: usize = 256;
/// Most combinations of public cells that a pass tells apart.
pub const MAX_COMBINATIONS: usize = 1 << 16;
/// Most ring elements of a pass's result: 8 MiB.
pub const MAX_RING_ELEMENTS: usize = 1024;
/// Longest result of a pass over packed rows, in bytes.
pub const MAX_PACKED_RESULT_BYTES: usize = 32 << 20;
/// Most bytes of the columns of one chunk that the passes of a task take together: executors hold them all.
pub const MAX_COLUMN_BYTES: usize = 2 << 30;
/// Most bootstraps of a row, of a pass and of all together: a minute of a core.
pub const MAX_BOOTSTRAPS: usize = 4096;
/// Deepest condition, and most parts of one.
const MAX_DEPTH: usize = 64;
const MAX_PARTS: usize = 4096;
/// Most columns of a score.
const MAX_TERMS: usize = 64;
/// Most values of one list.
const MAX_VALUES: usize = 2048;

/// A condition on encrypted columns, without negation: what does not hold of a null is listed.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Condition {
    /// All of them; of none: every row.
    All(Vec<Condition>),
    /// Any of them; of none: no row.
    Any(Vec<Condition>),
    /// The column's value is one of these.
    In(u32, Vec<u64>),
    /// The column's value is between these, both included.
    Between(u32, u64, u64),
    /// The column has no value.
    Null(u32),
    /// What the columns' values score, added up, is at least this; of a row without one of the values it is not.
    Score(Vec<(u32, Points)>, i64),
}

/// What a column's values score.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Points {
    /// So much for each unit of the value.
    Times(i64),
    /// For each value from 0 on.
    Each(Vec<i64>),
}

impl Points {
    /// How many numbers it is.
    pub(crate) fn len(&self) -> usize {
        match self {
            Points::Times(_) => 1,
            Points::Each(each) => each.len(),
        }
    }
}

impl From<&Points> for table::Points {
    fn from(points: &Points) -> Self {
        match points {
            Points::Times(weight) => table::Points::Times(*weight),
            Points::Each(each) => table::Points::Each(each.clone()),
        }
    }
}

impl Condition {
    /// Holds of every row.
    pub(crate) fn always() -> Self {
        Condition::All(Vec::new())
    }

    /// Whether it says that it holds of no row.
    pub(crate) fn is_never(&self) -> bool {
        matches!(self, Condition::Any(parts) if parts.is_empty())
    }

    pub(crate) fn is_always(&self) -> bool {
        matches!(self, Condition::All(parts) if parts.is_empty())
    }

    /// How many values it lists.
    pub(crate) fn weight(&self) -> usize {
        match self {
            Condition::All(parts) | Condition::Any(parts) => parts.iter().map(Self::weight).sum::<usize>() + 1,
            Condition::In(_, values) => values.len(),
            Condition::Between(..) | Condition::Null(_) => 1,
            Condition::Score(terms, _) => terms.iter().map(|(_, points)| points.len()).sum(),
        }
    }

    fn filter(&self) -> Filter {
        match self {
            Condition::All(parts) => Filter::And(parts.iter().map(Self::filter).collect()),
            Condition::Any(parts) => Filter::Or(parts.iter().map(Self::filter).collect()),
            Condition::In(column, values) => Filter::In(*column as usize, values.clone()),
            Condition::Between(column, low, high) => Filter::between(*column as usize, *low, *high),
            Condition::Null(column) => Filter::Null(*column as usize),
            Condition::Score(terms, least) => {
                Filter::Score(terms.iter().map(|(column, points)| (*column as usize, points.into())).collect(), *least)
            }
        }
    }

    /// The columns that it names.
    fn columns(&self, all: &mut BTreeSet<u32>) {
        match self {
            Condition::All(parts) | Condition::Any(parts) => parts.iter().for_each(|part| part.columns(all)),
            Condition::In(column, _) | Condition::Between(column, ..) | Condition::Null(column) => {
                all.insert(*column);
            }
            Condition::Score(terms, _) => all.extend(terms.iter().map(|(column, _)| *column)),
        }
    }

    fn check(&self, depth: usize, parts: &mut usize) -> Result<(), SealedError> {
        *parts += 1;
        if depth == 0 || *parts > MAX_PARTS {
            return Err(SealedError::invalid("task", "a condition is too deep or too large"));
        }
        match self {
            Condition::All(all) | Condition::Any(all) => all.iter().try_for_each(|one| one.check(depth - 1, parts)),
            Condition::In(_, values) if values.len() > MAX_VALUES => {
                Err(SealedError::invalid("task", "a condition lists too many values"))
            }
            Condition::Score(terms, _) if terms.len() > MAX_TERMS => {
                Err(SealedError::invalid("task", "a condition adds up too many columns"))
            }
            _ => Ok(()),
        }
    }
}

/// What is computed of the rows of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Out {
    /// How many rows.
    Count,
    /// How many values of a column, and their sum.
    Sum(u32),
    /// How many values of a column, and the sum of their squares.
    Squares(u32),
    /// How many rows of each category.
    Categories(u32),
}

impl Out {
    const fn output(self) -> Output {
        match self {
            Out::Count => Output::Count,
            Out::Sum(column) => Output::Sum(column as usize),
            Out::Squares(column) => Output::SumOfSquares(column as usize),
            Out::Categories(column) => Output::Categories(column as usize),
        }
    }
}

/// One run over a chunk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pass {
    /// The public columns by whose cells rows are told apart.
    pub public: Vec<u32>,
    /// How many groups there are.
    pub groups: u32,
    /// For each combination of those cells, row-major, the group that its rows are in, if they take part.
    pub of: Vec<Option<u32>>,
    /// The rows that count, of those that take part.
    pub keep: Condition,
    /// What is computed.
    pub outputs: Vec<Out>,
}

impl Pass {
    /// The engine's plan over columns of these widths, packed or not.
    fn plan(&self, widths: &[u8], packed: bool) -> Result<Plan, SealedError> {
        let (filter, outputs) = (self.keep.filter(), self.outputs.iter().map(|out| out.output()).collect::<Vec<_>>());
        if !packed {
            return Ok(Plan::new(widths, &filter, &outputs)?);
        }
        let plan = Plan::packed(widths, &filter, &outputs)?;
        plan.ok_or_else(|| SealedError::invalid("task", "packed rows cannot be filtered like that"))
    }

    /// Checks a pass that somebody else has made, before anything is allocated for it.
    pub(crate) fn check(&self, columns: &Columns) -> Result<Plan, SealedError> {
        let bad = |why: &str| Err(SealedError::invalid("task", why));
        let mut combinations = 1usize;
        for public in &self.public {
            let Some(column) = columns.public.get(*public as usize) else {
                return bad("it names a public column that there is not");
            };
            combinations = combinations.saturating_mul(column.cells as usize);
        }
        if combinations > MAX_COMBINATIONS || self.of.len() != combinations {
            return bad("it does not have one group for each combination of public cells");
        }
        if self.groups == 0 || self.of.iter().flatten().any(|group| *group >= self.groups) {
            return bad("it names a group that there is not");
        }
        if self.groups as usize > MAX_RING_ELEMENTS || self.outputs.len() > MAX_RING_ELEMENTS {
            return bad("its result would be too large");
        }
        self.keep.check(MAX_DEPTH, &mut 0)?;
        let mut named = BTreeSet::new();
        self.keep.columns(&mut named);
        if !named.iter().all(|named| columns.stored.iter().any(|stored| stored.column == *named)) {
            return bad("it names an encrypted column that there is not");
        }
        let (widths, packed) = (columns.widths(), columns.is_packed());
        let plan = self.plan(&widths, packed)?;
        if plan.bootstraps_per_row() > MAX_BOOTSTRAPS {
            return bad("it takes too many bootstraps for each row");
        }
        let many =
            |out: &Out| matches!(out, Out::Categories(column) if widths[*column as usize] > Form::OneHot.max_bits());
        if packed && self.outputs.iter().any(many) {
            return bad("it counts more categories than any do");
        }
        let most = if packed { MAX_PACKED_RESULT_BYTES } else { MAX_RING_ELEMENTS * (4 * 2048 + 4 * 16) };
        if self.result_len(&plan) > most {
            return bad("its result would be too large");
        }
        for (column, form) in plan.sources() {
            if columns.place(column, form).is_none() {
                return Err(sealock_fhe::Error::Source { column, form }.into());
            }
        }
        Ok(plan)
    }

    /// Bytes of the encrypted result of a chunk.
    pub(crate) fn result_len(&self, plan: &Plan) -> usize {
        EncryptedResult::encoded_len(plan, self.groups as usize)
    }

    /// The group of each row, by the cells of the public columns.
    pub(crate) fn group_rows(&self, columns: &Columns, public: &[Vec<u32>], rows: usize) -> Vec<Option<u32>> {
        let place = |row: usize| {
            self.public.iter().fold(0usize, |place, &column| {
                place * columns.public[column as usize].cells as usize + public[column as usize][row] as usize
            })
        };
        (0..rows).map(|row| self.of[place(row)]).collect()
    }

    /// What an honest executor's result opens to: for each group, each output. `values` has each column's values.
    pub(crate) fn in_the_clear(
        &self,
        columns: &Columns,
        public: &[Vec<u32>],
        values: &[Vec<Option<u64>>],
        rows: usize,
    ) -> Vec<Vec<Opened>> {
        let (filter, widths) = (self.keep.filter(), columns.widths());
        let nothing = self.outputs.iter().map(|out| match out {
            Out::Count => Opened::Count(0),
            Out::Sum(_) | Out::Squares(_) => Opened::Sum { count: 0, sum: 0 },
            Out::Categories(column) => Opened::Categories(vec![0; 1 << widths[*column as usize]]),
        });
        let mut opened = vec![nothing.collect::<Vec<_>>(); self.groups as usize];
        for (row, group) in self.group_rows(columns, public, rows).into_iter().enumerate() {
            let Some(group) = group else { continue };
            let of_row: Vec<Option<u64>> = values.iter().map(|column| column[row]).collect();
            if !filter.holds(&of_row) {
                continue;
            }
            for (out, own) in self.outputs.iter().zip(&mut opened[group as usize]) {
                match (out, own) {
                    (Out::Count, Opened::Count(count)) => *count += 1,
                    (Out::Sum(column) | Out::Squares(column), Opened::Sum { count, sum }) => {
                        if let Some(value) = of_row[*column as usize].map(u128::from) {
                            *count += 1;
                            *sum += if matches!(out, Out::Sum(_)) { value } else { value * value };
                        }
                    }
                    (Out::Categories(column), Opened::Categories(counts)) => {
                        if let Some(value) = of_row[*column as usize] {
                            counts[value as usize] += 1;
                        }
                    }
                    _ => unreachable!("outputs were made in this order"),
                }
            }
        }
        opened
    }

    /// Whether numbers could be those of so many rows, of columns of these widths.
    pub(crate) fn conforms(&self, widths: &[u8], rows: u64, opened: &[Vec<Opened>]) -> bool {
        let mut total = 0u64;
        for group in opened {
            let mut most = rows;
            for (out, number) in self.outputs.iter().zip(group) {
                let fits = match (out, number) {
                    (Out::Count, Opened::Count(count)) => {
                        most = most.min(*count);
                        *count <= rows
                    }
                    (Out::Sum(column) | Out::Squares(column), Opened::Sum { count, sum }) => {
                        let largest = u128::from(u64::MAX >> (64 - u32::from(widths[*column as usize])));
                        let largest = if matches!(out, Out::Sum(_)) { largest } else { largest * largest };
                        *count <= most && *sum <= largest.saturating_mul((*count).into())
                    }
                    (Out::Categories(_), Opened::Categories(counts)) => counts
                        .iter()
                        .try_fold(0u64, |sum, count| sum.checked_add(*count))
                        .is_some_and(|sum| sum <= most),
                    _ => false,
                };
                if !fits {
                    return false;
                }
            }
            if let Some(Opened::Count(count)) = group.first().filter(|_| self.outputs.first() == Some(&Out::Count)) {
                total += count;
            }
        }
        total <= rows
    }
}

/// Checks the passes of a task that somebody else has made, over columns packed or not: the engine's plans, in order.
pub(crate) fn plans(passes: &[Pass], columns: &Columns) -> Result<Vec<Plan>, SealedError> {
    let bad = |why: &str| Err(SealedError::invalid("task", why));
    let (mut plans, mut sources, mut length) = (Vec::with_capacity(passes.len()), BTreeSet::new(), 0);
    for pass in passes {
        let plan = pass.check(columns)?;
        length += pass.result_len(&plan);
        if length > MAX_PART_BYTES {
            return bad("the results of its passes would be too large together");
        }
        sources.extend(plan.sources());
        plans.push(plan);
    }
    let widths = columns.widths();
    let bytes =
        |(column, form): &(usize, Form)| EncryptedChunk::encoded_len(*form, widths[*column], columns.rows_per_chunk());
    if sources.iter().map(bytes).sum::<usize>() > MAX_COLUMN_BYTES {
        return bad("its passes take too many columns together");
    }
    Ok(plans)
}

/// Bytes of the encrypted results of a chunk, of each pass.
pub(crate) fn lengths(passes: &[Pass], plans: &[Plan]) -> Vec<usize> {
    passes.iter().zip(plans).map(|(pass, plan)| pass.result_len(plan)).collect()
}

/// Adds the same outputs of other rows.
pub(crate) fn add(sums: &mut [Vec<Opened>], more: &[Vec<Opened>]) {
    let pairs = sums.iter_mut().flatten().zip(more.iter().flatten());
    for pair in pairs {
        match pair {
            (Opened::Count(own), Opened::Count(more)) => *own += more,
            (Opened::Sum { count, sum }, Opened::Sum { count: counted, sum: summed }) => {
                *count += counted;
                *sum += summed;
            }
            (Opened::Categories(own), Opened::Categories(more)) => {
                own.iter_mut().zip(more).for_each(|(own, more)| *own += more);
            }
            _ => unreachable!("both are of one pass"),
        }
    }
}
