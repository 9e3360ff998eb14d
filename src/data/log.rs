//! Builds data sets from interaction events in memory, with ids of any type.

use std::collections::HashMap;

use super::ids::{Intern, differs_in_blanks};
use super::split::{RATIOS, random_split, temporal_split};
use super::split_policy::{by_part, empty_parts};
use super::{Dataset, Features, Ids, LogReport, Part, SplitPolicy, Ties, TimeUnits, TrainSet};
use crate::{Error, Result};

impl Dataset {
    /// Builds a data set from `(user, item)` pairs, with ids of any printable type, such as text or integers.
    ///
    /// Users and items are indexed in order of first appearance, or in numeric order if all ids of a side are
    /// non-negative integers. Duplicate pairs count once. For timestamps, ratings, items without interactions, and a
    /// report of what was kept, see [`InteractionLog`].
    ///
    /// ```
    /// use viral::data::{Dataset, SplitPolicy};
    ///
    /// let log = [("ann", 7), ("ann", 12), ("ann", 3), ("zoe", 3), ("zoe", 12), ("zoe", 9)];
    /// let data = Dataset::from_log("shop", log, SplitPolicy::Random { seed: 0 })?;
    /// assert_eq!(data.user_ids, ["ann", "zoe"]);
    /// assert_eq!(data.item_ids, ["3", "7", "9", "12"]);
    /// let counts = data.counts();
    /// assert_eq!((counts.n_train, counts.n_valid, counts.n_test), (2, 2, 2));
    /// # Ok::<(), viral::Error>(())
    /// ```
    ///
    /// # Errors
    /// No pair; an empty id; a train, valid or test part without a pair, unless the policy is
    /// [`SplitPolicy::Everything`]; [`SplitPolicy::ByLabel`] or [`SplitPolicy::Temporal`], because pairs have neither
    /// labels nor times.
    pub fn from_log<U: ToString, I: ToString>(
        name: impl Into<String>,
        log: impl IntoIterator<Item = (U, I)>,
        split: SplitPolicy,
    ) -> Result<Self> {
        let log: InteractionLog = log.into_iter().map(|(user, item)| LogEvent::new(user, item)).collect();
        Ok(log.into_dataset(name, split)?.0)
    }
}

/// One event of an [`InteractionLog`]: a user took, saw or rated an item.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct LogEvent {
    /// External id of the user.
    pub user: String,
    /// External id of the item.
    pub item: String,
    /// Timestamp, in any unit.
    pub time: Option<f64>,
    /// Rating of the item by the user, on any scale.
    pub rating: Option<f64>,
}

impl LogEvent {
    /// Creates an event without time and rating.
    pub fn new(user: impl ToString, item: impl ToString) -> Self {
        Self { user: user.to_string(), item: item.to_string(), time: None, rating: None }
    }

    /// Sets the timestamp, in any unit.
    pub fn at(mut self, time: f64) -> Self {
        self.time = Some(time);
        self
    }

    /// Sets the rating, on any scale.
    pub fn rated(mut self, rating: f64) -> Self {
        self.rating = Some(rating);
        self
    }
}

/// A log of events in memory that becomes a [`Dataset`].
///
/// Events rated below [`with_min_rating`](Self::with_min_rating) are left out. Of repeated events of the same user and
/// item, the earliest is kept: by time if they have one; without times, or at equal times, by the order of the log.
///
/// ```
/// use viral::data::{InteractionLog, LogEvent, SplitPolicy};
///
/// let mut log = InteractionLog::new().with_min_rating(4.0).with_items(["cup", "cot", "bib", "lamp"]);
/// for (day, item, rating) in [(3.0, "cot", 5.0), (1.0, "cup", 4.0), (2.0, "bib", 1.0), (9.0, "bib", 5.0), (5.0, "cot", 4.0)] {
///     log.push(LogEvent::new("ann", item).at(day).rated(rating));
/// }
/// let (data, report) = log.into_dataset("shop", SplitPolicy::Temporal)?;
/// // Train, valid and test follow the order of the days, and the lamp is included although nobody took it.
/// let of_ann = [&data.train.interactions, &data.valid, &data.test].map(|part| part.of_user(0)[0] as usize);
/// assert_eq!(of_ann.map(|item| data.item_ids[item].as_str()), ["cup", "cot", "bib"]);
/// assert_eq!((report.repeated, report.below_threshold, report.items), (1, 1, 4));
/// println!("{report}");
/// # Ok::<(), viral::Error>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct InteractionLog {
    events: Vec<Compact>,
    users: Names,
    items: Names,
    listed: Vec<u32>,
    min_rating: Option<f64>,
}

/// An event with indices instead of ids.
#[derive(Debug, Clone, Copy)]
struct Compact {
    user: u32,
    item: u32,
    time: Option<f64>,
    rating: Option<f64>,
}

/// Ids indexed in order of first appearance.
#[derive(Debug, Clone, Default)]
struct Names {
    index: HashMap<String, u32>,
    names: Vec<String>,
}

impl Names {
    fn index(&mut self, name: String) -> u32 {
        if let Some(&index) = self.index.get(&name) {
            return index;
        }
        let index = self.names.len() as u32;
        self.names.push(name.clone());
        self.index.insert(name, index);
        index
    }
}

impl InteractionLog {
    /// Creates an empty log.
    pub fn new() -> Self {
        Self::default()
    }

    /// Leaves out events with a rating below `min_rating`. Every event must then have a rating.
    pub fn with_min_rating(mut self, min_rating: f64) -> Self {
        self.min_rating = Some(min_rating);
        self
    }

    /// Adds items to the catalogue even if nobody took them. They get the first indices, in this order, unless all item
    /// ids are integers, which are indexed in numeric order.
    pub fn with_items<I: ToString>(mut self, items: impl IntoIterator<Item = I>) -> Self {
        for item in items {
            let index = self.items.index(item.to_string());
            self.listed.push(index);
        }
        self
    }

    /// Appends an event.
    pub fn push(&mut self, event: LogEvent) {
        let (user, item) = (self.users.index(event.user), self.items.index(event.item));
        self.events.push(Compact { user, item, time: event.time, rating: event.rating });
    }

    /// Number of events.
    pub fn len(&self) -> usize {
        self.events.len()
    }

    /// Whether there are no events.
    pub fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    /// Builds a data set and reports what was kept and left out. O(events · log events).
    ///
    /// Users and items are indexed as in [`Dataset::from_log`], by the events that are kept. With
    /// [`SplitPolicy::Temporal`], events at the same time are ordered pseudorandomly ([`Ties`]).
    ///
    /// # Errors
    /// No event that is kept; an empty id; ids that differ only in surrounding blanks, which are trimmed; a time, rating
    /// or threshold that is not finite; an event without a rating if there is a threshold, or without a time if the
    /// split is temporal; a train, valid or test part without a pair, unless the policy is [`SplitPolicy::Everything`];
    /// [`SplitPolicy::ByLabel`], because events have no labels.
    pub fn into_dataset(self, name: impl Into<String>, split: SplitPolicy) -> Result<(Dataset, LogReport)> {
        let name = name.into();
        let fault = |message: String| Error::Data(format!("data set {name}: {message}"));
        let (kept, below_threshold) = self.kept(split).map_err(fault)?;
        let (mut users, mut items) = (Intern::default(), Intern::default());
        let merged = |side: &str, id: &str, first: &str| fault(differs_in_blanks(side, id, first, "event"));
        let mut item_of = |id| items.index_of_cell(id).map_err(|first| merged("item", id, first));
        self.listed.iter().try_for_each(|&item| item_of(&self.items.names[item as usize]).map(|_| ()))?;
        let first: Vec<(u32, u32)> = kept
            .iter()
            .map(|event| {
                let (user, item) = (&self.users.names[event.user as usize], &self.items.names[event.item as usize]);
                let user = users.index_of_cell(user).map_err(|first| merged("user", user, first))?;
                Ok((user, item_of(item)?))
            })
            .collect::<Result<_>>()?;
        let ((users, dense_user), (items, dense_item)) = (users.finish(), items.finish());
        let pairs: Vec<(u32, u32)> =
            first.iter().map(|&(user, item)| (dense_user[user as usize], dense_item[item as usize])).collect();

        let parts = match split {
            SplitPolicy::ByLabel => {
                let message = "a log in memory has no labels; split it at random, by time or not at all \
                               (SplitPolicy::Random, Temporal, Everything), or make the parts with Dataset::new";
                return Err(fault(message.to_string()));
            }
            SplitPolicy::Random { seed } => random_split(&pairs, RATIOS, seed),
            SplitPolicy::Temporal => {
                let times: Vec<f64> = kept.iter().filter_map(|event| event.time).collect();
                temporal_split(&pairs, &times, RATIOS, &Ties::new(0, users.names(), items.names()))
            }
            SplitPolicy::Everything => vec![Part::Train; pairs.len()],
        };
        if let Some(missing) = empty_parts(split, &parts) {
            return Err(fault(format!(
                "no {missing} part among {} interactions; give users three or more, or train on all of them \
                 (SplitPolicy::Everything)",
                parts.len()
            )));
        }
        let report = LogReport {
            events: self.events.len(),
            min_rating: self.min_rating,
            below_threshold,
            repeated: self.events.len() - below_threshold - kept.len(),
            interactions: pairs.len(),
            users: users.len(),
            items: items.len(),
            items_without_interactions: without_interactions(&items, &pairs),
        };
        let [interactions, valid, test] = by_part(users.len(), items.len(), &pairs, &parts);
        let data = Dataset::new(name, TrainSet { interactions, features: Features::new() }, valid, test)?
            .with_user_ids(users.into_names())?
            .with_item_ids(items.into_names())?;
        Ok((data, report))
    }

    /// Returns the events to keep, one per pair, in log order, and the number of events rated too low.
    fn kept(&self, split: SplitPolicy) -> std::result::Result<(Vec<Compact>, usize), String> {
        if self.min_rating.is_some_and(|rating| !rating.is_finite()) {
            return Err("the lowest rating that counts is not a finite number".to_string());
        }
        if self.listed.iter().any(|&item| self.items.names[item as usize].trim().is_empty()) {
            return Err("an item of the catalogue has an empty id".to_string());
        }
        let mut kept: Vec<(usize, Compact)> = Vec::new();
        let mut places: HashMap<(u32, u32), usize> = HashMap::new();
        let (mut below_threshold, mut units) = (0, TimeUnits::default());
        for (index, event) in self.events.iter().enumerate() {
            if let Some(time) = event.time {
                units.see(time, || index);
            }
            if self.is_low(index, event, split)? {
                below_threshold += 1;
                continue;
            }
            match places.get(&(event.user, event.item)) {
                None => {
                    places.insert((event.user, event.item), kept.len());
                    kept.push((index, *event));
                }
                Some(&place) => {
                    if let (Some(time), Some(earlier)) = (kept[place].1.time, event.time)
                        && earlier < time
                    {
                        kept[place] = (index, *event);
                    }
                }
            }
        }
        if let Some((index, units)) = units.mixed() {
            return Err(format!("event {index} (counted from 0): its time is in {units}; give all events one unit"));
        }
        if kept.is_empty() {
            return Err(match self.events.len() {
                0 => "the log has no events".to_string(),
                n => format!("none of {n} events is rated high enough; lower the threshold"),
            });
        }
        kept.sort_unstable_by_key(|&(index, _)| index);
        Ok((kept.into_iter().map(|(_, event)| event).collect(), below_threshold))
    }

    /// Whether an event is rated too low; fails if it lacks a required value.
    fn is_low(&self, index: usize, event: &Compact, split: SplitPolicy) -> std::result::Result<bool, String> {
        let (user, item) = (&self.users.names[event.user as usize], &self.items.names[event.item as usize]);
        let fault = |what: &str| Err(format!("event {index} (user '{user}', item '{item}', counted from 0): {what}"));
        if user.trim().is_empty() || item.trim().is_empty() {
            return fault("an empty id; give users and items ids, or leave the event out");
        }
        if event.time.is_some_and(|time| !time.is_finite()) || event.rating.is_some_and(|rating| !rating.is_finite()) {
            return fault("its time or rating is not a finite number");
        }
        let is_low = match (self.min_rating, event.rating) {
            (Some(min_rating), Some(rating)) => rating < min_rating,
            (Some(_), None) => return fault("it has no rating, but there is a lowest one; rate all events or none"),
            (None, _) => false,
        };
        if split == SplitPolicy::Temporal && event.time.is_none() && !is_low {
            return fault("it has no time; give all events one, or split at random (SplitPolicy::Random)");
        }
        Ok(is_low)
    }
}

fn without_interactions(items: &Ids, pairs: &[(u32, u32)]) -> usize {
    let mut is_bare = vec![true; items.len()];
    pairs.iter().for_each(|&(_, item)| is_bare[item as usize] = false);
    is_bare.into_iter().filter(|&bare| bare).count()
}

impl Extend<LogEvent> for InteractionLog {
    fn extend<T: IntoIterator<Item = LogEvent>>(&mut self, events: T) {
        events.into_iter().for_each(|event| self.push(event));
    }
}

impl FromIterator<LogEvent> for InteractionLog {
    fn from_iter<T: IntoIterator<Item = LogEvent>>(events: T) -> Self {
        let mut log = Self::new();
        log.extend(events);
        log
    }
}
