//! The service behind `viral serve`: a saved model over HTTP, with a page to look at it.
//!
//! | file | |
//! |---|---|
//! | `api` | the routes, their requests and their answers |
//! | `catalogue` | the page and its requests: items and users to choose from, pictures |
//! | `changes` | new items, removed items and new interactions |
//! | `failure` | errors as JSON, each with its HTTP status |
//! | `http` | connections: limits, timeouts and shutdown |
//! | `keys` | maps in which no key comes twice |
//! | `metrics` | counts and durations in Prometheus' text format |
//! | `model` | the current model, and its reloads |
//! | `origin` | refuses changes that a page of another site asks for |
//! | `picture` | photos of a folder, or drawings of the items' vectors |

mod api;
mod catalogue;
mod changes;
mod failure;
mod http;
mod keys;
mod metrics;
mod model;
mod origin;
mod picture;

pub(crate) use http::{Limits, serve};
pub(crate) use model::Served;
pub(crate) use picture::Pictures;

use metrics::Metrics;
use std::sync::Arc;

/// State shared by all requests.
#[derive(Clone)]
struct App {
    served: Arc<Served>,
    /// `None` without photos.
    pictures: Arc<Option<Pictures>>,
    metrics: Arc<Metrics>,
    limits: Limits,
}
