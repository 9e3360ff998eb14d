//! Execution of the missing runs of an experiment, each journalled when it is finished.

use super::job::{Job, JobState, Selection};
use super::journal::{Journal, Writer};
use super::record::{Line, RunRecord, Trained, TrialRecord};
use super::session::{Session, Task, TaskPart, Wanted};
use super::usage::{Meter, Usage};
use super::{CUTOFFS, DEPTH};
use crate::data::Part;
use crate::recipe::{EpochSeconds, Existing, Progress, Recipe};
use crate::{Error, Result};
use burn::tensor::Device;
use std::cell::Cell;
use std::ops::ControlFlow;

/// An event that the observer of a [`Session`] receives.
#[derive(Debug)]
#[non_exhaustive]
pub enum Notice<'a> {
    /// A run begins, or resumes from its checkpoint.
    #[non_exhaustive]
    Started {
        /// The run.
        job: &'a Job,
        /// Its number, from 1.
        number: usize,
        /// Number of selected jobs, finished or not.
        of: usize,
    },
    /// A step or an epoch of the run is done.
    #[non_exhaustive]
    Progress {
        /// The run.
        job: &'a Job,
        /// Its progress.
        progress: &'a Progress,
    },
    /// The result of the run is journalled.
    #[non_exhaustive]
    Finished {
        /// The run.
        job: &'a Job,
        /// Summary of the result.
        summary: &'a str,
    },
    /// The run failed; others continue.
    #[non_exhaustive]
    Failed {
        /// The run.
        job: &'a Job,
        /// The error.
        error: &'a Error,
    },
}

/// Outcome of [`Session::run`].
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Outcome {
    /// Number of runs and trials that this call finished.
    pub n_finished: usize,
    /// Jobs that failed, with their errors.
    pub failures: Vec<(Job, Error)>,
    /// Whether the observer stopped it.
    pub is_interrupted: bool,
}

/// How a single run ended.
enum Ended {
    Finished(String),
    Failed(Error),
    Interrupted,
}

impl Session {
    /// Runs the selected jobs that are not finished, in the order of [`jobs`](Self::jobs).
    ///
    /// When a run is finished, its per-user hits are written under `users/`, and then its result is appended to
    /// `results.jsonl`, as a whole line or not at all. Times, memory and a note of each reading of the test part go to
    /// `times.jsonl`. A killed run resumes from the checkpoint of its last epoch. Wherever it was killed, the lines of
    /// results are the same bytes.
    ///
    /// If `observe` returns `Break`, the current run stays unfinished. A failed run does not stop the others.
    ///
    /// # Errors
    /// An unknown name in the selection; a folder that cannot be written to, or that another process is writing to.
    pub fn run(
        &mut self,
        device: &Device,
        selection: &Selection,
        mut observe: impl FnMut(Notice) -> ControlFlow<()>,
    ) -> Result<Outcome> {
        self.check(selection)?;
        let (journal, mut writer) = Journal::write(&self.out)?;
        self.journal = journal;
        let mut outcome = Outcome::default();
        let mut tasks = Vec::new();
        for task in self.tasks() {
            if selection.includes(&self.job(&task)?) {
                tasks.push(task);
            }
        }
        for (i, task) in tasks.iter().enumerate() {
            let job = self.job(task)?;
            let recipe = match self.wanted(task)? {
                Wanted::Recipe(recipe) => recipe,
                // The trials failed, which has been reported.
                Wanted::AfterTrials => continue,
                Wanted::NoTrialSucceeded => {
                    let error = Error::Data(format!("every trial of {} on {} diverged", job.model, job.data));
                    let _ = observe(Notice::Failed { job: &job, error: &error });
                    outcome.failures.push((job, error));
                    continue;
                }
            };
            let key = self.key(task, &recipe)?;
            if job.state == JobState::Done {
                // The process was killed between writing the line and cleaning up.
                let _ = std::fs::remove_dir_all(self.journal.running(&key));
                continue;
            }
            if observe(Notice::Started { job: &job, number: i + 1, of: tasks.len() }).is_break() {
                outcome.is_interrupted = true;
                break;
            }
            match self.execute(&mut writer, task, &job, &key, &recipe, device, &mut observe)? {
                Ended::Finished(summary) => {
                    outcome.n_finished += 1;
                    if observe(Notice::Finished { job: &job, summary: &summary }).is_break() {
                        outcome.is_interrupted = true;
                        break;
                    }
                }
                Ended::Failed(error) => {
                    let _ = observe(Notice::Failed { job: &job, error: &error });
                    outcome.failures.push((job, error));
                }
                Ended::Interrupted => {
                    outcome.is_interrupted = true;
                    break;
                }
            }
        }
        // Removes the folder only if it is empty.
        let _ = std::fs::remove_dir(self.journal.running(""));
        Ok(outcome)
    }

    #[allow(clippy::too_many_arguments)] // called once; a struct of these would only be taken apart again
    fn execute(
        &mut self,
        writer: &mut Writer,
        task: &Task,
        job: &Job,
        key: &str,
        recipe: &Recipe,
        device: &Device,
        observe: &mut impl FnMut(Notice) -> ControlFlow<()>,
    ) -> Result<Ended> {
        let Self { data, journal, experiment, .. } = self;
        let fingerprint = data[task.data].fingerprint(task.model);
        let data = experiment.models[task.model].data(&data[task.data].set)?;
        let named = (data.name.as_str(), fingerprint);
        let folder = journal.running(key);
        let existing = match folder.join("checkpoint.safetensors").is_file() {
            true => Existing::Resume,
            false => Existing::Overwrite,
        };
        let (meter, is_broken) = (Meter::start(), Cell::new(false));
        let runner = recipe.runner(&data, device).folder(&folder).existing(existing).observe(|progress| {
            let flow = observe(Notice::Progress { job, progress });
            is_broken.set(flow.is_break());
            flow
        });
        let trained = runner.run();
        if is_broken.get() {
            return Ok(Ended::Interrupted);
        }
        let (line, hits, usage, summary) = match (trained, &task.part) {
            (Err(error @ Error::Diverged { .. }), TaskPart::Trial(..)) => {
                let failure = Some(error.to_string());
                let trained = Trained::new(key, named, recipe, None);
                (Line::Trial(TrialRecord { trained, failure }), None, Usage::default(), "diverged".to_string())
            }
            (Err(error), _) => return Ok(Ended::Failed(error)),
            (Ok(run), part) => {
                let trained = Trained::new(key, named, recipe, Some(&run));
                let valid = trained.valid.best.map_or_else(String::new, |best| format!("valid {best:.4}"));
                let EpochSeconds { train, evaluation } = EpochSeconds::mean(run.seconds());
                let mut usage = meter.read(existing == Existing::Overwrite);
                // The mean of no epochs is a negative zero.
                (usage.epochs, usage.train_seconds, usage.eval_seconds) =
                    (run.history().len(), train + 0.0, evaluation + 0.0);
                match part {
                    TaskPart::Trial(..) => (Line::Trial(TrialRecord { trained, failure: None }), None, usage, valid),
                    TaskPart::Run(_) => {
                        journal.add_test_read(writer, key)?;
                        let tested = run.embeddings().hits(&data, Part::Test, DEPTH);
                        let tested = tested.and_then(|hits| Ok((hits.metrics(&CUTOFFS)?, hits)));
                        let (test, hits) = match tested {
                            Ok(tested) => tested,
                            Err(error) => return Ok(Ended::Failed(error)),
                        };
                        let summary = format!("R@20 {:.4} {valid}", test.recall(20));
                        (Line::Run(RunRecord::new(trained, &test)), Some(hits), usage, summary.trim_end().to_string())
                    }
                }
            }
        };
        journal.add(writer, key, line, hits.as_ref())?;
        journal.add_usage(writer, key, usage)?;
        if folder.exists() {
            std::fs::remove_dir_all(&folder).map_err(Error::io(&folder))?;
        }
        Ok(Ended::Finished(summary))
    }
}
