//! The service behind `viral serve`: a saved model that answers over HTTP, and a page to look at it.
//!
//! | file | |
//! |---|---|
//! | `api` | the routes, what they take and what they answer |
//! | `catalogue` | what the page asks for: items and users to choose from, pictures |
//! | `changes` | new items, items that are gone, and what customers did |
//! | `failure` | errors as JSON, each with its status |
//! | `http` | connections: limits, timeouts, the way to stop |
//! | `metrics` | counts and durations in Prometheus' text format |
//! | `model` | the model that answers now, and its reloads |
//! | `picture` | photos of a folder, or drawings of the items' vectors |

mod api;
mod catalogue;
mod changes;
mod failure;
mod http;
mod metrics;
mod model;
mod picture;

pub(crate) use http::{Limits, serve};
pub(crate) use model::Served;
pub(crate) use picture::Pictures;

use metrics::Metrics;
use std::sync::Arc;

/// What every request sees.
#[derive(Clone)]
struct App {
    served: Arc<Served>,
    pictures: Arc<Pictures>,
    metrics: Arc<Metrics>,
    limits: Limits,
}
