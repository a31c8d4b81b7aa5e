//! Columns of an answer as Arrow arrays.

use std::sync::Arc;

use arrow::array::{ArrayRef, Decimal128Array, Float64Array, Int64Array, ListArray, StringArray, StructArray};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::datatypes::{DataType, Field, Fields};
use arrow::error::ArrowError;

use super::{Bin, Numbers};
use crate::asset::Value;

impl Numbers {
    /// The array, and whether it may hold nulls.
    pub(super) fn to_array(&self) -> Result<(ArrayRef, bool), ArrowError> {
        Ok(match self {
            Numbers::Count(values) => (integers(values)?, false),
            Numbers::Sum { values, scale } => (decimals(values.iter().map(|v| Some(*v)), *scale)?, false),
            Numbers::Mean { .. } | Numbers::Spread { .. } | Numbers::Computed(_) => {
                (Arc::new(Float64Array::from(self.to_f64())), true)
            }
            Numbers::Bins { bins, chosen } => {
                let chosen: Vec<_> = chosen.iter().map(|bin| bin.and_then(|bin| bins.get(bin))).collect();
                let nulls = NullBuffer::from_iter(chosen.iter().map(Option::is_some));
                (structs(columns(bins, &chosen)?, Some(nulls))?, true)
            }
            Numbers::Histogram { bins, counts } => {
                let all: Vec<_> = counts.iter().flat_map(|_| bins.iter().map(Some)).collect();
                let mut parts = columns(bins, &all)?;
                let counts_of_bins = integers(&counts.concat())?;
                parts.push((Field::new("count", DataType::Int64, false), counts_of_bins));
                let items = structs(parts, None)?;
                let field = Arc::new(Field::new_list_field(items.data_type().clone(), false));
                let offsets = OffsetBuffer::from_lengths(counts.iter().map(Vec::len));
                (Arc::new(ListArray::try_new(field, offsets, items, None)?), false)
            }
        })
    }
}

fn integers(values: &[i128]) -> Result<ArrayRef, ArrowError> {
    let values: Result<Vec<i64>, _> = values.iter().map(|v| i64::try_from(*v)).collect();
    Ok(Arc::new(Int64Array::from(values.map_err(|e| ArrowError::CastError(e.to_string()))?)))
}

fn decimals(values: impl Iterator<Item = Option<i128>>, scale: u8) -> Result<ArrayRef, ArrowError> {
    Ok(Arc::new(Decimal128Array::from_iter(values).with_precision_and_scale(38, scale as i8)?))
}

fn structs(parts: Vec<(Field, ArrayRef)>, nulls: Option<NullBuffer>) -> Result<ArrayRef, ArrowError> {
    let (fields, arrays): (Vec<_>, Vec<_>) = parts.into_iter().unzip();
    Ok(Arc::new(StructArray::try_new(Fields::from(fields), arrays, nulls)?))
}

/// `bin` with the label, and for numbers `first` and `last`.
fn columns(bins: &[Bin], chosen: &[Option<&Bin>]) -> Result<Vec<(Field, ArrayRef)>, ArrowError> {
    let labels = StringArray::from_iter(chosen.iter().map(|bin| bin.map(|bin| &bin.label)));
    let mut out: Vec<(Field, ArrayRef)> = vec![(Field::new("bin", DataType::Utf8, true), Arc::new(labels))];
    type Bound = fn(&Bin) -> &Value;
    let bounds: [(&str, Bound); 2] = [("first", |bin| &bin.first), ("last", |bin| &bin.last)];
    for (name, bound) in bounds {
        let values = chosen.iter().map(|bin| match bin.map(bound) {
            Some(Value::Integer(value)) => Some(i128::from(*value)),
            Some(Value::Decimal { mantissa, .. }) => Some((*mantissa).into()),
            _ => None,
        });
        let array = match bins.first().map(bound) {
            Some(Value::Integer(_)) => Arc::new(Int64Array::from_iter(values.map(|v| v.map(|v| v as i64)))),
            Some(Value::Decimal { scale, .. }) => decimals(values, *scale)?,
            _ => continue,
        };
        out.push((Field::new(name, array.data_type().clone(), true), array));
    }
    Ok(out)
}
