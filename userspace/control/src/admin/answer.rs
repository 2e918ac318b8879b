//! Answers of the admin API.

use super::api::Problem;
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use hyper::{Response, StatusCode};
use serde::Serialize;

pub(super) type Answer = Response<Full<Bytes>>;

fn answer(status: StatusCode, kind: &'static str, body: impl Into<Bytes>) -> Answer {
    let mut answer = Response::new(Full::new(body.into()));
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}

pub(super) fn text(status: StatusCode, body: impl Into<Bytes>) -> Answer {
    answer(status, "text/plain; charset=utf-8", body)
}

/// Prometheus's text format.
pub(super) fn metrics(body: Vec<u8>) -> Answer {
    answer(
        StatusCode::OK,
        "text/plain; version=0.0.4; charset=utf-8",
        body,
    )
}

pub(super) fn json(status: StatusCode, body: &impl Serialize) -> Answer {
    match serde_json::to_vec(body) {
        Ok(body) => answer(status, "application/json", body),
        Err(error) => problem(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
    }
}

/// Done, and nothing to say about it.
pub(super) fn done() -> Answer {
    let mut answer = Response::new(Full::default());
    *answer.status_mut() = StatusCode::NO_CONTENT;
    answer
}

pub(super) fn problem(status: StatusCode, detail: impl Into<String>) -> Answer {
    problem_of(&Problem {
        title: title(status),
        status: status.as_u16(),
        detail: detail.into(),
        diagnostics: serde_json::Value::Null,
        diagnostics_text: String::new(),
    })
}

/// A configuration that was refused.
pub(super) fn refused(diagnostics: &config::Diagnostics) -> Answer {
    let status = StatusCode::UNPROCESSABLE_ENTITY;
    problem_of(&Problem {
        title: title(status),
        status: status.as_u16(),
        detail: "the configuration is refused, the earlier one stays in force".to_owned(),
        diagnostics: diagnostics.json(),
        diagnostics_text: diagnostics.to_string(),
    })
}

pub(super) fn method_not_allowed(allowed: &'static str) -> Answer {
    let detail = format!("this resource has {allowed}");
    let mut answer = problem(StatusCode::METHOD_NOT_ALLOWED, detail);
    answer
        .headers_mut()
        .insert(ALLOW, HeaderValue::from_static(allowed));
    answer
}

fn title(status: StatusCode) -> String {
    status.canonical_reason().unwrap_or("Error").to_owned()
}

fn problem_of(problem: &Problem) -> Answer {
    // Texts and numbers: this cannot fail, and an empty body with the right status would not lie.
    let body = serde_json::to_vec(problem).unwrap_or_default();
    let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    answer(status, "application/problem+json", body)
}
