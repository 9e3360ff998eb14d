//! What the model loses when it is trained on features that say nothing.

use std::path::Path;
use viral::data::{Dataset, read_text};
use viral::experiment::ProbeReport;
use viral::prelude::Recommender;
use viral::report::{Bars, Section};
use viral::{Error, Result};

/// Reads what `viral probe --json` wrote, which must be of this model and these data.
pub(super) fn read(path: &Path, recommender: &Recommender, data: &Dataset) -> Result<ProbeReport> {
    let read = serde_json::from_str(&read_text(path)?);
    let probe: ProbeReport = read.map_err(|e| Error::file(path, format!("not what viral probe --json writes: {e}")))?;
    let name = recommender.model_name().unwrap_or("a model that is not one of the table");
    if probe.config.name() != name {
        return Err(Error::file(path, format!("is of {}, and the report of {name}", probe.config.name())));
    }
    if probe.fingerprint != data.fingerprint() {
        let message = format!("is of other data ('{}') than the report's ('{}'); probe these", probe.data, data.name);
        return Err(Error::file(path, message));
    }
    Ok(probe)
}

pub(super) fn section(probe: Option<&ProbeReport>, data: &Dataset, again: &str) -> Section {
    let section = Section::new("What it loses when trained without content");
    if data.features().is_empty() {
        return section.text("The data have no content.");
    }
    let Some(probe) = probe.filter(|probe| !probe.arms.is_empty()) else {
        let what = "The model trained again with noise, the rows in another order, or one row for all in the place of a modality's features, \
                    in training and in the test:";
        return section.not_run(what, again);
    };
    let mut bars = Bars::new("R@10 trained without, minus R@10 of the whole", "difference of R@10");
    for arm in &probe.arms {
        let found = arm.difference;
        bars = bars.bar(arm.name(), found.mean, Some([found.low, found.high]), None);
    }
    let caption = format!(
        "Trained anew with what stands beside each bar in the place of the features; {}. Test part, paired over users; 95 % intervals over \
         users. Deleting a block of the finished model is another question: a model that is trained without may make up for it.",
        match probe.seeds.len() {
            1 => "one seed".to_string(),
            n => format!("{n} seeds"),
        }
    );
    let values = serde_json::to_value(probe).unwrap_or_default();
    section.figure(bars.to_svg(), caption, probe.table()).text(probe.words()).values(values)
}
