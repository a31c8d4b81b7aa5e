//! Declaration of one column: type, domain, scale and role.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};

use super::{
    Value,
    error::{AssetError, quote},
    number::stored_text,
};

/// Longest name of a column, in bytes.
pub(crate) const MAX_NAME: usize = 128;
/// Longest name of a category, in bytes.
pub(crate) const MAX_CATEGORY: usize = 1024;
/// Longest description of a column, in bytes.
pub(crate) const MAX_TEXT: usize = 4096;
/// Most categories, bins or single values of a dimension, the null cell aside.
pub(crate) const MAX_CELLS: u64 = 1 << 20;
/// Most decimal places: 10^18 is the largest power of ten in an `i64`.
pub(crate) const MAX_SCALE: u8 = 18;

/// What a column holds: type, domain and scale in one, so that no invalid combination can be written down.
///
/// Every value is stored as an `i64`: 0 or 1, the index of a category, the integer itself, or `value · 10^scale`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Kind {
    /// False (0) or true (1).
    Boolean,
    /// One of at most 2^20 distinct names. The order of the names gives their codes.
    Category {
        /// The names, by code.
        values: Vec<String>,
    },
    /// A whole number.
    Integer {
        /// Smallest value, inclusive.
        min: i64,
        /// Largest value, inclusive.
        max: i64,
    },
    /// A fixed-point number.
    Decimal {
        /// Decimal places, at most 18.
        scale: u8,
        /// Smallest value in stored units, inclusive.
        min: i64,
        /// Largest value in stored units, inclusive.
        max: i64,
    },
    /// Any text of at most 1024 bytes. It has no stored unit: it can name entities, and nothing else.
    Text,
}

/// What a column may be used for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Role {
    /// Rows may be filtered and grouped by it.
    pub dimension: bool,
    /// It may be aggregated.
    pub measure: bool,
    /// It says whom a row is about, for [`Policy::entity`](crate::policy::Policy::entity). It is neither of the others then,
    /// and its values are part of no answer.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub entity: bool,
}

impl Role {
    /// Neither filtered by nor aggregated.
    pub const NONE: Role = Role { dimension: false, measure: false, entity: false };
    /// Filtered and grouped by.
    pub const DIMENSION: Role = Role { dimension: true, measure: false, entity: false };
    /// Aggregated.
    pub const MEASURE: Role = Role { dimension: false, measure: true, entity: false };
    /// Both.
    pub const BOTH: Role = Role { dimension: true, measure: true, entity: false };
    /// Whom rows are about.
    pub const ENTITY: Role = Role { dimension: false, measure: false, entity: true };
}

/// One column of a [`Schema`](super::Schema), which checks it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Column {
    /// 1 to 128 bytes without control characters, unique in the schema.
    pub name: String,
    /// Type, domain and scale.
    pub kind: Kind,
    /// What it may be used for.
    pub role: Role,
    /// Whether values may be missing.
    pub nullable: bool,
    /// Ascending edges in stored units, for a number that is binned when used as a dimension: bin `i` is
    /// `[edges[i], edges[i + 1])`, and the last one is closed. Together the bins cover the domain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bins: Option<Vec<i64>>,
    /// What the column means, at most 4096 bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

impl Column {
    fn new(name: impl Into<String>, kind: Kind) -> Self {
        Self { name: name.into(), kind, role: Role::NONE, nullable: false, bins: None, description: None }
    }

    /// A true-or-false column without a role.
    pub fn boolean(name: impl Into<String>) -> Self {
        Self::new(name, Kind::Boolean)
    }

    /// A column of one out of `values`, without a role.
    pub fn category<S: Into<String>>(name: impl Into<String>, values: impl IntoIterator<Item = S>) -> Self {
        Self::new(name, Kind::Category { values: values.into_iter().map(Into::into).collect() })
    }

    /// A column of texts, without a role: [`Column::entity`] is the one that it can have.
    pub fn text(name: impl Into<String>) -> Self {
        Self::new(name, Kind::Text)
    }

    /// A whole number from `min` to `max`, both included, without a role.
    pub fn integer(name: impl Into<String>, min: i64, max: i64) -> Self {
        Self::new(name, Kind::Integer { min, max })
    }

    /// A number with `scale` decimal places, from `min` to `max` stored units, both included, without a role: at scale 2
    /// the bound 150 is 1.50.
    pub fn decimal(name: impl Into<String>, scale: u8, min: i64, max: i64) -> Self {
        Self::new(name, Kind::Decimal { scale, min, max })
    }

    /// The same with bounds as they are written: `"0.00"`, `1.5`, `12`.
    ///
    /// # Errors
    /// [`AssetError::InvalidSchema`] if a bound is no number or has more than `scale` decimal places.
    pub fn decimal_between(
        name: impl Into<String>,
        scale: u8,
        min: impl Into<Value>,
        max: impl Into<Value>,
    ) -> Result<Self, AssetError> {
        let column = Self::decimal(name, scale, 0, 0);
        let (min, max) = (column.edge(&min.into())?, column.edge(&max.into())?);
        Ok(Self { kind: Kind::Decimal { scale, min, max }, ..column })
    }

    /// Lets rows be filtered and grouped by the column.
    pub fn dimension(mut self) -> Self {
        self.role.dimension = true;
        self
    }

    /// Lets the column be aggregated.
    pub fn measure(mut self) -> Self {
        self.role.measure = true;
        self
    }

    /// Says that the column, a text or a whole number in any range, names whom a row is about.
    pub fn entity(mut self) -> Self {
        self.role.entity = true;
        self
    }

    /// Sets the edges of the bins, in stored units.
    pub fn bins(mut self, edges: impl IntoIterator<Item = i64>) -> Self {
        self.bins = Some(edges.into_iter().collect());
        self
    }

    /// Sets the edges of the bins as they are written: `["0", "8.7", "58.6"]`.
    ///
    /// # Errors
    /// [`AssetError::InvalidSchema`] if an edge is no number or has more decimal places than the column.
    pub fn bins_at<V: Into<Value>>(mut self, edges: impl IntoIterator<Item = V>) -> Result<Self, AssetError> {
        self.bins = Some(edges.into_iter().map(|edge| self.edge(&edge.into())).collect::<Result<_, _>>()?);
        Ok(self)
    }

    /// Lets values be missing.
    pub fn nullable(mut self) -> Self {
        self.nullable = true;
        self
    }

    /// Says what the column means.
    pub fn describe(mut self, text: impl Into<String>) -> Self {
        self.description = Some(text.into());
        self
    }

    /// A bound or an edge in stored units.
    fn edge(&self, value: &Value) -> Result<i64, AssetError> {
        let scale = self.scale().unwrap_or(0);
        let number = match value {
            Value::Text(text) => Value::decimal(text).and_then(|value| value.number()),
            other => other.number(),
        };
        number.and_then(|number| number.exact(scale)).ok_or_else(|| {
            AssetError::schema(
                &self.name,
                format!("expected a number with at most {scale} decimal places, got {value}"),
                "round the bound, or declare more decimal places",
            )
        })
    }

    /// Decimal places of a number column; `None` for other kinds.
    pub(crate) fn scale(&self) -> Option<u8> {
        match self.kind {
            Kind::Integer { .. } => Some(0),
            Kind::Decimal { scale, .. } => Some(scale),
            _ => None,
        }
    }

    /// Smallest and largest value of a number column, in stored units; `None` for other kinds.
    pub fn range(&self) -> Option<(i64, i64)> {
        match self.kind {
            Kind::Integer { min, max } | Kind::Decimal { min, max, .. } => Some((min, max)),
            _ => None,
        }
    }

    /// The domain in words, for messages.
    pub(crate) fn domain(&self) -> String {
        match &self.kind {
            Kind::Boolean => "true or false".into(),
            Kind::Category { values } if values.len() <= 6 => {
                format!("one of {}", values.iter().map(|v| quote(v)).collect::<Vec<_>>().join(", "))
            }
            Kind::Category { values } => format!(
                "one of {} categories such as {}",
                values.len(),
                values.iter().take(3).map(|v| quote(v)).collect::<Vec<_>>().join(", ")
            ),
            Kind::Text => format!("a text of at most {MAX_CATEGORY} bytes"),
            Kind::Integer { min, max } => format!("a whole number from {min} to {max}"),
            Kind::Decimal { scale, min, max } => format!(
                "a number from {} to {} with at most {scale} decimal places",
                stored_text(*min, *scale),
                stored_text(*max, *scale)
            ),
        }
    }

    /// Checks the declaration by itself.
    pub(crate) fn validate(&self) -> Result<(), AssetError> {
        let fail = |why: String, hint: &str| Err(AssetError::schema(&self.name, why, hint));
        if self.name.is_empty() || self.name.len() > MAX_NAME || self.name.chars().any(char::is_control) {
            return Err(AssetError::schema(
                &self.name.chars().take(MAX_NAME).collect::<String>(),
                format!("a name has 1 to {MAX_NAME} bytes and no control characters"),
                "rename the column",
            ));
        }
        if let Some(text) = &self.description
            && (text.len() > MAX_TEXT || text.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\t')))
        {
            return fail(
                format!(
                    "a description has at most {MAX_TEXT} bytes and no control characters but line breaks and tabs"
                ),
                "shorten the description",
            );
        }
        match &self.kind {
            Kind::Boolean => {}
            Kind::Text if self.role.dimension || self.role.measure => {
                return fail("a text can be an entity alone".into(), "declare a category column");
            }
            Kind::Text => {}
            Kind::Category { values } => {
                if values.is_empty() || values.len() as u64 > MAX_CELLS {
                    return fail(
                        format!("a category column has 1 to {MAX_CELLS} values, this one has {}", values.len()),
                        "merge rare values before publishing",
                    );
                }
                if let Some(bad) = values.iter().find(|v| v.len() > MAX_CATEGORY || v.chars().any(char::is_control)) {
                    return fail(
                        format!("category {}: at most {MAX_CATEGORY} bytes and no control characters", quote(bad)),
                        "shorten or clean the names of the categories",
                    );
                }
                let mut seen = HashSet::with_capacity(values.len());
                if let Some(twice) = values.iter().find(|v| !seen.insert(v.as_str())) {
                    return fail(format!("category {} is listed twice", quote(twice)), "list every category once");
                }
                if self.role.measure {
                    return fail("a category cannot be a measure".into(), "make it a dimension, or declare a number");
                }
            }
            Kind::Integer { min, max } | Kind::Decimal { min, max, .. } => {
                if self.scale().is_some_and(|scale| scale > MAX_SCALE) {
                    return fail(format!("at most {MAX_SCALE} decimal places fit 64 bits"), "round the values");
                }
                if min > max {
                    return fail(format!("the range is empty: min {min} is above max {max}"), "swap min and max");
                }
            }
        }
        if self.role.entity {
            if !matches!(self.kind, Kind::Text | Kind::Integer { .. }) {
                return fail("an entity is a text or a whole number".into(), "declare it as one of the two");
            }
            if self.role != Role::ENTITY || self.bins.is_some() {
                return fail("an entity is no dimension or measure, and has no bins".into(), "give it one role");
            }
            if self.nullable {
                let hint = "give rows of unknown entities one name, or leave them out";
                return fail("an entity is in every row: nothing could be counted without".into(), hint);
            }
        }
        self.validate_bins()?;
        if self.role.dimension && self.values()? > MAX_CELLS {
            return fail(
                format!("as a dimension it would have {} cells, at most {MAX_CELLS} are accepted", self.values()?),
                "declare bins, or do not make it a dimension",
            );
        }
        Ok(())
    }

    fn validate_bins(&self) -> Result<(), AssetError> {
        let Some(edges) = &self.bins else { return Ok(()) };
        let fail = |why: String, hint: &str| Err(AssetError::schema(&self.name, why, hint));
        let Some((min, max)) = self.range() else {
            return fail("only integers and decimals have bins".into(), "remove the bins");
        };
        let [first, second, ..] = edges[..] else {
            return fail(format!("bins have at least 2 edges, got {}", edges.len()), "give both ends of the domain");
        };
        if edges.len() as u64 - 1 > MAX_CELLS {
            return fail(format!("{} bins, at most {MAX_CELLS} are accepted", edges.len() - 1), "use wider bins");
        }
        if let Some(pair) = edges.windows(2).find(|pair| pair[0] >= pair[1]) {
            return fail(format!("edge {} is followed by {}", pair[0], pair[1]), "sort the edges, each of them once");
        }
        let (last_start, last) = (edges[edges.len() - 2], edges[edges.len() - 1]);
        if first > min || last < max {
            return fail(
                format!("bins from {first} to {last} do not cover the domain from {min} to {max} (stored units)"),
                "begin at or below the smallest value and end at or above the largest",
            );
        }
        if second <= min || last_start > max {
            return fail("the first or the last bin lies outside the domain".into(), "remove it");
        }
        Ok(())
    }
}
