//! What the programs share: files, and the allocator.

#![allow(dead_code)] // each program uses a part of it

pub(crate) mod files;

/// Keeps the pages of freed tensors, which the system's allocator gives back and gets anew at every step.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;
