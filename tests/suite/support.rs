//! What several topics share.

/// A setting changed in a copy: `with(ViralConfig::new(), |c| c.d_embed = 32)`.
pub(crate) fn with<T>(mut settings: T, change: impl FnOnce(&mut T)) -> T {
    change(&mut settings);
    settings
}
