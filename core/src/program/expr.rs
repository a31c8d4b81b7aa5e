//! Arithmetic over aggregates, which the consumer does once the answer is decrypted.
//!
//! What is computed of the numbers, the owner never learns: the program holds the aggregates alone.

use std::fmt;
use std::ops::{Add, Div, Mul, Neg, Sub};

use num_bigint::BigInt;
use num_rational::BigRational;
use num_traits::Zero;
use serde::{Deserialize, Serialize};

use super::{Aggregate, ProgramError};
use crate::asset::Value;

/// How deep an expression may nest, and how many aggregates and literals it may have.
const MAX_DEPTH: usize = 64;
const MAX_LEAVES: usize = 256;

/// A number made of aggregates and literals: `100 * sum("a") / sum("b")`. Made of [`Aggregate`]s, integers and decimal
/// [`Value`]s with `+`, `-`, `*` and `/`.
///
/// It is evaluated exactly, over rational numbers, and rounded once, to the nearest double. A standard deviation in it counts as
/// the double that it is. It is null where a part of it is, and where it divides by zero.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Expr {
    /// An aggregate.
    Aggregate(Aggregate),
    /// A number.
    Literal(Value),
    /// The sum of both.
    Add(Box<Expr>, Box<Expr>),
    /// The first less the second.
    Sub(Box<Expr>, Box<Expr>),
    /// The product of both.
    Mul(Box<Expr>, Box<Expr>),
    /// The first divided by the second.
    Div(Box<Expr>, Box<Expr>),
    /// The negative.
    Neg(Box<Expr>),
}

/// A column of an answer: an expression and its name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Output {
    /// What the answer calls it.
    pub name: String,
    /// What it is.
    pub expr: Expr,
}

impl Output {
    /// Whether it is an aggregate under its own name.
    pub(crate) fn is_plain(&self) -> bool {
        self.expr.as_aggregate().is_some_and(|aggregate| aggregate.to_string() == self.name)
    }
}

impl From<Aggregate> for Expr {
    fn from(aggregate: Aggregate) -> Self {
        Expr::Aggregate(aggregate)
    }
}

impl From<i64> for Expr {
    fn from(number: i64) -> Self {
        Expr::Literal(number.into())
    }
}

impl From<Value> for Expr {
    fn from(number: Value) -> Self {
        Expr::Literal(number)
    }
}

impl<T: Into<Expr>> From<T> for Output {
    /// Named as it is written: `sum(a) / count`.
    fn from(expr: T) -> Self {
        let expr = expr.into();
        Self { name: expr.to_string(), expr }
    }
}

macro_rules! operators {
    ($($trait:ident $method:ident,)+) => {$(
        impl<T: Into<Expr>> $trait<T> for Expr {
            type Output = Expr;
            fn $method(self, other: T) -> Expr {
                self.join(other.into(), Expr::$trait)
            }
        }

        impl<T: Into<Expr>> $trait<T> for Aggregate {
            type Output = Expr;
            fn $method(self, other: T) -> Expr {
                Expr::from(self).$method(other)
            }
        }

        impl $trait<Expr> for i64 {
            type Output = Expr;
            fn $method(self, other: Expr) -> Expr {
                Expr::from(self).$method(other)
            }
        }

        impl $trait<Aggregate> for i64 {
            type Output = Expr;
            fn $method(self, other: Aggregate) -> Expr {
                Expr::from(self).$method(other)
            }
        }
    )+};
}

operators! { Add add, Sub sub, Mul mul, Div div, }

impl Neg for Expr {
    type Output = Expr;
    fn neg(self) -> Expr {
        match self {
            Expr::Neg(part) => *part,
            large if large.is_too_large() => large,
            other => Expr::Neg(Box::new(other)),
        }
    }
}

impl Neg for Aggregate {
    type Output = Expr;
    fn neg(self) -> Expr {
        -Expr::from(self)
    }
}

impl Aggregate {
    /// The aggregate under another name.
    pub fn alias(self, name: impl Into<String>) -> Output {
        Expr::from(self).alias(name)
    }
}

impl Expr {
    /// The expression under a name of its own.
    pub fn alias(self, name: impl Into<String>) -> Output {
        Output { name: name.into(), expr: self }
    }

    /// Joins two, unless one is too large: that one then stands for the whole, which would be refused as well.
    fn join(self, other: Expr, join: fn(Box<Expr>, Box<Expr>) -> Expr) -> Expr {
        match (self.is_too_large(), other.is_too_large()) {
            (true, _) => self,
            (_, true) => other,
            _ => join(Box::new(self), Box::new(other)),
        }
    }

    fn parts(&self) -> Vec<&Expr> {
        match self {
            Expr::Aggregate(_) | Expr::Literal(_) => Vec::new(),
            Expr::Neg(part) => vec![part],
            Expr::Add(a, b) | Expr::Sub(a, b) | Expr::Mul(a, b) | Expr::Div(a, b) => vec![a, b],
        }
    }

    fn is_too_deep(&self, than: usize) -> bool {
        than == 0 || self.parts().into_iter().any(|part| part.is_too_deep(than - 1))
    }

    pub(super) fn is_too_large(&self) -> bool {
        let mut leaves = 0;
        self.is_too_deep(MAX_DEPTH) || {
            self.each(&mut |_| leaves += 1);
            leaves > MAX_LEAVES
        }
    }

    fn each<'a>(&'a self, f: &mut impl FnMut(&'a Expr)) {
        let parts = self.parts();
        if parts.is_empty() {
            f(self);
        }
        parts.into_iter().for_each(|part| part.each(f));
    }

    /// The aggregates in it, from left to right.
    pub fn aggregates(&self) -> Vec<&Aggregate> {
        let mut found = Vec::new();
        self.each(&mut |leaf| {
            if let Expr::Aggregate(aggregate) = leaf {
                found.push(aggregate);
            }
        });
        found
    }

    /// The aggregate that it is, if it is one alone.
    pub(crate) fn as_aggregate(&self) -> Option<&Aggregate> {
        match self {
            Expr::Aggregate(aggregate) => Some(aggregate),
            _ => None,
        }
    }

    /// Refuses what has no value: too large ones, literals that are no numbers, arithmetic on bins.
    pub(super) fn check(&self) -> Result<(), ProgramError> {
        if self.is_too_large() {
            return Err(ProgramError::Shape(format!(
                "an expression is more than {MAX_DEPTH} deep or has more than {MAX_LEAVES} parts"
            )));
        }
        if self.as_aggregate().is_some() {
            return Ok(());
        }
        let mut result = Ok(());
        self.each(&mut |leaf| match leaf {
            Expr::Aggregate(aggregate) if aggregate.dimension().is_some() => {
                result = Err(ProgramError::Shape(format!("{aggregate} is no number to calculate with")));
            }
            Expr::Literal(value) if rational(value).is_none() => {
                result = Err(ProgramError::Shape("an expression has a literal that is no number".into()));
            }
            _ => {}
        });
        result
    }

    /// Its value, given those of the aggregates. `None` is null.
    pub(crate) fn evaluate(&self, of: &impl Fn(&Aggregate) -> Option<BigRational>) -> Option<BigRational> {
        Some(match self {
            Expr::Aggregate(aggregate) => of(aggregate)?,
            Expr::Literal(value) => rational(value)?,
            Expr::Add(a, b) => a.evaluate(of)? + b.evaluate(of)?,
            Expr::Sub(a, b) => a.evaluate(of)? - b.evaluate(of)?,
            Expr::Mul(a, b) => a.evaluate(of)? * b.evaluate(of)?,
            Expr::Div(a, b) => {
                let (a, b) = (a.evaluate(of)?, b.evaluate(of)?);
                if b.is_zero() {
                    return None;
                }
                a / b
            }
            Expr::Neg(part) => -part.evaluate(of)?,
        })
    }
}

fn rational(value: &Value) -> Option<BigRational> {
    match value {
        Value::Integer(value) => Some(BigRational::from_integer((*value).into())),
        Value::Decimal { mantissa, scale } => {
            Some(BigRational::new((*mantissa).into(), BigInt::from(10).pow((*scale).into())))
        }
        _ => None,
    }
}

impl Expr {
    /// The expression in text, of which `leaf` writes the aggregates and literals.
    pub(super) fn text(&self, leaf: &impl Fn(&Expr) -> String) -> String {
        let (a, sign, b) = match self {
            Expr::Aggregate(_) | Expr::Literal(_) => return leaf(self),
            Expr::Neg(part) => {
                let text = part.text(leaf);
                // Two signs in a row begin a comment in SQL.
                let plain = part.parts().is_empty() && !text.starts_with('-');
                return if plain { format!("-{text}") } else { format!("-({text})") };
            }
            Expr::Add(a, b) => (a, "+", b),
            Expr::Sub(a, b) => (a, "-", b),
            Expr::Mul(a, b) => (a, "*", b),
            Expr::Div(a, b) => (a, "/", b),
        };
        // From the left they go together as they are written; the right side keeps its own order.
        let left_in_parentheses = matches!(sign, "*" | "/") && matches!(**a, Expr::Add(..) | Expr::Sub(..));
        let right_in_parentheses = match **b {
            Expr::Add(..) | Expr::Sub(..) => true,
            Expr::Mul(..) | Expr::Div(..) => matches!(sign, "*" | "/"),
            _ => false,
        };
        let side = |part: &Expr, parentheses| {
            let text = part.text(leaf);
            if parentheses { format!("({text})") } else { text }
        };
        format!("{} {sign} {}", side(a, left_in_parentheses), side(b, right_in_parentheses))
    }
}

impl fmt::Display for Expr {
    /// For people, and the name of a column without one: `100 * (sum(a) - sum(b)) / count`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text(&|leaf| match leaf {
            Expr::Aggregate(aggregate) => aggregate.to_string(),
            Expr::Literal(value) => value.to_string(),
            _ => String::new(),
        }))
    }
}
