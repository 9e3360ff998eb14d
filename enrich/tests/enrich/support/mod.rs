//! What the tests of this package and those of the program share: servers, catalogues, a model.

pub(crate) mod catalogue;
pub(crate) mod download_server;
pub(crate) mod embedder;
pub(crate) mod hostile_server;
pub(crate) mod raw;
pub(crate) mod shop;
pub(crate) mod tiny_bert;
