//! Loss functions, and the objective as named terms (17).
//!
//! ```
//! # #[cfg(feature = "flex")] {
//! use burn::tensor::{Device, Distribution, Tensor};
//! use viral::loss::{Objective, bpr, info_nce, mean_square, row_products};
//!
//! let device = Device::flex();
//! let rows = || Tensor::<2>::random([4, 8], Distribution::Default, &device);
//! let (users, positives, negatives) = (rows(), rows(), rows());
//! let ranking = bpr(row_products(users.clone(), positives.clone()), row_products(users.clone(), negatives));
//! let objective = Objective::new()
//!     .with("bpr", 1.0, ranking)
//!     .with("alignment", 0.01, info_nce(users.clone(), positives, 0.2))
//!     .with("reg", 1e-4, mean_square(users));
//! let names: Vec<&str> = objective.terms().iter().map(|term| term.name).collect();
//! assert_eq!(names, ["bpr", "alignment", "reg"]); // reported separately
//! assert!(objective.total().into_scalar::<f32>() > 0.0);
//! # }
//! ```

mod bpr;
mod contrast;
mod info_nce;
mod information_fusion;
mod l2;
mod moments;
mod pairs;
mod ranking;
mod uniformity;

pub use bpr::{bpr, bpr_shared, bpr_with_gamma, bpr_with_l2};
pub use contrast::{ContrastConfig, Similarity, contrast, contrast_rows, reference_contrast};
pub use info_nce::{info_nce, reference_info_nce};
pub use information_fusion::RedundancyAnchor;
pub use l2::{embedding_norms, half_squares, mean_square, mean_square_of_rows};
pub use moments::Moments;
pub use pairs::{halves, pair_scores, row_products, squared_lengths};
pub use ranking::{RankingLoss, softmax_shared};
pub use uniformity::{alignment, reference_uniformity, uniformity};

use burn::tensor::Tensor;

/// One weighted term of an objective.
#[derive(Debug, Clone)]
pub struct Term {
    /// Name in reports.
    pub name: &'static str,
    /// Factor in the sum.
    pub weight: f64,
    /// Value before weighting, `[1]`.
    pub value: Tensor<1>,
}

/// The objective of a batch as named, weighted terms: `L = Σ weight · term` (17).
///
/// ```
/// # #[cfg(feature = "flex")] {
/// use burn::tensor::{Device, Tensor};
/// use viral::loss::Objective;
///
/// let term = |value: f32| Tensor::from_floats([value], &Device::flex());
/// let objective = Objective::new().with("bpr", 1.0, term(0.7)).with("reg", 0.5, term(0.2));
/// assert!((objective.total().into_scalar::<f32>() - 0.8).abs() < 1e-6);
/// assert_eq!(objective.terms()[1].name, "reg");
/// # }
/// ```
#[derive(Debug, Clone, Default)]
pub struct Objective {
    terms: Vec<Term>,
}

impl Objective {
    /// Creates an objective without terms.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds `weight · value`. A term of weight zero is kept for reports and costs no gradient.
    ///
    /// # Panics
    /// When a term of that name exists already: reports identify terms by name.
    pub fn with(mut self, name: &'static str, weight: f64, value: Tensor<1>) -> Self {
        assert!(self.terms.iter().all(|term| term.name != name), "objective: two terms are called '{name}'");
        self.terms.push(Term { name, weight, value });
        self
    }

    /// Appends the terms of another objective.
    ///
    /// # Panics
    /// When both have a term of the same name.
    pub fn and(self, other: Self) -> Self {
        other.terms.into_iter().fold(self, |all, term| all.with(term.name, term.weight, term.value))
    }

    /// Returns the terms in the order in which they were added.
    pub fn terms(&self) -> &[Term] {
        &self.terms
    }

    /// Returns the weighted sum, `[1]`.
    ///
    /// # Panics
    /// When no term has a non-zero weight.
    pub fn total(&self) -> Tensor<1> {
        let weighted = self.terms.iter().filter(|t| t.weight != 0.0).map(|t| match t.weight == 1.0 {
            true => t.value.clone(),
            false => t.value.clone() * t.weight,
        });
        match weighted.reduce(|sum, term| sum + term) {
            Some(total) => total,
            None => panic!("objective: no term with a weight"),
        }
    }
}
