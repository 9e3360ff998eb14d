//! The routes, their requests and their answers.

use super::failure::Failure;
use super::keys::each_once;
use super::metrics::count;
use super::{App, catalogue, changes};
use axum::Router;
use axum::body::Bytes;
use axum::error_handling::HandleErrorLayer;
use axum::extract::rejection::BytesRejection;
use axum::extract::{DefaultBodyLimit, FromRequest, Query, Request, State};
use axum::http::{HeaderValue, StatusCode, Uri, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Json, Response};
use axum::routing::get;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use tower::limit::GlobalConcurrencyLimitLayer;
use tower::{BoxError, ServiceBuilder};
use viral::Error;
use viral::prelude::{RecommendOptions, Recommendation, Recommender};

/// Largest number of values (items times width) that is read on an async thread: some milliseconds of work.
const QUICK: usize = 8 << 20;

pub(super) type Answer<T> = Result<Json<T>, Failure>;

/// Builds all routes, with their limits.
pub(super) fn router(app: App) -> Router {
    let limits = app.limits;
    // One limit shared by all routes: a layer is put around each of them.
    let at_a_time = GlobalConcurrencyLimitLayer::new(limits.concurrency);
    let some_at_a_time =
        ServiceBuilder::new().layer(HandleErrorLayer::new(over_limit)).load_shed().layer(at_a_time.clone());
    let in_time = ServiceBuilder::new()
        .layer(HandleErrorLayer::new(over_limit))
        .load_shed()
        .layer(at_a_time)
        .timeout(limits.timeout);
    Router::new()
        .route("/recommend", get(recommend_known).post(recommend))
        .route("/similar", get(similar))
        .merge(catalogue::routes())
        .layer(in_time)
        .merge(changes::routes().layer(some_at_a_time))
        // These answer even when everything else is busy.
        .route("/health", get(health))
        .route("/metrics", get(metrics))
        .fallback(no_such_path)
        .method_not_allowed_fallback(no_such_method)
        .layer(DefaultBodyLimit::max(limits.body))
        .layer(from_fn_with_state(limits.body, check_content_length))
        .layer(from_fn_with_state(app.metrics.clone(), count))
        .with_state(app)
}

async fn over_limit(error: BoxError) -> Failure {
    if error.is::<tower::timeout::error::Elapsed>() {
        return took_too_long();
    }
    Failure::new(StatusCode::SERVICE_UNAVAILABLE, "busy", "too many requests at a time; try again in a second")
}

fn took_too_long() -> Failure {
    Failure::new(StatusCode::REQUEST_TIMEOUT, "timeout", "the request took too long; send its body at once")
}

/// Rejects a body whose `Content-Length` is too large, without waiting for it.
async fn check_content_length(State(most): State<usize>, request: Request, next: Next) -> Response {
    let length = request.headers().get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok());
    match length.and_then(|length| length.parse::<u64>().ok()) {
        Some(length) if length > most as u64 => too_large(most).into_response(),
        _ => next.run(request).await,
    }
}

fn too_large(most: usize) -> Failure {
    Failure::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", format!("the body is larger than {most} bytes"))
}

async fn no_such_path(uri: Uri) -> Failure {
    let routes = "/, /recommend, /similar, /items, /interactions, /users, /history, /picture, /health and /metrics";
    Failure::new(StatusCode::NOT_FOUND, "no_such_path", format!("nothing is at {}; there are {routes}", uri.path()))
}

async fn no_such_method() -> Failure {
    let message =
        "this path is read with GET; /recommend, /items and /interactions take a POST with JSON, /items a DELETE";
    Failure::new(StatusCode::METHOD_NOT_ALLOWED, "no_such_method", message)
}

/// Parses the query of a path.
pub(super) fn query<T: DeserializeOwned>(uri: &Uri) -> Result<T, Failure> {
    let Query(query) = Query::try_from_uri(uri).map_err(|e| {
        let why = std::error::Error::source(&e).map_or(e.to_string(), ToString::to_string);
        Failure::bad_request(format!("{}: {why}", uri.path()))
    })?;
    Ok(query)
}

/// Runs work that reads the whole catalogue. If that is large, the thread's other requests move to another thread
/// meanwhile.
pub(super) fn compute<T>(model: &Recommender, work: impl FnOnce() -> T) -> T {
    match model.embeddings().items().len() > QUICK {
        true => tokio::task::block_in_place(work),
        false => work(),
    }
}

/// `GET /recommend?user=ID&k=10&weigh=visual:0.5,text:2&exclude=ID,ID&with_known=true`; `exclude` can be repeated.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct KnownUser {
    user: String,
    k: Option<usize>,
    weigh: Option<String>,
    #[serde(default)]
    with_known: bool,
    /// Always empty, because [`repeated`] takes all of them; errors list the fields of this type.
    #[serde(rename = "exclude")]
    _exclude: Option<String>,
}

/// The values of a key that can be repeated, and the query without it.
fn repeated(uri: &Uri, key: &str) -> Result<(Vec<String>, Uri), Failure> {
    let pairs: Vec<(String, String)> = query(uri)?;
    let (values, others): (Vec<_>, Vec<_>) = pairs.into_iter().partition(|(name, _)| name == key);
    let rest = serde_urlencoded::to_string(others).map_err(|e| Failure::bad_request(e.to_string()))?;
    let rest = Uri::try_from(format!("{}?{rest}", uri.path())).map_err(|e| Failure::bad_request(e.to_string()))?;
    Ok((values.into_iter().map(|(_, value)| value).collect(), rest))
}

/// `POST /recommend`: for a known user, or for a new one who likes some items.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct Wanted {
    user: Option<String>,
    liked: Option<Vec<String>>,
    k: Option<usize>,
    #[serde(deserialize_with = "each_once")]
    weights: BTreeMap<String, f64>,
    exclude: Vec<String>,
    among: Option<Vec<String>>,
    with_known: bool,
}

/// What recommendations are based on.
#[derive(Serialize, Clone, Copy)]
#[serde(rename_all = "snake_case")]
enum Basis {
    /// The user's own vector.
    User,
    /// The items that they like.
    Liked,
    /// An item, for similar ones.
    Item,
    /// The most popular items, because nothing is known of the user.
    Popularity,
}

#[derive(Serialize)]
struct Recommendations {
    data: String,
    model: String,
    basis: Basis,
    items: Vec<Recommendation>,
}

impl Recommendations {
    fn of(model: &Recommender, basis: Basis, items: Vec<Recommendation>) -> Json<Self> {
        Json(Self { data: model.data_name().to_string(), model: name_of(model), basis, items })
    }
}

/// The model's name; `custom` for one that is not built in.
fn name_of(model: &Recommender) -> String {
    model.model_name().unwrap_or("custom").to_string()
}

fn options(app: &App, k: Option<usize>) -> Result<RecommendOptions, Failure> {
    let (k, most) = (k.unwrap_or(10), app.limits.k);
    match k {
        0 => Err(Failure::bad_request("k is 0: ask for at least one item")),
        _ if k > most => Err(Failure::bad_request(format!("k is {k}; this service answers at most {most} items"))),
        _ => Ok(RecommendOptions::new(k)),
    }
}

/// Parses weights such as `visual:0.5,text:2`.
fn weigh(mut options: RecommendOptions, text: &str) -> Result<RecommendOptions, Failure> {
    let mut blocks: Vec<&str> = Vec::new();
    for part in text.split(',').filter(|part| !part.is_empty()) {
        let parsed = part.rsplit_once(':').and_then(|(block, factor)| Some((block, factor.parse().ok()?)));
        let (block, factor) = parsed
            .ok_or_else(|| Failure::bad_request(format!("weigh={part}: write block:factor, such as visual:0.5")))?;
        if blocks.contains(&block) {
            return Err(Failure::bad_request(format!("weigh={text}: the block {block} is given twice; give it once")));
        }
        blocks.push(block);
        options = options.weigh(block, factor);
    }
    Ok(options)
}

async fn recommend_known(State(app): State<App>, uri: Uri) -> Answer<Recommendations> {
    let (exclude, uri) = repeated(&uri, "exclude")?;
    let KnownUser { user, k, weigh: weights, with_known, .. } = query(&uri)?;
    let mut options = weigh(options(&app, k)?, weights.as_deref().unwrap_or_default())?.with_known(with_known);
    let model = app.served.model();
    for list in &exclude {
        options = options.exclude(model.listed_items(list)?);
    }
    for_user(&model, &user, &options)
}

async fn recommend(State(app): State<App>, body: Result<Bytes, BytesRejection>) -> Answer<Recommendations> {
    let Wanted { user, liked, k, weights, exclude, among, with_known } = json(&app, body)?;
    let mut options = options(&app, k)?.exclude(exclude).with_known(with_known);
    if let Some(among) = among {
        options = options.among(among);
    }
    for (block, weight) in weights {
        options = options.weigh(block, weight);
    }
    let model = app.served.model();
    match (user, liked) {
        (Some(user), None) => for_user(&model, &user, &options),
        (None, Some(liked)) => {
            let items = compute(&model, || model.recommend_for_with(&liked, &options))?;
            Ok(Recommendations::of(&model, Basis::Liked, items))
        }
        _ => Err(Failure::bad_request(r#"for whom? give either "user": "ID", or "liked": ["ID", …] for somebody new"#)),
    }
}

fn for_user(model: &Recommender, user: &str, options: &RecommendOptions) -> Answer<Recommendations> {
    match compute(model, || model.recommend_with(user, options)) {
        Err(Error::NoHistory { .. }) => {
            let items = model.popular_for(user, options)?;
            Ok(Recommendations::of(model, Basis::Popularity, items))
        }
        items => Ok(Recommendations::of(model, Basis::User, items?)),
    }
}

/// `GET /similar?item=ID&k=10&weigh=visual:1,text:0`
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Similar {
    item: String,
    k: Option<usize>,
    weigh: Option<String>,
}

async fn similar(State(app): State<App>, uri: Uri) -> Answer<Recommendations> {
    let Similar { item, k, weigh: weights } = query(&uri)?;
    let options = weigh(options(&app, k)?, weights.as_deref().unwrap_or_default())?;
    let model = app.served.model();
    let items = compute(&model, || model.similar_with(&item, &options))?;
    Ok(Recommendations::of(&model, Basis::Item, items))
}

/// Parses the JSON of a body that arrives in time, for routes that have no timeout of their own.
pub(super) async fn body<T: DeserializeOwned>(app: &App, request: Request) -> Result<T, Failure> {
    let body = tokio::time::timeout(app.limits.timeout, Bytes::from_request(request, app)).await;
    json(app, body.map_err(|_| took_too_long())?)
}

/// Parses the JSON of a body.
fn json<T: DeserializeOwned>(app: &App, body: Result<Bytes, BytesRejection>) -> Result<T, Failure> {
    let body = body.map_err(|rejection| match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => too_large(app.limits.body),
        _ => Failure::bad_request(format!("the body could not be read: {}", rejection.body_text())),
    })?;
    serde_json::from_slice(&body).map_err(|e| Failure::bad_request(format!("the body is not what it should be: {e}")))
}

#[derive(Serialize)]
struct Health {
    status: &'static str,
    version: &'static str,
    model: String,
    data: String,
    fingerprint: Option<String>,
    users: usize,
    items: usize,
    blocks: Vec<String>,
    loaded_seconds_ago: u64,
}

async fn health(State(app): State<App>) -> Json<Health> {
    let model = app.served.model();
    Json(Health {
        status: "ok",
        version: env!("CARGO_PKG_VERSION"),
        model: name_of(&model),
        data: model.data_name().to_string(),
        fingerprint: model.fingerprint().map(str::to_string),
        users: model.users().len(),
        items: model.catalogue().count(),
        blocks: model.embeddings().blocks().iter().map(|(name, _)| name.clone()).collect(),
        loaded_seconds_ago: app.served.age_seconds(),
    })
}

async fn metrics(State(app): State<App>) -> Result<Response, Failure> {
    let text = app.metrics.text();
    let text = text.map_err(|e| Failure::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", e.to_string()))?;
    let kind = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    Ok(([(header::CONTENT_TYPE, kind)], text).into_response())
}
