//! Ground truth of synthetic catalogues.

/// One source of preference: a latent vector for each item and each user.
#[derive(Debug, Clone, PartialEq)]
pub struct Factor {
    /// Factor by which the inner products are scaled.
    pub strength: f32,
    /// Dimension of the vectors.
    pub d: usize,
    /// Item vectors, `[n_items, d]`, row-major; each entry has mean 0 and variance 1.
    pub items: Vec<f32>,
    /// User vectors, `[n_users, d]`, row-major, of unit length.
    pub users: Vec<f32>,
}

impl Factor {
    /// Returns the contribution of this source to a user's affinity for an item.
    pub fn affinity(&self, user: usize, item: usize) -> f32 {
        let (user, item) = (&self.users[user * self.d..][..self.d], &self.items[item * self.d..][..self.d]);
        self.strength * user.iter().zip(item).map(|(p, z)| p * z).sum::<f32>()
    }
}

/// The latent factors behind a synthetic catalogue.
///
/// ```
/// use viral::data::PlantedConfig;
///
/// let truth = PlantedConfig::new().with_n_users(20).with_n_items(30).generate().truth;
/// // The part of user 3's affinity for item 4 that comes from the synergy of text and picture.
/// let synergy = truth.synergy.affinity(3, 4);
/// assert!(synergy.is_finite() && truth.affinity(3, 4) != synergy);
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct PlantedTruth {
    /// R: redundant, encoded in both modalities.
    pub redundant: Factor,
    /// Uₜ: unique to text.
    pub unique_text: Factor,
    /// Uᵥ: unique to images.
    pub unique_visual: Factor,
    /// S = a ⊙ b: synergistic, encoded only in both together.
    pub synergy: Factor,
    /// The signs a that text encodes, `[n_items, synergy.d]`.
    pub text_code: Vec<f32>,
    /// The signs b that images encode, `[n_items, synergy.d]`.
    pub visual_code: Vec<f32>,
    /// Popularity term of each item in every user's affinity, `[n_items]`.
    pub popularity: Vec<f32>,
}

impl PlantedTruth {
    /// Returns a user's affinity for an item: the sum of the four sources and popularity.
    pub fn affinity(&self, user: usize, item: usize) -> f32 {
        let sources = [&self.redundant, &self.unique_text, &self.unique_visual, &self.synergy];
        sources.iter().map(|source| source.affinity(user, item)).sum::<f32>() + self.popularity[item]
    }

    /// Returns a title that reveals the strongest directions of R and Uₜ, as text would: "A rattle for naps, no. 17".
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
