//! Changes of the catalogue while it is served: new items, removed items and new interactions.

use super::App;
use super::api::{Answer, body, query};
use super::failure::Failure;
use super::keys::each_once;
use super::origin::refuse_other_sites;
use axum::Router;
use axum::extract::{Request, State};
use axum::http::{StatusCode, Uri};
use axum::middleware::from_fn;
use axum::response::Json;
use axum::routing::{delete, post};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use viral::data::{Features, ItemFeatures, Modality};
use viral::prelude::Recommender;
use viral::serve::{Drift, NewItems};

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/items", post(add_items))
        .route("/items", delete(remove_item))
        .route("/interactions", post(add_interactions))
        .layer(from_fn(refuse_other_sites))
}

/// The body of `POST /items`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Items {
    items: Vec<Item>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Item {
    id: String,
    #[serde(default)]
    title: String,
    /// A vector for each modality of the model.
    #[serde(deserialize_with = "each_once")]
    features: BTreeMap<Modality, Vec<f32>>,
}

impl Items {
    fn parse(self, model: &Recommender) -> Result<NewItems, Failure> {
        if self.items.is_empty() {
            return Err(Failure::bad_request(r#"no items: {"items": [{"id": "…", "features": {"text": […]}}]}"#));
        }
        let mut features = Features::new();
        for (modality, width) in model.new_item_features()? {
            let mut values = Vec::with_capacity(self.items.len() * width);
            for Item { id, features, .. } in &self.items {
                let found = features.get(&modality).map_or(&[][..], Vec::as_slice);
                if found.len() != width {
                    let found = found.len();
                    return Err(Failure::bad_request(format!(
                        "item '{id}' has {found} numbers of {modality} features, the model takes {width}"
                    )));
                }
                values.extend_from_slice(found);
            }
            features.insert(modality, ItemFeatures::new(self.items.len(), width, values)?);
        }
        for Item { id, features: given, .. } in &self.items {
            if let Some(unknown) = given.keys().find(|modality| features.get(modality).is_none()) {
                return Err(Failure::bad_request(format!(
                    "item '{id}' has {unknown} features, which the model does not take"
                )));
            }
            if id.is_empty() {
                return Err(Failure::bad_request("an item has an empty id"));
            }
        }
        let (ids, titles): (Vec<String>, Vec<String>) =
            self.items.into_iter().map(|item| (item.id, item.title)).unzip();
        Ok(NewItems::new(ids, features)?.with_titles(titles)?)
    }
}

/// The catalogue after a change.
#[derive(Serialize)]
struct Changed {
    items: usize,
    users: usize,
    drift: Drift,
}

async fn add_items(State(app): State<App>, request: Request) -> Answer<Changed> {
    let items: Items = body(&app, request).await?;
    change(app, move |model| {
        let items = items.parse(model)?;
        Ok(model.add_items(&items)?)
    })
    .await
}

/// The query of `DELETE /items?item=ID`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Gone {
    item: String,
}

async fn remove_item(State(app): State<App>, uri: Uri) -> Answer<Changed> {
    let Gone { item } = query(&uri)?;
    change(app, move |model| Ok(model.remove_items(&[item])?)).await
}

/// The body of `POST /interactions`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Interactions {
    interactions: Vec<Interaction>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Interaction {
    user: String,
    item: String,
}

async fn add_interactions(State(app): State<App>, request: Request) -> Answer<Changed> {
    let Interactions { interactions } = body(&app, request).await?;
    if interactions.iter().any(|Interaction { user, .. }| user.is_empty()) {
        return Err(Failure::bad_request("an interaction has an empty user"));
    }
    change(app, move |model| {
        let pairs: Vec<(String, String)> = interactions.into_iter().map(|pair| (pair.user, pair.item)).collect();
        model.update(&pairs)?;
        Ok(())
    })
    .await
}

/// Changes the model and its file, one change at a time. Until it is done, requests are answered by the previous model.
///
/// A change has no timeout: a client that was told of one would not know whether the change took place.
async fn change(
    app: App,
    work: impl FnOnce(&mut Recommender) -> Result<(), Failure> + Send + 'static,
) -> Answer<Changed> {
    if app.limits.read_only {
        let message = "this service was started with --read-only: its catalogue does not change";
        return Err(Failure::new(StatusCode::FORBIDDEN, "read_only", message));
    }
    let served = app.served.clone();
    let changed = tokio::task::spawn_blocking(move || served.change(work)).await;
    let model = changed.map_err(|e| Failure::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", e.to_string()))??;
    let there = model.catalogue().count();
    Ok(Json(Changed { items: there, users: model.users().len(), drift: model.drift() }))
}
