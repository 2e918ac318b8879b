//! What each request of the admin API does.

use super::answer::{self, Answer};
use super::api::{ProcessState, Reload, UpgradeRequest};
use super::instance::Instance;
use super::scrape::{self, Now};
use super::{bans, status};
use crate::ban_lists::LOAD_MAX_BYTES;
use crate::handover::UpgradeError;
use crate::supervisor::Reloaded;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::{Method, Request, StatusCode};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

/// The largest body in bytes; a larger one is answered with 413.
pub(super) const BODY_LIMIT_BYTES: usize = 16 * 1024;
/// How long a body may take; a slower one is answered with 408.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a ban list may take to arrive.
const LIST_TIMEOUT: Duration = Duration::from_secs(60);

/// What may be asked for where a request came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scope {
    /// Everything: the Unix socket.
    All,
    /// What changes nothing and tells nothing secret: the TCP address.
    Watch,
}

/// What all requests share.
pub(super) struct Context<I> {
    /// Empty while the process starts.
    pub(super) instance: Arc<OnceLock<Arc<I>>>,
    pub(super) started: Instant,
}

impl<I> Clone for Context<I> {
    fn clone(&self) -> Self {
        Self {
            instance: Arc::clone(&self.instance),
            started: self.started,
        }
    }
}

/// Answers one request.
pub(super) async fn serve<I: Instance>(
    context: Context<I>,
    scope: Scope,
    request: Request<Incoming>,
) -> Answer {
    let path = request.uri().path();
    let Some(allowed) = allowed(path, scope) else {
        return not_found(path, scope);
    };
    if !allowed
        .split(", ")
        .any(|method| method == request.method().as_str())
    {
        return answer::method_not_allowed(allowed);
    }
    if path == "/healthz" {
        return answer::text(StatusCode::OK, "ok\n");
    }
    let Some(instance) = context.instance.get().cloned() else {
        return starting(path);
    };
    match (request.method(), path) {
        (_, "/metrics") => metrics(&*instance, context.started),
        (_, "/readyz") => ready(&*instance),
        (_, "/v1/status") => {
            let status = status::status(&*instance, context.started, Instant::now());
            answer::json(StatusCode::OK, &status)
        }
        (_, "/v1/reload") => reload(instance).await,
        (_, "/v1/upgrade") => match body(request).await {
            Ok(body) => upgrade(instance, &body).await,
            Err(answer) => answer,
        },
        (_, "/v1/drain") => drain(&*instance),
        (_, "/v1/logs/reopen") => {
            instance.reopen_logs();
            answer::done()
        }
        (&Method::POST, "/v1/bans") => match body(request).await {
            Ok(body) => blocking(move || bans::add(instance.bans(), &body)).await,
            Err(answer) => answer,
        },
        (&Method::DELETE, "/v1/bans") => {
            let query = request.uri().query().unwrap_or_default().to_owned();
            blocking(move || bans::lift(instance.bans(), instance.offences(), &query)).await
        }
        (_, "/v1/bans/flush") => {
            blocking(move || bans::flush(instance.bans(), instance.offences())).await
        }
        (_, "/v1/scores") => {
            let query = request.uri().query().unwrap_or_default().to_owned();
            blocking(move || bans::scores(instance.offences(), &query)).await
        }
        (&Method::PUT, "/v1/bans/lists") => {
            let query = request.uri().query().unwrap_or_default().to_owned();
            match body_up_to(request, LOAD_MAX_BYTES, LIST_TIMEOUT).await {
                Ok(body) => blocking(move || bans::load(instance.ban_lists(), &query, body)).await,
                Err(answer) => answer,
            }
        }
        (&Method::DELETE, "/v1/bans/lists") => {
            let query = request.uri().query().unwrap_or_default().to_owned();
            blocking(move || bans::unload(instance.ban_lists(), &query)).await
        }
        (_, "/v1/bans/lists") => bans::lists(instance.ban_lists(), instance.bans()),
        _ => {
            let query = request.uri().query().unwrap_or_default().to_owned();
            blocking(move || told_of_bans(&*instance, &query)).await
        }
    }
}

/// All bans, or what concerns the address that a query names.
fn told_of_bans(instance: &impl Instance, query: &str) -> Answer {
    let (bans, offences) = (instance.bans(), instance.offences());
    match http::query::get(query.as_bytes(), "address") {
        Some(address) => bans::show(bans, offences, instance.samples().as_ref(), address),
        None => bans::list(bans, offences),
    }
}

/// The methods of a path; none where there is no such path.
fn allowed(path: &str, scope: Scope) -> Option<&'static str> {
    match (path, scope) {
        ("/metrics" | "/healthz" | "/readyz", _) | ("/v1/status" | "/v1/scores", Scope::All) => {
            Some("GET, HEAD")
        }
        ("/v1/bans", Scope::All) => Some("GET, HEAD, POST, DELETE"),
        ("/v1/bans/lists", Scope::All) => Some("GET, HEAD, PUT, DELETE"),
        (
            "/v1/reload" | "/v1/upgrade" | "/v1/drain" | "/v1/bans/flush" | "/v1/logs/reopen",
            Scope::All,
        ) => Some("POST"),
        _ => None,
    }
}

fn not_found(path: &str, scope: Scope) -> Answer {
    let detail = match (allowed(path, Scope::All), scope) {
        (Some(_), Scope::Watch) => "this is answered on the admin socket alone",
        (_, Scope::Watch) => "there are /metrics, /healthz and /readyz",
        (_, Scope::All) => {
            "there are /metrics, /healthz, /readyz, /v1/status, /v1/reload, /v1/upgrade, /v1/drain, /v1/bans, \
             /v1/bans/lists, /v1/bans/flush, /v1/scores and /v1/logs/reopen"
        }
    };
    answer::problem(StatusCode::NOT_FOUND, detail)
}

/// The process reads its configuration and compiles rules.
fn starting(path: &str) -> Answer {
    match path {
        "/readyz" => answer::text(StatusCode::SERVICE_UNAVAILABLE, "starting\n"),
        _ => answer::problem(
            StatusCode::SERVICE_UNAVAILABLE,
            "bascule is starting; ask again when /readyz says ready",
        ),
    }
}

fn metrics(instance: &impl Instance, started: Instant) -> Answer {
    let now = Now {
        status: status::status(instance, started, Instant::now()),
        bans_refused: instance.bans().refused(),
        scores: instance.offences().stats(),
        ban_lists: instance.ban_lists().status(),
        gate: instance.gate_figures(),
        access_lines_dropped: instance.access_lines_dropped(),
        collections: instance.collections(),
        audit_records_dropped: instance.audit_records_dropped(),
    };
    match scrape::text(instance.registry(), &now) {
        Ok(text) => answer::metrics(text),
        Err(error) => {
            tracing::error!(%error, "metrics cannot be written");
            answer::problem(StatusCode::INTERNAL_SERVER_ERROR, error.to_string())
        }
    }
}

fn ready(instance: &impl Instance) -> Answer {
    if status::is_ready(instance) {
        return answer::text(StatusCode::OK, "ready\n");
    }
    let why = match instance.state() {
        ProcessState::Starting => "starting\n",
        ProcessState::Draining => "draining\n",
        ProcessState::Serving => "a worker has ended; the log says why\n",
    };
    answer::text(StatusCode::SERVICE_UNAVAILABLE, why)
}

fn drain(instance: &impl Instance) -> Answer {
    instance.drain();
    let state = ProcessState::Draining;
    answer::json(StatusCode::ACCEPTED, &serde_json::json!({ "state": state }))
}

async fn reload<I: Instance>(instance: Arc<I>) -> Answer {
    // A task of its own: a client that hangs up does not stop a reload half way.
    match tokio::spawn(instance.reload()).await {
        Ok(Ok(reloaded)) => answer::json(StatusCode::OK, &told(&reloaded)),
        Ok(Err(diagnostics)) => answer::refused(&diagnostics),
        Err(error) => defect(&error),
    }
}

async fn upgrade<I: Instance>(instance: Arc<I>, body: &[u8]) -> Answer {
    let body = if body.is_empty() { b"{}" } else { body };
    let request: UpgradeRequest = match serde_json::from_slice(body) {
        Ok(request) => request,
        Err(error) => {
            let detail = format!(
                r#"expected {{"program": "/usr/bin/bascule", "timeout_seconds": 60}}, both of which may be left out: {error}"#
            );
            return answer::problem(StatusCode::BAD_REQUEST, detail);
        }
    };
    // A task of its own: a client that hangs up does not stop an upgrade half way.
    match tokio::spawn(instance.upgrade(request)).await {
        Ok(Ok(upgraded)) => answer::json(StatusCode::OK, &upgraded),
        Ok(Err(error)) => {
            let is_config = matches!(
                error,
                UpgradeError::Refused {
                    is_config: true,
                    ..
                }
            );
            let status = if is_config {
                StatusCode::UNPROCESSABLE_ENTITY
            } else {
                StatusCode::CONFLICT
            };
            answer::problem(status, error.to_string())
        }
        Err(error) => defect(&error),
    }
}

fn told(reloaded: &Reloaded) -> Reload {
    Reload {
        generation: reloaded.number,
        changes: reloaded.changes.iter().map(config::Change::json).collect(),
        changes_text: reloaded.changes.iter().map(ToString::to_string).collect(),
        warnings: reloaded.warnings.json(),
        warnings_text: reloaded.warnings.to_string(),
    }
}

async fn body(request: Request<Incoming>) -> Result<Vec<u8>, Answer> {
    body_up_to(request, BODY_LIMIT_BYTES, BODY_TIMEOUT).await
}

async fn body_up_to(
    request: Request<Incoming>,
    limit_bytes: usize,
    timeout: Duration,
) -> Result<Vec<u8>, Answer> {
    let body = Limited::new(request.into_body(), limit_bytes).collect();
    match tokio::time::timeout(timeout, body).await {
        Ok(Ok(body)) => Ok(body.to_bytes().to_vec()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            let detail = format!("expected a body of at most {limit_bytes} bytes");
            Err(answer::problem(StatusCode::PAYLOAD_TOO_LARGE, detail))
        }
        Ok(Err(error)) => {
            let detail = format!("the body cannot be read: {error}");
            Err(answer::problem(StatusCode::BAD_REQUEST, detail))
        }
        Err(_) => {
            let detail = format!("the body took longer than {} s", timeout.as_secs());
            Err(answer::problem(StatusCode::REQUEST_TIMEOUT, detail))
        }
    }
}

/// Runs what may block away from the runtime's threads.
async fn blocking(work: impl FnOnce() -> Answer + Send + 'static) -> Answer {
    match tokio::task::spawn_blocking(work).await {
        Ok(answer) => answer,
        Err(error) => defect(&error),
    }
}

fn defect(error: &tokio::task::JoinError) -> Answer {
    tracing::error!(%error, "the admin API has a defect");
    let detail = "this is a defect of bascule; the log has the details";
    answer::problem(StatusCode::INTERNAL_SERVER_ERROR, detail)
}
