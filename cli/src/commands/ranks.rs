//! `viral train --mpi`: this process's share of a training run over ranks.

use super::run_args::announce;
use super::train::Arguments;
use crate::bar::TrainingBar;
use crate::shell::{note, peak_rss_mb, say};
use std::ops::ControlFlow;
use viral::data::Part;
use viral::dist::{Collective, Job, Mpi, all_or_none};
use viral::recipe::Results;
use viral::{Error, Result};

pub(super) fn over_ranks(arguments: &Arguments) -> Result<()> {
    Mpi::run(|world| train(world, arguments), |error| note!("{error}"))
}

fn train(world: &Mpi, arguments: &Arguments) -> Result<()> {
    let ready = || {
        let device = arguments.run.train.start()?;
        if device != viral::prelude::Device::flex() {
            return Err(Error::Config("ranks train on the CPU; leave out --device".into()));
        }
        Ok((arguments.run.recipe()?, arguments.run.data.read_reported()?))
    };
    let (recipe, (data, reading)) = all_or_none(world, ready())?;
    let out = arguments.folder(&recipe, &data);
    let is_first = world.rank() == 0;
    if is_first {
        announce(&data, &reading, &recipe.model);
        note!("{} ranks", world.size());
    }
    let mut bar = is_first.then(|| TrainingBar::new(recipe.model.name()));
    let (name, is_tested) = (data.name.clone(), data.test.n_pairs() > 0);
    let job = Job::new(world, &recipe, data).folder(&out).existing(arguments.existing());
    let trained = job.observe(|progress| match &mut bar {
        Some(bar) => bar.show(progress),
        None => ControlFlow::Continue(()),
    });
    let trained = trained.run()?;
    let sizes = trained.own_sizes();
    let own = format!(
        "{} users, {} items, {} nonzeros, at most {:.0} MB",
        sizes[0],
        sizes[1],
        sizes[2],
        peak_rss_mb().unwrap_or(f64::NAN)
    );
    for (rank, own) in world.all_gather_bytes(own.as_bytes())?.iter().enumerate().filter(|_| is_first) {
        note!("rank {rank}: {}", String::from_utf8_lossy(own));
    }
    let test = is_tested.then(|| trained.evaluate(Part::Test, &Results::CUTOFFS)).transpose()?;
    if !is_first {
        return Ok(());
    }
    match test {
        None => say!("\nNothing is held out for a test: the model has seen everything.")?,
        Some(test) => say!("\n{name} on the test part, {} users\n\n{test}", test.users().len())?,
    }
    say!(
        "\nThe checkpoint is in {}. The same command with --resume, in one process and without --mpi, writes the model.",
        out.join("checkpoint.safetensors").display()
    )
}
