//! What the programs share: arguments, data, training with progress, files, tables.

#![allow(dead_code)] // each program uses a part of it

pub(crate) mod args;
pub(crate) mod files;
pub(crate) mod progress;
pub(crate) mod run;

/// Keeps the pages of freed tensors, which the system's allocator gives back and gets anew at every step.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;
