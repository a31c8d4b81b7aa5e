//! What can go wrong, and what to do about it.

use crate::Device;
use crate::linear::{MAX_CELLS, MAX_CIPHERTEXTS, MAX_PARTIES, MAX_SAMPLES, MAX_VALUE_BITS, matmul::MAX_PARTS};
use crate::table::{Form, PACKED_ROWS_PER_CHUNK, ROWS_PER_CHUNK};

/// Why a query could not be made, answered or read.
///
/// No variant carries a cell value, a weight or key material, so an error may be logged.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The vectors have no cells or more than the engine takes.
    #[error("expected 1 to {MAX_CELLS} cells, got {got}; split the query or bin the dimensions more coarsely")]
    Cells {
        /// Cells that were given.
        got: usize,
    },
    /// Two things that must describe the same number of cells do not.
    #[error("{what} has {got} cells where {expected} were expected; both sides must use the same shape")]
    CellCount {
        /// Which input.
        what: &'static str,
        /// Cells of the shape.
        expected: usize,
        /// Cells of the input.
        got: usize,
    },
    /// A batch takes more ring ciphertexts than one query may have.
    #[error(
        "{vectors} vectors would take {ciphertexts} ring ciphertexts, at most {MAX_CIPHERTEXTS} are accepted; \
         split the batch"
    )]
    Vectors {
        /// Vectors of the batch.
        vectors: usize,
        /// Ring ciphertexts that they take.
        ciphertexts: usize,
    },
    /// Text that names no device.
    #[error("{got:?} is no device; expected cpu, cuda:0 (or another number) or auto")]
    NoDevice {
        /// What came.
        got: String,
    },
    /// A device cannot be used, or failed. Nothing was computed on another instead.
    #[error("the device {device} cannot be used: {why}")]
    Device {
        /// The device that was asked for.
        device: Device,
        /// What is missing or went wrong.
        why: String,
    },
    /// A sum has too few or too many parties.
    #[error("got {got} parties; a sum is of 2 to {MAX_PARTIES}, and one party answers alone by another call")]
    Parties {
        /// Parties that were given.
        got: usize,
    },
    /// The shares of a sum are not one of each party.
    #[error("a sum needs one share of each of its {expected} parties: {why}")]
    Shares {
        /// Parties of the sum.
        expected: usize,
        /// What is amiss.
        why: String,
    },
    /// A matrix product would be cut into too many parts.
    #[error(
        "the product would be cut into {got} parts, at most {MAX_PARTS} are accepted; multiply some rows or columns at a time"
    )]
    Parts {
        /// Parts that it would take.
        got: usize,
    },
    /// A matrix or an answer has no outputs or too many.
    #[error(
        "expected at least one output and at most {MAX_SAMPLES} ring ciphertexts, got {outputs} outputs in {samples}; \
         ask for fewer outputs or vectors at a time"
    )]
    Outputs {
        /// Outputs that were asked for.
        outputs: usize,
        /// Ring ciphertexts that the answer would take.
        samples: usize,
    },
    /// Rows were given for another number of outputs than the shape names.
    #[error("the shape names {expected} outputs, but {got} rows were given")]
    Rows {
        /// Outputs of the shape.
        expected: usize,
        /// Rows that were given.
        got: usize,
    },
    /// A declared entry width cannot be computed exactly.
    #[error("entries of {bits} bits were declared; 1 to {MAX_VALUE_BITS} bits are supported, and the sum must fit 127")]
    ValueBits {
        /// The declared width.
        bits: u8,
    },
    /// A declared weight width cannot be computed exactly over that many cells.
    #[error("weights of {bits} bits over {cells} cells leave no room for noise; use fewer bits, cells or parties")]
    NoBudget {
        /// The declared width; 0 stands for 0/1 indicators.
        bits: u8,
        /// Cells of the query.
        cells: usize,
    },
    /// A matrix entry is outside its declared width. Nothing was computed.
    #[error("entry (output {output}, cell {cell}) does not fit the declared {bits} signed bits; declare more bits")]
    Entry {
        /// Row of the entry.
        output: usize,
        /// Column of the entry.
        cell: usize,
        /// Declared width of the row.
        bits: u8,
    },
    /// A weight is outside its declared range. Nothing was encrypted.
    #[error("weight {cell} does not fit the declared {bits} signed bits; declare more bits")]
    Weight {
        /// Index of the weight.
        cell: usize,
        /// Declared width.
        bits: u8,
    },
    /// The query was encrypted for other request identifiers than those it is being answered for.
    #[error("the query was made for another request; encrypt it again for these identifiers")]
    Context,
    /// Query, matrix or answer disagree about cells, weights or outputs.
    #[error("{what} was made for another shape; both sides must use the same cells, weights and value widths")]
    Shape {
        /// Which input.
        what: &'static str,
    },
    /// Bytes of another format version.
    #[error("{what}: format version {got} is unknown, {expected} was expected; upgrade the older side")]
    Version {
        /// Which format.
        what: &'static str,
        /// The version this build reads.
        expected: u8,
        /// The version that came.
        got: u8,
    },
    /// Bytes of the wrong length.
    #[error("{what}: {expected} bytes expected, {got} came; the bytes were cut or extended")]
    Length {
        /// Which format.
        what: &'static str,
        /// Length that the header implies.
        expected: usize,
        /// Length that came.
        got: usize,
    },
    /// A query claims to share ring elements as no shape does.
    #[error("{rows} vectors and {columns} columns do not share a ring element; the query was not made by this library")]
    Packing {
        /// Vectors in one ring element.
        rows: usize,
        /// Columns in one ring element.
        columns: usize,
    },
    /// The bits that fill up the last byte are not zeros.
    #[error("{what}: the bits after the last word must be zeros; the bytes were altered")]
    Padding {
        /// Which format.
        what: &'static str,
    },
    /// The operating system gave no randomness.
    #[error("the operating system gave no randomness: {0}")]
    Entropy(String),
    /// A column of a plan that there is not.
    #[error("column {got} was named, but there are {columns}; columns are numbered from 0")]
    Column {
        /// The index that was given.
        got: usize,
        /// How many columns there are.
        columns: usize,
    },
    /// Values are too wide for how they are to be stored, or not as wide as a plan says.
    #[error("{form:?} of {bits} bits are not what is expected here: 1 to {} bits, and the plan's width", form.max_bits())]
    ColumnBits {
        /// How the values are stored.
        form: Form,
        /// The width that came.
        bits: u8,
    },
    /// A score that cannot be computed.
    #[error("no such score: {why}")]
    Score {
        /// Why not, and what to do.
        why: String,
    },
    /// A chunk has no rows, too many, or not as many as the others.
    #[error(
        "a chunk of {got} rows came; chunks have 1 to {ROWS_PER_CHUNK} rows, packed ones to {PACKED_ROWS_PER_CHUNK}, all \
         columns of one the same number"
    )]
    ChunkRows {
        /// Rows that came.
        got: usize,
    },
    /// A value is wider than its column. Nothing was encrypted.
    #[error("the value in row {row} does not fit {bits} bits; declare more bits")]
    Value {
        /// Its row in the chunk.
        row: usize,
        /// Width of the column.
        bits: u8,
    },
    /// Bytes name a form of storage that there is not.
    #[error("an encrypted column of unknown form came; upgrade the older side")]
    Form,
    /// A column that a plan needs was not given.
    #[error("the plan needs column {column} as {form:?}, which was not given; see its sources")]
    Source {
        /// Index of the column.
        column: usize,
        /// The form that is missing.
        form: Form,
    },
    /// Groups do not fit: their number, or an index beyond it.
    #[error("{expected} groups were expected, {got} came")]
    Groups {
        /// How many there should be.
        expected: usize,
        /// How many came.
        got: usize,
    },
    /// A plan of packed columns where one of others is meant, or the other way round.
    #[error("the plan is of the other kind of columns: those of Plan::packed are for evaluate_packed and open_rows")]
    Packed,
    /// A number is not below its modulus.
    #[error("{what}: a word is not below its prime; the bytes were altered")]
    Residue {
        /// Which format.
        what: &'static str,
    },
    /// A result is not on the grid of results.
    #[error("a result does not open to a number: it was not computed by this plan with what this key encrypted")]
    Noise,
}
