//! From photos and titles to features: the paper's first half (section 2.2, equation 5). Feature `enrich`.

pub mod describe;
