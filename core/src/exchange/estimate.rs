//! What a query will cost, before anything is paid.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use sealock_fhe::linear::{
    CELLS_PER_CIPHERTEXT, Context, EncryptedQuery, Matrix, QueryKey, Row, SealedAnswer, Shape, evaluate,
};
use sealock_zk::Proof;
use serde_bytes::ByteBuf;

use super::Asset;
use crate::Digest;
use crate::asset::Price;
use crate::error::Result;
use crate::job::JobRequest;
use crate::node::shape;
use crate::order::OrderError;
use crate::program::{Plan, Program, Query};
use crate::release::SealedResult;
use crate::time::{Clock, SystemClock, Timestamp};

/// What a query will cost and how large its answer will be.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Estimate {
    /// How a datatoken is had, if it is on offer. One order costs one.
    pub price: Option<Price>,
    /// For how many such queries one order pays.
    pub uses_per_order: u64,
    /// The length of the epochs in which an order has its uses anew, in seconds; none if it has them once.
    pub epoch_secs: Option<u64>,
    /// Rows of the answer.
    pub groups: u64,
    /// Encrypted numbers that each row of the answer is made of. A mean takes two.
    pub numbers: u64,
    /// Cells that the encrypted indicator spans: the product of the sizes of the columns compared with secrets.
    pub hidden_cells: u64,
    /// Length of the request, in bytes.
    pub request_bytes: u64,
    /// Length of the sealed result, in bytes.
    pub result_bytes: u64,
    /// Time of the encrypted product on one core of *this* machine, measured on a small one and scaled. A node that has just
    /// started also decrypts and folds the table, once.
    pub compute_time: Duration,
    /// Privacy budget ε that the answer spends; `None` where the policy adds no noise.
    pub epsilon: Option<f64>,
}

impl Asset {
    /// Tells what a query will cost. Needs no order, takes nothing, and tells nobody.
    ///
    /// # Errors
    /// As [`Order::request`](crate::order::Order::request): what is wrong with the query, or the rule that denies it by the
    /// system's clock.
    pub fn estimate(&self, query: &Query) -> Result<Estimate> {
        let now = SystemClock.now();
        let (program, plan, shape) = self.lay_out(query, Some(now))?;
        plan.indicator(self.schema(), query)?;
        Ok(Estimate {
            price: self.price().cloned(),
            uses_per_order: self.order_terms().limit,
            epoch_secs: self.order_terms().epoch_secs,
            groups: plan.groups() as u64,
            numbers: plan.width() as u64,
            hidden_cells: plan.cells() as u64,
            request_bytes: self.blank_request(&program, &plan, now)?.to_bytes()?.len() as u64,
            result_bytes: SealedResult::encoded_len(SealedAnswer::encoded_len(&shape))? as u64,
            compute_time: compute_time(&shape),
            epsilon: None,
        })
    }

    /// The query's program, laid out over the asset, and the shape of its answer. The policy is asked if a time is given.
    pub(crate) fn lay_out(&self, query: &Query, policy_at: Option<Timestamp>) -> Result<(Program, Plan, Shape)> {
        query.check_outputs()?;
        let program = query.program();
        let plan = program.plan(self.schema())?;
        if let Some(now) = policy_at {
            self.policy().check(&program, &plan, now)?;
        }
        let shape = shape(self, &plan).map_err(OrderError::Unanswerable)?;
        Ok((program, plan, shape))
    }

    /// A request of the length that one for `program` will have.
    fn blank_request(&self, program: &Program, plan: &Plan, now: Timestamp) -> Result<JobRequest> {
        let blank = Digest::from_bytes([0; 32]);
        Ok(JobRequest {
            version: JobRequest::VERSION,
            asset: self.did().to_string(),
            program: ByteBuf::from(program.to_bytes()?),
            query: ByteBuf::from(vec![0; EncryptedQuery::encoded_len(plan.cells())]),
            result_key: [0; 32],
            policy: blank,
            data: blank,
            deadline: now,
            root: [0; 32],
            nullifier: [0; 32],
            now,
            proof: ByteBuf::from(vec![0; Proof::LEN]),
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
    let (samples, ciphertexts) = (shape.samples() as u32, shape.ciphertexts() as u32);
    (sample + product * ciphertexts) * samples
}

/// The least of three times of a product of so many ciphertexts with one output of one limb.
fn one_sample(ciphertexts: usize) -> Duration {
    let cells = ciphertexts * CELLS_PER_CIPHERTEXT;
    let shape = Shape::new(cells, &[2]).expect("a small shape is within the limits");
    let context = Context::new(&[b"sealock/v1/estimate"]);
    let query = QueryKey::generate().and_then(|key| key.encrypt(&vec![false; cells], &context));
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
