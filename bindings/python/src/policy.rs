//! `Policy` and `Price`.

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyFrozenSet, PyString, PyTuple, PyType};
use sealock::asset::{self, Terms, Value};
use sealock::federation::Member;
use sealock::ledger::Amount;
use sealock::policy;
use sealock::program::Aggregation;

use crate::convert;
use crate::error::{Failure, Result};
use crate::query::Program;

/// What an owner lets be asked. Everything that is not allowed is denied.
///
/// `programs` is `None` (no program), `"any"` (any program within the other rules), or digests of programs.
/// `min_group_size` counts rows: combinations of all `dimensions` with fewer of them stay out of every answer. With `entity`,
/// a column of the schema that is declared as one, it counts that column's distinct values instead.
/// `allow_download` lets buyers decrypt the data itself, all of it and for good. `allow_inference` lets a model score so many
/// vectors in one job; one more vector than it has features tells whoever has the scores every coefficient.
///
/// `epsilon` is the privacy loss of one job, for which noise is drawn; `protected_cube` that of one noisy cube, which all jobs
/// are answered from. `epsilon_per_order` and `epsilon_per_asset` limit what is spent. They are exact decimals of at most six
/// places, `delta` of twelve. `clamp` narrows the range of measures: `{"income": (0, 200_000)}`.
///
/// With `federation`, the asset answers only in sums with assets of all these members, its owner among them. Each owner tells its
/// own: `Owner.member`. Each should publish one asset under a rule: of two, whoever knows one learns the others' parts.
#[pyclass(frozen, eq, module = "sealock")]
#[derive(Clone, PartialEq)]
pub struct Policy(pub policy::Policy);

fn aggregation(object: &Bound<'_, PyAny>) -> Result<Aggregation> {
    let name: String = object.extract().map_err(|_| {
        let got = convert::type_name(object);
        Failure::wrong_type(format!("aggregations: expected the name of one, such as \"count\", got {got}"))
    })?;
    match name.as_str() {
        "count" => Ok(Aggregation::Count),
        "sum" => Ok(Aggregation::Sum),
        "mean" => Ok(Aggregation::Mean),
        "variance" => Ok(Aggregation::Variance),
        "histogram" => Ok(Aggregation::Histogram),
        other => Err(Failure::argument(
            format!("aggregations: there is no {:?}", other.chars().take(40).collect::<String>()),
            "choose from \"count\", \"sum\", \"mean\", \"variance\" (and standard deviations) and \"histogram\" (and min, max, \
             quantiles)",
        )),
    }
}

/// The bounds of each column.
fn bounds(object: &Bound<'_, PyAny>) -> Result<Vec<(String, (Value, Value))>> {
    let wrong = || {
        let got = convert::type_name(object);
        Failure::wrong_type(format!("clamp: expected a dict of columns with pairs such as (0, 100), got {got}"))
    };
    let columns = object.cast::<PyDict>().map_err(|_| wrong())?;
    let pair = |(column, pair): (Bound<'_, PyAny>, Bound<'_, PyAny>)| {
        let (low, high): (Bound<'_, PyAny>, Bound<'_, PyAny>) = pair.extract().map_err(|_| wrong())?;
        let number = |bound| {
            Ok::<_, Failure>(match convert::value(bound)? {
                Value::Text(text) => Value::decimal(&text).unwrap_or(Value::Text(text)),
                other => other,
            })
        };
        Ok((column.extract().map_err(|_| wrong())?, (number(&low)?, number(&high)?)))
    };
    columns.iter().map(pair).collect()
}

impl Policy {
    /// A policy, or the keyword arguments of one.
    pub fn read(object: &Bound<'_, PyAny>) -> Result<policy::Policy> {
        if let Ok(policy) = object.cast::<Self>() {
            return Ok(policy.get().0.clone());
        }
        if let Ok(keywords) = object.cast::<PyDict>() {
            let made = object.py().get_type::<Self>().call((), Some(keywords))?;
            return Ok(made.cast::<Self>().map_err(PyErr::from)?.get().0.clone());
        }
        let got = convert::type_name(object);
        Err(Failure::wrong_type(format!("policy: expected a Policy or a dict of its keyword arguments, got {got}")))
    }

    fn rule<'py>(&self, py: Python<'py>, name: &str) -> Result<Bound<'py, PyAny>> {
        let rules = crate::to_json(&self.0)?;
        Ok(py.import("json")?.call_method1("loads", (rules,))?.get_item(name)?)
    }

    fn loss<'py>(&self, py: Python<'py>, name: &str, places: u8) -> Result<Option<Bound<'py, PyAny>>> {
        let rules: serde_json::Value = self.0.to_json()?;
        let units = rules.get("privacy").and_then(|privacy| privacy.get(name)?.as_u64());
        Ok(units.map(|units| convert::scaled(py, units.into(), places)).transpose()?)
    }

    fn names<'py>(&self, py: Python<'py>, rule: &str) -> Result<Bound<'py, PyFrozenSet>> {
        let names: Vec<Bound<'_, PyAny>> = self.rule(py, rule)?.try_iter()?.collect::<PyResult<_>>()?;
        Ok(PyFrozenSet::new(py, names)?)
    }
}

#[pymethods]
impl Policy {
    #[new]
    #[pyo3(signature = (
        *, dimensions = None, measures = None, aggregations = None, programs = None, min_group_size = None, entity = None,
        max_jobs = None, expires = None, purpose = None, allow_download = false, allow_inference = None, epsilon = None,
        epsilon_per_order = None, epsilon_per_asset = None, delta = None, protected_cube = None, clamp = None,
        federation = None
    ))]
    #[expect(clippy::too_many_arguments, reason = "keyword arguments")]
    fn new(
        dimensions: Option<&Bound<'_, PyAny>>,
        measures: Option<&Bound<'_, PyAny>>,
        aggregations: Option<&Bound<'_, PyAny>>,
        programs: Option<&Bound<'_, PyAny>>,
        min_group_size: Option<&Bound<'_, PyAny>>,
        entity: Option<String>,
        max_jobs: Option<&Bound<'_, PyAny>>,
        expires: Option<&Bound<'_, PyAny>>,
        purpose: Option<String>,
        allow_download: bool,
        allow_inference: Option<&Bound<'_, PyAny>>,
        epsilon: Option<&Bound<'_, PyAny>>,
        epsilon_per_order: Option<&Bound<'_, PyAny>>,
        epsilon_per_asset: Option<&Bound<'_, PyAny>>,
        delta: Option<&Bound<'_, PyAny>>,
        protected_cube: Option<&Bound<'_, PyAny>>,
        clamp: Option<&Bound<'_, PyAny>>,
        federation: Option<&Bound<'_, PyAny>>,
    ) -> Result<Self> {
        let mut policy = policy::Policy::deny_all();
        if let Some(columns) = dimensions {
            policy = policy.dimensions(convert::texts("dimensions", columns)?);
        }
        if let Some(columns) = measures {
            policy = policy.measures(convert::texts("measures", columns)?);
        }
        if let Some(allowed) = aggregations {
            let allowed = convert::items("aggregations", allowed)?;
            policy = policy.aggregations(allowed.iter().map(aggregation).collect::<Result<Vec<_>>>()?);
        }
        policy = match programs {
            None => policy,
            Some(any) if any.cast::<PyString>().is_ok_and(|text| text == "any") => policy.any_program(),
            Some(text) if text.is_instance_of::<PyString>() => {
                let why = format!("programs: expected \"any\" or a list of digests, got {}", text.repr()?);
                return Err(Failure::argument(why, "put a single digest into a list"));
            }
            Some(digests) => {
                let digests = convert::items("programs", digests)?;
                let digest = |object: &Bound<'_, PyAny>| match object.cast::<Program>() {
                    Ok(program) => Ok(program.get().0.digest()?),
                    Err(_) => convert::digest("programs", object),
                };
                policy.programs(digests.iter().map(digest).collect::<Result<Vec<_>>>()?)
            }
        };
        if let Some(rows) = min_group_size {
            policy = policy.min_group_size(convert::whole("min_group_size", rows)?);
        }
        if let Some(column) = entity {
            policy = policy.entity(column);
        }
        if let Some(jobs) = max_jobs {
            policy = policy.max_jobs(convert::whole("max_jobs", jobs)?);
        }
        if let Some(at) = expires {
            policy = policy.expires(convert::timestamp("expires", at)?);
        }
        if let Some(purpose) = purpose {
            policy = policy.purpose(purpose);
        }
        if allow_download {
            policy = policy.allow_download();
        }
        if let Some(vectors) = allow_inference {
            policy = policy.allow_inference(convert::whole("allow_inference", vectors)?);
        }
        if let Some(per_job) = epsilon {
            policy = policy.epsilon(convert::exact("epsilon", per_job)?);
        }
        if let Some(most) = epsilon_per_order {
            policy = policy.epsilon_per_order(convert::exact("epsilon_per_order", most)?);
        }
        if let Some(most) = epsilon_per_asset {
            policy = policy.epsilon_per_asset(convert::exact("epsilon_per_asset", most)?);
        }
        if let Some(per_release) = delta {
            policy = policy.delta(convert::exact("delta", per_release)?);
        }
        if let Some(once) = protected_cube {
            policy = policy.protected_cube(convert::exact("protected_cube", once)?);
        }
        for (column, (low, high)) in clamp.map_or(Ok(Vec::new()), bounds)? {
            policy = policy.clamp(column, low, high);
        }
        if let Some(members) = federation {
            let members = convert::texts("federation", members)?;
            policy = policy.federation(members.iter().map(|m| Ok(m.parse()?)).collect::<Result<Vec<Member>>>()?);
        }
        Ok(Self(policy))
    }

    /// The columns that may be filtered and grouped by.
    #[getter]
    fn dimensions<'py>(&self, py: Python<'py>) -> Result<Bound<'py, PyFrozenSet>> {
        self.names(py, "dimension_columns")
    }

    /// The columns that may be aggregated.
    #[getter]
    fn measures<'py>(&self, py: Python<'py>) -> Result<Bound<'py, PyFrozenSet>> {
        self.names(py, "measure_columns")
    }

    /// The aggregations that are allowed.
    #[getter]
    fn aggregations<'py>(&self, py: Python<'py>) -> Result<Bound<'py, PyFrozenSet>> {
        self.names(py, "allowed_aggregations")
    }

    /// `"any"`, or the digests of the programs that are allowed.
    #[getter]
    fn programs<'py>(&self, py: Python<'py>) -> Result<Bound<'py, PyAny>> {
        let programs = self.rule(py, "allowed_programs")?;
        if programs.is_instance_of::<PyString>() {
            return Ok(programs);
        }
        let digests: Vec<Bound<'_, PyAny>> = programs.get_item("only")?.try_iter()?.collect::<PyResult<_>>()?;
        Ok(PyFrozenSet::new(py, digests)?.into_any())
    }

    /// Rows, or entities, below which a combination of all dimensions is withheld.
    #[getter]
    fn min_group_size(&self) -> u32 {
        self.0.group_size()
    }

    /// The column whose distinct values `min_group_size` counts; `None` where it counts rows.
    #[getter]
    fn entity(&self) -> Option<&str> {
        self.0.entity_column()
    }

    /// How many jobs are answered, over all orders; `None` for no limit.
    #[getter]
    fn max_jobs<'py>(&self, py: Python<'py>) -> Result<Bound<'py, PyAny>> {
        self.rule(py, "max_jobs")
    }

    /// From when on no job is answered; `None` for never.
    #[getter]
    fn expires<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        self.0.expiry().map(|at| convert::from_timestamp(py, at)).transpose()
    }

    /// What the answers may be used for.
    #[getter]
    fn purpose<'py>(&self, py: Python<'py>) -> Result<Bound<'py, PyAny>> {
        self.rule(py, "purpose")
    }

    /// Whether buyers may decrypt the data itself.
    #[getter]
    fn allow_download(&self) -> bool {
        self.0.allows_download()
    }

    /// How many vectors a job may have scored; `None` for no inference.
    #[getter]
    fn allow_inference(&self) -> Option<u32> {
        self.0.max_vectors()
    }

    /// Privacy loss ε that each job spends; `None` where no noise is drawn for it.
    #[getter]
    fn epsilon<'py>(&self, py: Python<'py>) -> Result<Option<Bound<'py, PyAny>>> {
        self.loss(py, "epsilon", 6)
    }

    /// What one order may spend at most; `None` for no limit.
    #[getter]
    fn epsilon_per_order<'py>(&self, py: Python<'py>) -> Result<Option<Bound<'py, PyAny>>> {
        self.loss(py, "epsilon_per_order", 6)
    }

    /// What the asset may spend in all; `None` for no limit.
    #[getter]
    fn epsilon_per_asset<'py>(&self, py: Python<'py>) -> Result<Option<Bound<'py, PyAny>>> {
        self.loss(py, "epsilon_per_asset", 6)
    }

    /// With what probability a release may pass its loss; `None` for never.
    #[getter]
    fn delta<'py>(&self, py: Python<'py>) -> Result<Option<Bound<'py, PyAny>>> {
        self.loss(py, "delta", 12)
    }

    /// Privacy loss that the asset's one noisy cube spends; `None` if there is none.
    #[getter]
    fn protected_cube<'py>(&self, py: Python<'py>) -> Result<Option<Bound<'py, PyAny>>> {
        self.loss(py, "protected_cube", 6)
    }

    /// The owners that the asset answers together with, its own among them; `None` if it answers alone.
    #[getter]
    fn federation<'py>(&self, py: Python<'py>) -> Result<Option<Bound<'py, PyFrozenSet>>> {
        let members = |rule: &policy::Federation| rule.members().map(|member| member.to_string()).collect::<Vec<_>>();
        Ok(self.0.federated().map(|rule| PyFrozenSet::new(py, members(rule))).transpose()?)
    }

    /// The digest that proofs and receipts name the policy by.
    #[getter]
    fn digest(&self) -> Result<String> {
        Ok(self.0.digest()?.to_string())
    }

    /// The rules as JSON.
    fn to_json(&self) -> Result<String> {
        crate::to_json(&self.0)
    }

    /// Reads what `to_json` wrote.
    #[classmethod]
    fn from_json(_class: &Bound<'_, PyType>, text: &str) -> Result<Self> {
        Ok(Self(crate::from_json("policy", text)?))
    }

    fn __hash__(&self) -> Result<u64> {
        Ok(crate::hash(&self.0.digest()?))
    }

    fn __repr__(&self) -> Result<String> {
        Ok(format!("Policy({})", self.to_json()?))
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> Result<(Bound<'py, PyAny>, Bound<'py, PyTuple>)> {
        Ok(convert::rebuilt::<Self>(py, "from_json", self.to_json()?)?)
    }
}

/// How a datatoken is had: `Price.free()` or `Price.fixed(token, amount)`.
#[pyclass(frozen, eq, module = "sealock")]
#[derive(Clone, PartialEq)]
pub struct Price(pub asset::Price);

#[pymethods]
impl Price {
    /// For nothing. An account that holds `max_per_account` datatokens or more is given none.
    #[staticmethod]
    #[pyo3(signature = (max_per_account = None))]
    fn free(max_per_account: Option<&Bound<'_, PyAny>>) -> Result<Self> {
        let most = max_per_account.map_or(Ok(1), |most| convert::whole("max_per_account", most))?;
        let terms = Terms::free(most);
        terms.validate()?;
        Ok(Self(terms.price))
    }

    /// At `amount` whole tokens of `token` for one datatoken: an `int`, a `Decimal` or a text such as `"2.5"`.
    #[staticmethod]
    fn fixed(token: &Bound<'_, PyAny>, amount: &Bound<'_, PyAny>) -> Result<Self> {
        let terms = Terms::fixed(convert::address(token)?, convert::amount(amount)?);
        terms.validate()?;
        Ok(Self(terms.price))
    }

    /// The token that is paid in; `None` if it is free.
    #[getter]
    fn token(&self) -> Option<String> {
        match &self.0 {
            asset::Price::Fixed { base_token, .. } => Some(base_token.to_string()),
            asset::Price::Free { .. } => None,
        }
    }

    /// Whole tokens for one datatoken; 0 if it is free.
    #[getter]
    fn amount<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let units = match self.0 {
            asset::Price::Fixed { amount, .. } => amount,
            asset::Price::Free { .. } => 0,
        };
        convert::from_amount(py, Amount::from_units(units))
    }

    /// How many datatokens an account may hold and still be given one; `None` unless it is free.
    #[getter]
    fn max_per_account(&self) -> Option<u64> {
        match self.0 {
            asset::Price::Free { max_per_account } => Some(max_per_account),
            asset::Price::Fixed { .. } => None,
        }
    }

    fn __hash__(&self) -> Result<u64> {
        Ok(crate::hash(&crate::to_json(&self.0)?))
    }

    fn __repr__(&self) -> String {
        match &self.0 {
            asset::Price::Free { max_per_account } => format!("Price.free(max_per_account={max_per_account})"),
            asset::Price::Fixed { base_token, amount } => {
                format!("Price.fixed('{base_token}', '{}')", Amount::from_units(*amount))
            }
        }
    }

    #[classmethod]
    fn _from_json(_class: &Bound<'_, PyType>, text: &str) -> Result<Self> {
        Ok(Self(crate::from_json("price", text)?))
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> Result<(Bound<'py, PyAny>, Bound<'py, PyTuple>)> {
        Ok(convert::rebuilt::<Self>(py, "_from_json", crate::to_json(&self.0)?)?)
    }
}
