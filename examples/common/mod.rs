//! What the programs share: what is printed, what the system tells, and the allocator.

#![allow(dead_code)] // each program uses a part of it

pub(crate) mod catalogue;
pub(crate) mod system;

/// Prints a line, as `println!` does, but gives an error where that panics; that nobody reads it any more is none.
macro_rules! say {
    ($($text:tt)*) => {{
        use std::io::Write;
        match writeln!(std::io::stdout(), $($text)*) {
            Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
                Err(viral::Error::io("the standard output")(error))
            }
            _ => Ok(()),
        }
    }};
}

/// Prints a line about the way to the result on the standard error, if that can be written.
macro_rules! note {
    ($($text:tt)*) => {{
        use std::io::Write;
        let _ = writeln!(std::io::stderr(), $($text)*);
    }};
}

pub(crate) use {note, say};

/// Keeps the pages of freed tensors, which the system's allocator gives back and gets anew at every step.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;
