//! Models
//!
//! Private inference: an owner publishes a linear model, and its node scores encrypted vectors, exactly. Neither the vectors nor
//! the scores are seen by the owner.
//!
//! **Whoever gets one more vector scored than a model has features knows every coefficient.** What limits it is how many
//! vectors are answered at all: `sealock_policy_allow_inference`, `sealock_policy_max_jobs` and the terms of an order.

use std::ffi::c_char;
use std::sync::{Arc, PoisonError, RwLock};

use sealock::model::{Model, ModelKind, Precision, Prediction, Vectors};
use sealock::order::InferenceTicket;

use crate::buffer::{Buffer, sealock_buffer};
use crate::call::{call, free};
use crate::consumer::sealock_consumer;
use crate::error::{Failure, sealock_error, sealock_status};
use crate::exchange::element;
use crate::handle::{find, handles};
use crate::job::{sealock_request, sealock_result};
use crate::order::sealock_order;
use crate::receipt::sealock_receipt;
use crate::schema::sealock_schema;
use crate::watch::sealock_watch;

/// The scores are the prediction, one for each target.
pub const SEALOCK_MODEL_LINEAR: i32 = 1;
/// One score: the logarithm of the odds of the second of two classes.
pub const SEALOCK_MODEL_LOGISTIC: i32 = 2;
/// One score for each class, whose softmax is the probabilities.
pub const SEALOCK_MODEL_MULTINOMIAL: i32 = 3;
/// Scores of as many decimal places as the coefficients' width allows.
pub const SEALOCK_MODEL_FINEST: i32 = -1;

/// A linear model with integer coefficients, in its owner's hands.
///
/// Made by: `sealock_model_new`, `sealock_model_from_bytes`. Freed by: `sealock_model_free`, which wipes it when no offer holds
/// it. It never changes; thread-safe.
pub struct sealock_model {
    _opaque: (),
}

/// The consumer's half of an inference: the request to send, and the keys that open its result.
///
/// Made by: `sealock_order_infer`, `sealock_order_infer_use`, `sealock_inference_tickets_get`. Freed by:
/// `sealock_inference_ticket_free`; the keys stay in the wallet until `sealock_consumer_forget`. Thread-safe.
pub struct sealock_inference_ticket {
    _opaque: (),
}

/// A list of tickets.
///
/// Made by: `sealock_consumer_inference_tickets`. Freed by: `sealock_inference_tickets_free`. It never changes; thread-safe.
pub struct sealock_inference_tickets {
    _opaque: (),
}

/// The scores of vectors, and what follows from them.
///
/// Made by: `sealock_inference_ticket_open`, `sealock_model_predict`. Freed by: `sealock_prediction_free`. It never changes;
/// thread-safe.
pub struct sealock_prediction {
    _opaque: (),
}

handles! {
    sealock_model => Model,
    sealock_inference_ticket => RwLock<InferenceTicket>,
    sealock_inference_tickets => Vec<Arc<RwLock<InferenceTicket>>>,
    sealock_prediction => Prediction,
}

/// Makes a model of its numbers. `kind` is one of the SEALOCK_MODEL_ constants. The features are the columns of a schema:
/// numbers with a range, rounded to the decimal places that they declare. `outputs` names the targets or the classes;
/// `coefficients` has a row of numbers, one for each feature, for each score, and `intercepts` a number for each. There is a
/// score for each output, and a single one for SEALOCK_MODEL_LOGISTIC.
///
/// Coefficients are rounded to `bits` signed bits, 2 to 62; 32 is a good choice. Scores have `scale` decimal places, or as
/// many as fit with SEALOCK_MODEL_FINEST.
///
/// Fails with SEALOCK_ERROR_INVALID_ARGUMENT for numbers that are not finite, too wide or not as many; with
/// SEALOCK_ERROR_ENCRYPTION where the encryption has no room for features and coefficients so wide.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_model_new(
    kind: i32,
    features: *const sealock_schema,
    outputs: *const *const c_char,
    outputs_count: usize,
    coefficients: *const f64,
    coefficients_count: usize,
    intercepts: *const f64,
    intercepts_count: usize,
    bits: u8,
    scale: i32,
    out: *mut *mut sealock_model,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        let features = find(features)?.as_ref().clone();
        let outputs = c.texts("outputs", outputs, outputs_count)?;
        let coefficients = c.list("coefficients", coefficients, coefficients_count)?;
        let intercepts = c.list("intercepts", intercepts, intercepts_count)?;
        let precision = match scale {
            SEALOCK_MODEL_FINEST => Precision::bits(bits),
            scale => Precision::bits(bits).scale(
                u8::try_from(scale)
                    .map_err(|_| Failure::argument("scale", "0 to 36 or SEALOCK_MODEL_FINEST", &scale.to_string()))?,
            ),
        };
        let model = match kind {
            SEALOCK_MODEL_LINEAR => Model::linear(features, outputs, coefficients, intercepts, precision),
            SEALOCK_MODEL_MULTINOMIAL => Model::multinomial(features, outputs, coefficients, intercepts, precision),
            SEALOCK_MODEL_LOGISTIC => {
                let classes: [String; 2] = outputs.try_into().map_err(|all: Vec<String>| {
                    Failure::argument("outputs_count", "2 for two classes", &all.len().to_string())
                })?;
                let [intercept] = intercepts else {
                    let got = intercepts.len().to_string();
                    return Err(Failure::argument("intercepts_count", "1 for two classes", &got));
                };
                Model::logistic(features, classes, coefficients, *intercept, precision)
            }
            other => return Err(Failure::argument("kind", "a SEALOCK_MODEL_ constant", &other.to_string())),
        };
        out.issue(model?);
    })
}

/// A bound on how far a score, counted from 0, is from that of the model that was rounded, at any vector within the ranges.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_model_error_bound(
    model: *const sealock_model,
    score: usize,
    out: *mut f64,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        let bounds = find(model)?.error_bound();
        out.put(*bounds.get(score).ok_or_else(|| beyond("score", score, bounds.len()))?);
    })
}

/// Scores vectors in the clear: `values_count` numbers, vector after vector. The scores are those of encrypted ones, to the
/// last digit. `clip` is as in `sealock_order_infer`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_model_predict(
    model: *const sealock_model,
    values: *const f64,
    values_count: usize,
    clip: i32,
    out: *mut *mut sealock_prediction,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        let (model, values) = (find(model)?, c.list("values", values, values_count)?);
        let make = if clip == 0 { Vectors::new } else { Vectors::clipped };
        out.issue(model.predict(&make(model.features(), values)?)?);
    })
}

/// The model as bytes, coefficients and all.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_model_to_bytes(
    model: *const sealock_model,
    out: *mut *mut sealock_buffer,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        out.issue(Buffer::from(find(model)?.to_bytes()?.to_vec()));
    })
}

/// Reads what `sealock_model_to_bytes` wrote.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_model_from_bytes(
    bytes: *const u8,
    bytes_length: usize,
    out: *mut *mut sealock_model,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        out.issue(Model::from_bytes(c.bytes("bytes", bytes, bytes_length)?)?);
    })
}

/// The digest of its canonical form. Whoever guesses the coefficients can check them by it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_model_digest(
    model: *const sealock_model,
    out: *mut u8,
    out_length: usize,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.digest_out("out", out, out_length)?;
        out.put(*find(model)?.digest()?.as_bytes());
    })
}

/// Frees a model. NULL is fine.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_model_free(model: *mut sealock_model) -> sealock_status {
    free(model)
}

/// Makes the request for vectors to be scored by the order's asset, a model: `values_count` numbers, vector after vector in the
/// order of its features. Checks it against the asset's policy, encrypts the vectors, and proves that some order pays for it.
/// Takes the order's next use, however many vectors there are. The keys are in the wallet before this returns. `watch` may be
/// NULL.
///
/// A number outside its feature's range fails with SEALOCK_ERROR_OUT_OF_DOMAIN; if `clip` is not 0, it is moved to the nearest
/// end, and the model scores that. Otherwise fails as `sealock_order_request`, and with SEALOCK_ERROR_INVALID_PROGRAM for a
/// table.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_order_infer(
    order: *const sealock_order,
    values: *const f64,
    values_count: usize,
    clip: i32,
    watch: *const sealock_watch,
    out: *mut *mut sealock_inference_ticket,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        let (order, values) = (find(order)?, c.list("values", values, values_count)?);
        let mut teller = c.watch("watch", watch)?.teller();
        let asset = order.asset();
        let vectors = if clip == 0 { asset.vectors(values)? } else { asset.vectors_clipped(values)? };
        out.issue(RwLock::new(order.infer_with(&vectors, &mut teller)?));
    })
}

/// As `sealock_order_infer`, for a use of the caller's choice: see `sealock_order_request_use`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_order_infer_use(
    order: *const sealock_order,
    values: *const f64,
    values_count: usize,
    clip: i32,
    use_index: u64,
    out: *mut *mut sealock_inference_ticket,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        let (order, values) = (find(order)?, c.list("values", values, values_count)?);
        let asset = order.asset();
        let vectors = if clip == 0 { asset.vectors(values)? } else { asset.vectors_clipped(values)? };
        out.issue(RwLock::new(order.infer_use(&vectors, use_index)?));
    })
}

/// The requests for vectors to be scored that were made and whose results have not been forgotten.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_consumer_inference_tickets(
    consumer: *const sealock_consumer,
    out: *mut *mut sealock_inference_tickets,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        let tickets = find(consumer)?.inference_tickets()?;
        out.issue(tickets.into_iter().map(|ticket| Arc::new(RwLock::new(ticket))).collect::<Vec<_>>());
    })
}

fn with_ticket<T>(
    ticket: *const sealock_inference_ticket,
    look: impl FnOnce(&InferenceTicket) -> Result<T, Failure>,
) -> Result<T, Failure> {
    look(&find(ticket)?.read().unwrap_or_else(PoisonError::into_inner))
}

/// The request to send, see `sealock_ticket_request`. A node runs it like any other.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_inference_ticket_request(
    ticket: *const sealock_inference_ticket,
    out: *mut *mut sealock_request,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        out.issue(with_ticket(ticket, |ticket| Ok(ticket.request().clone()))?);
    })
}

/// The name of the job, a digest.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_inference_ticket_job(
    ticket: *const sealock_inference_ticket,
    out: *mut u8,
    out_length: usize,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.digest_out("out", out, out_length)?;
        out.put(*with_ticket(ticket, |ticket| Ok(ticket.job()))?.digest().as_bytes());
    })
}

/// Proves the same request again, see `sealock_ticket_renew`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_inference_ticket_renew(
    ticket: *mut sealock_inference_ticket,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |_| {
        find(ticket)?.write().unwrap_or_else(PoisonError::into_inner).renew()?;
    })
}

/// Opens the result: checks that the receipt is the owner's and is about this job and this result, and decrypts.
///
/// Fails with SEALOCK_ERROR_INVALID_ARGUMENT for a receipt or a result of another job; with SEALOCK_ERROR_BAD_SIGNATURE or
/// SEALOCK_ERROR_WRONG_KEY for one that is not for this request, or was changed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_inference_ticket_open(
    ticket: *const sealock_inference_ticket,
    result: *const sealock_result,
    receipt: *const sealock_receipt,
    out: *mut *mut sealock_prediction,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        let (result, receipt) = (find(result)?, find(receipt)?);
        out.issue(with_ticket(ticket, |ticket| Ok(ticket.open(&result, &receipt)?))?);
    })
}

/// Frees a ticket. NULL is fine.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_inference_ticket_free(ticket: *mut sealock_inference_ticket) -> sealock_status {
    free(ticket)
}

/// How many tickets the list holds.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_inference_tickets_count(
    tickets: *const sealock_inference_tickets,
    out: *mut usize,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        out.put(find(tickets)?.len());
    })
}

/// A ticket of the list, counted from 0. It outlives the list.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_inference_tickets_get(
    tickets: *const sealock_inference_tickets,
    index: usize,
    out: *mut *mut sealock_inference_ticket,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        out.issue(element(&find(tickets)?, index)?);
    })
}

/// Frees a list of tickets. NULL is fine.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_inference_tickets_free(tickets: *mut sealock_inference_tickets) -> sealock_status {
    free(tickets)
}

/// How many vectors were scored, and how many scores each has.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_prediction_size(
    prediction: *const sealock_prediction,
    vectors: *mut usize,
    scores: *mut usize,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let (vectors, scores) = (c.out("vectors", vectors)?, c.out("scores", scores)?);
        let prediction = find(prediction)?;
        vectors.put(prediction.len());
        scores.put(prediction.info().scores());
    })
}

/// A score of a vector, both counted from 0, as the nearest double.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_prediction_score(
    prediction: *const sealock_prediction,
    vector: usize,
    score: usize,
    out: *mut f64,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        let prediction = find(prediction)?;
        out.put(entry(&prediction, &prediction.to_f64(), ("score", prediction.info().scores()), vector, score)?);
    })
}

/// A score of a vector, exactly: `number` times 10^-`scale`, where `number` is the text of a whole number.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_prediction_exact(
    prediction: *const sealock_prediction,
    vector: usize,
    score: usize,
    number: *mut *mut sealock_buffer,
    scale: *mut u8,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let (number, scale) = (c.out("number", number)?, c.out("scale", scale)?);
        let prediction = find(prediction)?;
        let exact = entry(&prediction, prediction.scores(), ("score", prediction.info().scores()), vector, score)?;
        number.issue(Buffer::from(exact.to_string()));
        scale.put(prediction.scale());
    })
}

/// The probability of a class, counted from 0. Fails with SEALOCK_ERROR_INVALID_ARGUMENT for a linear model.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_prediction_probability(
    prediction: *const sealock_prediction,
    vector: usize,
    class_index: usize,
    out: *mut f64,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        let prediction = find(prediction)?;
        let classes = ("class_index", prediction.info().outputs.len());
        out.put(entry(&prediction, &prediction.probabilities()?, classes, vector, class_index)?);
    })
}

/// The most probable class of a vector, counted from 0, by the exact scores. Fails with SEALOCK_ERROR_INVALID_ARGUMENT for a
/// linear model.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_prediction_class(
    prediction: *const sealock_prediction,
    vector: usize,
    out: *mut usize,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        let prediction = find(prediction)?;
        let labels = prediction.labels()?;
        let label = *labels.get(vector).ok_or_else(|| beyond("vector", vector, labels.len()))?;
        out.put(prediction.info().outputs.iter().position(|output| output == label).unwrap_or_default());
    })
}

/// The kind of the model that made it: one of the SEALOCK_MODEL_ constants.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_prediction_kind(
    prediction: *const sealock_prediction,
    out: *mut i32,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        out.put(match find(prediction)?.info().kind {
            ModelKind::Linear => SEALOCK_MODEL_LINEAR,
            ModelKind::Logistic => SEALOCK_MODEL_LOGISTIC,
            ModelKind::Multinomial => SEALOCK_MODEL_MULTINOMIAL,
            _ => 0,
        });
    })
}

/// Frees a prediction. NULL is fine.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_prediction_free(prediction: *mut sealock_prediction) -> sealock_status {
    free(prediction)
}

/// An entry of a table with a row for each vector.
fn entry<T: Copy>(
    prediction: &Prediction,
    table: &[T],
    (what, columns): (&str, usize),
    vector: usize,
    column: usize,
) -> Result<T, Failure> {
    if vector >= prediction.len() {
        return Err(beyond("vector", vector, prediction.len()));
    }
    if column >= columns {
        return Err(beyond(what, column, columns));
    }
    Ok(table[vector * columns + column])
}

fn beyond(what: &str, index: usize, count: usize) -> Failure {
    Failure::argument(what, &format!("less than {count}"), &index.to_string())
}
