//! A single value: a literal in a program, a cell of a table.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{error::quote, number::Number};

/// One value of any kind. There are no floats: a decimal is exact.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Value {
    /// No value.
    Null,
    /// True or false.
    Boolean(bool),
    /// A whole number.
    Integer(i64),
    /// `mantissa / 10^scale`.
    Decimal {
        /// The digits, as a whole number.
        mantissa: i64,
        /// How many of them stand behind the point.
        scale: u8,
    },
    /// The name of a category.
    Text(String),
}

impl Value {
    /// The number that a decimal text names, for instance `"-12.50"` or `"1e-3"`. `None` if it names none, or needs more
    /// digits than fit 64 bits.
    pub fn decimal(text: &str) -> Option<Self> {
        Number::parse(text).and_then(Self::from_number)
    }

    /// The value as an exact number, where it is one.
    pub(crate) fn number(&self) -> Option<Number> {
        match *self {
            Value::Integer(value) => Some(Number::integer(value)),
            Value::Decimal { mantissa, scale } => {
                Some(Number { mantissa: mantissa.into(), exponent: -i32::from(scale) })
            }
            _ => None,
        }
    }

    /// Without zeros at the end, so that one number has one form, and programs that compare with it one digest.
    fn from_number(number: Number) -> Option<Self> {
        let scale = u8::try_from(number.places()).ok()?;
        Some(Value::Decimal { mantissa: number.exact(scale)?, scale })
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Null => f.write_str("null"),
            Value::Boolean(value) => write!(f, "{value}"),
            Value::Integer(_) | Value::Decimal { .. } => self.number().map_or(Ok(()), |number| write!(f, "{number}")),
            Value::Text(text) => f.write_str(&quote(text)),
        }
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Value::Boolean(value)
    }
}

macro_rules! from_integer {
    ($($t:ty),*) => {$(
        impl From<$t> for Value {
            fn from(value: $t) -> Self {
                Value::Integer(value.into())
            }
        }
    )*};
}
from_integer!(i8, i16, i32, i64, u8, u16, u32);

impl From<f64> for Value {
    /// The shortest decimal that reads back as `value`: 0.1 is one tenth.
    ///
    /// What no decimal of 64 bits holds (NaN, infinities, 1e300) becomes its text, which every numeric column refuses.
    fn from(value: f64) -> Self {
        Number::from_f64(value).and_then(Self::from_number).unwrap_or_else(|| Value::Text(value.to_string()))
    }
}

impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Value::Text(value.into())
    }
}

impl From<String> for Value {
    fn from(value: String) -> Self {
        Value::Text(value)
    }
}

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Value::Null, Into::into)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_become_the_decimals_that_people_wrote() {
        assert_eq!(Value::from(0.1), Value::Decimal { mantissa: 1, scale: 1 });
        assert_eq!(Value::from(-2.50), Value::Decimal { mantissa: -25, scale: 1 });
        assert_eq!(Value::from(40.0), Value::Decimal { mantissa: 40, scale: 0 });
        assert_eq!(Value::from(1e15 + 0.5), Value::Decimal { mantissa: 10_000_000_000_000_005, scale: 1 });
        for odd in [f64::NAN, f64::INFINITY, 1e300, 1e-300] {
            assert!(matches!(Value::from(odd), Value::Text(_)), "{odd}");
        }
    }

    #[test]
    fn values_show_as_they_are_written() {
        let shown: Vec<_> = [Value::from(-0.05), 7.into(), true.into(), "free".into(), None::<i64>.into()]
            .iter()
            .map(Value::to_string)
            .collect();
        assert_eq!(shown, ["-0.05", "7", "true", "\"free\"", "null"]);
    }
}
