//! Programs as SQL.

use sqlparser::tokenizer::Token;

use super::tokens;
use crate::asset::Value;
use crate::program::aggregate::rank_text;
use crate::program::{Aggregate, Expr, Op, Predicate, Program, Query, Slot, Spread};

impl Query {
    /// The query as one line of SQL, as its consumer asks it, with its secrets blanked out: `SECRET(?)`.
    ///
    /// [`Query::from_sql`] reads it back, as [`Program::to_sql`] says.
    pub fn to_sql(&self) -> String {
        let selected = self.outputs().iter().map(|output| {
            let text = output.expr.text(&|leaf| match leaf {
                Expr::Aggregate(of) => aggregate(of),
                Expr::Literal(value) => literal(value),
                _ => String::new(),
            });
            match output.name == output.expr.to_string() {
                true => text,
                false => format!("{text} AS {}", name(&output.name)),
            }
        });
        select(&self.program(), selected)
    }
}

impl Program {
    /// The program as one line of SQL, each secret as `SECRET(?)`: what an owner sees of a query.
    ///
    /// [`Query::from_sql`] reads it back, once the secrets are filled in, to the same program. That holds for whatever
    /// [`Query`] makes with at least one aggregate, without null literals and empty lists, for which SQL has no words.
    ///
    /// ```
    /// use sealock::program::{Query, col, count, secret};
    ///
    /// let query = Query::select([count()]).filter(col("age").ge(secret(40)) & !col("plan").is_in(["paid"]));
    /// assert_eq!(query.to_sql(), "SELECT count(*) FROM asset WHERE age >= SECRET(?) AND NOT plan IN ('paid')");
    /// ```
    pub fn to_sql(&self) -> String {
        select(self, self.aggregates().iter().map(aggregate))
    }
}

fn select(program: &Program, selected: impl Iterator<Item = String>) -> String {
    let columns: Vec<_> = program.group_by().iter().map(|column| name(column)).collect();
    let selected: Vec<_> = columns.iter().cloned().chain(selected).collect();
    let mut out = format!("SELECT {} FROM asset", selected.join(", "));
    if let Some(filter) = program.filter() {
        out.push_str(" WHERE ");
        condition(&mut out, filter);
    }
    if !columns.is_empty() {
        out.push_str(" GROUP BY ");
        out.push_str(&columns.join(", "));
    }
    out
}

fn aggregate(aggregate: &Aggregate) -> String {
    match aggregate {
        Aggregate::Count => "count(*)".into(),
        Aggregate::Sum(column) => format!("sum({})", name(column)),
        Aggregate::Mean(column) => format!("avg({})", name(column)),
        Aggregate::Spread { column, by } => {
            let function = match by {
                Spread::VarSamp => "var_samp",
                Spread::VarPop => "var_pop",
                Spread::StddevSamp => "stddev_samp",
                Spread::StddevPop => "stddev_pop",
            };
            format!("{function}({})", name(column))
        }
        Aggregate::Histogram(column) => format!("histogram({})", name(column)),
        Aggregate::Min(column) => format!("min({})", name(column)),
        Aggregate::Max(column) => format!("max({})", name(column)),
        Aggregate::Quantile { column, millionths } => {
            format!("quantile({}, {})", name(column), rank_text(*millionths))
        }
    }
}

/// The name, in quotes where it needs them.
fn name(name: &str) -> String {
    let plain = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        && !matches!(Token::make_word(name, None), Token::Word(word) if tokens::is_reserved(word.keyword));
    if plain { name.into() } else { format!("\"{}\"", name.replace('"', "\"\"")) }
}

fn literal(value: &Value) -> String {
    match value {
        Value::Null => "NULL".into(),
        Value::Boolean(value) => if *value { "TRUE" } else { "FALSE" }.into(),
        // With its point, without which it would be read as an integer.
        Value::Decimal { scale: 0, mantissa } => format!("{mantissa}.0"),
        Value::Integer(_) | Value::Decimal { .. } => value.to_string(),
        Value::Text(text) => format!("'{}'", text.replace('\'', "''")),
    }
}

fn condition(out: &mut String, filter: &Predicate<Slot>) {
    match filter {
        Predicate::Test { column, op: Op::Null, .. } => out.push_str(&format!("{} IS NULL", name(column))),
        Predicate::Test { column, op, literals } => {
            let literals = match literals {
                Slot::Secret => "SECRET(?)".into(),
                Slot::Clear(values) => values.iter().map(literal).collect::<Vec<_>>().join(", "),
            };
            out.push_str(&match op {
                Op::In => format!("{} IN ({literals})", name(column)),
                Op::Ne => format!("{} <> {literals}", name(column)),
                op => format!("{} {op} {literals}", name(column)),
            });
        }
        Predicate::Score(scored) => out.push_str(&scored.text(&name, &literal)),
        Predicate::Not(part) => match &**part {
            Predicate::Test { column, op: Op::Null, .. } => out.push_str(&format!("{} IS NOT NULL", name(column))),
            part => {
                out.push_str("NOT ");
                nested(out, part);
            }
        },
        Predicate::All(parts) => joined(out, parts, " AND "),
        Predicate::Any(parts) => joined(out, parts, " OR "),
    }
}

fn joined(out: &mut String, parts: &[Predicate<Slot>], word: &str) {
    for (i, part) in parts.iter().enumerate() {
        out.push_str(if i == 0 { "" } else { word });
        nested(out, part);
    }
}

fn nested(out: &mut String, part: &Predicate<Slot>) {
    match part {
        Predicate::All(_) | Predicate::Any(_) => {
            out.push('(');
            condition(out, part);
            out.push(')');
        }
        part => condition(out, part),
    }
}
