//! What a query will cost, before anything is paid.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use sealock_fhe::linear::{
    AnswerShare, CELLS_PER_CIPHERTEXT, Context, EncryptedQuery, Matrix, QueryKey, Row, SealedAnswer, Shape, evaluate,
};
use sealock_zk::Proof;
use serde_bytes::ByteBuf;

use super::Asset;
use crate::Digest;
use crate::asset::Price;
use crate::cube::noisy_series;
use crate::error::Result;
use crate::federation::{Party, Round};
use crate::job::JobRequest;
use crate::model::{Inference, ModelError, Vectors};
use crate::node::{inference_shape, shape, summed};
use crate::order::OrderError;
use crate::privacy::{Delta, Epsilon, Noise, NumberError};
use crate::program::{Plan, Program, ProgramError, Query, Series};
use crate::release::SealedResult;
use crate::sealed::{self, ReleasedNumbers};
use crate::time::{Clock, SystemClock, Timestamp};

/// What a query, or an inference, will cost and how large its answer will be.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Estimate {
    /// How a datatoken is had, if it is on offer. One order costs one.
    pub price: Option<Price>,
    /// For how many such queries one order pays.
    pub uses_per_order: u64,
    /// The length of the epochs in which an order has its uses anew, in seconds; none if it has them once.
    pub epoch_secs: Option<u64>,
    /// Rows of the answer; vectors of an inference.
    pub groups: u64,
    /// Encrypted numbers that each row of the answer is made of. A mean takes two. An inference has its scores.
    pub numbers: u64,
    /// Cells that the encrypted indicator spans: the product of the sizes of the columns compared with secrets. Of an inference,
    /// the numbers that are encrypted: the features of all vectors, and a constant for each.
    pub hidden_cells: u64,
    /// Length of the request, in bytes.
    pub request_bytes: u64,
    /// Length of the sealed result, in bytes.
    pub result_bytes: u64,
    /// Time of the encrypted product on one core of *this* machine, measured on a small one and scaled. A node that has just
    /// started also decrypts and folds the table, once. Zero for sealed data: its node computes nothing, and executors are not
    /// known here.
    pub compute_time: Duration,
    /// Privacy budget ε that the answer spends; `None` where the policy adds no noise, 0 where all answers are made of one
    /// protected cube.
    pub epsilon: Option<f64>,
    /// With what probability it may be passed, where the policy lets it.
    pub delta: Option<f64>,
    /// The ε that the policy limits the asset to. How much of it is left, its owner's node knows:
    /// [`Node::budget`](crate::node::Node::budget).
    pub epsilon_limit: Option<f64>,
    /// How far noise moves the numbers that the answer is made of. Empty where there is none. What `min_group_size` withholds
    /// of noisy cells comes on top.
    pub errors: Vec<NumberError>,
}

impl Asset {
    /// Tells what a query will cost. Needs no order, takes nothing, and tells nobody. For an asset that answers
    /// [together with others](crate::policy::Policy::federation), this is its part of a round.
    ///
    /// # Errors
    /// As [`Order::request`](crate::order::Order::request): what is wrong with the query, or the rule that denies it by the
    /// system's clock.
    pub fn estimate(&self, query: &Query) -> Result<Estimate> {
        let now = SystemClock.now();
        let (program, plan, mut shape) = self.lay_out(query, Some(now))?;
        plan.indicator(self.schema(), query)?;
        let policy = self.policy();
        if let Some(rule) = policy.federated() {
            let widths = &shape.value_bits()[..plan.width()];
            shape = summed(&plan, widths, rule.parties()).map_err(OrderError::Unanswerable)?;
        }
        let spent = |noise| match noise {
            Noise::PerJob(loss) => loss.epsilon.to_f64(),
            Noise::Cube(_) => 0.0,
        };
        Ok(Estimate {
            groups: plan.groups() as u64,
            hidden_cells: plan.cells() as u64,
            epsilon: policy.noise().map(spent),
            delta: policy.noise().and_then(|noise| noise.loss().delta).map(Delta::to_f64),
            epsilon_limit: policy.privacy_limit().map(Epsilon::to_f64),
            errors: self.errors(&plan)?,
            ..self.costs(program.to_bytes()?, &shape, plan.width(), now)?
        })
    }

    /// Tells what it will cost to have so many vectors scored, as [`Asset::estimate`] does for a query. The values of the
    /// vectors change nothing. Scores carry no noise.
    ///
    /// # Errors
    /// As [`Order::infer`](crate::order::Order::infer): for no vector, a table, more vectors than the policy allows at a time or
    /// the engine takes.
    pub fn estimate_inference(&self, vectors: u32) -> Result<Estimate> {
        let now = SystemClock.now();
        let scores = self.require_model()?.scores();
        let (program, shape) = self.lay_out_vectors(vectors, Some(now))?;
        Ok(Estimate {
            groups: vectors.into(),
            hidden_cells: u64::from(vectors) * shape.cells() as u64,
            ..self.costs(program.to_bytes()?, &shape, scores, now)?
        })
    }

    /// What follows from a program's form and its shape alone, with so many numbers in each row.
    fn costs(&self, program: Vec<u8>, shape: &Shape, numbers: usize, now: Timestamp) -> Result<Estimate> {
        let answer = match shape.parties() {
            1 if self.is_sealed() => ReleasedNumbers::to_bytes(&vec![0; shape.value_bits().len()])?.len(),
            1 => SealedAnswer::encoded_len(shape),
            _ => AnswerShare::encoded_len(shape),
        };
        Ok(Estimate {
            price: self.price().cloned(),
            uses_per_order: self.order_terms().limit,
            epoch_secs: self.order_terms().epoch_secs,
            groups: 0,
            numbers: numbers as u64,
            hidden_cells: 0,
            request_bytes: self.blank_request(program, shape, numbers, now)?.to_bytes()?.len() as u64,
            result_bytes: SealedResult::encoded_len(answer)? as u64,
            compute_time: if self.is_sealed() { Duration::ZERO } else { compute_time(shape) },
            epsilon: None,
            delta: None,
            epsilon_limit: None,
            errors: Vec::new(),
        })
    }

    /// Tells how far noise moves the numbers that the answer to a query is made of, as [`Asset::estimate`] does.
    ///
    /// # Errors
    /// As [`Asset::estimate`].
    pub fn number_errors(&self, query: &Query) -> Result<Vec<NumberError>> {
        let (_, plan, _) = self.lay_out(query, Some(SystemClock.now()))?;
        self.errors(&plan)
    }

    /// How far noise moves the numbers of a plan.
    fn errors(&self, plan: &Plan) -> Result<Vec<NumberError>> {
        let (schema, policy) = (self.schema(), self.policy());
        let (drawn, cells) = noisy_series(schema, policy, plan)?;
        let mut errors = Vec::new();
        for (series, _) in plan.series() {
            let Some(scale) = policy.scale(schema, series, drawn)? else { continue };
            let places = match series {
                Series::Sum(column) => schema.column(column)?.scale().unwrap_or(0),
                Series::SumOfSquares(column) => 2 * schema.column(column)?.scale().unwrap_or(0),
                Series::Count | Series::Valid(_) | Series::Bins(_) => 0,
            };
            let (cells, unit) = (cells * plan.cells() as u64, 10f64.powi(places.into()));
            errors.push(NumberError::new(series.to_string(), scale, cells, unit));
        }
        Ok(errors)
    }

    /// The query's program, laid out over the asset, and the shape of its answer. The policy is asked if a time is given.
    pub(crate) fn lay_out(&self, query: &Query, policy_at: Option<Timestamp>) -> Result<(Program, Plan, Shape)> {
        if self.model().is_some() {
            return Err(ProgramError::OtherKind { asset: "a model", program: "a query" }.into());
        }
        query.check_outputs()?;
        let program = query.program();
        let plan = self.plan(&program)?;
        if let Some(now) = policy_at {
            self.policy().check(&program, &plan, now)?;
        }
        if self.is_sealed() {
            sealed::check(self, &plan)?;
        }
        let shape = shape(self, &plan).map_err(OrderError::Unanswerable)?;
        Ok((program, plan, shape))
    }

    /// The program for vectors, and the shape of its answer. The policy is asked if a time is given.
    pub(crate) fn lay_out_inference(
        &self,
        vectors: &Vectors,
        policy_at: Option<Timestamp>,
    ) -> Result<(Inference, Shape)> {
        self.require_model()?;
        if vectors.schema() != self.schema().digest() {
            return Err(ModelError::OtherModel.into());
        }
        self.lay_out_vectors(u32::try_from(vectors.len()).unwrap_or(u32::MAX), policy_at)
    }

    fn lay_out_vectors(&self, vectors: u32, policy_at: Option<Timestamp>) -> Result<(Inference, Shape)> {
        let program = Inference::of(vectors)?;
        if let Some(now) = policy_at {
            self.policy().check_inference(&program, now)?;
        }
        let shape = inference_shape(self, &program).map_err(OrderError::Unanswerable)?;
        Ok((program, shape))
    }

    /// A request of the length that one for `program` will have.
    fn blank_request(&self, program: Vec<u8>, shape: &Shape, numbers: usize, now: Timestamp) -> Result<JobRequest> {
        let blank = Digest::from_bytes([0; 32]);
        let round = match shape.parties() {
            1 => None,
            parties => Some(Round {
                parties: vec![Party::of(self, [0; 32])?; parties],
                widths: ByteBuf::from(shape.value_bits()[..numbers].to_vec()),
                layout: blank,
            }),
        };
        Ok(JobRequest {
            version: JobRequest::VERSION,
            asset: self.did().to_string(),
            program: ByteBuf::from(program),
            query: ByteBuf::from(vec![0; if self.is_sealed() { 0 } else { EncryptedQuery::encoded_len(shape) }]),
            result_key: [0; 32],
            policy: blank,
            data: blank,
            deadline: now,
            root: [0; 32],
            nullifier: [0; 32],
            now,
            proof: ByteBuf::from(vec![0; Proof::LEN]),
            round,
            query_digest: Default::default(),
        })
    }
}

/// Time of the product for an answer of this shape, on one core.
fn compute_time(shape: &Shape) -> Duration {
    static COSTS: OnceLock<(Duration, Duration)> = OnceLock::new();
    let (sample, product) = *COSTS.get_or_init(|| {
        let (one, many) = (one_sample(1), one_sample(5));
        let product = many.saturating_sub(one) / 4;
        (one.saturating_sub(product), product)
    });
    sample * shape.samples() as u32 + product * shape.products() as u32
}

/// The least of three times of a product of so many ciphertexts with one output of one limb.
fn one_sample(ciphertexts: usize) -> Duration {
    let cells = ciphertexts * CELLS_PER_CIPHERTEXT;
    let shape = Shape::new(cells, &[2]).expect("a small shape is within the limits");
    let context = Context::new(&[b"sealock/v1/estimate"]);
    let query = QueryKey::generate().and_then(|key| key.encrypt(&shape, &vec![false; cells], &context));
    let query = query.expect("the operating system provides randomness");
    let row = vec![1i64; cells];
    let matrix = Matrix::new(&shape, [Row::I64(&row)]).expect("the row has the shape's length");
    let once = || {
        let start = Instant::now();
        let answer = evaluate(&query, &context, &matrix).expect("query and matrix have the same shape");
        std::hint::black_box(answer);
        start.elapsed()
    };
    (0..3).map(|_| once()).min().unwrap_or_default()
}
