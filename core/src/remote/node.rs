//! A node that is far away.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::http::{Ask, Http, RemoteOptions};
use super::{FollowedLedger, RemoteError};
use crate::error::{Error, ErrorKind, Result};
use crate::job::JobRequest;
use crate::ledger::LedgerError;
use crate::progress::{Progress, Stage, Step, inform, quiet, tell};
use crate::protocol::{
    AssetPage, CLAIM_SECS, Claim, DAG_CBOR, JobState, JobStatus, NodeInfo, OfferMade, OfferRequest, job_path,
};
use crate::receipt::{MAX_RECEIPT_BYTES, Receipt};
use crate::release::{MAX_RESULT_BYTES, SealedResult};
use crate::time::{Clock, SystemClock};
use crate::{Address, asset::Did};

/// How long to wait before the first repetition.
const FIRST_WAIT: Duration = Duration::from_millis(200);
const LONGEST_WAIT: Duration = Duration::from_secs(10);
/// A connection that has held for so long was good: what comes then is new trouble.
const STEADY: Duration = Duration::from_secs(5);
const LONGEST_PATIENCE: Duration = Duration::from_secs(86_400 * 365);
/// How often a caller who may cancel is asked while nothing happens.
const TICK: Duration = Duration::from_millis(100);
/// The longest line of the progress of a job, in bytes.
const MAX_LINE: usize = 16 << 10;
/// The longest list of assets, in bytes.
const MAX_ASSETS_BYTES: u64 = 32 << 20;
/// How many assets are asked for at a time.
const ASSETS_PAGE: usize = 50;

/// A node that is far away. Cheap to clone.
#[derive(Clone)]
pub struct RemoteNode {
    inner: Arc<Inner>,
}

struct Inner {
    http: Arc<Http>,
    info: NodeInfo,
    patience: Duration,
}

/// How a wait ended.
enum Waited {
    /// With the job in a state from which nothing follows by itself.
    Over(JobStatus),
    /// The connection broke.
    Lost(RemoteError),
}

impl RemoteNode {
    /// Connects to the node at `url`, for instance `http://127.0.0.1:8030`, and asks what it is.
    ///
    /// # Errors
    /// [`RemoteError`]: not an address, nobody there, or no node.
    pub fn connect(url: &str) -> Result<Self> {
        Self::connect_with(url, &RemoteOptions::default())
    }

    /// As [`RemoteNode::connect`], with options.
    ///
    /// # Errors
    /// As [`RemoteNode::connect`].
    pub fn connect_with(url: &str, options: &RemoteOptions) -> Result<Self> {
        let http = Arc::new(Http::new(url, options)?);
        let info: NodeInfo = http.json(&Ask::get("what it is", "/node")).map_err(|e| match e {
            // Sealock's own words, and nothing where every node says what it is.
            RemoteError::Refused { who, kind: ErrorKind::NotFound, .. } => RemoteError::NotForClients { who },
            other => other,
        })?;
        Ok(Self { inner: Arc::new(Inner { http, info, patience: options.patience }) })
    }

    /// What it said of itself.
    pub fn info(&self) -> &NodeInfo {
        &self.inner.info
    }

    /// Its address.
    pub fn url(&self) -> &str {
        self.inner.http.base()
    }

    /// Who signs its receipts, as it says. What an asset's receipts must be signed by is what the ledger says.
    pub fn address(&self) -> Address {
        self.inner.info.address
    }

    /// For how long it is waited for.
    pub(super) fn patience(&self) -> Duration {
        self.inner.patience
    }

    pub(crate) fn http(&self) -> &Arc<Http> {
        &self.inner.http
    }

    /// Follows its ledger.
    pub(super) fn follow(
        &self,
        path: Option<&Path>,
        clock: Arc<dyn Clock>,
    ) -> std::result::Result<FollowedLedger, LedgerError> {
        let info = self.info();
        FollowedLedger::over(Arc::clone(&self.inner.http), path, (info.chain_id, info.ledger), clock)
    }

    /// Its embedded ledger, in a replica at `path` or in memory.
    ///
    /// # Errors
    /// [`RemoteError::NoLedger`] if it has none; as [`FollowedLedger::open`].
    pub fn ledger(&self, path: Option<&Path>, clock: Arc<dyn Clock>) -> Result<FollowedLedger> {
        if !self.info().serves_ledger {
            let (who, chain_id) = (self.inner.http.who().to_owned(), self.info().chain_id);
            return Err(RemoteError::NoLedger { who, chain_id }.into());
        }
        Ok(self.follow(path, clock)?)
    }

    /// The assets that it says it serves, from number `from` on. What an asset is, the ledger says:
    /// [`Exchange::asset`](crate::Exchange::asset).
    ///
    /// # Errors
    /// [`RemoteError`].
    pub fn assets(&self, from: u64) -> Result<AssetPage> {
        let ask = Ask::get("for its assets", format!("/assets?from={from}&limit={ASSETS_PAGE}"));
        Ok(self.inner.http.json_within(&ask, MAX_ASSETS_BYTES)?)
    }

    /// An offer that its owner signs for an order: see [`Owner::offer`](crate::owner::Owner::offer).
    ///
    /// # Errors
    /// [`RemoteError`].
    pub fn offer(&self, asset: &Did, service: u32, consumer: Address, commitment: [u8; 32]) -> Result<Vec<u8>> {
        let request = OfferRequest { asset: asset.to_string(), service, consumer, commitment: hex::encode(commitment) };
        let body = serde_json::to_vec(&request).expect("text and numbers are JSON");
        let what = "for an offer";
        let made: OfferMade = self.inner.http.json(&Ask::post(what, "/offers", "application/json", &body))?;
        Ok(hex::decode(made.offer).map_err(|e| self.inner.http.strange(what, e.to_string()))?)
    }

    /// Sends a request. It is on record there when this returns; sending it again is asking once.
    ///
    /// # Errors
    /// [`ErrorKind::Rejected`]; [`ErrorKind::Busy`]; [`RemoteError`].
    pub fn submit(&self, request: &JobRequest) -> Result<JobStatus> {
        let body = request.to_bytes()?;
        let status: JobStatus = self.inner.http.json(&Ask::post("to take a job", "/jobs", DAG_CBOR, &body))?;
        self.of(request, status)
    }

    /// How far a job is.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] for one that it does not know, or that was asked for by somebody else; [`RemoteError`].
    pub fn status(&self, request: &JobRequest) -> Result<JobStatus> {
        let path = job_path(request.id());
        let status = self.inner.http.json(&self.claimed(request, Ask::get("about a job", &path), "GET", &path))?;
        self.of(request, status)
    }

    /// Gives a job up that is not complete. Its use stays spent: the same request again takes it up.
    ///
    /// # Errors
    /// As [`RemoteNode::status`].
    pub fn cancel(&self, request: &JobRequest) -> Result<JobStatus> {
        let path = job_path(request.id());
        let ask = self.claimed(request, Ask::delete("to give a job up", &path), "DELETE", &path);
        let status = self.inner.http.json(&ask)?;
        self.of(request, status)
    }

    /// Tells the node that it need not keep the result of a job any longer.
    ///
    /// # Errors
    /// As [`RemoteNode::status`].
    pub fn discard(&self, request: &JobRequest) -> Result<()> {
        let path = format!("{}/result", job_path(request.id()));
        let ask = self.claimed(request, Ask::delete("to forget a result", &path), "DELETE", &path);
        self.inner.http.ask(&ask)?;
        Ok(())
    }

    /// The sealed result and the receipt of a job that is complete. A connection that breaks is taken up where it broke.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] for a job that is not complete, or whose result is no longer kept; [`RemoteError`].
    pub fn fetch(&self, request: &JobRequest) -> Result<(SealedResult, Receipt)> {
        self.fetch_with(request, &mut quiet())
    }

    fn fetch_with(&self, request: &JobRequest, progress: &mut Progress<'_>) -> Result<(SealedResult, Receipt)> {
        let path = format!("{}/receipt", job_path(request.id()));
        let ask = self.claimed(request, Ask::get("for a receipt", &path), "GET", &path);
        let receipt = Receipt::from_bytes(&self.inner.http.bytes(&ask, MAX_RECEIPT_BYTES as u64)?)?;
        let path = format!("{}/result", job_path(request.id()));
        let mut bytes = Vec::new();
        let mut waits = Waits::new(self.inner.patience);
        loop {
            let mut ask = self.claimed(request, Ask::get("for a result", &path), "GET", &path);
            if !bytes.is_empty() {
                // Of the same bytes, or all of them anew.
                let tag = format!("\"{}\"", receipt.statement().result);
                ask = ask.header("Range", format!("bytes={}-", bytes.len())).header("If-Range", tag);
            }
            let outcome = self.inner.http.ask(&ask).map_err(Error::from).and_then(|mut response| {
                if response.status() != 206 {
                    bytes.clear();
                }
                let read = self.inner.http.read_on(&mut response, &mut bytes, MAX_RESULT_BYTES as u64);
                let who = self.inner.http.who().to_owned();
                read.map_err(|e| RemoteError::Unreachable { who, what: "for a result", why: e.to_string() }.into())
            });
            match outcome {
                Ok(()) => return Ok((SealedResult::from_bytes(&bytes)?, receipt)),
                Err(e) => waits.after(e, progress)?,
            }
        }
    }

    /// Sends a request and waits for its result: [`Node::run`](crate::node::Node::run), from afar. A node that cannot be reached
    /// or is busy is asked again for as long as [`RemoteOptions::patience`] says, two minutes if nothing else was said, and one
    /// that has restarted in the meantime goes on where it was. The log tells that it is waited for, and for how long.
    ///
    /// A request that was never admitted is good for a few minutes; then it can be renewed.
    ///
    /// # Errors
    /// As [`RemoteNode::submit`]; [`RemoteError::NotCompleted`].
    pub fn run(&self, request: JobRequest) -> Result<(SealedResult, Receipt)> {
        self.run_with(request, &mut quiet())
    }

    /// As [`RemoteNode::run`], and tells how far it is, also [how long](Stage::Wait) the node is waited for. A caller who cancels has given the wait up, not the job: the same
    /// request again finds it. [`RemoteNode::cancel`] gives up the job.
    ///
    /// # Errors
    /// As [`RemoteNode::run`], and [`ErrorKind::Cancelled`].
    pub fn run_with(&self, request: JobRequest, progress: &mut Progress<'_>) -> Result<(SealedResult, Receipt)> {
        let mut waits = Waits::new(self.inner.patience);
        loop {
            tell(progress, Step::out_of(Stage::Admit, 0, 1))?;
            match self.submit(&request) {
                Ok(_) => {}
                Err(e) => {
                    waits.after(e, progress)?;
                    continue;
                }
            }
            inform(progress, Step::out_of(Stage::Admit, 1, 1));
            let since = Instant::now();
            let watched = self.watch(&request, progress)?;
            if since.elapsed() >= STEADY {
                waits.begin_anew();
            }
            match watched {
                Waited::Over(status) => match status.state {
                    JobState::Complete => match self.fetch_with(&request, progress) {
                        Ok(done) => {
                            inform(progress, Step::out_of(Stage::Release, 1, 1));
                            return Ok(done);
                        }
                        Err(e) => waits.after(e, progress)?,
                    },
                    JobState::Expired => return Err(RemoteError::Expired { job: request.id() }.into()),
                    JobState::Cancelled => {
                        let (job, why) = (request.id(), "it was given up");
                        return Err(RemoteError::NotCompleted { job, why }.into());
                    }
                    _ => {
                        let (job, why) = (request.id(), "the node failed");
                        return Err(RemoteError::NotCompleted { job, why }.into());
                    }
                },
                Waited::Lost(e) => waits.after(e.into(), progress)?,
            }
        }
    }

    /// Follows a job to its end.
    fn watch(&self, request: &JobRequest, progress: &mut Progress<'_>) -> Result<Waited> {
        let path = format!("{}/events", job_path(request.id()));
        let asked = format!("{path}?tick={}", TICK.as_millis());
        let ask = self.claimed(request, Ask::get("how a job goes on", asked), "GET", &path);
        let response = match self.inner.http.ask(&ask) {
            Ok(response) => response,
            Err(e) => return Ok(Waited::Lost(e)),
        };
        let mut lines = BufReader::new(response.into_body().into_with_config().limit(u64::MAX).reader());
        let mut last = None;
        // The node writes a line now and then, so that whoever cancels is heard.
        while let Some(line) = read_line(&mut lines).ok().flatten() {
            let step = match last {
                Some(JobState::Running) => Step::out_of(Stage::Compute, 0, 1),
                _ => Step::of(Stage::Admit, 1),
            };
            tell(progress, step)?;
            let Some(data) = line.strip_prefix("data:") else { continue };
            let Ok(status) = serde_json::from_str::<JobStatus>(data.trim()) else { continue };
            let status = self.of(request, status)?;
            if status.state.is_final() {
                return Ok(Waited::Over(status));
            }
            last = Some(status.state);
        }
        let (who, why) = (self.inner.http.who().to_owned(), "the connection broke".to_owned());
        Ok(Waited::Lost(RemoteError::Unreachable { who, what: "how a job goes on", why }))
    }

    fn of(&self, request: &JobRequest, status: JobStatus) -> Result<JobStatus> {
        if status.job != request.id().to_string() {
            let why = "it answers about another job than it was asked about".into();
            return Err(RemoteError::FalseAnswer { who: self.inner.http.who().to_owned(), why }.into());
        }
        Ok(status)
    }

    fn claimed<'a>(&self, request: &JobRequest, ask: Ask<'a>, method: &str, path: &str) -> Ask<'a> {
        let NodeInfo { address: node, chain_id, .. } = self.inner.info;
        let deadline = SystemClock.now().saturating_add(CLAIM_SECS);
        let claim = Claim { method, path, body: b"", node, chain_id, deadline };
        ask.header("Authorization", claim.header(&request.access_key()))
    }
}

/// A line without its end; nothing at the end of all.
fn read_line(from: &mut impl BufRead) -> std::io::Result<Option<String>> {
    let mut line = Vec::new();
    std::io::Read::take(&mut *from, MAX_LINE as u64).read_until(b'\n', &mut line)?;
    if line.pop() != Some(b'\n') {
        return Ok(None);
    }
    Ok(Some(String::from_utf8_lossy(&line).into_owned()))
}

/// The pauses between repetitions.
pub(super) struct Waits {
    patience: Duration,
    until: Instant,
    next: Duration,
    /// Since when it is waited, in trouble that was told of.
    since: Option<Instant>,
}

impl Waits {
    pub(super) fn new(patience: Duration) -> Self {
        let mut waits = Self { patience, until: Instant::now(), next: FIRST_WAIT, since: None };
        waits.begin_anew();
        waits
    }

    /// Trouble that comes now is new trouble.
    fn begin_anew(&mut self) {
        let now = Instant::now();
        (self.until, self.next) = (now.checked_add(self.patience).unwrap_or(now + LONGEST_PATIENCE), FIRST_WAIT);
        self.since = None;
    }

    /// Since when it is waited. The log is told once of each trouble.
    fn since(&mut self, error: &Error) -> Instant {
        *self.since.get_or_insert_with(|| {
            let now = Instant::now();
            let seconds = self.until.saturating_duration_since(now).as_secs_f64().ceil();
            match error.kind() {
                ErrorKind::Busy => tracing::info!(%error, "the node is asked again, for up to {seconds} s"),
                _ => tracing::warn!(%error, "the node is asked again, for up to {seconds} s"),
            }
            now
        })
    }

    /// Waits, if the error is one that may pass and there is patience left.
    pub(super) fn after(&mut self, error: Error, progress: &mut Progress<'_>) -> Result<()> {
        let pause = match (&error, error.kind()) {
            (Error::Remote(remote), _) if matches!(**remote, RemoteError::Busy { .. }) => match **remote {
                RemoteError::Busy { retry_after, .. } => retry_after.max(self.next),
                _ => self.next,
            },
            (_, ErrorKind::Unreachable | ErrorKind::Timeout) => self.next,
            _ => return Err(error),
        };
        let until = Instant::now() + pause;
        if until > self.until {
            return Err(error);
        }
        self.next = (self.next * 2).min(LONGEST_WAIT);
        let (since, total) = (self.since(&error), self.patience.as_secs().max(1));
        while Instant::now() < until {
            tell(progress, Step::out_of(Stage::Wait, since.elapsed().as_secs(), total))?;
            std::thread::sleep(TICK.min(until.saturating_duration_since(Instant::now())));
        }
        Ok(())
    }
}

impl std::fmt::Debug for RemoteNode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "RemoteNode({} at {})", self.inner.info.address, self.inner.http.who())
    }
}
