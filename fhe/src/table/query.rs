//! What is asked of encrypted columns, and the plan: which chunks it takes and how many bootstraps a row costs.

use super::{
    column::{Form, digits},
    filter::{Filter, Gates},
    packed::Circuit,
    params::{BLOCK_BITS, BOXES},
};
use crate::{Device, Error};

/// What is computed of the rows that a filter lets through. Columns are named by their index.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Output {
    /// How many rows.
    Count,
    /// How many values, and their sum; of [`Form::Limbs`].
    Sum(usize),
    /// How many values, and the sum of their squares; of [`Form::Squares`].
    SumOfSquares(usize),
    /// How many rows of each category; of [`Form::OneHot`].
    Categories(usize),
    /// The least value, by tfhe-rs's integers; of [`Form::Digits`].
    Minimum(usize),
    /// The greatest value, by tfhe-rs's integers; of [`Form::Digits`].
    Maximum(usize),
}

impl Output {
    /// The column and the form that it is computed of.
    pub fn source(self) -> Option<(usize, Form)> {
        match self {
            Self::Count => None,
            Self::Sum(column) => Some((column, Form::Limbs)),
            Self::SumOfSquares(column) => Some((column, Form::Squares)),
            Self::Categories(column) => Some((column, Form::OneHot)),
            Self::Minimum(column) | Self::Maximum(column) => Some((column, Form::Digits)),
        }
    }

    pub(crate) fn extremum(self) -> Option<(usize, bool)> {
        match self {
            Self::Minimum(column) => Some((column, false)),
            Self::Maximum(column) => Some((column, true)),
            _ => None,
        }
    }
}

/// By which way an output is computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Route {
    /// Additions alone.
    Linear,
    /// A bootstrap decides whether the row counts, and its output is added up.
    Decided,
    /// The filter's bit turns an encrypted accumulator, once for each 16 boxes.
    Masked,
    /// tfhe-rs's integers.
    General,
    /// Sums and products of packed rows.
    Packed,
}

/// A checked query over columns of known widths.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    bits: Vec<u8>,
    outputs: Vec<Output>,
    /// Nothing where every row counts.
    pub(crate) gates: Option<Gates>,
    /// For each extremum, the filter and that there is a value.
    pub(crate) extrema: Vec<Gates>,
    /// Of packed data: there are no gates then.
    pub(crate) packed: Option<Circuit>,
}

impl Plan {
    /// Plans `outputs` of the rows that `filter` lets through, over columns of these widths in bits.
    ///
    /// # Errors
    /// [`Error::Column`] for a column that there is not, [`Error::ColumnBits`] for values too wide for their form.
    pub fn new(bits: &[u8], filter: &Filter, outputs: &[Output]) -> Result<Self, Error> {
        for (column, form) in outputs.iter().filter_map(|output| output.source()) {
            let got = *bits.get(column).ok_or(Error::Column { got: column, columns: bits.len() })?;
            form.check(got)?;
        }
        let there = |column| Filter::And(vec![filter.clone(), Filter::Not(Box::new(Filter::Null(column)))]);
        let extrema = outputs
            .iter()
            .filter_map(|output| output.extremum())
            .map(|(column, _)| Ok(Gates::plan(&there(column), bits)?.expect("that there is a value is a condition")));
        let extrema = extrema.collect::<Result<_, Error>>()?;
        let gates = Gates::plan(filter, bits)?;
        Ok(Self { bits: bits.to_vec(), outputs: outputs.to_vec(), gates, extrema, packed: None })
    }

    /// Plans the same over packed columns, for [`evaluate_packed`](super::evaluate_packed). Nothing where the filter's degree is
    /// beyond what the parameters hold, where it has too many parts, or columns of more bits than are stored as
    /// [`Form::Indicators`], of more than 16 in a score.
    ///
    /// The degree is how many digits the columns of a filter have, of up to six bits each, and one more for values. Six are held,
    /// and seven of small columns.
    ///
    /// # Errors
    /// As [`Plan::new`].
    pub fn packed(bits: &[u8], filter: &Filter, outputs: &[Output]) -> Result<Option<Self>, Error> {
        let checked = Self::new(bits, filter, outputs)?;
        let packed = Circuit::plan(bits, filter, outputs);
        Ok(packed.map(|circuit| Self { gates: None, extrema: Vec::new(), packed: Some(circuit), ..checked }))
    }

    /// Whether it is of packed columns.
    pub fn is_packed(&self) -> bool {
        self.packed.is_some()
    }

    /// Most rows of a chunk.
    pub(crate) fn rows_per_chunk(&self) -> usize {
        let form = if self.is_packed() { Form::Values } else { Form::Limbs };
        form.rows_per_chunk()
    }

    /// Width of a column, in bits.
    pub(crate) fn width(&self, column: usize) -> u8 {
        self.bits[column]
    }

    /// What is computed, in this order.
    pub fn outputs(&self) -> &[Output] {
        &self.outputs
    }

    /// The columns and forms that an executor needs, each once.
    pub fn sources(&self) -> Vec<(usize, Form)> {
        if let Some(circuit) = &self.packed {
            return circuit.sources();
        }
        let filters = self.gates.iter().chain(&self.extrema).flat_map(Gates::columns);
        let mut all: Vec<(usize, Form)> = filters.map(|column| (column, Form::Digits)).collect();
        all.extend(self.outputs.iter().filter_map(|output| output.source()));
        all.sort_unstable();
        all.dedup();
        all
    }

    /// How an output is computed.
    pub fn route(&self, output: Output) -> Route {
        match (&self.gates, output) {
            _ if self.is_packed() => Route::Packed,
            (_, Output::Minimum(_) | Output::Maximum(_)) => Route::General,
            (None, _) => Route::Linear,
            (Some(gates), Output::Count) if gates.last.is_bit() && gates.gates.is_empty() => Route::Linear,
            (_, Output::Count) => Route::Decided,
            _ => Route::Masked,
        }
    }

    /// Bootstraps that one row costs. Of minimum and maximum it is an estimate: two for each block of two bits to choose
    /// between value and bound, and three to compare and choose again.
    pub fn bootstraps_per_row(&self) -> usize {
        let of = |route| self.outputs.iter().filter(move |output| self.route(**output) == route);
        let masks: usize = of(Route::Masked).map(|output| self.accumulators(*output)).sum();
        let counts = of(Route::Decided).count().min(1);
        let bit = self
            .gates
            .as_ref()
            .filter(|_| masks + counts > 0)
            .map_or(0, |gates| gates.gates.len() + usize::from(masks > 0 && !gates.last.is_bit()));
        let columns = self.outputs.iter().filter_map(|output| output.extremum());
        let general: usize = columns
            .zip(&self.extrema)
            .map(|((column, _), gates)| gates.gates.len() + 1 + 5 * self.blocks(column))
            .sum();
        bit + counts + masks + general
    }

    /// What bootstraps where there are these GPUs: the general route runs on the processor, and so does what needs no bootstrap.
    pub(crate) fn devices(&self, gpus: &[Device]) -> Vec<Device> {
        let routes: Vec<Route> = self.outputs.iter().map(|output| self.route(*output)).collect();
        let fast = routes.iter().any(|route| matches!(route, Route::Masked | Route::Decided));
        let mut devices = if fast { gpus.to_vec() } else { Vec::new() };
        if devices.is_empty() || routes.contains(&Route::General) {
            devices.push(Device::Cpu);
        }
        devices
    }

    /// Ring elements of one row of an output.
    pub(crate) fn accumulators(&self, output: Output) -> usize {
        self.boxes(output).div_ceil(BOXES)
    }

    /// Boxes of an output.
    pub(crate) fn boxes(&self, output: Output) -> usize {
        match output.source() {
            Some((_, Form::Digits)) | None => 1,
            Some((column, form)) => form.boxes(self.width(column)),
        }
    }

    /// Message blocks of a column's values.
    pub(crate) fn blocks(&self, column: usize) -> usize {
        digits(self.width(column)).iter().map(|&w| u32::from(w).div_ceil(BLOCK_BITS) as usize).sum()
    }

    /// For each output, how many bodies each of its ring elements has.
    pub(crate) fn samples(&self, output: Output) -> Vec<usize> {
        if let Some((column, _)) = output.extremum() {
            // Whether there is a value, then its blocks.
            return vec![1; 1 + self.blocks(column)];
        }
        let boxes = self.boxes(output);
        (0..self.accumulators(output)).map(|i| BOXES.min(boxes - i * BOXES)).collect()
    }
}
