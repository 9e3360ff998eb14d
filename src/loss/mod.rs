//! Losses, and the objective as named terms (17).

mod bpr;
mod info_nce;
mod l2;

pub use bpr::{bpr, bpr_shared, bpr_with_gamma};
pub use info_nce::{info_nce, reference_info_nce};
pub use l2::{embedding_norms, mean_square};

use burn::tensor::Tensor;

/// One weighted term of an objective.
#[derive(Debug, Clone)]
pub struct Term {
    /// What a report calls it.
    pub name: &'static str,
    /// Its factor in the sum.
    pub weight: f64,
    /// Its value before weighting, `[1]`.
    pub value: Tensor<1>,
}

/// `L = Σ weight · term`: equation (17) as named terms.
#[derive(Debug, Clone, Default)]
pub struct Objective {
    terms: Vec<Term>,
}

impl Objective {
    /// No terms yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds `weight · value`; a term of weight zero is kept for reports and costs no gradient.
    ///
    /// # Panics
    /// When there is a term of that name already: reports tell terms by name.
    pub fn with(mut self, name: &'static str, weight: f64, value: Tensor<1>) -> Self {
        assert!(self.terms.iter().all(|term| term.name != name), "objective: two terms are called '{name}'");
        self.terms.push(Term { name, weight, value });
        self
    }

    /// Adds the terms of another objective behind its own.
    ///
    /// # Panics
    /// When both have a term of the same name.
    pub fn and(self, other: Self) -> Self {
        other.terms.into_iter().fold(self, |all, term| all.with(term.name, term.weight, term.value))
    }

    /// The terms in the order in which they were added.
    pub fn terms(&self) -> &[Term] {
        &self.terms
    }

    /// The weighted sum, `[1]`.
    ///
    /// # Panics
    /// When there is no term.
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
