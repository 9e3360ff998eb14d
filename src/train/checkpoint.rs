//! Checkpoints: model, optimizer, position and best epoch of a run in one file.

use super::{Adam, EarlyStopping, EpochReport, Keep, TrainState, TrainerConfig, tensors};
use crate::model::{Parameters, Trainable, differing, load_parameters, parameters};
use crate::{Error, Result};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;

const FORMAT: u32 = 1;

/// Identifies the run that a checkpoint belongs to, and reads and writes its file.
///
/// A run resumed from a checkpoint gives the same bits as an uninterrupted one.
///
/// ```
/// use viral::prelude::*;
///
/// # fn main() -> viral::Result<()> {
/// let data = PlantedConfig::new().with_n_users(30).with_n_items(40).generate().data;
/// let (config, trainer) = (BprMfConfig::default(), TrainerConfig::default());
/// let fresh = || config.init(&data.train, &mut Init::new(0, &Device::flex().autodiff()));
/// let checkpoint = Checkpoint::new(&config, &trainer, &data.fingerprint())?;
/// let folder = tempfile::tempdir().unwrap();
/// let path = folder.path().join("checkpoint.safetensors");
/// checkpoint.save(&path, &TrainState::new(fresh()?, &trainer))?; // as an observer of fit_from does after an epoch
/// assert_eq!(checkpoint.load(&path, fresh()?)?.next_epoch(), 0);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Checkpoint {
    /// The model's settings.
    pub model: Value,
    /// The trainer's settings.
    pub trainer: TrainerConfig,
    /// [`Dataset::fingerprint`](crate::data::Dataset::fingerprint) of the data.
    pub data: String,
    /// Checksum of the initial parameters, if the run started from an earlier model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub begins_with: Option<String>,
}

/// The header of a checkpoint file. Its tensors are called `model/…`, `best/…` and `adam/…`.
#[derive(Serialize, Deserialize)]
pub(crate) struct Header {
    format: u32,
    version: String,
    #[serde(flatten)]
    belongs_to: Checkpoint,
    next_epoch: usize,
    stopping: EarlyStopping,
    adam_steps: BTreeMap<String, u32>,
    history: Vec<EpochReport>,
}

impl Checkpoint {
    /// Identifies a run of a model with the settings `config` on the data with this fingerprint.
    pub fn new(config: &impl Serialize, trainer: &TrainerConfig, fingerprint: &str) -> Result<Self> {
        let model = serde_json::to_value(config).map_err(|e| Error::Config(format!("the model's settings: {e}")))?;
        Ok(Self { model, trainer: trainer.clone(), data: fingerprint.to_string(), begins_with: None })
    }

    /// Records that the run starts from the parameters of an earlier model instead of fresh ones.
    pub fn with_earlier_parameters(mut self, parameters: &Parameters) -> Self {
        self.begins_with = Some(tensors::checksum_of(parameters.iter().map(|(name, values)| (name.as_str(), values))));
        self
    }

    /// Writes a state to a file, atomically.
    pub fn save<M: Trainable>(&self, path: impl AsRef<Path>, state: &TrainState<M>) -> Result<()> {
        let (moments, adam_steps) = state.adam.state(&state.model);
        let header = self.header(state, adam_steps);
        let mut all = Parameters::new();
        let groups = [("model", parameters(&state.model)), ("best", state.best.clone()), ("adam", moments)];
        for (group, tensors) in groups {
            all.extend(tensors.into_iter().map(|(name, data)| (format!("{group}/{name}"), data)));
        }
        tensors::write(path.as_ref(), &header, &all)
    }

    /// Makes the header of a state's file.
    pub(crate) fn header<M>(&self, state: &TrainState<M>, adam_steps: BTreeMap<String, u32>) -> Header {
        Header {
            format: FORMAT,
            version: env!("CARGO_PKG_VERSION").to_string(),
            belongs_to: self.clone(),
            next_epoch: state.next_epoch,
            stopping: state.stopping,
            adam_steps,
            history: state.history.clone(),
        }
    }

    /// Reads a checkpoint into a fresh model, which must have the same settings and data.
    ///
    /// More epochs or patience than before are allowed; less than the run has used already is an error. So is a damaged
    /// file, one of another model, trainer or data set, or one of a later format. The message says which.
    pub fn load<M: Trainable>(&self, path: impl AsRef<Path>, model: M) -> Result<TrainState<M>> {
        let path = path.as_ref();
        let (header, all) = tensors::read(path)?;
        self.state(path, header, all, model)
    }

    /// Checks that the format is known, and that settings and data are the same.
    pub(crate) fn check_header(&self, path: &Path, header: &Header) -> Result<()> {
        if header.format != FORMAT {
            let message = format!("has format {}, this version reads {FORMAT}", header.format);
            return Err(Error::file(path, message));
        }
        self.check(path, &header.belongs_to)
    }

    /// Builds the state from the contents of a file.
    pub(crate) fn state<M: Trainable>(
        &self,
        path: &Path,
        header: Header,
        all: Parameters,
        model: M,
    ) -> Result<TrainState<M>> {
        self.check_header(path, &header)?;
        let mut groups: BTreeMap<String, Parameters> = BTreeMap::new();
        for (name, data) in all {
            let (group, name) = name.split_once('/').unwrap_or(("", &name));
            groups.entry(group.to_string()).or_default().insert(name.to_string(), data);
        }
        let mut group = |name: &str| groups.remove(name).unwrap_or_default();
        let in_file = |e: Error| Error::file(path, e.to_string());
        let model = load_parameters(model, group("model")).map_err(in_file)?;
        let adam = Adam::restore(self.trainer.adam, &model, group("adam"), &header.adam_steps).map_err(in_file)?;
        let mut stopping = EarlyStopping::new(self.trainer.patience);
        if let Some((epoch, value)) = header.stopping.best() {
            stopping.update(epoch, value);
        }
        let (next_epoch, history, best) = (header.next_epoch, header.history, group("best"));
        check_shapes(&best, &parameters(&model)).map_err(in_file)?;
        if let Some(name) = groups.keys().next() {
            return Err(Error::file(path, format!("has tensors '{name}/…', which are no part of a checkpoint")));
        }
        let in_order = history.iter().enumerate().all(|(epoch, report)| report.epoch == epoch);
        let best_epoch = header.stopping.best().map(|(epoch, _)| epoch);
        if !in_order || history.len() != next_epoch || best_epoch.is_some_and(|epoch| epoch >= next_epoch) {
            let n = history.len();
            let message = format!(
                "does not agree with itself: the next epoch is {next_epoch}, {n} epochs are reported, and the best is \
                 {best_epoch:?}; use a copy or train again"
            );
            return Err(Error::file(path, message));
        }
        self.check_length(&history).map_err(|message| Error::file(path, message))?;
        Ok(TrainState { model, next_epoch, history, adam, stopping, best })
    }

    /// Reads the reports of a checkpoint's epochs, whatever its model and data are.
    ///
    /// # Errors
    /// If the file is damaged, not a checkpoint, or of another format.
    pub fn read_history(path: impl AsRef<Path>) -> Result<Vec<EpochReport>> {
        let path = path.as_ref();
        let (header, _): (Header, Parameters) = tensors::read(path)?;
        match header.format {
            FORMAT => Ok(header.history),
            other => Err(Error::file(path, format!("has format {other}, this version reads {FORMAT}"))),
        }
    }

    /// Checks that a run with these settings does not end before the last of these epochs.
    fn check_length(&self, history: &[EpochReport]) -> std::result::Result<(), String> {
        let (n, TrainerConfig { epochs, patience, keep, .. }) = (history.len(), &self.trainer);
        let advice = "resume with as many at least, or start anew elsewhere";
        if n > *epochs {
            return Err(format!("has {n} epochs behind it, and {epochs} are asked for; {advice}"));
        }
        let mut stopping = EarlyStopping::new(*patience);
        for report in history.iter().take(n.saturating_sub(1)) {
            report.valid.map(|valid| stopping.update(report.epoch, valid));
            if *keep == Keep::Best && stopping.is_over(report.epoch) {
                let end = report.epoch + 1;
                return Err(format!(
                    "has {n} epochs behind it, and a patience of {patience} ends after {end}; {advice}"
                ));
            }
        }
        Ok(())
    }

    fn check(&self, path: &Path, found: &Self) -> Result<()> {
        let hint = "resume with the settings and data it was made with, or start anew elsewhere";
        let json = |trainer: &TrainerConfig| serde_json::to_value(trainer).unwrap_or_default();
        let same_length =
            TrainerConfig { epochs: self.trainer.epochs, patience: self.trainer.patience, ..found.trainer.clone() };
        let differences = [
            ("model", differing("", &self.model, &found.model)),
            ("training", differing("", &json(&self.trainer), &json(&same_length))),
        ];
        if let Some((what, keys)) = differences.into_iter().find(|(_, keys)| !keys.is_empty()) {
            return Err(Error::file(path, format!("is of another {what}: {}; {hint}", keys.join(", "))));
        }
        if self.data != found.data {
            let (expected, found) = (&self.data, &found.data);
            let message = format!(
                "is of other data: other interactions, another split or other features ({found:.8}… instead of {expected:.8}…); {hint}"
            );
            return Err(Error::file(path, message));
        }
        let began = |with: &Option<String>| match with {
            Some(checksum) => format!("the parameters of an earlier model ({checksum:.8}…)"),
            None => "fresh parameters".into(),
        };
        if self.begins_with != found.begins_with {
            let (here, found) = (began(&self.begins_with), began(&found.begins_with));
            return Err(Error::file(
                path,
                format!("is of a run that began with {found}, and this one with {here}; {hint}"),
            ));
        }
        Ok(())
    }
}

/// Checks that parameters have the names, shapes and types of a model's.
fn check_shapes(found: &Parameters, wanted: &Parameters) -> Result<()> {
    if let Some(name) = found.keys().find(|name| !wanted.contains_key(*name)) {
        return Err(Error::Data(format!("the best epoch has a parameter '{name}', and the model has none")));
    }
    for (name, wanted) in wanted {
        let Some(found) = found.get(name) else {
            return Err(Error::Data(format!("the best epoch has no parameter '{name}'")));
        };
        if (found.shape(), found.dtype()) != (wanted.shape(), wanted.dtype()) {
            let (of, is) = (found.shape().to_vec(), wanted.shape().to_vec());
            let message = format!(
                "parameter '{name}' of the best epoch is {of:?} of {:?}, but the model's is {is:?}",
                found.dtype()
            );
            return Err(Error::Data(message));
        }
    }
    Ok(())
}
