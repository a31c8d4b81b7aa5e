//! Which columns are encrypted, in which forms: it follows from schema, policy and public dimensions, so that owner, consumer
//! and node derive the same. The same columns are laid out twice: for bootstraps, and packed.

use sealock_fhe::table::{Form, ROWS_PER_CHUNK};
use serde::{Deserialize, Serialize};

use super::SealedError;
use crate::asset::Schema;
use crate::policy::Policy;
use crate::program::Aggregation;

/// How a value is stored: [`Form`], as it is written down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StoredForm {
    /// To filter by.
    Digits,
    /// To sum.
    Limbs,
    /// To sum the squares of.
    Squares,
    /// To count the categories of.
    OneHot,
    /// Packed, to filter by.
    Indicators,
    /// Packed, to sum, to sum the squares of, or to count the categories of.
    Values,
}

impl StoredForm {
    /// The engine's.
    pub const fn form(self) -> Form {
        match self {
            StoredForm::Digits => Form::Digits,
            StoredForm::Limbs => Form::Limbs,
            StoredForm::Squares => Form::Squares,
            StoredForm::OneHot => Form::OneHot,
            StoredForm::Indicators => Form::Indicators,
            StoredForm::Values => Form::Values,
        }
    }
}

/// A dimension that stays in the clear.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PublicColumn {
    /// Its name in the schema.
    pub name: String,
    /// Its cells, the null cell included: rows have numbers below this.
    pub cells: u32,
}

/// An encrypted column in one form.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StoredColumn {
    /// The number by which programs name it: the forms of one column have the same.
    pub column: u32,
    /// How its values are stored.
    pub form: StoredForm,
    /// Width of its values, in bits.
    pub bits: u8,
}

/// The columns of every chunk, in order. Packed columns and others are not in one chunk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Columns {
    /// In the clear.
    pub public: Vec<PublicColumn>,
    /// Encrypted.
    pub stored: Vec<StoredColumn>,
}

/// Most columns of a chunk, in the clear or encrypted.
const MAX_COLUMNS: usize = 1024;

impl Columns {
    /// Width of each encrypted column, by its number.
    pub(crate) fn widths(&self) -> Vec<u8> {
        let mut widths = vec![1; self.stored.iter().map(|stored| stored.column as usize + 1).max().unwrap_or(0)];
        self.stored.iter().for_each(|stored| widths[stored.column as usize] = stored.bits);
        widths
    }

    /// Where a column's form is among the stored ones.
    pub(crate) fn place(&self, column: usize, form: Form) -> Option<usize> {
        self.stored.iter().position(|stored| (stored.column as usize, stored.form.form()) == (column, form))
    }

    /// Whether they are packed.
    pub(crate) fn is_packed(&self) -> bool {
        self.stored.first().is_some_and(|stored| stored.form.form().is_packed())
    }

    /// Most rows of a chunk of them.
    pub(crate) fn rows_per_chunk(&self) -> usize {
        self.stored.first().map_or(ROWS_PER_CHUNK, |stored| stored.form.form().rows_per_chunk())
    }

    /// Refuses what no layout is.
    pub(crate) fn check(&self) -> Result<(), SealedError> {
        let bad = |why: &str| Err(SealedError::invalid("list of columns", why));
        if self.public.len() > MAX_COLUMNS || self.stored.len() > MAX_COLUMNS {
            return bad("there are too many");
        }
        if self.public.iter().any(|column| column.cells == 0) {
            return bad("a public column has no cells");
        }
        if self.stored.iter().any(|stored| stored.column as usize >= MAX_COLUMNS) {
            return bad("a column's number is too large");
        }
        if self.stored.iter().any(|stored| stored.form.form().is_packed() != self.is_packed()) {
            return bad("some are packed and others are not");
        }
        let widths = self.widths();
        for (place, stored) in self.stored.iter().enumerate() {
            let form = stored.form.form();
            if stored.bits == 0 || stored.bits > form.max_bits() || widths[stored.column as usize] != stored.bits {
                return bad("a column's forms differ in width, or it is too wide for one");
            }
            if self.place(stored.column as usize, form) != Some(place) {
                return bad("a column is stored twice in one form");
            }
        }
        Ok(())
    }
}

/// What an encrypted column holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Holds {
    /// The number of a dimension's cell; a null for the null cell.
    Cell {
        /// Cells that hold values.
        values: u64,
    },
    /// A measure's value above `low`, which it is held above, as it is below `high`.
    Measure { low: i64, high: i64 },
}

/// An encrypted column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ValueColumn {
    pub(crate) name: String,
    pub(crate) nullable: bool,
    pub(crate) holds: Holds,
    pub(crate) bits: u8,
}

/// Which columns of an asset are encrypted, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Layout {
    pub(crate) values: Vec<ValueColumn>,
    /// As they are stored for bootstraps.
    pub(crate) columns: Columns,
    /// As they are stored packed, under the same numbers. Columns of which nothing is stored so are left out.
    pub(crate) packed: Columns,
}

impl Layout {
    /// Lays out what the policy lets be asked.
    pub(crate) fn new(schema: &Schema, policy: &Policy, public: &[String]) -> Result<Self, SealedError> {
        let dimensions = policy.cube_columns(schema);
        let mut columns = Columns { public: Vec::new(), stored: Vec::new() };
        for (place, name) in public.iter().enumerate() {
            if !dimensions.contains(name) || public[..place].contains(name) {
                let why =
                    format!("the public dimension {name:?} is not one of the policy's dimensions, or named twice");
                return Err(SealedError::Unsealable { why, hint: "name dimensions that the policy allows, each once" });
            }
            let cells = u32::try_from(schema.column(name)?.cells()?).unwrap_or(u32::MAX);
            columns.public.push(PublicColumn { name: name.clone(), cells });
        }
        let mut packed = columns.clone();
        let mut values: Vec<ValueColumn> = Vec::new();
        let mut add = |column: ValueColumn, forms: &[StoredForm]| {
            let (number, bits) = (values.len() as u32, column.bits);
            values.push(column);
            for &form in forms {
                let all = if form.form().is_packed() { &mut packed } else { &mut columns };
                all.stored.push(StoredColumn { column: number, form, bits });
            }
        };
        for name in dimensions.into_iter().filter(|name| !public.contains(name)) {
            let column = schema.column(&name)?;
            let (cells, nullable) = (column.values()?, column.nullable);
            let bits = width(cells.saturating_sub(1));
            let counted = policy.allows(Aggregation::Histogram) && bits <= Form::OneHot.max_bits();
            let mut forms = vec![StoredForm::Digits];
            if bits <= Form::Indicators.max_bits() {
                forms.push(StoredForm::Indicators);
            }
            if counted {
                forms.extend([StoredForm::OneHot, StoredForm::Values]);
            }
            add(ValueColumn { name, nullable, holds: Holds::Cell { values: cells }, bits }, &forms);
        }
        let squares = policy.allows(Aggregation::Variance);
        let summed = squares || policy.allows(Aggregation::Sum) || policy.allows(Aggregation::Mean);
        for name in policy.measure_columns().filter(|_| summed) {
            let (low, high) = policy.bounds(schema, name)?;
            let bits = width(high.wrapping_sub(low).cast_unsigned());
            if squares && bits > Form::Squares.max_bits() {
                return Err(SealedError::Unsealable {
                    why: format!("{name:?} ranges over {bits} bits, and squares are of 32 at most"),
                    hint: "declare a narrower range or a smaller scale, clamp the column, or do not allow variance",
                });
            }
            let forms = [StoredForm::Limbs, StoredForm::Values, StoredForm::Squares];
            let nullable = schema.column(name)?.nullable;
            let column = ValueColumn { name: name.into(), nullable, holds: Holds::Measure { low, high }, bits };
            add(column, &forms[..2 + usize::from(squares)]);
        }
        columns.check()?;
        packed.check()?;
        Ok(Self { values, columns, packed })
    }

    /// The number of the encrypted dimension of that name.
    pub(crate) fn dimension(&self, name: &str) -> Option<usize> {
        self.values.iter().position(|column| column.name == name && matches!(column.holds, Holds::Cell { .. }))
    }

    /// The number of the encrypted measure of that name, and what was taken from its values.
    pub(crate) fn measure(&self, name: &str) -> Option<(usize, i64)> {
        self.values.iter().enumerate().find_map(|(number, column)| match column.holds {
            Holds::Measure { low, .. } if column.name == name => Some((number, low)),
            _ => None,
        })
    }

    /// The place of a public dimension.
    pub(crate) fn public(&self, name: &str) -> Option<usize> {
        self.columns.public.iter().position(|column| column.name == name)
    }
}

/// Bits that hold numbers up to this: at least one.
fn width(largest: u64) -> u8 {
    (u64::BITS - largest.leading_zeros()).max(1) as u8
}
