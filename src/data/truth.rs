//! What a made-up catalogue was made from.

/// One source of preference: a vector for each item and each user.
#[derive(Debug, Clone, PartialEq)]
pub struct Factor {
    /// What the inner products are multiplied with.
    pub strength: f32,
    /// Numbers in a vector.
    pub d: usize,
    /// `[n_items, d]`, row after row; each entry has mean 0 and variance 1.
    pub items: Vec<f32>,
    /// `[n_users, d]`, row after row; unit length.
    pub users: Vec<f32>,
}

impl Factor {
    /// What this source adds to a user's affinity to an item.
    pub fn affinity(&self, user: usize, item: usize) -> f32 {
        let (user, item) = (&self.users[user * self.d..][..self.d], &self.items[item * self.d..][..self.d]);
        self.strength * user.iter().zip(item).map(|(p, z)| p * z).sum::<f32>()
    }
}

/// The factors behind a made-up catalogue.
///
/// ```
/// use viral::data::PlantedConfig;
///
/// let truth = PlantedConfig::new().with_n_users(20).with_n_items(30).generate().truth;
/// // How much user 3 likes item 4 because of what only text and picture together show.
/// let synergy = truth.synergy.affinity(3, 4);
/// assert!(synergy.is_finite() && truth.affinity(3, 4) != synergy);
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct PlantedTruth {
    /// R: shown by both modalities.
    pub redundant: Factor,
    /// Uₜ: shown by texts only.
    pub unique_text: Factor,
    /// Uᵥ: shown by images only.
    pub unique_visual: Factor,
    /// S = a ⊙ b: shown by both together only.
    pub synergy: Factor,
    /// The signs a that texts show, `[n_items, synergy.d]`.
    pub text_code: Vec<f32>,
    /// The signs b that images show, `[n_items, synergy.d]`.
    pub visual_code: Vec<f32>,
    /// What an item's popularity adds to everybody's affinity.
    pub popularity: Vec<f32>,
}

impl PlantedTruth {
    /// How much a user likes an item: the four sources and popularity.
    pub fn affinity(&self, user: usize, item: usize) -> f32 {
        let sources = [&self.redundant, &self.unique_text, &self.unique_visual, &self.synergy];
        sources.iter().map(|source| source.affinity(user, item)).sum::<f32>() + self.popularity[item]
    }

    /// A title that tells, as a text may, the strongest directions of R and Uₜ: "A rattle for naps, no. 17".
    pub(super) fn title(&self, item: usize) -> String {
        const KINDS: [&str; 8] = ["cup", "cot", "rattle", "blanket", "bib", "stroller", "lamp", "puzzle"];
        const USES: [&str; 8] =
            ["naps", "travel", "bath time", "winter", "twins", "the garden", "teething", "first steps"];
        // The axis of the largest entry, and its sign: 2 · D_FACTOR = 8 directions.
        let strongest = |factor: &Factor| {
            let row = factor.items[item * factor.d..][..factor.d].iter().enumerate();
            let largest = row.max_by(|a, b| a.1.abs().total_cmp(&b.1.abs()));
            largest.map_or(0, |(axis, &value)| (2 * axis + usize::from(value < 0.0)) % KINDS.len())
        };
        format!("A {} for {}, no. {item}", KINDS[strongest(&self.redundant)], USES[strongest(&self.unique_text)])
    }
}
