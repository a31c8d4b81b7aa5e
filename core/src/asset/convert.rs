//! From Arrow arrays and text into stored units, value by value.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::{
    array::{Array, ArrayBuilder, ArrayRef, AsArray, Int64Array, Int64Builder, LargeStringBuilder, StringArrayType},
    datatypes::{DataType, Decimal128Type, Float32Type, Float64Type, Int64Type, UInt64Type},
};

use super::{
    Column, Kind,
    column::MAX_CATEGORY,
    error::{AssetError, Place, quote},
    number::Number,
};

/// One value on its way in.
pub(crate) enum Scalar<'a> {
    Null,
    Boolean(bool),
    Text(&'a str),
    /// A number that is exactly what was meant.
    Exact(Number),
    /// The shortest decimal of a float, which may carry floating-point noise; `None` for NaN and infinities.
    Float(Option<Number>),
}

/// Hands every value of `array` to `f`, in order.
///
/// # Errors
/// [`AssetError::UnsupportedType`] for an Arrow type that no column kind can hold, and whatever `f` returns.
pub(crate) fn scan<F>(array: &dyn Array, name: &str, f: &mut F) -> Result<(), AssetError>
where
    F: FnMut(Scalar<'_>) -> Result<(), AssetError>,
{
    let unsupported = |hint: &str| AssetError::UnsupportedType {
        place: Place::column(name),
        got: array.data_type().to_string(),
        hint: hint.into(),
    };
    let cast = |to: &DataType| -> Result<ArrayRef, AssetError> {
        arrow::compute::cast(array, to).map_err(|error| unsupported(&format!("cast the column yourself: {error}")))
    };
    match array.data_type() {
        DataType::Null => (0..array.len()).try_for_each(|_| f(Scalar::Null)),
        DataType::Boolean => array.as_boolean().iter().try_for_each(|v| f(v.map_or(Scalar::Null, Scalar::Boolean))),
        DataType::Utf8 => texts(array.as_string::<i32>(), f),
        DataType::LargeUtf8 => texts(array.as_string::<i64>(), f),
        DataType::Utf8View => texts(array.as_string_view(), f),
        DataType::Int64 => array
            .as_primitive::<Int64Type>()
            .iter()
            .try_for_each(|v| f(v.map_or(Scalar::Null, |v| Scalar::Exact(Number::integer(v))))),
        DataType::UInt64 => array
            .as_primitive::<UInt64Type>()
            .iter()
            .try_for_each(|v| f(v.map_or(Scalar::Null, |v| Scalar::Exact(Number { mantissa: v.into(), exponent: 0 })))),
        DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::UInt8 | DataType::UInt16 | DataType::UInt32 => {
            scan(&cast(&DataType::Int64)?, name, f)
        }
        DataType::Float16 => scan(&cast(&DataType::Float32)?, name, f),
        DataType::Float32 => array
            .as_primitive::<Float32Type>()
            .iter()
            .try_for_each(|v| f(v.map_or(Scalar::Null, |v| Scalar::Float(Number::from_f32(v))))),
        DataType::Float64 => array
            .as_primitive::<Float64Type>()
            .iter()
            .try_for_each(|v| f(v.map_or(Scalar::Null, |v| Scalar::Float(Number::from_f64(v))))),
        DataType::Decimal32(_, scale) | DataType::Decimal64(_, scale) => {
            scan(&cast(&DataType::Decimal128(38, *scale))?, name, f)
        }
        DataType::Decimal128(_, scale) => array.as_primitive::<Decimal128Type>().iter().try_for_each(|v| {
            f(v.map_or(Scalar::Null, |mantissa| Scalar::Exact(Number { mantissa, exponent: -i32::from(*scale) })))
        }),
        DataType::Dictionary(_, values) => scan(&cast(values)?, name, f),
        DataType::RunEndEncoded(_, values) => scan(&cast(values.data_type())?, name, f),
        DataType::Date32 | DataType::Date64 | DataType::Timestamp(..) | DataType::Time32(_) | DataType::Time64(_) => {
            Err(unsupported("turn dates and times into whole numbers, for instance days or years"))
        }
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView => {
            Err(unsupported("turn bytes into text, or leave the column out"))
        }
        _ => Err(unsupported("turn the column into booleans, texts, integers or decimals, or leave it out")),
    }
}

fn texts<'a, F>(array: impl StringArrayType<'a>, f: &mut F) -> Result<(), AssetError>
where
    F: FnMut(Scalar<'_>) -> Result<(), AssetError>,
{
    array.iter().try_for_each(|v| f(v.map_or(Scalar::Null, Scalar::Text)))
}

/// Reads arrays of one column into stored units.
pub(crate) struct Reader<'s> {
    column: &'s Column,
    codes: HashMap<&'s str, i64>,
}

impl<'s> Reader<'s> {
    pub(crate) fn new(column: &'s Column) -> Self {
        let codes = match &column.kind {
            Kind::Category { values } => values.iter().map(String::as_str).zip(0..).collect(),
            _ => HashMap::new(),
        };
        Self { column, codes }
    }

    /// An Arrow array in stored units, or as texts. `first` is the number of its first row, for errors.
    pub(crate) fn read(&self, array: &dyn Array, first: usize) -> Result<ArrayRef, AssetError> {
        if let Some(stored) = self.read_whole(array) {
            return Ok(Arc::new(stored));
        }
        let mut stored = Stored::new(self.column, array.len());
        scan(array, &self.column.name, &mut |scalar| stored.push(self, scalar, first))?;
        Ok(stored.finish())
    }

    /// Reads an array of the column's own type without looking at its values one by one. `None` if that does not work, as
    /// where a value lies outside the domain.
    fn read_whole(&self, array: &dyn Array) -> Option<Int64Array> {
        if array.logical_null_count() > 0 && !self.column.nullable {
            return None;
        }
        let integers = |array: &dyn Array| {
            let cast = arrow::compute::cast(array, &DataType::Int64).ok()?;
            Some(cast.as_primitive::<Int64Type>().clone())
        };
        let (stored, min, max) = match (array.data_type(), &self.column.kind) {
            (DataType::Boolean, Kind::Boolean) => (integers(array)?, 0, 1),
            (kind, Kind::Integer { min, max }) if kind.is_integer() && *kind != DataType::UInt64 => {
                (integers(array)?, *min, *max)
            }
            (DataType::Decimal128(_, from), Kind::Decimal { scale, min, max }) if *from == *scale as i8 => {
                let narrow = array.as_primitive::<Decimal128Type>().try_unary(i64::try_from);
                (narrow.ok()?, *min, *max)
            }
            (DataType::Dictionary(..), Kind::Category { values }) => {
                let dictionary = array.as_any_dictionary();
                let names = arrow::compute::cast(dictionary.values(), &DataType::Utf8).ok()?;
                let code = |name: Option<&str>| name.and_then(|name| self.codes.get(name).copied());
                let codes: Vec<Option<i64>> = names.as_string::<i32>().iter().map(code).collect();
                let code = |key: i64| codes.get(key as usize).copied().flatten().ok_or(());
                (integers(dictionary.keys())?.try_unary(code).ok()?, 0, values.len() as i64 - 1)
            }
            _ => return None,
        };
        let within = |value: Option<i64>| value.is_none_or(|value| (min..=max).contains(&value));
        (within(arrow::compute::min(&stored)) && within(arrow::compute::max(&stored))).then_some(stored)
    }

    /// The field of a text file as a value. An empty field is a missing value, unless a category has the empty name.
    fn parse<'a>(&self, text: &'a str) -> Scalar<'a> {
        if text.is_empty() && !self.codes.contains_key("") {
            return Scalar::Null;
        }
        let trimmed = text.trim_ascii();
        match self.column.kind {
            Kind::Category { .. } | Kind::Text => Scalar::Text(text),
            Kind::Boolean if trimmed.eq_ignore_ascii_case("true") => Scalar::Boolean(true),
            Kind::Boolean if trimmed.eq_ignore_ascii_case("false") => Scalar::Boolean(false),
            // What wrote the file may have written floats.
            _ => Number::parse(trimmed).map_or(Scalar::Text(text), |number| Scalar::Float(Some(number))),
        }
    }

    /// A value of a column of texts; `None` for a missing one.
    fn text<'a>(&self, scalar: Scalar<'a>) -> Result<Option<&'a str>, AssetError> {
        match scalar {
            Scalar::Text(text) if text.len() <= MAX_CATEGORY => Ok(Some(text)),
            Scalar::Text(text) => Err(self.column.out_of_domain(quote(text))),
            other => self.store(other).map(|_| None),
        }
    }

    /// A value in stored units; `None` for a missing one.
    fn store(&self, scalar: Scalar<'_>) -> Result<Option<i64>, AssetError> {
        let column = self.column;
        let stored = match (scalar, &column.kind) {
            (Scalar::Null, _) if column.nullable => return Ok(None),
            (Scalar::Null, _) => Err(column.null()),
            (Scalar::Boolean(value), Kind::Boolean) => Ok(value.into()),
            (Scalar::Boolean(value), _) => Err(column.mismatch(value.to_string())),
            (Scalar::Text(text), Kind::Category { .. }) => {
                self.codes.get(text).copied().ok_or_else(|| column.out_of_domain(quote(text)))
            }
            (Scalar::Text(text), _) => Err(column.mismatch(format!("the text {}", quote(text)))),
            (Scalar::Exact(number), _) => column.store(number, Number::exact),
            (Scalar::Float(Some(number)), _) => column.store(number, Number::nearest),
            (Scalar::Float(None), _) => Err(AssetError::OutOfDomain {
                place: Place::column(&column.name),
                expected: column.domain(),
                got: "NaN or an infinity".into(),
                hint: "replace it by a missing value, and declare the column nullable".into(),
            }),
        };
        stored.map(Some)
    }
}

/// Values of a column, while they are collected.
enum Stored {
    Numbers(Int64Builder),
    Texts(LargeStringBuilder),
}

impl Stored {
    fn new(column: &Column, rows: usize) -> Self {
        match column.kind {
            Kind::Text => Stored::Texts(LargeStringBuilder::with_capacity(rows, 0)),
            _ => Stored::Numbers(Int64Builder::with_capacity(rows)),
        }
    }

    fn len(&self) -> usize {
        match self {
            Stored::Numbers(numbers) => numbers.len(),
            Stored::Texts(texts) => texts.len(),
        }
    }

    /// Appends a value. `first` is the number of the first row here, for errors.
    fn push(&mut self, reader: &Reader<'_>, scalar: Scalar<'_>, first: usize) -> Result<(), AssetError> {
        let row = first + self.len();
        match self {
            Stored::Numbers(numbers) => {
                numbers.append_option(reader.store(scalar).map_err(|error| error.in_row(row))?);
            }
            Stored::Texts(texts) => texts.append_option(reader.text(scalar).map_err(|error| error.in_row(row))?),
        }
        Ok(())
    }

    fn append(&mut self, array: &dyn Array) {
        match self {
            Stored::Numbers(numbers) => numbers.append_array(array.as_primitive()),
            Stored::Texts(texts) => {
                texts.append_array(array.as_string()).expect("offsets of 64 bits do not overflow");
            }
        }
    }

    fn finish(self) -> ArrayRef {
        match self {
            Stored::Numbers(mut numbers) => Arc::new(numbers.finish()),
            Stored::Texts(mut texts) => Arc::new(texts.finish()),
        }
    }
}

/// Collects one column in stored units, or as texts.
pub(crate) struct ColumnBuilder<'s> {
    reader: Reader<'s>,
    stored: Stored,
}

impl<'s> ColumnBuilder<'s> {
    pub(crate) fn new(column: &'s Column) -> Self {
        Self { reader: Reader::new(column), stored: Stored::new(column, 0) }
    }

    /// Appends an Arrow array.
    pub(crate) fn append(&mut self, array: &dyn Array) -> Result<(), AssetError> {
        self.stored.append(&self.reader.read(array, self.stored.len())?);
        Ok(())
    }

    /// Appends the field of a text file.
    pub(crate) fn append_text(&mut self, text: &str) -> Result<(), AssetError> {
        self.stored.push(&self.reader, self.reader.parse(text), 0)
    }

    /// The column so far.
    pub(crate) fn finish(self) -> ArrayRef {
        self.stored.finish()
    }
}
