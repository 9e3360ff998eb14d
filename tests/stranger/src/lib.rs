//! A model that the library does not have, written with its public parts.
