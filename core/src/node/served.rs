//! What a node serves, and what a request asks of it.

use std::ops::Range;
use std::sync::{Arc, Mutex};

use arrow::array::RecordBatch;
use sealock_fhe::linear::{SealedAnswer, Shape};

use super::lock;
use crate::Digest;
use crate::access::{Group, Rejection, Service};
use crate::asset::{Did, Schema, Table};
use crate::codec::CodecError;
use crate::columns::StoredTable;
use crate::cube::{Cube, CubeError, ProtectedCube};
use crate::download::{self, DataReader, Download};
use crate::error::Result;
use crate::exchange::Asset;
use crate::federation::{FederationError, Party, Round, layout};
use crate::job::JobRequest;
use crate::model::{Inference, Model};
use crate::policy::{Policy, PolicyError};
use crate::privacy::{Epsilon, Noise};
use crate::program::{Plan, Program, ProgramError};
use crate::release::{MAX_ANSWER_BYTES, value_bits};
use crate::sealed;
use crate::time::Timestamp;

/// One service of a served asset, with the group of its orders.
pub(crate) struct Desk {
    pub(super) service: Service,
    pub(super) group: Mutex<Group>,
}

impl Desk {
    fn new(service: Service) -> Self {
        Self { service, group: Mutex::new(Group::new(service)) }
    }
}

/// An asset that the node serves: what it is, the groups of its orders, and, once a query was computed, its protected cube.
pub(crate) struct Served {
    pub(crate) asset: Asset,
    queries: Desk,
    downloads: Option<Desk>,
    pub(super) cube: Mutex<Option<Arc<ProtectedCube>>>,
    pub(super) model: Mutex<Option<Arc<Model>>>,
}

impl Served {
    pub(crate) fn new(asset: Asset, cube: Option<Arc<ProtectedCube>>) -> Self {
        let queries = Desk::new(asset.service());
        let downloads = asset.download_service().map(Desk::new);
        Self { asset, queries, downloads, cube: Mutex::new(cube), model: Mutex::default() }
    }

    /// The cube, if it was made.
    pub(crate) fn kept_cube(&self) -> Option<Arc<ProtectedCube>> {
        lock(&self.cube).clone()
    }

    /// The service that a request is for, which its program tells.
    pub(super) fn desk(&self, request: &JobRequest) -> Result<&Desk, PolicyError> {
        if is_download(request) { self.downloads.as_ref().ok_or(PolicyError::Download) } else { Ok(&self.queries) }
    }
}

fn is_download(request: &JobRequest) -> bool {
    request.program.as_slice() == download::program()
}

/// The program of a request, laid out over its asset.
pub(super) enum Task {
    Query(Box<(Program, Plan)>),
    /// For executors.
    Sealed(Box<(Program, Plan)>),
    Inference(Inference),
    Download,
}

impl Task {
    pub(super) fn of(request: &JobRequest, asset: &Asset) -> Result<Self, Rejection> {
        let task = Self::of_program(request, asset)?;
        if let (Some(_), Task::Sealed(_) | Task::Inference(_) | Task::Download) = (&request.round, &task) {
            return Err(FederationError::Round("only queries are added up".into()).into());
        }
        Ok(task)
    }

    fn of_program(request: &JobRequest, asset: &Asset) -> Result<Self, Rejection> {
        if is_download(request) {
            return Ok(Task::Download);
        }
        let (asked, a_model) = (Inference::from_bytes(&request.program), asset.model().is_some());
        match asked {
            Ok(inference) if a_model => return Ok(Task::Inference(inference)),
            Ok(_) => return Err(ProgramError::OtherKind { asset: "a table", program: "an inference" }.into()),
            Err(_) if a_model => return Err(ProgramError::OtherKind { asset: "a model", program: "a query" }.into()),
            Err(_) => {}
        }
        let program = Program::from_bytes(&request.program)?;
        let plan = asset.plan(&program)?;
        if asset.is_sealed() {
            sealed::check(asset, &plan)?;
            return Ok(Task::Sealed(Box::new((program, plan))));
        }
        Ok(Task::Query(Box::new((program, plan))))
    }

    /// Checks it against every rule of the policy that needs no state.
    pub(super) fn check(&self, policy: &Policy, round: Option<&Round>, now: Timestamp) -> Result<(), PolicyError> {
        match self {
            Task::Query(query) | Task::Sealed(query) => {
                policy.check_round(round)?;
                policy.check(&query.0, &query.1, now)
            }
            Task::Inference(inference) => policy.check_inference(inference, now),
            Task::Download => policy.check_download(now),
        }
    }

    /// What it is charged with. Answers from a protected cube were paid for when the cube was made.
    pub(super) fn epsilon(&self, policy: &Policy) -> Option<Epsilon> {
        match (self, policy.noise()) {
            (Task::Query(_) | Task::Sealed(_), Some(Noise::PerJob(loss))) => Some(loss.epsilon),
            _ => None,
        }
    }

    pub(super) fn digest(&self) -> Result<Digest, ProgramError> {
        match self {
            Task::Query(query) | Task::Sealed(query) => query.0.digest(),
            Task::Inference(inference) => inference.digest(),
            Task::Download => Ok(download::program_digest()),
        }
    }
}

/// Folds a table and protects it as the policy says.
pub(crate) fn protected_cube(table: &Table, policy: &Policy) -> Result<ProtectedCube, CubeError> {
    Cube::fold(table, policy)?.protect(table.schema(), policy)
}

/// Folds a stored table, of which it reads the columns that the policy names, row group by row group and several at a time;
/// and protects the cube as the policy says.
pub(super) fn stored_cube(data: &Download, policy: &Policy) -> Result<ProtectedCube> {
    let whole = data.asset().schema();
    let mut names = policy.fold_columns(whole);
    if names.is_empty() {
        // Of a policy that lets rows be counted and nothing else.
        names.push(&whole.columns()[0].name);
    }
    let columns = names.iter().map(|name| whole.column(name).cloned()).collect::<Result<_, _>>()?;
    let schema = Schema::new(columns)?;
    let groups = data.columns()?.groups();
    let lanes = rayon::current_num_threads().min(groups.len());
    let lane = |number: usize| {
        let groups: Vec<_> = groups.iter().skip(number).step_by(lanes).cloned().collect();
        Ok(batches_of(data.columns()?, names.iter().map(|name| name.to_string()).collect(), groups))
    };
    let lanes = (0..lanes).map(lane).collect::<Result<Vec<_>>>()?;
    Ok(Cube::fold_lanes(&schema, policy, lanes)?.protect(&schema, policy)?)
}

/// Batches of some row groups, each with the number of its first row.
fn batches_of(
    stored: StoredTable<DataReader>,
    columns: Vec<String>,
    groups: Vec<Range<u64>>,
) -> impl Iterator<Item = Result<(usize, RecordBatch)>> + Send {
    groups.into_iter().flat_map(move |rows| {
        let mut first = rows.start as usize;
        let (batches, failed) = match stored.batches(columns.iter().map(String::as_str), rows) {
            Ok(batches) => (Some(batches), None),
            Err(error) => (None, Some(Err(error))),
        };
        let numbered = move |batch: Result<RecordBatch>| {
            batch.map(|batch| {
                first += batch.num_rows();
                (first - batch.num_rows(), batch)
            })
        };
        failed.into_iter().chain(batches.into_iter().flatten().map(numbered))
    })
}

/// The shape of the answer to a plan.
///
/// # Errors
/// [`Rejection::AnswerTooLarge`], or what in the plan does not fit.
pub(crate) fn shape(asset: &Asset, plan: &Plan) -> Result<Shape, Rejection> {
    let bits = value_bits(asset.schema(), asset.policy(), plan, asset.max_rows()).map_err(|e| match e {
        CubeError::Program(e) => Rejection::Program(e),
        CubeError::Asset(e) => Rejection::Program(e.into()),
        other => Rejection::Malformed(CodecError::Malformed { what: "program", why: other.to_string() }),
    })?;
    fitting(Shape::new(plan.cells(), &bits)?)
}

/// The shape of the answer to a plan in a round, which is the same for all parties.
///
/// # Errors
/// As [`shape`]; [`Rejection::Federation`] if the round does not describe this asset's part.
pub(crate) fn shape_in(asset: &Asset, plan: &Plan, request: &JobRequest) -> Result<Shape, Rejection> {
    let alone = shape(asset, plan)?;
    let Some(round) = &request.round else { return Ok(alone) };
    let wrong = |why: &str| Err(FederationError::Round(why.into()).into());
    round.check()?;
    if round.widths.len() != plan.width() {
        return wrong("it has another number of widths than the program has numbers");
    }
    if round.widths.iter().zip(alone.value_bits()).any(|(wide, own)| wide < own) {
        return wrong("its numbers are narrower than this asset's");
    }
    if round.layout != layout(asset.schema(), asset.policy(), plan)? {
        return wrong("its cells or numbers are not laid out as this asset's are");
    }
    let own = Party::of(asset, request.nullifier)?;
    if !round.parties().contains(&own) {
        return wrong("none of its parties is this asset under its policy, with its data and the request's nullifier");
    }
    summed(plan, &round.widths, round.parties().len())
}

/// The shape of a sum over so many parties.
pub(crate) fn summed(plan: &Plan, widths: &[u8], parties: usize) -> Result<Shape, Rejection> {
    fitting(Shape::new(plan.cells(), &widths.repeat(plan.groups()))?.summed(parties)?)
}

/// The shape of the answer to an inference of a model.
///
/// # Errors
/// [`Rejection::AnswerTooLarge`], [`Rejection::Query`] for more vectors than the encryption takes, [`Rejection::Program`]
/// for a table.
pub(crate) fn inference_shape(asset: &Asset, program: &Inference) -> Result<Shape, Rejection> {
    let model = asset.model().ok_or(ProgramError::OtherKind { asset: "a table", program: "an inference" })?;
    fitting(model.shape(asset.schema(), program.vectors() as usize)?)
}

/// A shape whose answer may be released.
fn fitting(shape: Shape) -> Result<Shape, Rejection> {
    let got = SealedAnswer::encoded_len(&shape);
    if got > MAX_ANSWER_BYTES {
        return Err(Rejection::AnswerTooLarge { got, limit: MAX_ANSWER_BYTES });
    }
    Ok(shape)
}

/// Where the journal keeps which NFT an asset is.
pub(crate) fn asset_key(did: &Did) -> String {
    format!("{}{did}", asset_prefix())
}

/// What the names of all assets begin with, in the journal.
pub(super) fn asset_prefix() -> String {
    "asset/".into()
}
