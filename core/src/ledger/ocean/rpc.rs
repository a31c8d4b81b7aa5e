//! JSON-RPC 2.0 (<https://www.jsonrpc.org/specification>) to an Ethereum node (<https://ethereum.github.io/execution-apis/>),
//! with a limit and a time for everything that comes back.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value as Json, json};
use ureq::Agent;
use ureq::http::Uri;
use zeroize::Zeroizing;

/// The longest answer: a page of logs or the receipts of a block.
const MAX_ANSWER_BYTES: u64 = 32 << 20;
const MAX_HEADER_BYTES: usize = 16 << 10;
/// What is repeated of a node's own words.
const MAX_MESSAGE: usize = 300;
const MAX_IDLE: Duration = Duration::from_secs(3);

/// Why there is no answer.
#[derive(Clone, Debug)]
pub(super) enum Refusal {
    /// The node says so: code, words, and the data of a revert.
    Said { code: i64, message: String, data: Option<Vec<u8>> },
    /// Nobody is there in time.
    Late,
    /// It sent more than it may.
    TooLong,
    /// Nobody is there, or not a node.
    Lost(String),
}

impl Refusal {
    /// Whether the call itself was reverted, and not the question.
    pub(super) fn is_revert(&self) -> bool {
        matches!(self, Refusal::Said { code, message, data }
            if *code == 3 || data.is_some() || message.to_lowercase().contains("revert"))
    }

    /// Whether a smaller question than one about so many blocks may be answered.
    pub(super) fn is_too_much(&self, blocks: u64) -> bool {
        const WORDS: [&str; 8] =
            ["range", "too many", "more than", "limit", "exceed", "too large", "timeout", "query returned"];
        match self {
            Refusal::TooLong => true,
            // A node that is slow about a few is slow about all.
            Refusal::Late => blocks > 256,
            Refusal::Said { code, message, .. } => {
                let message = message.to_lowercase();
                *code == -32005 || WORDS.iter().any(|word| message.contains(word))
            }
            Refusal::Lost(_) => false,
        }
    }

    pub(super) fn says(&self, words: &[&str]) -> bool {
        matches!(self, Refusal::Said { message, .. } if words.iter().any(|word| message.to_lowercase().contains(word)))
    }
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Refusal::Said { code, message, .. } => write!(f, "it answers {message:?} (code {code})"),
            Refusal::Late => f.write_str("it did not answer in time"),
            Refusal::TooLong => write!(f, "its answer is longer than {MAX_ANSWER_BYTES} bytes"),
            Refusal::Lost(why) => f.write_str(why),
        }
    }
}

/// A node.
pub(super) struct Rpc {
    agent: Agent,
    /// With whatever secret its path or query has.
    url: Zeroizing<String>,
    /// Scheme, host and port.
    who: String,
    next: AtomicU64,
}

#[derive(Deserialize)]
struct Answer {
    id: Option<Json>,
    #[serde(default)]
    result: Option<Json>,
    #[serde(default)]
    error: Option<Fault>,
}

#[derive(Deserialize)]
struct Fault {
    code: i64,
    #[serde(default)]
    message: String,
    #[serde(default)]
    data: Option<Json>,
}

impl Answer {
    fn read<T: DeserializeOwned>(self, id: u64, method: &str) -> Result<T, Refusal> {
        if let Some(Fault { code, message, data }) = self.error {
            return Err(Refusal::Said { code, message: short(&message), data: revert_data(data) });
        }
        if self.id != Some(Json::from(id)) {
            return Err(other_question(method));
        }
        serde_json::from_value(self.result.unwrap_or(Json::Null)).map_err(|e| not_json(method, &e))
    }
}

fn not_json(method: &str, error: &serde_json::Error) -> Refusal {
    Refusal::Lost(format!("it does not speak JSON-RPC: {method}: {error}"))
}

fn other_question(method: &str) -> Refusal {
    Refusal::Lost(format!("it answered another question than {method}"))
}

impl Rpc {
    /// # Errors
    /// Words on what is wrong with the URL.
    pub(super) fn new(url: &str, timeout: Duration) -> Result<Self, &'static str> {
        let uri: Uri = url.trim().parse().map_err(|_| "expected a URL such as http://127.0.0.1:8545")?;
        let scheme = uri.scheme_str().filter(|scheme| matches!(*scheme, "http" | "https"));
        let scheme = scheme.ok_or("expected http:// or https://")?;
        let authority = uri.authority().ok_or("there is no host in it")?;
        if authority.as_str().contains('@') {
            return Err("a name and password in it would be logged by others: use a token in the path");
        }
        let who = format!("{scheme}://{authority}");
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .timeout_global(Some(timeout))
            .timeout_connect(Some(timeout.min(Duration::from_secs(10))))
            .max_idle_age(MAX_IDLE)
            .max_idle_connections_per_host(64)
            .max_response_header_size(MAX_HEADER_BYTES)
            .user_agent(concat!("sealock/", env!("CARGO_PKG_VERSION")));
        let url = Zeroizing::new(url.trim().to_owned());
        Ok(Self { agent: config.build().new_agent(), url, who, next: AtomicU64::new(1) })
    }

    /// Scheme, host and port: what may be logged of the URL.
    pub(super) fn who(&self) -> &str {
        &self.who
    }

    /// One call.
    pub(super) fn call<T: DeserializeOwned>(&self, method: &str, params: Json) -> Result<T, Refusal> {
        let (id, question) = self.question(method, params);
        let bytes = self.post(question.to_string().as_bytes())?;
        let answer: Answer = serde_json::from_slice(&bytes).map_err(|e| not_json(method, &e))?;
        answer.read(id, method)
    }

    /// Two calls in one request: behind a balancer, one and the same node answers both.
    pub(super) fn call_both<A: DeserializeOwned, B: DeserializeOwned>(
        &self,
        first: (&str, Json),
        second: (&str, Json),
    ) -> Result<(A, B), Refusal> {
        let (one, question_one) = self.question(first.0, first.1);
        let (two, question_two) = self.question(second.0, second.1);
        let bytes = self.post(json!([question_one, question_two]).to_string().as_bytes())?;
        let mut answers: Vec<Answer> = match serde_json::from_slice(&bytes) {
            Ok(answers) => answers,
            // One error for all of it.
            Err(e) => {
                let whole: Answer = serde_json::from_slice(&bytes).map_err(|_| not_json(first.0, &e))?;
                return Err(whole.read::<Json>(one, first.0).err().unwrap_or_else(|| not_json(first.0, &e)));
            }
        };
        let mut take = |id: u64, method: &str| {
            let at = answers.iter().position(|answer| answer.id == Some(Json::from(id)));
            at.map(|at| answers.swap_remove(at)).ok_or_else(|| other_question(method))
        };
        let (first_answer, second_answer) = (take(one, first.0)?, take(two, second.0)?);
        Ok((first_answer.read(one, first.0)?, second_answer.read(two, second.0)?))
    }

    fn question(&self, method: &str, params: Json) -> (u64, Json) {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        (id, json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}))
    }

    fn post(&self, body: &[u8]) -> Result<Vec<u8>, Refusal> {
        let sent = self.agent.post(self.url.as_str()).header("Content-Type", "application/json").send(body);
        let mut response = sent.map_err(|e| self.lost(&e))?;
        let status = response.status();
        let read = response.body_mut().with_config().limit(MAX_ANSWER_BYTES).read_to_vec();
        let bytes = read.map_err(|e| self.lost(&e))?;
        // Some nodes send errors of the protocol with a status of their own; others send anything.
        let answers = || {
            serde_json::from_slice::<Answer>(&bytes).is_ok() || serde_json::from_slice::<Vec<Answer>>(&bytes).is_ok()
        };
        if !status.is_success() && !answers() {
            return Err(Refusal::Lost(format!("it answers with status {status}")));
        }
        Ok(bytes)
    }

    /// ureq's own words may hold the URL.
    fn lost(&self, error: &ureq::Error) -> Refusal {
        match error {
            ureq::Error::Timeout(_) => Refusal::Late,
            ureq::Error::BodyExceedsLimit(_) => Refusal::TooLong,
            ureq::Error::Io(e) if e.kind() == std::io::ErrorKind::TimedOut => Refusal::Late,
            ureq::Error::Io(e) => Refusal::Lost(format!("cannot be reached: {e}")),
            other => Refusal::Lost(other.to_string().replace(self.url.as_str(), &self.who)),
        }
    }
}

/// The bytes that a reverted call returned: nodes put them under `data`, or under `data.data`.
fn revert_data(data: Option<Json>) -> Option<Vec<u8>> {
    let text = match data? {
        Json::String(text) => text,
        Json::Object(fields) => fields.get("data")?.as_str()?.to_owned(),
        _ => return None,
    };
    let text = text.strip_prefix("Reverted ").unwrap_or(&text);
    hex::decode(text.strip_prefix("0x")?).ok()
}

fn short(message: &str) -> String {
    let clean = message.chars().map(|c| if c.is_control() { ' ' } else { c });
    clean.take(MAX_MESSAGE).collect()
}
