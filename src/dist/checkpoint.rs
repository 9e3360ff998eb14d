//! Checkpoints of a run over ranks, with the same bytes at any number of them. Rank 0 writes them piece by piece, and
//! every rank reads its own rows.

use super::all_or_none;
use super::model::{full_shape, own_span, side};
use super::parts::Ranks;
use crate::model::{Model, Parameters, parameters};
use crate::train::{Checkpoint, Header, PiecesFile, TrainState, read_in_pieces};
use crate::{Error, Result};
use burn::tensor::TensorData;
use std::path::Path;

/// Values that are sent at a time.
const PIECE: usize = 1 << 22;

/// Writes the state of all ranks to one file, atomically.
pub(super) fn save(ranks: &Ranks, checkpoint: &Checkpoint, path: &Path, state: &TrainState<Model>) -> Result<()> {
    let (moments, steps) = state.adam.state(state.model());
    let full = |name: &str, data: &TensorData| full_shape(ranks, name, data.shape());
    let named = |group: &str, tensors: &Parameters| {
        let name = |name: &String| format!("{group}/{name}");
        tensors.iter().map(|(tensor, data)| (name(tensor), full(tensor, data))).collect::<Vec<_>>()
    };
    let model = parameters(state.model());
    let shapes = [named("adam", &moments), named("best", &state.best), named("model", &model)].concat();
    drop(model);
    let begun = match ranks.world.rank() {
        0 => PiecesFile::create(path, &checkpoint.header(state, steps), &shapes).map(Some),
        _ => Ok(None),
    };
    let mut file = all_or_none(ranks.world, begun)?;
    write(ranks, &mut file, "adam", &moments)?;
    drop(moments);
    write(ranks, &mut file, "best", &state.best)?;
    write(ranks, &mut file, "model", &parameters(state.model()))?;
    // No rank continues before the file is there.
    all_or_none(ranks.world, file.map_or(Ok(()), PiecesFile::commit))
}

fn write(ranks: &Ranks, file: &mut Option<PiecesFile>, group: &str, tensors: &Parameters) -> Result<()> {
    for (name, data) in tensors {
        let own = floats(data);
        if let Some(file) = file {
            file.begin(&format!("{group}/{name}"));
            file.write(own)?;
        }
        let Some(side) = side(name) else { continue };
        let (rank, rows) = (ranks.world.rank(), ranks.of(side));
        // Not 0: `Ranks::new` refuses ranks without rows of either side.
        let width = full_shape(ranks, name, data.shape()).iter().product::<usize>() / rows.n();
        for (sender, n) in rows.lengths().into_iter().enumerate().skip(1) {
            let n = n * width;
            for first in (0..n).step_by(PIECE) {
                let end = n.min(first + PIECE);
                let mut lengths = vec![0; ranks.world.size()];
                lengths[sender] = end - first;
                let piece = if rank == sender { &own[first..end] } else { &[] };
                if let (Some(all), Some(file)) = (ranks.world.gather(piece, &lengths)?, &mut *file) {
                    file.write(&all)?;
                }
            }
        }
    }
    Ok(())
}

/// Reads a checkpoint of the same settings and data, keeping the rows that the fresh model has.
pub(super) fn load(ranks: &Ranks, checkpoint: &Checkpoint, path: &Path, model: Model) -> Result<TrainState<Model>> {
    let fresh = parameters(&model);
    let mut all = Parameters::new();
    let header: Header = read_in_pieces(
        path,
        |header| checkpoint.check_header(path, header),
        |full_name, shape, first, values| {
            let name = full_name.split_once('/').map_or(full_name, |(_, name)| name);
            // Moments are flat, and named after their parameter.
            let (parameter, is_flat) = match name.rsplit_once('.') {
                Some((parameter, "m" | "v")) if !fresh.contains_key(name) => (parameter, true),
                _ => (name, false),
            };
            let shape_of = |data: &TensorData| match is_flat {
                true => vec![data.shape().iter().product()],
                false => data.shape().to_vec(),
            };
            let Some(own) = fresh.get(parameter).map(shape_of) else {
                return Err(Error::file(
                    path,
                    format!("has a tensor '{full_name}', and the model has none; it was saved by another model"),
                ));
            };
            let wanted = full_shape(ranks, name, &own);
            if shape != wanted {
                return Err(Error::file(
                    path,
                    format!("has a tensor '{full_name}' of {shape:?}, and the model needs {wanted:?}"),
                ));
            }
            let zeros = || TensorData::new(vec![0f32; own.iter().product()], own.clone());
            let data = all.entry(full_name.to_string()).or_insert_with(zeros);
            let to = match data.as_mut_slice::<f32>() {
                Ok(to) => to,
                Err(error) => panic!("a checkpoint's values are f32: {error:?}"),
            };
            let span = own_span(ranks, name, wanted.iter().product());
            let here = first.max(span.start)..(first + values.len()).min(span.end);
            if !here.is_empty() {
                to[here.start - span.start..here.end - span.start]
                    .copy_from_slice(&values[here.start - first..here.end - first]);
            }
            Ok(())
        },
    )?;
    checkpoint.state(path, header, all, model)
}

fn floats(data: &TensorData) -> &[f32] {
    match data.as_slice::<f32>() {
        Ok(values) => values,
        Err(error) => panic!("parameters and moments are f32: {error:?}"),
    }
}
