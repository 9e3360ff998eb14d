//! `viral serve`: a saved model over HTTP, with a page to look at it.

use crate::serve::{Limits, Pictures, Served, serve};
use crate::shell::note;
use clap::Args;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;
use viral::{Error, Result};

/// Answers requests for recommendations over HTTP, and shows them on a page.
///
/// `GET /recommend?user=ID&k=10`, `POST /recommend` with {"liked": ["ID", …], "k": 10, "weights": {"visual": 2}}, `GET
/// /similar?item=ID`, `GET /health`, and `GET /metrics` for Prometheus. On the page at / one can pick or invent a
/// customer and weigh the blocks. `POST /items` adds items with their features, `DELETE /items?item=ID` removes one,
/// and `POST /interactions` adds what customers did since training; these changes are written to the model's file. When
/// the file changes, the model is reloaded without dropping a request.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  viral serve --model out/planted-viral-default-seed0")]
pub(crate) struct Arguments {
    /// Folder with model.safetensors, or the file itself
    #[arg(long, value_name = "DIR")]
    model: PathBuf,
    /// Address to listen on; the default is reachable from this machine only
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8080")]
    bind: SocketAddr,
    /// Photos of the items, named by their ids: ID.jpg, ID.png, …, also in subfolders; for other items a picture is drawn
    /// from the vector
    #[arg(long, value_name = "DIR")]
    images: Option<PathBuf>,
    /// Refuses requests that change the catalogue
    #[arg(long)]
    read_only: bool,
    /// Maximum number of items in one answer
    #[arg(long, value_name = "N", default_value_t = 10_000, help_heading = "Limits")]
    most_items: usize,
    /// Maximum number of bytes in the body of a request
    #[arg(long, value_name = "BYTES", default_value_t = 1 << 20, help_heading = "Limits")]
    most_bytes: usize,
    /// Seconds for a request to arrive, and again for its answer; a connection that is idle for as long is closed
    #[arg(long, value_name = "SECONDS", default_value_t = 5.0, help_heading = "Limits")]
    timeout: f64,
    /// Maximum number of requests answered at a time; more get the status 503
    #[arg(long, value_name = "N", default_value_t = 512, help_heading = "Limits")]
    concurrency: usize,
    /// Maximum number of connections at a time; more wait until one is closed
    #[arg(long, value_name = "N", default_value_t = 2048, help_heading = "Limits")]
    connections: usize,
}

/// Upper bound of the limits, more than any machine can serve.
const MOST: usize = 1 << 30;

/// A day: nobody waits longer.
const LONGEST: Duration = Duration::from_secs(86_400);

pub(super) fn run(arguments: &Arguments) -> Result<()> {
    let timeout = Duration::try_from_secs_f64(arguments.timeout).ok();
    let timeout = timeout.filter(|timeout| !timeout.is_zero() && *timeout <= LONGEST).ok_or_else(|| {
        let (given, most) = (arguments.timeout, LONGEST.as_secs());
        Error::Config(format!("--timeout {given}: give a number of seconds above 0, {most} at most"))
    })?;
    for (option, n) in [
        ("most-items", arguments.most_items),
        ("most-bytes", arguments.most_bytes),
        ("concurrency", arguments.concurrency),
        ("connections", arguments.connections),
    ] {
        if n == 0 {
            return Err(Error::Config(format!("--{option} 0 would refuse everything: give at least 1")));
        }
        if n > MOST {
            return Err(Error::Config(format!("--{option} {n}: give at most {MOST}")));
        }
    }
    let images = arguments.images.as_deref();
    let pictures = images.map(Pictures::of_folder).transpose()?;
    let served = Served::load(&arguments.model)?;
    let model = served.model();
    if let Some(pictures) = &pictures
        && !model.items().any(|item| pictures.of(item).is_some())
    {
        return Err(Error::Config(format!(
            "no picture is named by an item of the model; they are called ID.jpg or the like, such as {}.jpg",
            model.items().next().unwrap_or("ID"),
        )));
    }
    let limits = Limits {
        body: arguments.most_bytes,
        timeout,
        concurrency: arguments.concurrency,
        connections: arguments.connections,
        read_only: arguments.read_only,
        k: arguments.most_items,
    };
    drop(model);
    if let (Some(images), Some(n @ 1..)) = (images, pictures.as_ref().map(Pictures::n_left_out)) {
        note!("left out of {}, because they are no pictures or links: {n} files", images.display());
    }
    serve(arguments.bind, served, pictures, limits)
}
