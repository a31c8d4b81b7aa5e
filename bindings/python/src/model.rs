//! `Model`, `Prediction` and `InferenceTicket`.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList, PyTuple, PyType};
use sealock::asset::{self, Value};
use sealock::job::JobId;
use sealock::model::{self, ModelInfo, ModelKind, Precision, Vectors};
use sealock::order;

use crate::call::{Call, quick};
use crate::convert;
use crate::error::{Failure, Result};
use crate::job::{JobRequest, Receipt, SealedResult};
use crate::schema::Schema;

/// Reads feature vectors: a DataFrame with the features as columns, an array, or lists of numbers.
pub fn values(features: &asset::Schema, data: &Bound<'_, PyAny>) -> Result<Vec<f64>> {
    let names: Vec<&str> = features.columns().iter().map(|column| column.name.as_str()).collect();
    numbers(&data.py().import("sealock._models")?.call_method1("vectors", (data, names))?)
}

/// The doubles of `bytes`.
fn numbers(bytes: &Bound<'_, PyAny>) -> Result<Vec<f64>> {
    let bytes = bytes.cast::<PyBytes>().map_err(PyErr::from)?.as_bytes();
    let (eights, _) = bytes.as_chunks::<8>();
    Ok(eights.iter().map(|eight| f64::from_ne_bytes(*eight)).collect())
}

/// A NumPy array of doubles.
fn array<'py>(py: Python<'py>, numbers: &[f64], columns: usize) -> Result<Bound<'py, PyAny>> {
    let bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_ne_bytes()).collect();
    Ok(py.import("sealock._models")?.call_method1("array", (PyBytes::new(py, &bytes), columns))?)
}

fn kind(info: &ModelInfo) -> &'static str {
    match info.kind {
        ModelKind::Linear => "linear",
        ModelKind::Logistic => "logistic",
        ModelKind::Multinomial => "multinomial",
        _ => "unknown",
    }
}

fn outputs<'py>(py: Python<'py>, info: &ModelInfo) -> PyResult<Bound<'py, PyTuple>> {
    let outputs = info.outputs.iter().map(|output| convert::from_value(py, output));
    PyTuple::new(py, outputs.collect::<PyResult<Vec<_>>>()?)
}

/// The record of what everybody may know of a model.
pub fn record<'py>(py: Python<'py>, info: &ModelInfo) -> PyResult<Bound<'py, PyAny>> {
    let fields = PyDict::new(py);
    fields.set_item("kind", kind(info))?;
    fields.set_item("outputs", outputs(py, info)?)?;
    fields.set_item("scale", info.scale)?;
    fields.set_item("coefficient_bits", info.coefficient_bits)?;
    convert::record(py, "ModelInfo", &fields)
}

fn precision(bits: Option<&Bound<'_, PyAny>>, scale: Option<&Bound<'_, PyAny>>) -> Result<Precision> {
    let precision =
        bits.map_or(Ok(Precision::default()), |bits| Ok::<_, Failure>(Precision::bits(convert::whole("bits", bits)?)))?;
    Ok(match scale {
        Some(scale) => precision.scale(convert::whole("scale", scale)?),
        None => precision,
    })
}

fn named(what: &str, object: &Bound<'_, PyAny>) -> Result<Vec<Value>> {
    convert::items(what, object)?.iter().map(convert::value).collect()
}

fn doubles(object: &Bound<'_, PyAny>) -> Result<Vec<f64>> {
    numbers(&object.py().import("sealock._models")?.call_method1("doubles", (object,))?)
}

/// A linear model with integer coefficients, in its owner's hands.
///
/// Made by `Model.from_sklearn`, or from its numbers by `Model.linear`, `Model.logistic` and `Model.multinomial`. Its features
/// are the columns of a schema: numbers with a range, rounded to the decimal places that they declare. Coefficients are
/// rounded to `bits` signed bits, 32 if not said, and scores have `scale` decimal places, as many as the bits allow if not said.
#[pyclass(frozen, eq, module = "sealock")]
#[derive(PartialEq)]
pub struct Model(pub Arc<model::Model>);

impl Model {
    fn of(model: model::Model) -> Self {
        Self(Arc::new(model))
    }
}

#[pymethods]
impl Model {
    /// A model that predicts numbers: one row of coefficients and one intercept for each target.
    #[staticmethod]
    #[pyo3(signature = (features, coefficients, intercepts, *, targets, bits = None, scale = None))]
    fn linear(
        features: &Schema,
        coefficients: &Bound<'_, PyAny>,
        intercepts: &Bound<'_, PyAny>,
        targets: &Bound<'_, PyAny>,
        bits: Option<&Bound<'_, PyAny>>,
        scale: Option<&Bound<'_, PyAny>>,
    ) -> Result<Self> {
        let (targets, precision) = (named("targets", targets)?, precision(bits, scale)?);
        let (coefficients, intercepts) = (doubles(coefficients)?, doubles(intercepts)?);
        Ok(Self::of(model::Model::linear(features.0.clone(), targets, &coefficients, &intercepts, precision)?))
    }

    /// A model that tells two classes apart: its score is the logarithm of the odds of the second.
    #[staticmethod]
    #[pyo3(signature = (features, coefficients, intercept, *, classes, bits = None, scale = None))]
    fn logistic(
        features: &Schema,
        coefficients: &Bound<'_, PyAny>,
        intercept: f64,
        classes: &Bound<'_, PyAny>,
        bits: Option<&Bound<'_, PyAny>>,
        scale: Option<&Bound<'_, PyAny>>,
    ) -> Result<Self> {
        let (classes, precision) = (named("classes", classes)?, precision(bits, scale)?);
        let classes: [Value; 2] = classes.try_into().map_err(|all: Vec<Value>| {
            Failure::argument(format!("classes: expected 2, got {}", all.len()), "see Model.multinomial for more")
        })?;
        let coefficients = doubles(coefficients)?;
        Ok(Self::of(model::Model::logistic(features.0.clone(), classes, &coefficients, intercept, precision)?))
    }

    /// A model that tells classes apart by the softmax of one score for each: one row of coefficients and one intercept for
    /// each class.
    #[staticmethod]
    #[pyo3(signature = (features, coefficients, intercepts, *, classes, bits = None, scale = None))]
    fn multinomial(
        features: &Schema,
        coefficients: &Bound<'_, PyAny>,
        intercepts: &Bound<'_, PyAny>,
        classes: &Bound<'_, PyAny>,
        bits: Option<&Bound<'_, PyAny>>,
        scale: Option<&Bound<'_, PyAny>>,
    ) -> Result<Self> {
        let (classes, precision) = (named("classes", classes)?, precision(bits, scale)?);
        let (coefficients, intercepts) = (doubles(coefficients)?, doubles(intercepts)?);
        Ok(Self::of(model::Model::multinomial(features.0.clone(), classes, &coefficients, &intercepts, precision)?))
    }

    /// A fitted linear model of scikit-learn's, or anything else with its attributes `coef_`, `intercept_` and, of a
    /// classifier, `classes_`: `LinearRegression`, `Ridge`, `Lasso`, `LogisticRegression` with two classes or more.
    ///
    /// `ranges` declares what features may be, in public: a `Schema`, or for each feature its smallest and largest value, as a
    /// mapping by name or in their order. Features have as many decimal places as `feature_bits` signed bits allow, or
    /// `decimals` of them. Names are `features`, else those that it was fitted with, else `x0`, `x1` and so on.
    ///
    /// Its predictions at some vectors are compared with what its scores say: an estimator that makes something else of its
    /// scores (one class against the rest, a logarithmic link) is refused with `InvalidArgument`.
    #[classmethod]
    #[pyo3(signature = (
        estimator, *, ranges, features = None, decimals = None, feature_bits = 16, bits = None, scale = None
    ))]
    #[expect(clippy::too_many_arguments, reason = "keyword arguments")]
    fn from_sklearn<'py>(
        class: &Bound<'py, PyType>,
        estimator: &Bound<'py, PyAny>,
        ranges: &Bound<'py, PyAny>,
        features: Option<&Bound<'py, PyAny>>,
        decimals: Option<&Bound<'py, PyAny>>,
        feature_bits: u8,
        bits: Option<&Bound<'py, PyAny>>,
        scale: Option<&Bound<'py, PyAny>>,
    ) -> Result<Bound<'py, PyAny>> {
        let models = class.py().import("sealock._models")?;
        let arguments = (estimator, ranges, features, decimals, feature_bits, bits, scale);
        Ok(models.call_method1("from_sklearn", arguments)?)
    }

    /// `"linear"`, `"logistic"` or `"multinomial"`.
    #[getter]
    fn kind(&self) -> &'static str {
        kind(self.0.info())
    }

    /// The features, in the order of a vector.
    #[getter]
    fn features(&self) -> Schema {
        Schema(self.0.features().clone())
    }

    /// The names of the targets of a linear model, the classes of others.
    #[getter]
    fn outputs<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        outputs(py, self.0.info())
    }

    /// What everybody may know of it.
    #[getter]
    fn info<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        record(py, self.0.info())
    }

    /// For each score, a bound on how far it is from that of the model that was rounded, at any vector within the ranges.
    #[getter]
    fn error_bound<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        PyTuple::new(py, self.0.error_bound())
    }

    /// The digest of its canonical form. Whoever guesses the coefficients can check them by it.
    #[getter]
    fn digest(&self) -> Result<String> {
        Ok(self.0.digest()?.to_string())
    }

    /// The scores of vectors, in the clear: the same as of encrypted ones, to the last digit.
    #[pyo3(signature = (data, *, clip = false))]
    fn predict(&self, data: &Bound<'_, PyAny>, clip: bool) -> Result<Prediction> {
        let values = values(self.0.features(), data)?;
        let make = if clip { Vectors::clipped } else { Vectors::new };
        Ok(Prediction(Arc::new(self.0.predict(&make(self.0.features(), &values)?)?)))
    }

    /// Canonical DAG-CBOR, coefficients and all.
    fn to_bytes<'py>(&self, py: Python<'py>) -> Result<Bound<'py, PyBytes>> {
        Ok(PyBytes::new(py, &self.0.to_bytes()?))
    }

    /// Reads what `to_bytes` wrote.
    #[classmethod]
    fn from_bytes(_class: &Bound<'_, PyType>, bytes: &Bound<'_, PyAny>) -> Result<Self> {
        Ok(Self::of(model::Model::from_bytes(&convert::bytes("model", bytes)?)?))
    }

    fn __hash__(&self) -> Result<u64> {
        Ok(crate::hash(&self.0.digest()?))
    }

    fn __repr__(&self) -> String {
        let features = self.0.features().columns().len();
        format!("Model({}, {features} features, {} outputs)", self.kind(), self.0.info().outputs.len())
    }

    fn __reduce__(&self) -> Result<()> {
        Err(Failure::not_pickled("Model", "it holds the coefficients; write to_bytes() where they may be seen"))
    }
}

/// The scores of vectors, and what follows from them. Arrays are NumPy's.
#[pyclass(frozen, eq, module = "sealock")]
#[derive(PartialEq)]
pub struct Prediction(pub Arc<model::Prediction>);

#[pymethods]
impl Prediction {
    /// What everybody may know of the model that made it.
    #[getter]
    fn info<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        record(py, self.0.info())
    }

    /// The exact scores in units of 10^-scale: for each vector a tuple of `int`.
    #[getter]
    fn exact<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let rows = self.0.scores().chunks(self.0.info().scores()).map(|row| PyTuple::new(py, row));
        PyList::new(py, rows.collect::<PyResult<Vec<_>>>()?)
    }

    /// Decimal places of the exact scores.
    #[getter]
    fn scale(&self) -> u8 {
        self.0.scale()
    }

    /// The scores as floats: one for each vector, or a row of them where the model makes several. Of a linear model they are
    /// the prediction; of others what scikit-learn calls the decision function.
    #[getter]
    fn scores<'py>(&self, py: Python<'py>) -> Result<Bound<'py, PyAny>> {
        let scores = self.0.info().scores();
        array(py, &self.0.to_f64(), if scores == 1 { 0 } else { scores })
    }

    /// The probability of each class, a row for each vector. Raises `InvalidArgument` for a linear model.
    #[getter]
    fn probabilities<'py>(&self, py: Python<'py>) -> Result<Bound<'py, PyAny>> {
        array(py, &self.0.probabilities()?, self.0.info().outputs.len())
    }

    /// The most probable class of each vector. Raises `InvalidArgument` for a linear model.
    #[getter]
    fn labels<'py>(&self, py: Python<'py>) -> Result<Bound<'py, PyAny>> {
        let labels = self.0.labels()?.into_iter().map(|label| convert::from_value(py, label));
        let labels = PyList::new(py, labels.collect::<PyResult<Vec<_>>>()?)?;
        Ok(py.import("sealock._models")?.call_method1("labels", (labels,))?)
    }

    /// How many vectors were scored.
    fn __len__(&self) -> usize {
        self.0.len()
    }

    fn __hash__(&self) -> u64 {
        crate::hash(&self.0.scores())
    }

    fn __repr__(&self) -> String {
        format!("Prediction({}, {} vectors)", kind(self.0.info()), self.0.len())
    }

    fn __reduce__(&self) -> Result<()> {
        Err(Failure::not_pickled("Prediction", "keep its arrays"))
    }
}

/// The consumer's half of an inference: the request to send, and the keys that open its result.
#[pyclass(frozen, module = "sealock")]
pub struct InferenceTicket {
    ticket: Arc<Mutex<order::InferenceTicket>>,
    /// What the ticket's request is while it is being renewed: readers do not wait for a proof.
    request: Arc<Mutex<JobRequest>>,
    job: JobId,
}

fn lock<T>(ticket: &Mutex<T>) -> MutexGuard<'_, T> {
    // A renewal replaces the request as a whole, or not at all.
    ticket.lock().unwrap_or_else(PoisonError::into_inner)
}

impl InferenceTicket {
    pub fn new(ticket: order::InferenceTicket) -> Self {
        let request = Arc::new(Mutex::new(JobRequest(ticket.request().clone())));
        Self { job: ticket.job(), ticket: Arc::new(Mutex::new(ticket)), request }
    }
}

#[pymethods]
impl InferenceTicket {
    /// The request to send. Sending it twice is asking once.
    #[getter]
    fn request(&self, py: Python<'_>) -> Result<JobRequest> {
        quick(py, || Ok(JobRequest(lock(&self.request).0.clone())))
    }

    /// The name of the job.
    #[getter]
    fn job(&self) -> String {
        self.job.to_string()
    }

    /// Proves the same request again, for the present time: when a node was out of reach for more than a few minutes.
    fn renew(&self, py: Python<'_>) -> Result<()> {
        let (ticket, request) = (Arc::clone(&self.ticket), Arc::clone(&self.request));
        Call::default().run(py, move |_| {
            let mut ticket = lock(&ticket);
            ticket.renew()?;
            *lock(&request) = JobRequest(ticket.request().clone());
            Ok(())
        })
    }

    /// Opens the result: checks that the receipt is the owner's and is about this job and this result, and decrypts.
    fn open(&self, py: Python<'_>, result: &SealedResult, receipt: &Receipt) -> Result<Prediction> {
        let (ticket, result, receipt) = (Arc::clone(&self.ticket), result.0.clone(), receipt.0.clone());
        Call::default().run(py, move |_| Ok(Prediction(Arc::new(lock(&ticket).open(&result, &receipt)?))))
    }

    fn __repr__(&self) -> String {
        format!("InferenceTicket({})", self.job)
    }

    fn __reduce__(&self) -> Result<()> {
        let why = "it holds the keys of the result; Consumer.inference_tickets finds it again";
        Err(Failure::not_pickled("InferenceTicket", why))
    }
}
