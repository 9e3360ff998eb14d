//! Report section on retraining with uninformative features: what the model loses.

use super::measured::training_in_words;
use viral::experiment::ProbeReport;
use viral::report::{Bars, Section};

pub(super) fn section(probe: Option<&ProbeReport>, no_content: bool, again: &str) -> Section {
    let section = Section::new("What it loses when trained without content");
    if no_content {
        return section.text("The model takes no content, or the data have none.");
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
    let section = section.figure(bars.to_svg(), caption, probe.table()).text(probe.words());
    section.text(training_in_words(&probe.training, Some(&probe.seeds))).values(values)
}
