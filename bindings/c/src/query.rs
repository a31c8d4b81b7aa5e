//! Queries
//!
//! A question with its secrets. The literals of a comparison are a handle of their own, since they may be hidden: hidden
//! ones leave the consumer only encrypted. A program is the query with every secret blanked out.
//!
//! Whether a query fits an asset is found by `sealock_asset_estimate` and `sealock_order_request`.

use std::ffi::c_char;
use std::sync::Mutex;

use sealock::asset::Value;
use sealock::program::{
    Aggregate, Filter, IntoLiteralList, IntoLiterals, Literals, Output, Program, Query, col, count, histogram, max,
    mean, min, quantile, stddev, stddev_pop, sum, var_pop, variance,
};

use crate::buffer::{Buffer, sealock_buffer};
use crate::call::{call, free};
use crate::column::{change, current};
use crate::error::{Failure, sealock_error, sealock_status};
use crate::handle::{find, handles};

/// Equal to the literal.
pub const SEALOCK_OP_EQ: i32 = 1;
/// Not equal to the literal.
pub const SEALOCK_OP_NE: i32 = 2;
/// Less than the literal. On a column with bins, a bin's lower edge.
pub const SEALOCK_OP_LT: i32 = 3;
/// Less than or equal to the literal. On a column with bins, a bin's last value.
pub const SEALOCK_OP_LE: i32 = 4;
/// Greater than the literal. On a column with bins, a bin's last value.
pub const SEALOCK_OP_GT: i32 = 5;
/// Greater than or equal to the literal. On a column with bins, a bin's lower edge.
pub const SEALOCK_OP_GE: i32 = 6;
/// Equal to one of the literals.
pub const SEALOCK_OP_IN: i32 = 7;

/// What one comparison is made with.
///
/// Made by: `sealock_literals_new`. Freed by: `sealock_literals_free`, which does not wipe it. A filter copies it.
/// Thread-safe.
pub struct sealock_literals {
    _opaque: (),
}

/// Which rows a query keeps.
///
/// Made by: `sealock_filter_compare`, `_is_null`, `_and`, `_or`, `_not`. Freed by: `sealock_filter_free`. What it is made of
/// is copied. It never changes; thread-safe.
pub struct sealock_filter {
    _opaque: (),
}

/// A question.
///
/// Made by: `sealock_query_new`, `sealock_query_from_sql`. Freed by: `sealock_query_free`. Thread-safe.
pub struct sealock_query {
    _opaque: (),
}

/// A query with every secret blanked out: what travels, what a policy allows and what a receipt names.
///
/// Made by: `sealock_query_program`, `sealock_program_from_bytes`. Freed by: `sealock_program_free`. It never changes;
/// thread-safe.
pub struct sealock_program {
    _opaque: (),
}

handles! {
    sealock_literals => Mutex<Given>,
    sealock_filter => Filter,
    sealock_query => Mutex<Query>,
    sealock_program => Program,
}

/// Literals as they were given. What is wrong with them, the library finds.
#[derive(Clone, Default)]
pub(crate) struct Given {
    values: Vec<Value>,
    hidden: bool,
}

impl Given {
    fn literals(self) -> Literals {
        if self.hidden { Literals::Secret(self.values) } else { Literals::Clear(self.values) }
    }
}

impl IntoLiterals for Given {
    fn into_literals(self) -> Literals {
        self.literals()
    }
}

impl IntoLiteralList for Given {
    fn into_literal_list(self) -> Literals {
        self.literals()
    }
}

/// The query that a handle stands for now.
pub(crate) fn query_of(query: *const sealock_query) -> Result<Query, Failure> {
    current(query)
}

fn add(literals: *const sealock_literals, value: Value) -> Result<(), Failure> {
    change(literals, |mut given: Given| {
        given.values.push(value);
        Ok(given)
    })
}

/// No literal yet.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_literals_new(
    out: *mut *mut sealock_literals,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        c.out("out", out)?.issue(Mutex::new(Given::default()));
    })
}

/// Adds a whole number.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_literals_integer(
    literals: *mut sealock_literals,
    value: i64,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |_| {
        add(literals, value.into())?;
    })
}

/// Adds a decimal number, exactly as it is written: `"12.50"`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_literals_decimal(
    literals: *mut sealock_literals,
    value: *const c_char,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let text = c.text("value", value)?;
        let none = || Failure::argument("value", "a decimal number whose digits fit 64 bits", "another text");
        add(literals, Value::decimal(text).ok_or_else(none)?)?;
    })
}

/// Adds the shortest decimal number that reads back as `value`: 0.1 is one tenth. NaN and infinities are refused when the
/// query is asked.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_literals_double(
    literals: *mut sealock_literals,
    value: f64,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |_| {
        add(literals, value.into())?;
    })
}

/// Adds a category.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_literals_text(
    literals: *mut sealock_literals,
    value: *const c_char,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        add(literals, c.text("value", value)?.into())?;
    })
}

/// Adds false (0) or true (anything else).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_literals_boolean(
    literals: *mut sealock_literals,
    value: i32,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |_| {
        add(literals, (value != 0).into())?;
    })
}

/// Hides the literals, and how many there are, from everybody but the consumer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_literals_hide(
    literals: *mut sealock_literals,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |_| {
        change(literals, |given: Given| Ok(Given { hidden: true, ..given }))?;
    })
}

/// Frees literals. NULL is fine.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_literals_free(literals: *mut sealock_literals) -> sealock_status {
    free(literals)
}

/// The rows where a column compares with the literals as `op` says, one of the SEALOCK_OP_ constants. All of them but
/// SEALOCK_OP_IN need one literal. A comparison with null never holds.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_filter_compare(
    column: *const c_char,
    op: i32,
    literals: *const sealock_literals,
    out: *mut *mut sealock_filter,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        let (column, literals) = (col(c.text("column", column)?), current(literals)?);
        out.issue(match op {
            SEALOCK_OP_EQ => column.eq(literals),
            SEALOCK_OP_NE => column.ne(literals),
            SEALOCK_OP_LT => column.lt(literals),
            SEALOCK_OP_LE => column.le(literals),
            SEALOCK_OP_GT => column.gt(literals),
            SEALOCK_OP_GE => column.ge(literals),
            SEALOCK_OP_IN => column.is_in(literals),
            other => return Err(Failure::argument("op", "a SEALOCK_OP_ constant", &other.to_string())),
        });
    })
}

/// The rows where a column is null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_filter_is_null(
    column: *const c_char,
    out: *mut *mut sealock_filter,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        out.issue(col(c.text("column", column)?).is_null());
    })
}

/// The rows that both keep.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_filter_and(
    left: *const sealock_filter,
    right: *const sealock_filter,
    out: *mut *mut sealock_filter,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        out.issue(Filter::clone(&*find(left)?) & Filter::clone(&*find(right)?));
    })
}

/// The rows that at least one keeps.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_filter_or(
    left: *const sealock_filter,
    right: *const sealock_filter,
    out: *mut *mut sealock_filter,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        out.issue(Filter::clone(&*find(left)?) | Filter::clone(&*find(right)?));
    })
}

/// The rows that it leaves out, but for those where a comparison meets null, as in SQL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_filter_not(
    filter: *const sealock_filter,
    out: *mut *mut sealock_filter,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        out.issue(!Filter::clone(&*find(filter)?));
    })
}

/// Frees a filter. NULL is fine.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_filter_free(filter: *mut sealock_filter) -> sealock_status {
    free(filter)
}

/// Asks for nothing yet, over all rows.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_query_new(
    out: *mut *mut sealock_query,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        c.out("out", out)?.issue(Mutex::new(Query::select::<Aggregate>([])));
    })
}

/// The query that a SELECT writes, the same as one that is put together:
///
/// ```text
///     SELECT region, avg(visits), count(*) FROM asset
///     WHERE age >= SECRET(40) AND plan IN ('free', SECRET('paid')) GROUP BY region
/// ```
///
/// SELECT has columns of GROUP BY; count(*); sum, avg, var_samp, var_pop, stddev_samp and stddev_pop of a measure; histogram, min,
/// max, median and quantile(column, 0.9) of a dimension; and arithmetic on those that are numbers, by + - * / and parentheses. AS
/// names one. FROM has any one name. WHERE joins
/// comparisons of a column with literals by AND, OR, NOT and parentheses: =, <>, !=, <, <=, >, >=, NOT BETWEEN, BETWEEN, NOT IN, IN,
/// IS NULL, IS NOT NULL. Literals are numbers, 'texts', TRUE and FALSE; SECRET(literal) hides one. Names are case-sensitive, and
/// stand in "double quotes" if they have other characters than letters, digits and _. The answer has the columns of GROUP BY
/// first, and calls the aggregates as those of a query that is put together.
///
/// Other SQL is SEALOCK_ERROR_UNSUPPORTED_PROGRAM, what is no query SEALOCK_ERROR_INVALID_PROGRAM, and more than 64 KiB
/// SEALOCK_ERROR_TOO_LARGE. The message says where, and shows no literal.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_query_from_sql(
    sql: *const c_char,
    out: *mut *mut sealock_query,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        out.issue(Mutex::new(Query::from_sql(c.text("sql", sql)?)?));
    })
}

fn ask(query: *const sealock_query, aggregate: Aggregate) -> Result<(), Failure> {
    change(query, |query: Query| Ok(query.and_select([aggregate])))
}

/// Asks for the number of rows, which the answer calls `count`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_query_count(
    query: *mut sealock_query,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |_| {
        ask(query, count())?;
    })
}

/// Asks for the sum of a measure, which the answer calls `sum(column)`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_query_sum(
    query: *mut sealock_query,
    column: *const c_char,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        ask(query, sum(c.text("column", column)?))?;
    })
}

/// Asks for the mean of a measure over the rows where it is not null, which the answer calls `mean(column)`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_query_mean(
    query: *mut sealock_query,
    column: *const c_char,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        ask(query, mean(c.text("column", column)?))?;
    })
}

/// Asks for the variance of a measure, estimated from its rows as a sample, which the answer calls `variance(column)`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_query_variance(
    query: *mut sealock_query,
    column: *const c_char,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        ask(query, variance(c.text("column", column)?))?;
    })
}

/// Asks for the variance of a measure over its rows, which the answer calls `var_pop(column)`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_query_var_pop(
    query: *mut sealock_query,
    column: *const c_char,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        ask(query, var_pop(c.text("column", column)?))?;
    })
}

/// Asks for the standard deviation of a measure, estimated from its rows as a sample, which the answer calls
/// `stddev(column)`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_query_stddev(
    query: *mut sealock_query,
    column: *const c_char,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        ask(query, stddev(c.text("column", column)?))?;
    })
}

/// Asks for the standard deviation of a measure over its rows, which the answer calls `stddev_pop(column)`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_query_stddev_pop(
    query: *mut sealock_query,
    column: *const c_char,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        ask(query, stddev_pop(c.text("column", column)?))?;
    })
}

/// Asks for the rows in each bin of a dimension, which the answer calls `histogram(column)`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_query_histogram(
    query: *mut sealock_query,
    column: *const c_char,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        ask(query, histogram(c.text("column", column)?))?;
    })
}

/// Asks for the lowest bin of an ordered dimension that holds a row, which the answer calls `min(column)`. The histogram leaves
/// the owner for it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_query_min(
    query: *mut sealock_query,
    column: *const c_char,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        ask(query, min(c.text("column", column)?))?;
    })
}

/// Asks for the highest bin of an ordered dimension that holds a row, which the answer calls `max(column)`. The histogram
/// leaves the owner for it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_query_max(
    query: *mut sealock_query,
    column: *const c_char,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        ask(query, max(c.text("column", column)?))?;
    })
}

/// Asks for the bin of an ordered dimension at whose end the share `rank` of the rows, from 0 to 1, is reached. The answer calls it
/// `median(column)` for 0.5, and `quantile(column, 0.9)` for 0.9. The histogram leaves the owner for it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_query_quantile(
    query: *mut sealock_query,
    column: *const c_char,
    rank: f64,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        ask(query, quantile(c.text("column", column)?, rank))?;
    })
}

/// Asks for what is made of aggregates, written as an item of SELECT: `100 * sum(paid) / sum(owed) AS rate`. The answer has it as
/// floating point, exact until it is rounded once, under its name, or as it is written in the answer's own words. It is null
/// where it divides by zero. Only its aggregates leave the consumer, neither the arithmetic nor the name.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_query_select(
    query: *mut sealock_query,
    sql: *const c_char,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let output = Output::from_sql(c.text("sql", sql)?)?;
        change(query, |query: Query| Ok(query.and_select([output])))?;
    })
}

/// Keeps the rows that `filter` keeps, of those that earlier filters kept.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_query_filter(
    query: *mut sealock_query,
    filter: *const sealock_filter,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |_| {
        let filter = Filter::clone(&*find(filter)?);
        change(query, |query: Query| Ok(query.filter(filter)))?;
    })
}

/// Answers once for each combination of the values of these columns, which the node sees. Called again, it replaces.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_query_group_by(
    query: *mut sealock_query,
    columns: *const *const c_char,
    count: usize,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let group_by = c.texts("columns", columns, count)?;
        change(query, |query: Query| Ok(query.group_by(group_by)))?;
    })
}

/// The query with every secret blanked out.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_query_program(
    query: *const sealock_query,
    out: *mut *mut sealock_program,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        out.issue(query_of(query)?.program());
    })
}

/// Frees a query. NULL is fine.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_query_free(query: *mut sealock_query) -> sealock_status {
    free(query)
}

/// The digest that policies and receipts name the program by.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_program_digest(
    program: *const sealock_program,
    out: *mut u8,
    out_length: usize,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.digest_out("out", out, out_length)?;
        out.put(*find(program)?.digest()?.as_bytes());
    })
}

/// The program as SQL, each secret as `SECRET(?)`: what an owner sees of a query.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_program_to_sql(
    program: *const sealock_program,
    out: *mut *mut sealock_buffer,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        out.issue(Buffer::from(find(program)?.to_sql()));
    })
}

/// The program's canonical encoding.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_program_to_bytes(
    program: *const sealock_program,
    out: *mut *mut sealock_buffer,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        out.issue(Buffer::from(find(program)?.to_bytes()?));
    })
}

/// Reads a program.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_program_from_bytes(
    bytes: *const u8,
    bytes_length: usize,
    out: *mut *mut sealock_program,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        out.issue(Program::from_bytes(c.bytes("bytes", bytes, bytes_length)?)?);
    })
}

/// Frees a program. NULL is fine.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_program_free(program: *mut sealock_program) -> sealock_status {
    free(program)
}
