//! Listeners, with a limit on how many connections there are and how long a head may take.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum_server::Handle;
use axum_server::accept::{Accept, NoDelayAcceptor};
use axum_server::tls_rustls::{RustlsAcceptor, RustlsConfig};
use hyper_util::rt::TokioTimer;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpSocket, TcpStream};
use tokio::runtime::Runtime;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::error::ServerError;
use super::routes::{self, Extra};
use super::state::State;

/// The longest head of a request, in bytes.
const MAX_HEAD: usize = 32 << 10;
/// How many requests of one connection are worked on at a time, in HTTP/2.
const MAX_STREAMS: u32 = 16;
/// Length of the preface of HTTP/2, in bytes.
const PREFACE: usize = 24;
/// How many connections wait to be accepted.
const BACKLOG: u32 = 4096;
/// How long a TLS handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// Both listeners, on a runtime of their own.
pub(super) struct Listening {
    runtime: Option<Runtime>,
    handles: Vec<Handle<SocketAddr>>,
    public: SocketAddr,
    private: Option<SocketAddr>,
    ended: Receiver<()>,
    grace: Duration,
}

impl Listening {
    pub(super) fn start(state: &Arc<State>, extra: Extra) -> Result<Self, ServerError> {
        let runtime = tokio::runtime::Builder::new_multi_thread().thread_name("sealock-http").enable_all().build()?;
        let options = &state.options;
        let (ended_sender, ended) = channel();
        let _entered = runtime.enter();
        let bind = |address: SocketAddr| {
            let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
            // A node that starts again listens where it did.
            socket.set_reuseaddr(true)?;
            let listener = socket.bind(address).and_then(|()| socket.listen(BACKLOG));
            let listener = listener.map_err(|source| ServerError::Listen { address, source })?.into_std()?;
            let address = listener.local_addr()?;
            Ok::<_, ServerError>((listener, address))
        };
        let (listener, public) = bind(options.listen)?;
        let admin = options.admin_listen.map(bind).transpose()?;
        let private = admin.as_ref().map(|(_, address)| *address);
        let limit = Limit::new(options.max_connections, state);
        let header_timeout = Duration::from_secs(options.header_timeout.max(1));
        let mut handles = Vec::new();
        let mut run = |listener: std::net::TcpListener, router: Router, tls: Option<RustlsConfig>, limit: Limit| {
            let handle = Handle::new();
            handles.push(handle.clone());
            let ended = ended_sender.clone();
            let mut server = axum_server::from_tcp(listener)?.handle(handle);
            let builder = server.http_builder();
            builder
                .http1()
                .timer(TokioTimer::new())
                .header_read_timeout(header_timeout)
                .max_buf_size(MAX_HEAD)
                .keep_alive(true);
            builder
                .http2()
                .timer(TokioTimer::new())
                .max_concurrent_streams(MAX_STREAMS)
                .max_header_list_size(MAX_HEAD as u32)
                .keep_alive_interval(Some(Duration::from_secs(20)))
                .keep_alive_timeout(Duration::from_secs(20));
            let service = router.into_make_service();
            match tls {
                Some(config) => {
                    let acceptor = Limited { inner: NoDelayAcceptor::new(), limit };
                    let tls = RustlsAcceptor::new(config).handshake_timeout(HANDSHAKE).acceptor(acceptor);
                    let server = server.acceptor(tls);
                    tokio::spawn(async move {
                        report(server.serve(service).await);
                        drop(ended);
                    });
                }
                None => {
                    let server = server.acceptor(Limited { inner: NoDelayAcceptor::new(), limit });
                    tokio::spawn(async move {
                        report(server.serve(service).await);
                        drop(ended);
                    });
                }
            }
            Ok::<_, ServerError>(())
        };
        let tls = match (&options.tls_certificate, &options.tls_key) {
            (Some(certificate), Some(key)) => {
                let loaded = runtime.block_on(RustlsConfig::from_pem_file(certificate, key));
                let wrong = |e: io::Error| ServerError::Tls { certificate: certificate.clone(), why: e.to_string() };
                Some(loaded.map_err(wrong)?)
            }
            _ => None,
        };
        run(listener, routes::public(state, extra), tls, limit.clone())?;
        if let Some((listener, _)) = admin {
            // The owner gets in when strangers have taken every place.
            run(listener, routes::private(state), None, Limit::new(64, state))?;
        }
        drop(ended_sender);
        drop(_entered);
        let grace = Duration::from_secs(options.shutdown_grace);
        Ok(Self { runtime: Some(runtime), handles, public, private, ended, grace })
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.public
    }

    pub(super) fn admin_address(&self) -> Option<SocketAddr> {
        self.private
    }

    /// Tells both to stop, and to let what is being answered be answered.
    pub(super) fn stop(&self) {
        for handle in &self.handles {
            handle.graceful_shutdown(Some(self.grace));
        }
    }

    pub(super) fn stop_on_signals(&self, state: &Arc<State>) {
        let Some(runtime) = &self.runtime else { return };
        let (handles, grace, state) = (self.handles.clone(), self.grace, Arc::clone(state));
        runtime.spawn(async move {
            signal().await;
            tracing::info!("the node stops");
            state.drain();
            for handle in handles {
                handle.graceful_shutdown(Some(grace));
            }
        });
    }

    /// Waits for both to end.
    pub(super) fn wait(mut self) {
        // Nothing is ever sent: the senders go when the listeners end.
        let _ = self.ended.recv();
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_timeout(Duration::from_secs(1));
        }
    }

    pub(super) fn wait_for(&self, time: Duration) -> bool {
        matches!(self.ended.recv_timeout(time), Err(RecvTimeoutError::Disconnected))
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

fn report(ended: io::Result<()>) {
    if let Err(error) = ended {
        tracing::error!(%error, "a listener failed");
    }
}

async fn signal() {
    let interrupted = tokio::signal::ctrl_c();
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminated) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = interrupted => {}
                _ = terminated.recv() => {}
            }
            return;
        }
    }
    let _ = interrupted.await;
}

/// How many connections there may be.
#[derive(Clone)]
struct Limit {
    places: Arc<Semaphore>,
    state: Arc<State>,
}

impl Limit {
    fn new(connections: usize, state: &Arc<State>) -> Self {
        Self { places: Arc::new(Semaphore::new(connections)), state: Arc::clone(state) }
    }
}

/// Accepts as many connections as there are places: one more is closed.
#[derive(Clone)]
struct Limited<A> {
    inner: A,
    limit: Limit,
}

impl<A, S> Accept<TcpStream, S> for Limited<A>
where
    A: Accept<TcpStream, S> + Clone + Send + Sync + 'static,
    A::Future: Send,
    A::Stream: Send,
    A::Service: Send,
    S: Send + 'static,
{
    type Stream = Held<A::Stream>;
    type Service = A::Service;
    type Future = futures::future::BoxFuture<'static, io::Result<(Self::Stream, Self::Service)>>;

    fn accept(&self, stream: TcpStream, service: S) -> Self::Future {
        let place = Arc::clone(&self.limit.places).try_acquire_owned();
        let (inner, gauge) = (self.inner.clone(), self.limit.state.metrics.connections.clone());
        let patience = Duration::from_secs(self.limit.state.options.body_timeout.max(1));
        let silence = Duration::from_secs(self.limit.state.options.header_timeout.max(1));
        Box::pin(async move {
            let place = place.map_err(|_| io::Error::new(io::ErrorKind::ConnectionRefused, "too many connections"))?;
            let (stream, service) = inner.accept(stream, service).await?;
            gauge.inc();
            let stall = Box::pin(tokio::time::sleep(patience));
            let silence = Some(Box::pin(tokio::time::sleep(silence)));
            let held = Held { stream, silence, heard: 0, stall, patience, stalled: false, gauge, _place: place };
            Ok((held, service))
        })
    }
}

/// A connection that holds its place, and that ends when nothing can be sent for too long.
struct Held<S> {
    stream: S,
    /// Until when something must have come. hyper's own time for a head begins when it knows the version of HTTP.
    silence: Option<Pin<Box<tokio::time::Sleep>>>,
    heard: usize,
    stall: Pin<Box<tokio::time::Sleep>>,
    /// How long nothing may be taken of an answer.
    patience: Duration,
    stalled: bool,
    gauge: prometheus_client::metrics::gauge::Gauge,
    _place: OwnedSemaphorePermit,
}

impl<S> Held<S> {
    /// Starts the time when something cannot be sent, and ends it when it was.
    fn watched<T>(&mut self, sent: Poll<io::Result<T>>, cx: &mut Context<'_>) -> Poll<io::Result<T>> {
        if sent.is_ready() {
            self.stalled = false;
            return sent;
        }
        if !self.stalled {
            self.stalled = true;
            let until = tokio::time::Instant::now() + self.patience;
            self.stall.as_mut().reset(until);
        }
        match self.stall.as_mut().poll(cx) {
            Poll::Ready(()) => Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the peer reads nothing"))),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl<S> Drop for Held<S> {
    fn drop(&mut self) {
        self.gauge.dec();
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Held<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buf);
        self.heard += buf.filled().len() - before;
        if self.heard >= PREFACE {
            self.silence = None;
        }
        if let (Poll::Pending, Some(silence)) = (&read, &mut self.silence)
            && silence.as_mut().poll(cx).is_ready()
        {
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the peer says nothing")));
        }
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Held<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let sent = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.watched(sent, cx)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let sent = Pin::new(&mut self.stream).poll_flush(cx);
        self.watched(sent, cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
