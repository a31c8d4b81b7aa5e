//! Queries: what a consumer writes, with its secrets in it.

use std::collections::BTreeSet;
use std::fmt;
use std::ops::{BitAnd, BitOr, Not};

use super::{
    Aggregate, MAX_PROGRAM_BYTES, MaybeSecret, Op, Output, Points, Predicate, Program, ProgramError, Scored, Slot,
    Term, VERSION,
};
use crate::asset::Value;
use crate::codec::{CodecError, to_canonical};

/// The literals of one comparison in a query.
#[derive(Clone, PartialEq)]
pub enum Literals {
    /// The executor reads them in the program.
    Clear(Vec<Value>),
    /// They leave the consumer only inside the encrypted indicator.
    Secret(Vec<Value>),
}

impl Literals {
    fn values(&self) -> &[Value] {
        match self {
            Literals::Clear(values) | Literals::Secret(values) => values,
        }
    }
}

impl MaybeSecret for Literals {
    fn is_secret(&self) -> bool {
        matches!(self, Literals::Secret(_))
    }
}

impl fmt::Debug for Literals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Literals::Clear(values) => f.debug_tuple("Clear").field(values).finish(),
            Literals::Secret(_) => f.write_str("Secret(_)"),
        }
    }
}

/// A literal marked as hidden from the executor. Made by [`secret`].
pub struct Secret<T>(T);

/// Hides a literal (or a list, for [`Col::is_in`]) from the executor.
pub fn secret<T>(value: T) -> Secret<T> {
    Secret(value)
}

/// What one comparison can be made with.
pub trait IntoLiterals {
    /// The literals, marked as clear or secret.
    fn into_literals(self) -> Literals;
}

impl<T: Into<Value>> IntoLiterals for T {
    fn into_literals(self) -> Literals {
        Literals::Clear(vec![self.into()])
    }
}

impl<T: Into<Value>> IntoLiterals for Secret<T> {
    fn into_literals(self) -> Literals {
        Literals::Secret(vec![self.0.into()])
    }
}

/// What [`Col::is_in`] can be asked with: an array or vector of literals, or a [`secret`] one.
pub trait IntoLiteralList {
    /// The literals, marked as clear or secret.
    fn into_literal_list(self) -> Literals;
}

impl<T: Into<Value>, const N: usize> IntoLiteralList for [T; N] {
    fn into_literal_list(self) -> Literals {
        Literals::Clear(self.into_iter().map(Into::into).collect())
    }
}

impl<T: Into<Value>> IntoLiteralList for Vec<T> {
    fn into_literal_list(self) -> Literals {
        Literals::Clear(self.into_iter().map(Into::into).collect())
    }
}

impl<T: IntoLiteralList> IntoLiteralList for Secret<T> {
    fn into_literal_list(self) -> Literals {
        match self.0.into_literal_list() {
            Literals::Clear(values) | Literals::Secret(values) => Literals::Secret(values),
        }
    }
}

/// A filter as a consumer writes it. Join filters with `&`, `|` and `!`.
#[derive(Clone, Debug, PartialEq)]
pub struct Filter(Predicate<Literals>);

impl Filter {
    pub(super) fn scored(scored: Scored) -> Self {
        Filter(scored.into())
    }

    /// Joins two filters, unless one is too large for any program. That one then stands for the whole, which would be as
    /// invalid: no filter grows so deep that walking through it ends the stack, or by doubling so large that it ends memory.
    fn join(
        self,
        other: Filter,
        join: impl FnOnce(Predicate<Literals>, Predicate<Literals>) -> Predicate<Literals>,
    ) -> Self {
        match (self.0.is_too_large(), other.0.is_too_large()) {
            (true, _) => self,
            (_, true) => other,
            _ => Filter(join(self.0, other.0)),
        }
    }
}

impl BitAnd for Filter {
    type Output = Filter;
    fn bitand(self, other: Filter) -> Filter {
        self.join(other, Predicate::and)
    }
}

impl BitOr for Filter {
    type Output = Filter;
    fn bitor(self, other: Filter) -> Filter {
        self.join(other, Predicate::or)
    }
}

impl Not for Filter {
    type Output = Filter;
    fn not(self) -> Filter {
        // Twice is not at all, in SQL's three values as well.
        match self.0 {
            Predicate::Not(part) => Filter(*part),
            deep if deep.is_too_deep() => Filter(deep),
            other => Filter(Predicate::Not(Box::new(other))),
        }
    }
}

/// A column in a filter. Made by [`col`].
#[derive(Clone, Debug)]
pub struct Col(String);

/// Names a column in a filter.
pub fn col(name: impl Into<String>) -> Col {
    Col(name.into())
}

macro_rules! comparisons {
    ($($(#[doc = $doc:literal])+ $name:ident $op:ident,)+) => {
        $($(#[doc = $doc])+ pub fn $name(self, literal: impl IntoLiterals) -> Filter {
            self.test(Op::$op, literal.into_literals())
        })+
    };
}

impl Col {
    pub(super) fn test(self, op: Op, literals: Literals) -> Filter {
        Filter(Predicate::Test { column: self.0, op, literals })
    }

    comparisons! {
        /// Equal to the literal.
        eq Eq,
        /// Not equal to the literal.
        ne Ne,
        /// Less than the literal. On a column with bins, a bin's lower edge.
        lt Lt,
        /// Less than or equal to the literal. On a column with bins, a bin's last value.
        le Le,
        /// Greater than the literal. On a column with bins, a bin's last value.
        gt Gt,
        /// Greater than or equal to the literal. On a column with bins, a bin's lower edge.
        ge Ge,
    }

    /// Equal to one of the literals: `col("plan").is_in(secret(["free", "25%"]))`.
    pub fn is_in(self, literals: impl IntoLiteralList) -> Filter {
        self.test(Op::In, literals.into_literal_list())
    }

    /// So many times the column, as a term of a [`Score`](super::Score); of a boolean column, for TRUE.
    pub fn times(self, weight: impl Into<Value>) -> Term {
        Term { column: self.0, points: Points::Times(weight.into()) }
    }

    /// Points for each of these values, as a term of a [`Score`](super::Score). Of a row with another value nothing is known, as
    /// of one with a null.
    pub fn points<V: Into<Value>, P: Into<Value>>(self, each: impl IntoIterator<Item = (V, P)>) -> Term {
        let each = each.into_iter().map(|(value, points)| (value.into(), points.into())).collect();
        Term { column: self.0, points: Points::Each(each) }
    }

    /// Not null.
    pub fn is_not_null(self) -> Filter {
        !self.is_null()
    }

    /// Null.
    pub fn is_null(self) -> Filter {
        self.test(Op::Null, Literals::Clear(Vec::new()))
    }
}

/// A question with its secrets, as a consumer writes it. It stays with the consumer.
#[derive(Clone, Debug, PartialEq)]
pub struct Query {
    filter: Option<Predicate<Literals>>,
    group_by: Vec<String>,
    outputs: Vec<Output>,
}

impl Query {
    /// Asks for aggregates over all rows, or for what [`Expr`](super::Expr)s make of them. What is made of them is the
    /// consumer's alone: the program names the aggregates, and neither the arithmetic nor the names.
    ///
    /// ```
    /// use sealock::program::{Query, count, sum};
    ///
    /// let rate = (100 * sum("paid") / (sum("paid") + sum("owed"))).alias("rate");
    /// let query = Query::select([rate]).and_select([count()]);
    /// assert_eq!(query.program().to_string(), "count, sum(owed), sum(paid)");
    /// ```
    pub fn select<T: Into<Output>>(outputs: impl IntoIterator<Item = T>) -> Self {
        Self { filter: None, group_by: Vec::new(), outputs: Vec::new() }.and_select(outputs)
    }

    /// Asks for these, too.
    #[must_use]
    pub fn and_select<T: Into<Output>>(mut self, outputs: impl IntoIterator<Item = T>) -> Self {
        self.outputs.extend(outputs.into_iter().map(Into::into));
        self
    }

    /// Keeps the rows for which `filter` holds, of those that earlier filters kept. A comparison with null holds neither as
    /// it is nor negated, as in SQL.
    #[must_use]
    pub fn filter(mut self, filter: Filter) -> Self {
        self.filter = Some(match self.filter.take() {
            Some(earlier) => earlier.and(filter.0),
            None => filter.0,
        });
        self
    }

    /// Answers once for each combination of the values of `columns`, which the executor sees. Called again, it replaces.
    #[must_use]
    pub fn group_by<S: Into<String>>(mut self, columns: impl IntoIterator<Item = S>) -> Self {
        self.group_by = columns.into_iter().map(Into::into).collect();
        self
    }

    /// The program: this query with every secret blanked out.
    pub fn program(&self) -> Program {
        let blank = |l: &Literals| match l {
            Literals::Clear(values) => Slot::Clear(values.clone()),
            Literals::Secret(_) => Slot::Secret,
        };
        Program {
            version: VERSION,
            filter: self.filter.as_ref().map(|f| f.map(&blank)),
            group_by: self.group_by.clone(),
            aggregates: self.aggregates(),
        }
    }

    /// The aggregates that are asked, as they are asked; sorted where something is made of them, so that it does not show
    /// what.
    fn aggregates(&self) -> Vec<Aggregate> {
        let (plain, made): (Vec<_>, Vec<_>) = self.outputs.iter().partition(|output| output.is_plain());
        let mut aggregates: Vec<_> = plain.iter().flat_map(|output| output.expr.aggregates()).cloned().collect();
        for aggregate in made.iter().flat_map(|output| output.expr.aggregates()) {
            if !aggregates.contains(aggregate) {
                aggregates.push(aggregate.clone());
            }
        }
        if !made.is_empty() {
            aggregates.sort();
        }
        aggregates
    }

    /// The columns that the answer has behind those of the groups.
    pub fn outputs(&self) -> &[Output] {
        &self.outputs
    }

    /// Checks what the program does not show.
    ///
    /// # Errors
    /// [`ProgramError::Shape`] for two columns of one name, and for expressions that are none;
    /// [`CodecError::TooLarge`] for more than [`MAX_PROGRAM_BYTES`].
    pub(crate) fn check_outputs(&self) -> Result<(), ProgramError> {
        // An aggregate under its own name may be called as a group: the two are told apart.
        let (plain, named): (Vec<_>, Vec<_>) = self.outputs.iter().partition(|output| output.is_plain());
        let mut names: BTreeSet<&str> = self.group_by.iter().map(String::as_str).collect();
        names.extend(plain.iter().map(|output| output.name.as_str()));
        for output in named {
            output.expr.check()?;
            if !names.insert(&output.name) {
                return Err(ProgramError::Shape(format!("two columns of the answer are called {:?}", output.name)));
            }
        }
        let (got, limit) = (to_canonical("outputs", &self.outputs)?.len(), MAX_PROGRAM_BYTES);
        if got > limit {
            return Err(CodecError::TooLarge { what: "outputs", got, limit }.into());
        }
        Ok(())
    }

    /// The part of the filter that the consumer compiles into the indicator, with the values.
    pub(super) fn hidden(&self) -> Option<Predicate<Vec<Value>>> {
        let (_, hidden) = self.filter.as_ref()?.split();
        Some(hidden?.map(&|l| l.values().to_vec()))
    }
}
