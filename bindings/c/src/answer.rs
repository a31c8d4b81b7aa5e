//! Answers
//!
//! A table with one row per group. Groups that hold no row, or too few for the policy, show zeros and empty means: the two
//! cannot be told apart.

use std::ffi::c_char;

use sealock::ErrorKind;
use sealock::asset::Value;
use sealock::release::{Answer, Bin, Numbers};

use crate::arrow::{ArrowArrayStream, put_stream, stream_out};
use crate::buffer::{Buffer, sealock_buffer};
use crate::call::{call, free};
use crate::error::{Failure, sealock_error, sealock_status};
use crate::exchange::{element, element_at};
use crate::handle::{find, handles};

/// The answer to a query.
///
/// Made by: `sealock_ticket_open`, `sealock_federated_ticket_open`. Freed by: `sealock_answer_free`. It never changes;
/// thread-safe.
pub struct sealock_answer {
    _opaque: (),
}

handles! { sealock_answer => Answer }

fn unknown(name: &str) -> Failure {
    let hint = "sealock_answer_column_name lists the columns";
    Failure::with_hint(ErrorKind::UnknownColumn, format!("the answer has no such column: {name:?}"), hint)
}

fn numbers<'a>(answer: &'a Answer, name: &str) -> Result<&'a Numbers, Failure> {
    answer.numbers(name).ok_or_else(|| unknown(name))
}

/// How many rows there are: groups, or one.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_answer_rows(
    answer: *const sealock_answer,
    out: *mut usize,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        out.put(find(answer)?.len());
    })
}

/// How many columns there are: first those that it is grouped by, then the numbers asked.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_answer_columns(
    answer: *const sealock_answer,
    out: *mut usize,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        out.put(find(answer)?.to_record_batch()?.num_columns());
    })
}

/// The name of a column, counted from 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_answer_column_name(
    answer: *const sealock_answer,
    index: usize,
    out: *mut *mut sealock_buffer,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        let schema = find(answer)?.to_record_batch()?.schema();
        out.issue(Buffer::from(element(schema.fields(), index)?.name().clone()));
    })
}

/// The label of a row in a column that the answer is grouped by; NULL for the group where the column is null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_answer_group(
    answer: *const sealock_answer,
    column: *const c_char,
    row: usize,
    out: *mut *mut sealock_buffer,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        let (answer, column) = (find(answer)?, c.text("column", column)?);
        let labels = answer.group(column).ok_or_else(|| unknown(column))?;
        if let Some(label) = element_at("row", labels, row)? {
            out.issue(Buffer::from(label));
        }
    })
}

/// A number as floating point, by its name: `count`, `sum(visits)`, `mean(visits)`, `stddev(visits)`, rounded once from the
/// exact one. `present` becomes 0 for the mean of no rows, for a variance of too few, and for a histogram or a bin of more than
/// one value; it becomes 1 otherwise.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_answer_double(
    answer: *const sealock_answer,
    name: *const c_char,
    row: usize,
    out: *mut f64,
    present: *mut i32,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let (out, present) = (c.out("out", out), c.out("present", present));
        let (out, present) = (out?, present?);
        let answer = find(answer)?;
        if let Some(number) = element_at("row", &numbers(&answer, c.text("name", name)?)?.to_f64(), row)? {
            out.put(number);
            present.put(1);
        }
    })
}

/// A number exactly, by its name: an integer in units of 10^-`scale`, as text. For a mean it is the sum, and `rows` the
/// number of rows that it is over; `rows` becomes NULL for counts and sums.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_answer_exact(
    answer: *const sealock_answer,
    name: *const c_char,
    row: usize,
    out: *mut *mut sealock_buffer,
    scale: *mut u8,
    rows: *mut *mut sealock_buffer,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let (out, scale, rows) = (c.out("out", out), c.out("scale", scale), c.out("rows", rows));
        let (out, scale, rows) = (out?, scale?, rows?);
        let answer = find(answer)?;
        let (number, places, over) = match numbers(&answer, c.text("name", name)?)? {
            Numbers::Count(values) => (element_at("row", values, row)?, 0, None),
            Numbers::Sum { values, scale } => (element_at("row", values, row)?, *scale, None),
            Numbers::Mean { sums, rows, scale } => {
                (element_at("row", sums, row)?, *scale, Some(element_at("row", rows, row)?))
            }
            _ => {
                let hint = "sealock_answer_double gives variances and standard deviations, sealock_answer_bin_count and \
                            sealock_answer_bin what is counted in bins";
                let text = "this column is neither a count nor a sum nor a mean";
                return Err(Failure::with_hint(ErrorKind::InvalidArgument, text, hint));
            }
        };
        out.issue(Buffer::from(number.to_string()));
        scale.put(places);
        if let Some(over) = over {
            rows.issue(Buffer::from(over.to_string()));
        }
    })
}

/// The bins of a histogram, minimum, maximum or quantile.
fn bins<'a>(answer: &'a Answer, name: &str) -> Result<&'a [Bin], Failure> {
    match numbers(answer, name)? {
        Numbers::Histogram { bins, .. } | Numbers::Bins { bins, .. } => Ok(bins),
        _ => {
            let hint = "ask for a histogram, min, max or a quantile of a dimension";
            Err(Failure::with_hint(ErrorKind::InvalidArgument, format!("column {name:?} has no bins"), hint))
        }
    }
}

/// How many bins the dimension has that a column, by its name, counts: `histogram(age)`, `min(age)`, `max(age)`,
/// `median(age)`, `quantile(age, 0.9)`. Rows where the dimension is null lie in none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_answer_bins(
    answer: *const sealock_answer,
    name: *const c_char,
    out: *mut usize,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        let answer = find(answer)?;
        out.put(bins(&answer, c.text("name", name)?)?.len());
    })
}

/// A bin, counted from 0, as text: its label, and the smallest and the largest value in it, which for a category are the
/// category.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_answer_bin_label(
    answer: *const sealock_answer,
    name: *const c_char,
    bin: usize,
    label: *mut *mut sealock_buffer,
    first: *mut *mut sealock_buffer,
    last: *mut *mut sealock_buffer,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let (label, first, last) = (c.out("label", label), c.out("first", first), c.out("last", last));
        let (label, first, last) = (label?, first?, last?);
        let answer = find(answer)?;
        let bin = element_at("bin", bins(&answer, c.text("name", name)?)?, bin)?;
        let text = |value: Value| match value {
            Value::Text(text) => text,
            other => other.to_string(),
        };
        label.issue(Buffer::from(bin.label));
        first.issue(Buffer::from(text(bin.first)));
        last.issue(Buffer::from(text(bin.last)));
    })
}

/// How many rows of a group lie in a bin of a histogram.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_answer_bin_count(
    answer: *const sealock_answer,
    name: *const c_char,
    row: usize,
    bin: usize,
    out: *mut u64,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        let (answer, name) = (find(answer)?, c.text("name", name)?);
        let Numbers::Histogram { counts, .. } = numbers(&answer, name)? else {
            let text = format!("column {name:?} is no histogram");
            return Err(Failure::with_hint(ErrorKind::InvalidArgument, text, "ask for histogram(column)"));
        };
        let count = element_at("bin", &element_at("row", counts, row)?, bin)?;
        let large = |_| Failure::with_hint(ErrorKind::OutOfDomain, "the count does not fit 64 bits", "report it");
        out.put(u64::try_from(count).map_err(large)?);
    })
}

/// Which bin, counted from 0, the minimum, maximum or quantile of a group lies in. `present` becomes 0 for a group without
/// rows, and 1 otherwise.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_answer_bin(
    answer: *const sealock_answer,
    name: *const c_char,
    row: usize,
    out: *mut usize,
    present: *mut i32,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let (out, present) = (c.out("out", out), c.out("present", present));
        let (out, present) = (out?, present?);
        let (answer, name) = (find(answer)?, c.text("name", name)?);
        let Numbers::Bins { chosen, .. } = numbers(&answer, name)? else {
            let text = format!("column {name:?} is no minimum, maximum or quantile");
            return Err(Failure::with_hint(ErrorKind::InvalidArgument, text, "ask for min(column) or median(column)"));
        };
        if let Some(bin) = element_at("row", chosen, row)? {
            out.put(bin);
            present.put(1);
        }
    })
}

/// The answer as a table in text, to be shown.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_answer_to_text(
    answer: *const sealock_answer,
    out: *mut *mut sealock_buffer,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        let answer = find(answer)?;
        // What its Display could not say.
        answer.to_record_batch()?;
        out.issue(Buffer::from(answer.to_string()));
    })
}

/// The answer as an Arrow stream of one batch: groups as nullable text, counts as 64-bit integers, sums as decimals, means,
/// variances and standard deviations as nullable doubles, minima, maxima and quantiles as nullable structs of `bin`, and for
/// numbers `first` and `last`, histograms as lists of such structs with a `count`. The stream outlives the answer; the caller releases it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_answer_to_arrow_stream(
    answer: *const sealock_answer,
    out: *mut ArrowArrayStream,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = stream_out(c, out)?;
        let batch = find(answer)?.to_record_batch()?;
        put_stream(out, batch.schema(), vec![batch]);
    })
}

/// Frees an answer. NULL is fine.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_answer_free(answer: *mut sealock_answer) -> sealock_status {
    free(answer)
}
