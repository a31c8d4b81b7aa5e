//! A first schema from data, for the owner to correct.

use std::collections::BTreeSet;
use std::io::{Read, Seek};
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::csv::ReaderBuilder;
use arrow::csv::reader::Format;

use super::{
    Column, Kind, Role, Schema,
    column::MAX_CELLS,
    convert::{Scalar, scan},
    error::{AssetError, Place, quote},
    number::Number,
};

/// Decimal places that inference goes up to. Beyond it, floats are measurements whose precision the owner must choose.
const PLACES: u8 = 9;
/// From this many distinct texts on, a column with mostly distinct ones is taken for an identifier.
const IDENTIFIERS: usize = 64;

impl Schema {
    /// Proposes a schema for `batch`; see [`Schema::infer_batches`].
    ///
    /// # Errors
    /// As [`Schema::infer_batches`].
    pub fn infer(batch: &RecordBatch) -> Result<Self, AssetError> {
        Self::infer_batches([batch])
    }

    /// Proposes a schema for a CSV file with a header, read twice; see [`Schema::infer_batches`]. Correct what it proposes
    /// with [`Schema::with_column`], and read the table with [`Table::from_csv`](super::Table::from_csv).
    ///
    /// # Errors
    /// As [`Schema::infer_batches`]; [`AssetError::Unreadable`] for text that is no CSV.
    pub fn infer_csv(mut file: impl Read + Seek) -> Result<Self, AssetError> {
        let unreadable = |why: String| AssetError::Unreadable { format: "CSV", why };
        let format = Format::default().with_header(true);
        let (schema, _) = format.infer_schema(&mut file, None).map_err(|e| unreadable(e.to_string()))?;
        file.rewind().map_err(|e| unreadable(e.to_string()))?;
        let reader = ReaderBuilder::new(Arc::new(schema)).with_format(format).build(file);
        let batches = reader.and_then(Iterator::collect::<Result<Vec<_>, _>>).map_err(|e| unreadable(e.to_string()))?;
        Self::infer_batches(&batches)
    }

    /// Proposes a schema for `batches` of equal columns.
    ///
    /// Texts become categories in alphabetical order and booleans stay booleans: dimensions both. Numbers become integers
    /// or decimals, with the fewest decimal places that are exact, up to 9, and measures, with the observed smallest and
    /// largest value as their range. A column with missing values becomes nullable.
    ///
    /// **Read the result before publishing it.** A schema is public, and this one quotes the data: extreme values and
    /// every category. Replace ranges and bins with [`Schema::with_column`].
    ///
    /// # Errors
    /// [`AssetError::InvalidSchema`] for no rows, a column without values, a number with more decimal places, or texts that
    /// look like identifiers; [`AssetError::UnsupportedType`] for an Arrow type without a counterpart;
    /// [`AssetError::SchemaMismatch`] if batches differ in their columns or a column mixes types.
    pub fn infer_batches<'a>(batches: impl IntoIterator<Item = &'a RecordBatch>) -> Result<Self, AssetError> {
        let mut columns: Vec<(String, Seen)> = Vec::new();
        for (index, batch) in batches.into_iter().enumerate() {
            let names = batch.schema().fields().iter().map(|field| field.name().clone()).collect::<Vec<_>>();
            if index == 0 {
                columns = names.iter().map(|name| (name.clone(), Seen::default())).collect();
            } else if !names.iter().eq(columns.iter().map(|(name, _)| name)) {
                return Err(AssetError::SchemaMismatch {
                    place: Place::default(),
                    expected: format!("the columns of the first batch in batch {index}"),
                    got: quote(&names.join(", ")),
                    hint: "give every batch the same columns in the same order".into(),
                });
            }
            for ((name, seen), array) in columns.iter_mut().zip(batch.columns()) {
                scan(array, name, &mut |scalar| seen.add(name, scalar))?;
            }
        }
        Schema::new(columns.into_iter().map(|(name, seen)| seen.column(name)).collect::<Result<_, _>>()?)
    }
}

/// What the values of one column have in common.
#[derive(Default)]
struct Seen {
    rows: usize,
    nulls: bool,
    booleans: bool,
    texts: BTreeSet<String>,
    numbers: Option<Range>,
}

/// Smallest and largest number, in units of 10^-[`PLACES`], and the most decimal places among all.
struct Range {
    min: i128,
    max: i128,
    places: u32,
}

impl Seen {
    fn add(&mut self, name: &str, scalar: Scalar<'_>) -> Result<(), AssetError> {
        let row = self.rows;
        self.rows += 1;
        match scalar {
            Scalar::Null => self.nulls = true,
            Scalar::Boolean(_) => self.booleans = true,
            Scalar::Text(text) => {
                if !self.texts.contains(text) {
                    self.texts.insert(text.to_owned());
                }
                if self.texts.len() as u64 > MAX_CELLS {
                    return Err(AssetError::schema(
                        name,
                        format!("more than {MAX_CELLS} distinct texts"),
                        "leave the column out, or merge its values into fewer categories",
                    ));
                }
            }
            Scalar::Exact(number) | Scalar::Float(Some(number)) => return self.add_number(name, row, number),
            Scalar::Float(None) => {
                return Err(AssetError::schema(
                    name,
                    format!("row {row} is NaN or infinite"),
                    "replace it by a missing value",
                ));
            }
        }
        Ok(())
    }

    fn add_number(&mut self, name: &str, row: usize, number: Number) -> Result<(), AssetError> {
        let places = number.places();
        let units = (places <= PLACES.into()).then(|| number.units(PLACES)).flatten().ok_or_else(|| {
            AssetError::schema(
                name,
                format!("row {row} is {number}, which has more than {PLACES} decimal places or does not fit 64 bits"),
                "round the column, or declare it as a decimal column yourself",
            )
        })?;
        let range = self.numbers.get_or_insert(Range { min: units, max: units, places });
        range.min = range.min.min(units);
        range.max = range.max.max(units);
        range.places = range.places.max(places);
        Ok(())
    }

    fn column(self, name: String) -> Result<Column, AssetError> {
        let (kind, role) = match (self.booleans, self.texts.is_empty(), self.numbers) {
            (true, true, None) => (Kind::Boolean, Role::DIMENSION),
            (false, false, None) => {
                let count = self.texts.len();
                if count > IDENTIFIERS && count * 2 > self.rows {
                    return Err(AssetError::schema(
                        &name,
                        format!(
                            "{count} distinct texts in {} rows look like identifiers, and a schema is public",
                            self.rows
                        ),
                        "leave the column out, or declare it yourself: as a text that names entities, or as a category",
                    ));
                }
                (Kind::Category { values: self.texts.into_iter().collect() }, Role::DIMENSION)
            }
            (false, true, Some(range)) => (range.kind(&name)?, Role::MEASURE),
            (false, true, None) => {
                return Err(AssetError::schema(
                    &name,
                    "no value to infer a type from",
                    "leave the column out, or declare it yourself",
                ));
            }
            _ => {
                return Err(AssetError::SchemaMismatch {
                    place: Place::column(&name),
                    expected: "values of one type".into(),
                    got: "several types in different batches".into(),
                    hint: "cast the column to one type".into(),
                });
            }
        };
        Ok(Column { name, kind, role, nullable: self.nulls, bins: None, description: None })
    }
}

impl Range {
    fn kind(self, name: &str) -> Result<Kind, AssetError> {
        let drop = 10i128.pow(u32::from(PLACES) - self.places);
        let fit = |units: i128| {
            i64::try_from(units / drop).map_err(|_| {
                AssetError::schema(
                    name,
                    format!("numbers with {} decimal places up to this size do not fit 64 bits", self.places),
                    "round the column",
                )
            })
        };
        let (min, max) = (fit(self.min)?, fit(self.max)?);
        Ok(match self.places {
            0 => Kind::Integer { min, max },
            places => Kind::Decimal { scale: places as u8, min, max },
        })
    }
}
