//! Errors as JSON, each with its HTTP status.

use axum::Json;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use viral::Error;

/// The answer to a request that fails: a status, a word for programs and a sentence for people.
#[derive(Debug, Serialize)]
pub(super) struct Failure {
    #[serde(skip)]
    status: StatusCode,
    error: &'static str,
    message: String,
}

impl Failure {
    pub(super) fn new(status: StatusCode, error: &'static str, message: impl Into<String>) -> Self {
        Self { status, error, message: message.into() }
    }

    /// 400: the request itself is wrong.
    pub(super) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad_request", message)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let (status, word) = match &error {
            Error::UnknownUser { .. } => (StatusCode::NOT_FOUND, "unknown_user"),
            Error::UnknownItem { .. } => (StatusCode::NOT_FOUND, "unknown_item"),
            Error::NoHistory { .. } => (StatusCode::NOT_FOUND, "no_history"),
            Error::Config(_) | Error::Data(_) => (StatusCode::BAD_REQUEST, "bad_request"),
            _ => (StatusCode::INTERNAL_SERVER_ERROR, "internal"),
        };
        Self::new(status, word, error.to_string())
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let status = self.status;
        let mut response = (status, Json(self)).into_response();
        if status == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(header::RETRY_AFTER, header::HeaderValue::from_static("1"));
        }
        response
    }
}
