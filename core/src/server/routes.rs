//! Which path leads where.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{DefaultBodyLimit, MatchedPath, Request, State as Shared};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::limit::RequestBodyLimitLayer;
use tower_http::set_header::SetResponseHeaderLayer;
use tower_http::timeout::RequestBodyTimeoutLayer;
use utoipa::OpenApi;
use utoipa::openapi::OpenApi as Document;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, SecurityScheme};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::error::Failure;
use super::state::State;
use super::{admin, assets, blocks, executors, jobs, ledger};
use crate::error::ErrorKind;
use crate::protocol::API;

#[derive(OpenApi)]
#[openapi(
    info(title = "Sealock compute node", description = "Assets, their blocks and ledger, and jobs on data that nobody sees."),
    modifiers(&Claims),
)]
struct Described;

struct Claims;

impl utoipa::Modify for Claims {
    fn modify(&self, document: &mut Document) {
        let text = "`Sealock <deadline>.<mac>`: HMAC-SHA-256 over method, path, body, node, chain and deadline under the \
                    job's access key, which its maker has.";
        let scheme = SecurityScheme::ApiKey(ApiKey::Header(ApiKeyValue::with_description("Authorization", text)));
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("claim", scheme);
        let text = "`Sealock-Executor <deadline>.<digest>.<signature>`: SHA-256 of the body, and a recoverable signature over \
                    method, path, digest, node, chain and deadline by an account that the owner has named as an executor.";
        let scheme = SecurityScheme::ApiKey(ApiKey::Header(ApiKeyValue::with_description("Authorization", text)));
        components.add_security_scheme("executor", scheme);
    }
}

fn described() -> OpenApiRouter<Arc<State>> {
    let api = OpenApiRouter::new()
        .routes(routes!(assets::node))
        .routes(routes!(assets::list))
        .routes(routes!(assets::one))
        .routes(routes!(jobs::submit))
        .routes(routes!(jobs::status, jobs::cancel))
        .routes(routes!(jobs::events))
        .routes(routes!(jobs::result, jobs::discard))
        .routes(routes!(jobs::receipt))
        .routes(routes!(executors::tasks))
        .routes(routes!(executors::task))
        .routes(routes!(executors::part))
        .routes(routes!(executors::result))
        .routes(routes!(ledger::tip))
        .routes(routes!(ledger::transactions, ledger::apply))
        .routes(routes!(ledger::offer));
    OpenApiRouter::with_openapi(Described::openapi())
        .nest(API, api)
        .routes(routes!(blocks::block))
        .routes(routes!(admin::health))
        .routes(routes!(admin::ready))
}

/// The OpenAPI document (<https://spec.openapis.org/oas/v3.1.0>) of what clients reach.
pub fn openapi() -> Document {
    described().split_for_parts().1
}

/// Routes beside the node's own, and what it says of them at its root.
#[derive(Default)]
pub(crate) struct Extra {
    pub(crate) router: Router,
    pub(crate) root: serde_json::Map<String, serde_json::Value>,
    /// What they hold, which a stop waits to be let go of.
    pub(crate) held: Option<std::sync::Weak<dyn Send + Sync>>,
}

/// The longest body that routes beside the node's own take, in bytes.
const MAX_EXTRA_BODY: usize = 2 << 20;

/// What clients reach.
pub(super) fn public(state: &Arc<State>, extra: Extra) -> Router {
    let (router, document) = described().split_for_parts();
    let document = Json(document);
    let root = Json(root(state, extra.root));
    let time = Duration::from_secs(state.options.body_timeout.max(1));
    let beside = extra
        .router
        .layer(DefaultBodyLimit::disable())
        .layer(RequestBodyLimitLayer::new(MAX_EXTRA_BODY))
        .layer(RequestBodyTimeoutLayer::new(time));
    let router = router
        .route("/openapi.json", get(move || std::future::ready(document.clone())))
        .route("/", get(move || std::future::ready(root.clone())))
        .merge(beside.with_state(()));
    finish(router, state)
}

/// What the owner reaches.
pub(super) fn private(state: &Arc<State>) -> Router {
    let seen = Router::new()
        .route("/api/overview", get(admin::overview))
        .route("/api/assets", get(admin::assets))
        .route("/api/jobs", get(admin::jobs))
        .route("/api/receipts", get(admin::receipts))
        .route("/api/receipts/{number}", get(admin::receipt))
        .route("/metrics", get(admin::metrics))
        .route_layer(from_fn_with_state(Arc::clone(state), token));
    let router = seen
        .route("/", get(admin::page))
        .route("/page.css", get(admin::page))
        .route("/page.js", get(admin::page))
        // What clients may know as well: whose node it is.
        .route("/api/node", get(assets::node))
        // Browsers ask, and there is none.
        .route("/favicon.ico", get(|| std::future::ready(StatusCode::NO_CONTENT)))
        .route("/healthz", get(admin::health))
        .route("/readyz", get(admin::ready))
        .route_layer(from_fn_with_state(Arc::clone(state), host));
    finish(router, state)
}

fn finish(router: Router<Arc<State>>, state: &Arc<State>) -> Router {
    let fixed = |name: HeaderName, value| SetResponseHeaderLayer::if_not_present(name, HeaderValue::from_static(value));
    router
        .fallback(|| std::future::ready(Failure::not_found("path").into_response()))
        .method_not_allowed_fallback(|| {
            let why = "the path has no such method";
            std::future::ready(Failure::new(StatusCode::METHOD_NOT_ALLOWED, ErrorKind::InvalidArgument, why))
        })
        .layer(from_fn_with_state(Arc::clone(state), count))
        .layer(fixed(header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .layer(fixed(header::CACHE_CONTROL, "no-store"))
        .layer(fixed(header::REFERRER_POLICY, "no-referrer"))
        .layer(CatchPanicLayer::custom(|_| {
            let status = StatusCode::INTERNAL_SERVER_ERROR;
            Failure::new(status, ErrorKind::Internal, "the node failed").into_response()
        }))
        .with_state(Arc::clone(state))
}

/// Counts requests by route, not by path: a path may name a job.
async fn count(Shared(state): Shared<Arc<State>>, request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>().map_or("none", MatchedPath::as_str).to_owned();
    let response = next.run(request).await;
    state.metrics.requested(&route, response.status().as_u16());
    response
}

/// Whether the owner asks, where there is a token.
async fn token(Shared(state): Shared<Arc<State>>, headers: HeaderMap, request: Request, next: Next) -> Response {
    if let Some(token) = &state.options.admin_token {
        let shown = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
        // Of equal length, whatever was shown.
        let digest = |text: &str| crate::Digest::sha256(text.as_bytes());
        let same = shown.is_some_and(|shown| {
            subtle::ConstantTimeEq::ct_eq(&digest(shown).as_bytes()[..], &digest(token).as_bytes()[..]).into()
        });
        if !same {
            let why = match shown {
                Some(_) => "this is for the node's owner, and the token is another",
                None => "this is for the node's owner: show the token",
            };
            let failure = Failure::new(StatusCode::UNAUTHORIZED, ErrorKind::NotAuthorized, why);
            let mut response = failure.hint("Authorization: Bearer <server.admin_token>").into_response();
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            return response;
        }
    }
    next.run(request).await
}

/// Refuses names that are not this machine's, where only this machine is listened to: a page elsewhere whose name was bound
/// to the loopback address (DNS rebinding) would otherwise read along.
async fn host(
    Shared(state): Shared<Arc<State>>,
    headers: HeaderMap,
    uri: Uri,
    request: Request,
    next: Next,
) -> Response {
    let loopback = state.options.admin_listen.is_none_or(|at| at.ip().is_loopback());
    let named = headers.get(header::HOST).and_then(|value| value.to_str().ok());
    let named = named.map(str::to_owned).or_else(|| uri.authority().map(ToString::to_string));
    let authority = named.filter(|name| !name.contains('@')).and_then(|name| name.parse::<Authority>().ok());
    let own = authority.is_some_and(|authority| {
        let name = authority.host().trim_matches(['[', ']']);
        name == "localhost" || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
    });
    if loopback && !own {
        let why = "the owner's page is for this machine alone";
        return Failure::new(StatusCode::MISDIRECTED_REQUEST, ErrorKind::NotAuthorized, why).into_response();
    }
    next.run(request).await
}

/// What there is, at the root.
fn root(state: &State, mut root: serde_json::Map<String, serde_json::Value>) -> serde_json::Value {
    let mut say = |name: &str, value: String| {
        root.entry(name).or_insert_with(|| value.into());
    };
    say("software", "Sealock".into());
    say("version", env!("CARGO_PKG_VERSION").into());
    say("address", state.owner.address().to_string());
    say("node", format!("{API}/node"));
    say("openapi", "/openapi.json".into());
    root.into()
}
