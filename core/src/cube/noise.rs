//! Noise in the cube, for a policy that asks for it: see [`privacy`](crate::privacy) for what it promises and why.

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use super::{Cube, CubeError, MeasureCells, ProtectedCube, Suppression, series_bits};
use crate::asset::Schema;
use crate::codec::{CodecError, from_canonical, to_canonical};
use crate::policy::Policy;
use crate::privacy::{MAX_NOISY_NUMBERS, Noise, Scale};
use crate::program::{Plan, Series};

const WHAT: &str = "protected cube";
const VERSION: u64 = 1;
/// Names and sizes beside the numbers.
const MAX_CUBE_BYTES: usize = MAX_NOISY_NUMBERS as usize * 8 + (1 << 20);

/// Bits, the sign aside, of the entries of a marginal, with room for their noise: one for each number of `series`. They follow
/// from public values.
///
/// # Errors
/// [`CubeError::SumTooLarge`] or [`CubeError::NoiseTooLarge`] if they pass 62.
pub(crate) fn entry_bits(
    schema: &Schema,
    policy: &Policy,
    plan: &Plan,
    series: &[(Series, usize)],
    max_rows: u64,
) -> Result<Vec<u32>, CubeError> {
    let (drawn, cells) = noisy_series(schema, policy, plan)?;
    let mut all = Vec::with_capacity(plan.width());
    for (series, numbers) in series {
        all.extend(std::iter::repeat_n(noisy_entry(schema, policy, series, max_rows, drawn, cells)?, *numbers));
    }
    Ok(all)
}

fn noisy_entry(
    schema: &Schema,
    policy: &Policy,
    series: &Series,
    max_rows: u64,
    drawn: usize,
    cells: u64,
) -> Result<u32, CubeError> {
    let bits = series_bits(schema, policy, series, max_rows)?;
    match policy.scale(schema, series, drawn)? {
        None => Ok(bits),
        Some(scale) => noisy_bits(series, bits, scale, cells),
    }
}

/// Checks that every number that the policy lets be asked for has room, its noise included: for a protected cube, summed over all
/// cells.
///
/// # Errors
/// As [`entry_bits`].
pub(crate) fn check_room(schema: &Schema, policy: &Policy, max_rows: u64) -> Result<(), CubeError> {
    let all = policy.all_series(schema)?;
    let (drawn, cells) = match policy.noise() {
        Some(Noise::Cube(_)) => (all.len(), policy.cells(schema)?),
        _ => (1, 1),
    };
    all.iter().try_for_each(|series| noisy_entry(schema, policy, series, max_rows, drawn, cells).map(drop))
}

/// How many series a release of the policy draws noise for, and how many noisy cells an entry of a marginal sums at most.
pub(crate) fn noisy_series(schema: &Schema, policy: &Policy, plan: &Plan) -> Result<(usize, u64), CubeError> {
    if let Some(Noise::Cube(_)) = policy.noise() {
        let mut named: Vec<&String> = plan.group_by().iter().chain(plan.hidden()).collect();
        named.sort_unstable();
        named.dedup();
        let mut cells = policy.cells(schema)?;
        for column in named {
            cells /= schema.column(column)?.cells()?;
        }
        return Ok((policy.all_series(schema)?.len(), cells.max(1)));
    }
    Ok((policy.noisy_series(plan.series()).len(), 1))
}

/// Bits that hold `2^bits` and the noise of so many cells.
fn noisy_bits(series: &Series, bits: u32, scale: Scale, cells: u64) -> Result<u32, CubeError> {
    let largest = (1u128 << bits).saturating_add(scale.reach(cells));
    match u128::BITS - largest.leading_zeros() {
        bits @ ..=62 => Ok(bits),
        _ => Err(CubeError::NoiseTooLarge { name: series.to_string() }),
    }
}

fn limit(bits: u32) -> i64 {
    (1 << bits) - 1
}

impl Cube {
    /// Protects the cube as the policy says: suppresses small cells; or draws noise for every cell; or has it drawn for
    /// every marginal.
    ///
    /// # Errors
    /// [`CubeError::Privacy`] if noise could not be drawn; [`CubeError::NoiseTooLarge`].
    pub fn protect(self, schema: &Schema, policy: &Policy) -> Result<ProtectedCube, CubeError> {
        let noise = Some(Box::new(policy.clone()));
        match policy.noise() {
            None => Ok(self.suppress(policy.group_size())),
            Some(Noise::PerJob(_)) => Ok(ProtectedCube { noise, ..self.suppress(1) }),
            Some(Noise::Cube(_)) => {
                // The empty cells get noise as well.
                let mut cube = self.into_dense();
                let all = policy.all_series(schema)?;
                let rows = cube.rows.next_power_of_two();
                for series in &all {
                    let scale = policy.scale(schema, series, all.len())?;
                    let scale = scale.expect("the policy asks for noise");
                    let bits = noisy_bits(series, series_bits(schema, policy, series, rows)?, scale, 1)?;
                    scale.add_to(cube.series_mut(series), limit(bits))?;
                }
                let report = Suppression { cells: cube.count.len() as u64, rows: cube.rows, ..Suppression::default() };
                let minimum = i64::from(policy.group_size());
                if minimum > 1 {
                    for cell in (0..cube.count.len()).filter(|cell| cube.count[*cell] < minimum).collect::<Vec<_>>() {
                        all.iter().for_each(|series| cube.series_mut(series)[cell] = 0);
                    }
                }
                cube.rows = rows;
                Ok(ProtectedCube { cube, report, noise })
            }
        }
    }

    fn series_mut(&mut self, series: &Series) -> &mut [i64] {
        let Self { count, measures, .. } = self;
        let (Series::Sum(column) | Series::SumOfSquares(column) | Series::Valid(column)) = series else { return count };
        let measure = measures.iter_mut().find(|m| m.column == *column).expect("a policy's measures are folded");
        match series {
            Series::SumOfSquares(_) => {
                measure.squares.as_mut().expect("the squares of a policy with variances are summed")
            }
            Series::Valid(_) => measure.valid.as_mut().expect("the valid rows of a nullable measure are counted"),
            _ => &mut measure.sum,
        }
    }
}

impl ProtectedCube {
    pub(super) fn noisy_marginal(
        &self,
        schema: &Schema,
        plan: &Plan,
        policy: &Policy,
    ) -> Result<Vec<Vec<i64>>, CubeError> {
        let max_rows = self.cube.rows.next_power_of_two();
        if let Some(Noise::Cube(_)) = policy.noise() {
            let mut rows = self.sums(schema, plan, plan.series())?;
            let bits = entry_bits(schema, policy, plan, plan.series(), max_rows)?;
            for (row, bits) in rows.iter_mut().zip(bits.iter().cycle()) {
                let limit = limit(*bits);
                row.iter_mut().for_each(|entry| *entry = (*entry).clamp(-limit, limit));
            }
            return Ok(rows);
        }
        let drawn = policy.noisy_series(plan.series());
        draw_for_job(schema, plan, policy, &drawn, self.sums(schema, plan, &drawn)?, max_rows)
    }

    /// Whether the noise is drawn already, and all answers are to be made of it.
    pub(crate) fn is_noisy(&self) -> bool {
        self.noise.as_ref().is_some_and(|policy| matches!(policy.noise(), Some(Noise::Cube(_))))
    }

    /// The numbers of a noisy cube, to be kept.
    pub(crate) fn to_bytes(&self) -> Result<Vec<u8>, CodecError> {
        let Cube { columns, sizes, count, measures, rows, .. } = &self.cube;
        let measure = |m: &MeasureCells| Kept {
            column: m.column.clone(),
            sum: numbers(&m.sum),
            squares: m.squares.as_ref().map(|squares| numbers(squares)),
            valid: m.valid.as_ref().map(|valid| numbers(valid)),
        };
        let form = CubeForm {
            version: VERSION,
            columns: columns.clone(),
            sizes: sizes.clone(),
            rows: *rows,
            count: numbers(count),
            measures: measures.iter().map(measure).collect(),
        };
        to_canonical(WHAT, &form)
    }

    /// Reads what [`ProtectedCube::to_bytes`] wrote under the same policy.
    pub(crate) fn from_bytes(bytes: &[u8], policy: &Policy) -> Result<Self, CodecError> {
        let form: CubeForm = from_canonical(WHAT, bytes, MAX_CUBE_BYTES)?;
        if form.version != VERSION {
            return Err(CodecError::UnsupportedVersion { what: WHAT, got: form.version, known: VERSION });
        }
        let cells = form.sizes.iter().try_fold(1usize, |cells, size| cells.checked_mul(usize::try_from(*size).ok()?));
        let read = |bytes: &[u8]| {
            let (entries, rest) = bytes.as_chunks::<8>();
            let whole = rest.is_empty() && Some(entries.len()) == cells;
            let why =
                || CodecError::Malformed { what: WHAT, why: "a series does not have a number for each cell".into() };
            whole.then(|| entries.iter().map(|entry| i64::from_le_bytes(*entry)).collect()).ok_or_else(why)
        };
        let measure = |kept: Kept| -> Result<MeasureCells, CodecError> {
            let valid = kept.valid.map(|valid| read(&valid)).transpose()?;
            let squares = kept.squares.map(|squares| read(&squares)).transpose()?;
            Ok(MeasureCells { column: kept.column, sum: read(&kept.sum)?, squares, valid })
        };
        let count: Vec<i64> = read(&form.count)?;
        let report = Suppression { cells: count.len() as u64, rows: form.rows, ..Suppression::default() };
        let measures = form.measures.into_iter().map(measure).collect::<Result<_, _>>()?;
        let CubeForm { columns, sizes, rows, .. } = form;
        let cube = Cube { columns, sizes, count, cells: None, measures, entities: None, rows };
        Ok(Self { cube, report, noise: Some(Box::new(policy.clone())) })
    }
}

fn numbers(values: &[i64]) -> ByteBuf {
    ByteBuf::from(values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>())
}

/// Draws noise for a job: adds it to the exact numbers of the series `drawn`
/// ([`Policy::noisy_series`]), group after group, withholds groups whose noisy count is too small, and leaves what the plan asks
/// for.
///
/// # Errors
/// [`CubeError::Privacy`], [`CubeError::NoiseTooLarge`].
pub(crate) fn draw_for_job(
    schema: &Schema,
    plan: &Plan,
    policy: &Policy,
    drawn: &[(Series, usize)],
    mut rows: Vec<Vec<i64>>,
    max_rows: u64,
) -> Result<Vec<Vec<i64>>, CubeError> {
    let numbers: Vec<&Series> = drawn.iter().flat_map(|(series, n)| std::iter::repeat_n(series, *n)).collect();
    let bits = entry_bits(schema, policy, plan, drawn, max_rows)?;
    for (row, (series, bits)) in rows.iter_mut().zip(numbers.iter().zip(bits).cycle()) {
        let scale = policy.scale(schema, series, drawn.len())?.expect("the policy asks for noise");
        scale.add_to(row, limit(bits))?;
    }
    let minimum = i64::from(policy.group_size());
    let (asked, mut out) = (plan.width(), Vec::with_capacity(plan.groups() * plan.width()));
    for group in rows.chunks_mut(numbers.len()) {
        if minimum > 1 {
            let count = numbers.iter().position(|s| **s == Series::Count).expect("a count is drawn to suppress by");
            for cell in 0..plan.cells() {
                if group[count][cell] < minimum {
                    group.iter_mut().for_each(|row| row[cell] = 0);
                }
            }
        }
        out.extend(group[..asked].iter_mut().map(std::mem::take));
    }
    Ok(out)
}

/// A noisy cube as it is kept: each series as 64-bit integers, little-endian, row-major over `columns`.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct CubeForm {
    version: u64,
    columns: Vec<String>,
    sizes: Vec<u64>,
    /// Bound on the rows, a power of two.
    rows: u64,
    count: ByteBuf,
    measures: Vec<Kept>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    column: String,
    sum: ByteBuf,
    squares: Option<ByteBuf>,
    valid: Option<ByteBuf>,
}
