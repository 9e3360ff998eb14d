//! The page and its requests: items and users to choose from, users' histories, pictures.

use super::api::{Answer, compute, query};
use super::failure::Failure;
use super::{App, picture};
use axum::Router;
use axum::extract::State;
use axum::http::{HeaderName, HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Json, Response};
use axum::routing::get;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Maximum number of rows of one list.
const MOST: usize = 200;

/// Scripts, styles and pictures come from this service only, and no other site may frame or embed the page.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/", get(|| async { asset("text/html; charset=utf-8", include_str!("page/index.html")) }))
        .route("/page.css", get(|| async { asset("text/css; charset=utf-8", include_str!("page/page.css")) }))
        .route("/page.js", get(|| async { asset("text/javascript; charset=utf-8", include_str!("page/page.js")) }))
        .route("/items", get(items))
        .route("/users", get(users))
        .route("/history", get(history))
        .route("/picture", get(picture))
}

fn asset(kind: &'static str, text: &'static str) -> Response {
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(kind)),
        (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY)),
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-cache")),
    ];
    (headers, text).into_response()
}

/// The query `?matching=bib&n=24&from=0`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Listing {
    #[serde(default)]
    matching: String,
    n: Option<usize>,
    #[serde(default)]
    from: usize,
}

#[derive(Serialize)]
struct Item {
    item: String,
    title: Option<String>,
}

impl Item {
    fn new(item: &str, title: Option<&str>) -> Self {
        Self { item: item.to_string(), title: title.map(str::to_string) }
    }
}

/// Items whose id or title contains every word of the query, in the order of the catalogue.
async fn items(State(app): State<App>, uri: Uri) -> Answer<Vec<Item>> {
    let Listing { matching, n, from } = query(&uri)?;
    let words: Vec<String> = matching.split_whitespace().map(str::to_lowercase).collect();
    let (n, model) = (rows(n)?, app.served.model());
    let found = compute(&model, || {
        let matches = |item: &str, title: Option<&str>| {
            let text = format!("{item} {}", title.unwrap_or_default()).to_lowercase();
            words.iter().all(|word| text.contains(word.as_str()))
        };
        let found = model.catalogue().filter(|&(item, title)| words.is_empty() || matches(item, title));
        found.skip(from).take(n).map(|(item, title)| Item::new(item, title)).collect()
    });
    Ok(Json(found))
}

/// Ids of users that begin with the text of the query.
async fn users(State(app): State<App>, uri: Uri) -> Answer<Vec<String>> {
    let Listing { matching, n, from } = query(&uri)?;
    let (n, model) = (rows(n)?, app.served.model());
    let found = model.users().filter(|user| user.starts_with(&matching)).skip(from).take(n);
    Ok(Json(found.map(str::to_string).collect()))
}

/// The number of rows of a list: the one asked for, or 24.
fn rows(n: Option<usize>) -> Result<usize, Failure> {
    match n.unwrap_or(24) {
        n if n > MOST => Err(Failure::bad_request(format!("n {n}: a list has at most {MOST} rows; from=… goes on"))),
        n => Ok(n),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OfUser {
    user: String,
}

/// Items that a user has from the train part and since.
async fn history(State(app): State<App>, uri: Uri) -> Answer<Vec<Item>> {
    let OfUser { user } = query(&uri)?;
    let model = app.served.model();
    let items = model.history(&user)?;
    Ok(Json(items.into_iter().map(|item| Item::new(item, model.title(item))).collect()))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OfItem {
    item: String,
}

/// The photo of an item, or a drawing of its vector.
async fn picture(State(app): State<App>, uri: Uri) -> Result<Response, Failure> {
    let OfItem { item } = query(&uri)?;
    let (kind, bytes, drawn) = match app.pictures.as_ref().as_ref().and_then(|pictures| pictures.of(&item)) {
        Some(file) => {
            let pictures = Arc::clone(&app.pictures);
            let read = tokio::task::spawn_blocking(move || pictures.as_ref().as_ref()?.read(&file)).await;
            let gone =
                || Failure::new(StatusCode::NOT_FOUND, "no_picture", "the picture's file is gone or no picture now");
            let (kind, bytes) = read.ok().flatten().ok_or_else(gone)?;
            (kind, bytes, false)
        }
        None => ("image/svg+xml", picture::drawing(&app.served.model(), &item)?.into_bytes(), true),
    };
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(kind)),
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'none'; style-src 'unsafe-inline'")),
        (header::CACHE_CONTROL, HeaderValue::from_static("max-age=60")),
        (HeaderName::from_static("x-drawn"), HeaderValue::from_static(if drawn { "true" } else { "false" })),
    ];
    Ok((headers, bytes).into_response())
}
