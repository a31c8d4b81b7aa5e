//! From values to stored units, and from stored units to the cells of a dimension.
//!
//! A dimension's cells are numbered from 0: false and true; the categories; the bins, or every single value of a number
//! without bins; and last the null cell, if the column is nullable.

use arrow::array::{Array, Int64Array};

use super::{
    Column, Kind, Value,
    error::{AssetError, Place},
    number::{Number, stored_text},
};

impl Column {
    /// How many cells hold values, without the null cell.
    pub(crate) fn values(&self) -> Result<u64, AssetError> {
        let count = match (&self.kind, &self.bins) {
            (Kind::Boolean, _) => 2,
            (Kind::Category { values }, _) => values.len() as i128,
            (Kind::Text, _) => {
                return Err(AssetError::schema(&self.name, "a text has no cells", "declare a category column"));
            }
            (_, Some(edges)) => edges.len().saturating_sub(1) as i128,
            (Kind::Integer { min, max } | Kind::Decimal { min, max, .. }, None) => {
                i128::from(*max) - i128::from(*min) + 1
            }
        };
        // Below 2^32, so that codes fit 32 bits with room for the null cell.
        u64::try_from(count).ok().filter(|&count| count < u64::from(u32::MAX)).ok_or_else(|| {
            AssetError::schema(
                &self.name,
                format!("as a dimension it would have {count} cells"),
                "declare bins, or do not use it as a dimension",
            )
        })
    }

    /// How many cells the column has as a dimension: at least 1, the null cell included.
    ///
    /// # Errors
    /// [`AssetError::InvalidSchema`] if there are 2^32 or more, as for a wide number without bins.
    pub fn cells(&self) -> Result<u64, AssetError> {
        Ok(self.values()? + u64::from(self.nullable))
    }

    /// The cell that holds a stored value; `None` outside the domain.
    pub(crate) fn cell_of_stored(&self, stored: i64) -> Option<u32> {
        let within = |last: usize| u32::try_from(stored).ok().filter(|&code| (code as usize) < last);
        match (&self.kind, &self.bins) {
            (Kind::Boolean, _) => within(2),
            (Kind::Category { values }, _) => within(values.len()),
            (Kind::Text, _) => None,
            (Kind::Integer { min, max } | Kind::Decimal { min, max, .. }, bins) => {
                if stored < *min || stored > *max {
                    return None;
                }
                let index = match bins {
                    // The last bin is closed: its upper edge begins no bin of its own.
                    Some(edges) => {
                        edges.partition_point(|&edge| edge <= stored).checked_sub(1)?.min(edges.len().checked_sub(2)?)
                            as i128
                    }
                    None => i128::from(stored) - i128::from(*min),
                };
                u32::try_from(index).ok()
            }
        }
    }

    /// Hands the row and the cell of each of some stored values to `f`, in order; a missing value lies in the null cell.
    ///
    /// # Errors
    /// As [`Column::cells`].
    pub(crate) fn each_cell(&self, stored: &Int64Array, f: impl FnMut(usize, u32)) -> Result<(), AssetError> {
        fn each(stored: &Int64Array, null: u32, code: impl Fn(i64) -> u32, mut f: impl FnMut(usize, u32)) {
            if stored.null_count() == 0 {
                stored.values().iter().enumerate().for_each(|(row, value)| f(row, code(*value)));
            } else {
                stored.iter().enumerate().for_each(|(row, value)| f(row, value.map_or(null, &code)));
            }
        }
        let null = self.values()? as u32;
        match (&self.kind, &self.bins) {
            (Kind::Boolean | Kind::Category { .. }, _) => each(stored, null, |code| code as u32, f),
            (Kind::Integer { min, .. } | Kind::Decimal { min, .. }, None) => {
                each(stored, null, |value| value.wrapping_sub(*min) as u32, f);
            }
            (_, Some(_)) | (Kind::Text, _) => {
                let code = |value| self.cell_of_stored(value).expect("stored values lie in their domain");
                each(stored, null, code, f);
            }
        }
        Ok(())
    }

    /// The cell that holds `value`. `None` for a number that no row can have, since it lies outside the range or between
    /// two stored units.
    ///
    /// # Errors
    /// [`AssetError::OutOfDomain`] for a category that is not listed, [`AssetError::SchemaMismatch`] for a value of another
    /// type or a missing one where none may be missing, [`AssetError::InvalidSchema`] as [`Column::cells`].
    pub fn cell_of(&self, value: &Value) -> Result<Option<u32>, AssetError> {
        let values = self.values()?;
        match (&self.kind, value) {
            (_, Value::Null) if self.nullable => Ok(Some(values as u32)),
            (Kind::Integer { .. } | Kind::Decimal { .. }, _) => {
                let (floor, exact) = self.floor_stored(value)?;
                Ok(if exact { self.cell_of_stored(floor) } else { None })
            }
            _ => Ok(self.cell_of_stored(self.to_stored(value)?)),
        }
    }

    /// What cell `code` holds, for people: `"poor"`, `"true"`, `"[0, 5)"`, `"17"`, `"null"`; `"#9"` where the column has
    /// no cell 9.
    pub fn cell_label(&self, code: u32) -> String {
        let index = code as usize;
        if self.nullable && self.values().is_ok_and(|values| u64::from(code) == values) {
            return "null".into();
        }
        let label = match (&self.kind, &self.bins) {
            (Kind::Boolean, _) => ["false", "true"].get(index).map(|s| s.to_string()),
            (Kind::Category { values }, _) => values.get(index).cloned(),
            (_, Some(edges)) => match edges.get(index..).unwrap_or_default() {
                [from, to, rest @ ..] => {
                    let scale = self.scale().unwrap_or(0);
                    let close = if rest.is_empty() { ']' } else { ')' };
                    Some(format!("[{}, {}{close}", stored_text(*from, scale), stored_text(*to, scale)))
                }
                _ => None,
            },
            (_, None) => self.cell_bounds(code).map(|(value, _)| stored_text(value, self.scale().unwrap_or(0))),
        };
        label.unwrap_or_else(|| format!("#{code}"))
    }

    /// Smallest and largest stored value of a number's cell, both inside the column's range; `None` for other kinds, for
    /// the null cell, and where there is no such cell.
    pub fn cell_bounds(&self, code: u32) -> Option<(i64, i64)> {
        let (min, max) = self.range()?;
        match &self.bins {
            Some(edges) => match edges.get(code as usize..)? {
                [from, to] => Some((min.max(*from), max.min(*to))),
                [from, to, ..] => Some((min.max(*from), max.min(*to - 1))),
                _ => None,
            },
            None => min.checked_add(code.into()).filter(|value| *value <= max).map(|value| (value, value)),
        }
    }

    /// The value in stored units, exactly.
    ///
    /// # Errors
    /// [`AssetError::SchemaMismatch`] for a missing value or one of another type, [`AssetError::OutOfDomain`] for one outside
    /// the domain or with more decimal places than the column.
    pub fn to_stored(&self, value: &Value) -> Result<i64, AssetError> {
        match (&self.kind, value) {
            (_, Value::Null) => Err(self.null()),
            (Kind::Boolean, Value::Boolean(value)) => Ok((*value).into()),
            (Kind::Category { values }, Value::Text(text)) => values
                .iter()
                .position(|v| v == text)
                .map(|code| code as i64)
                .ok_or_else(|| self.out_of_domain(value.to_string())),
            _ => match value.number() {
                Some(number) if !matches!(self.kind, Kind::Category { .. }) => self.store(number, Number::exact),
                _ => Err(self.mismatch(value.to_string())),
            },
        }
    }

    /// The largest stored value that is not above `value`, held within the range of `i64`, and whether the two are equal.
    /// It need not lie in the column's range: comparisons may look beyond it.
    ///
    /// # Errors
    /// [`AssetError::SchemaMismatch`] if the column or the value is no number.
    pub fn floor_stored(&self, value: &Value) -> Result<(i64, bool), AssetError> {
        match (self.scale(), value.number()) {
            (Some(scale), Some(number)) => Ok(number.floor(scale)),
            _ if *value == Value::Null => Err(self.null()),
            _ => Err(self.mismatch(value.to_string())),
        }
    }

    /// The value that a stored one stands for.
    ///
    /// # Errors
    /// [`AssetError::OutOfDomain`] if it lies outside the domain.
    pub fn from_stored(&self, stored: i64) -> Result<Value, AssetError> {
        let value = match &self.kind {
            Kind::Boolean if stored == 0 || stored == 1 => Some(Value::Boolean(stored == 1)),
            Kind::Boolean | Kind::Text => None,
            Kind::Category { values } => {
                usize::try_from(stored).ok().and_then(|code| values.get(code)).cloned().map(Value::Text)
            }
            Kind::Integer { min, max } => (*min..=*max).contains(&stored).then_some(Value::Integer(stored)),
            Kind::Decimal { scale, min, max } => {
                (*min..=*max).contains(&stored).then_some(Value::Decimal { mantissa: stored, scale: *scale })
            }
        };
        value.ok_or_else(|| self.out_of_domain(format!("stored value {stored}")))
    }

    /// Puts a number into stored units with `convert` ([`Number::exact`] or [`Number::nearest`]).
    pub(crate) fn store(&self, number: Number, convert: fn(Number, u8) -> Option<i64>) -> Result<i64, AssetError> {
        let (scale, min, max) = match self.kind {
            Kind::Boolean => (0, 0, 1),
            Kind::Integer { min, max } => (0, min, max),
            Kind::Decimal { scale, min, max } => (scale, min, max),
            Kind::Category { .. } | Kind::Text => return Err(self.mismatch(number.to_string())),
        };
        convert(number, scale)
            .filter(|stored| (min..=max).contains(stored))
            .ok_or_else(|| self.out_of_domain(number.to_string()))
    }

    pub(crate) fn null(&self) -> AssetError {
        AssetError::SchemaMismatch {
            place: Place::column(&self.name),
            expected: "a value in every row".into(),
            got: "null".into(),
            hint: "declare the column nullable, or fill the missing values".into(),
        }
    }

    pub(crate) fn mismatch(&self, got: String) -> AssetError {
        AssetError::SchemaMismatch {
            place: Place::column(&self.name),
            expected: self.domain(),
            got,
            hint: "use a value of the column's type, or declare the column otherwise".into(),
        }
    }

    pub(crate) fn out_of_domain(&self, got: String) -> AssetError {
        let hint = match self.kind {
            Kind::Boolean => "use true or false, or 0 or 1",
            Kind::Text => "shorten it",
            Kind::Category { .. } => "check the spelling, or add the category to the schema",
            Kind::Integer { .. } => "correct the value, or declare a wider range",
            Kind::Decimal { .. } => "correct or round the value, or declare a wider range or more decimal places",
        };
        AssetError::OutOfDomain { place: Place::column(&self.name), expected: self.domain(), got, hint: hint.into() }
    }
}
