//! `Server`: an owner's node that others reach over HTTP; and the command `sealock-node`.

use std::ffi::OsString;
use std::ops::ControlFlow;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString, PyTuple};
use sealock::progress::{Stage, Step};
use sealock::server::{self, ServerOptions};
use serde_json::{Map, Value};

use crate::call::{Call, caught_as, check_process, detached, quick};
use crate::convert;
use crate::error::{Failure, Result};
use crate::owner::Owner;

/// How long whoever waits for the end of a server sleeps before it looks again.
const POLL: Duration = Duration::from_millis(50);
/// What is not shown.
const TOKEN: &str = "admin_token";
/// What is given as a span of time.
const SPANS: [&str; 4] = ["body_timeout", "header_timeout", "result_retention", "shutdown_grace"];

/// A server that stops with the interpreter detached, whoever lets go of it: it waits for jobs, and may log meanwhile.
struct Running(Option<server::Server>);

impl Drop for Running {
    fn drop(&mut self) {
        let server = self.0.take();
        match check_process() {
            Ok(()) => detached(move || drop(server)),
            // It runs in the process that this one was forked from.
            Err(_) => std::mem::forget(server),
        }
    }
}

/// Looks at a server, if it runs.
fn look<T>(running: &Mutex<Option<Running>>, look: impl FnOnce(&server::Server) -> T) -> Option<T> {
    // It is there, or it is not.
    let running = running.lock().unwrap_or_else(PoisonError::into_inner);
    running.as_ref().and_then(|running| running.0.as_ref()).map(look)
}

/// What has failed is as good as stopped.
fn stopped(running: &Mutex<Option<Running>>) -> bool {
    look(running, |server| server.wait_for(Duration::ZERO)).unwrap_or(true)
}

/// An owner's node that others reach over HTTP, with `Exchange.connect`. Made by `serve`; a context manager, which stops it at
/// its end. It also stops when nothing refers to it any more.
#[pyclass(frozen, module = "sealock")]
pub struct Server {
    running: Arc<Mutex<Option<Running>>>,
    owner: String,
    url: String,
    admin_url: Option<String>,
}

impl Server {
    /// Jobs that wait and jobs that are being computed; none of a server that was stopped.
    fn counts(&self, py: Python<'_>) -> Result<(usize, usize)> {
        quick(py, || Ok(look(&self.running, server::Server::queue).unwrap_or_default()))
    }
}

#[pymethods]
impl Server {
    /// What clients connect to: `Exchange.connect(server.url, …)`.
    #[getter]
    fn url(&self) -> &str {
        &self.url
    }

    /// Where the owner's page is, `None` if there is none. It asks for the `admin_token` if one was set.
    #[getter]
    fn admin_url(&self) -> Option<&str> {
        self.admin_url.as_deref()
    }

    /// The owner's address.
    #[getter]
    fn address(&self) -> &str {
        &self.owner
    }

    /// How many jobs wait, and how many are being computed.
    #[getter]
    fn queue<'py>(&self, py: Python<'py>) -> Result<Bound<'py, PyAny>> {
        let (waiting, running) = self.counts(py)?;
        let fields = PyDict::new(py);
        fields.set_item("waiting", waiting)?;
        fields.set_item("running", running)?;
        Ok(convert::record(py, "Queue", &fields)?)
    }

    /// Whether it was stopped.
    #[getter]
    fn closed(&self, py: Python<'_>) -> Result<bool> {
        quick(py, || Ok(stopped(&self.running)))
    }

    /// Stops it: takes no more, lets what is being computed be completed within the `shutdown_grace`, and returns. What waits is
    /// on record, and goes on when the owner is served again. Stopping twice is fine.
    fn stop(&self, py: Python<'_>) -> Result<()> {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(running) = running else { return Ok(()) };
        Call::default().run(py, move |_| {
            drop(running);
            Ok(())
        })
    }

    /// Waits until it is stopped, at most `timeout` seconds or a `timedelta`. Returns whether it is. Ctrl-C interrupts this, and
    /// stops nothing by itself: the end of a `with` does.
    #[pyo3(signature = (timeout = None))]
    fn wait(&self, py: Python<'_>, timeout: Option<&Bound<'_, PyAny>>) -> Result<bool> {
        let until = timeout.map(|span| convert::duration("timeout", span)).transpose()?;
        let until = until.map(|span| Instant::now() + span);
        let running = Arc::clone(&self.running);
        Call::default().run(py, move |progress| {
            while !stopped(&running) {
                // Whoever waits may have been interrupted.
                let go_on = progress(Step::of(Stage::Compute, 0)) == ControlFlow::Continue(());
                if !go_on || until.is_some_and(|until| Instant::now() >= until) {
                    return Ok(false);
                }
                std::thread::sleep(POLL);
            }
            Ok(true)
        })
    }

    fn __enter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    #[pyo3(signature = (*_exception))]
    fn __exit__(&self, py: Python<'_>, _exception: &Bound<'_, PyTuple>) -> Result<()> {
        self.stop(py)
    }

    fn __repr__(&self, py: Python<'_>) -> Result<String> {
        let state = if self.closed(py)? { "stopped" } else { "listens" };
        Ok(format!("Server({}, {}, {state})", self.owner, self.url))
    }

    fn _repr_html_(&self, py: Python<'_>) -> Result<String> {
        let link = |url: &str| format!("<a href=\"{url}\">{url}</a>");
        let ((waiting, running), closed) = (self.counts(py)?, self.closed(py)?);
        let rows = [
            ("node of", self.owner.clone()),
            ("clients", if closed { format!("{}, stopped", self.url) } else { self.url.clone() }),
            ("owner", self.admin_url.as_deref().filter(|_| !closed).map_or_else(|| "nowhere".into(), link)),
            ("jobs", format!("{waiting} waiting, {running} running")),
        ];
        // Addresses and numbers alone: there is nothing to escape.
        let rows = rows.map(|(name, shown)| format!("<tr><th>{name}</th><td>{shown}</td></tr>\n"));
        Ok(format!("<table>\n<tbody>\n{}</tbody>\n</table>", rows.concat()))
    }

    fn __reduce__(&self) -> Result<()> {
        Err(Failure::not_pickled("Server", "it listens in this process; connect to its url"))
    }
}

/// A value as JSON has it.
fn json(name: &str, object: &Bound<'_, PyAny>) -> Result<Value> {
    let py = object.py();
    if object.is_none() {
        return Ok(Value::Null);
    }
    if name == TOKEN {
        return Ok(Value::String(convert::secret_text(TOKEN, object)?.to_string()));
    }
    if SPANS.contains(&name) {
        return Ok(Value::from(convert::seconds(name, object)?));
    }
    let path = PyModule::import(py, "os")?.getattr("PathLike")?;
    let plain = if object.is_instance(&path)? { object.call_method0("__fspath__")? } else { object.clone() };
    let text: String = match PyModule::import(py, "json")?.call_method1("dumps", (plain,)) {
        Ok(text) => text.extract()?,
        Err(_) => {
            let got = convert::type_name(object);
            return Err(Failure::wrong_type(format!("{name}: a server's option cannot be of type {got}")));
        }
    };
    serde_json::from_str(&text).map_err(|e| Failure::argument(format!("{name}: {e}"), "pass a finite number"))
}

/// Options by their names.
fn options(given: Vec<(String, Bound<'_, PyAny>)>) -> Result<ServerOptions> {
    let mut all = match serde_json::to_value(ServerOptions::loopback()) {
        Ok(Value::Object(all)) => all,
        _ => Map::new(),
    };
    for (name, value) in given {
        if !all.contains_key(&name) {
            let known: Vec<_> = all.keys().map(String::as_str).collect();
            let why = format!("a server has no option {name:?}; its options are {}", known.join(", "));
            return Err(Failure::argument(why, "check the spelling"));
        }
        let value = json(&name, &value)?;
        // One at a time, so that it is known which is wrong.
        let one = Value::Object(Map::from_iter([(name.clone(), value.clone())]));
        if let Err(e) = serde_json::from_value::<ServerOptions>(one) {
            let why = if name == TOKEN { "it is no text".into() } else { e.to_string() };
            return Err(Failure::argument(format!("{name}: {why}"), "see the docstring of sealock.serve"));
        }
        all.insert(name, value);
    }
    serde_json::from_value(Value::Object(all)).map_err(|e| Failure::argument(e.to_string(), "check the options"))
}

/// Serves an owner's node over HTTP, from threads of this process, until the `Server` is stopped. The owner stays usable
/// meanwhile: what it publishes is served, too.
///
/// `listen` is where clients reach it and `admin_listen` where its owner does, with a page that shows what the node does, as
/// `address:port`; port 0 takes any that is free. Without an `admin_listen` (`None`) there is no page. At an address that others
/// can reach it needs an `admin_token` of at least 16 characters, which is never shown. For others on the network, listen at
/// `"0.0.0.0:8030"` with `tls_certificate` and `tls_key`, two PEM files, or behind a proxy that has them.
///
/// Further options: `workers`, threads that compute, 0 for one per core; `max_queued` and `max_queued_per_asset`, the most jobs
/// that wait; `priorities`, a dict from DIDs to numbers: jobs of higher ones come first; `executors`, the addresses of those whose
/// results on sealed data are taken and released; `max_attempts`; `result_retention`, for
/// how long a result is kept that nobody discards; `accept_transactions`; `max_connections`; `max_inflight_bytes`;
/// `header_timeout`, `body_timeout` and `shutdown_grace`. Times are in whole seconds or `timedelta`.
///
/// Raises `InvalidArgument` for what is no option or cannot be one, `Io` for an address that cannot be listened at.
#[pyfunction]
#[pyo3(signature = (owner, *, listen = "127.0.0.1:0", admin_listen = Some("127.0.0.1:0"), **options))]
pub fn serve(
    py: Python<'_>,
    owner: &Owner,
    listen: &str,
    admin_listen: Option<&str>,
    options: Option<&Bound<'_, PyDict>>,
) -> Result<Server> {
    let text = |text| PyString::new(py, text).into_any();
    let nowhere = || py.None().into_bound(py);
    let mut given =
        vec![("listen".to_owned(), text(listen)), ("admin_listen".to_owned(), admin_listen.map_or_else(nowhere, text))];
    for (name, value) in options.into_iter().flat_map(|options| options.iter()) {
        given.push((name.extract()?, value));
    }
    let (served, options) = (Arc::clone(&owner.0), self::options(given)?);
    let running =
        Call::default().alone().run(py, move |_| Ok(Running(Some(server::Server::start(served, options)?))))?;
    let (url, admin_url) = running.0.as_ref().map(|server| (server.url(), server.admin_url())).unwrap_or_default();
    Ok(Server { running: Arc::new(Mutex::new(Some(running))), owner: owner.0.address().to_string(), url, admin_url })
}

/// Runs the command `sealock-node` with these arguments, of which the first is its name. Returns its exit status.
#[pyfunction]
pub fn command(py: Python<'_>, arguments: Vec<OsString>) -> Result<u8> {
    let status = py.detach(|| caught_as(Failure::Panic, || Ok(sealock::cli::main(arguments))))?;
    // A status does not say its number.
    Ok((0..=u8::MAX).find(|number| ExitCode::from(*number) == status).unwrap_or(1))
}
