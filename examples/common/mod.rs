//! What the examples share: output, system information and the allocator.

#![allow(dead_code)] // each program uses a part of it

pub(crate) mod catalogue;
pub(crate) mod system;

/// Prints a line, like `println!`, but returns an error instead of panicking; a broken pipe is not an error.
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

/// Prints a progress line to standard error; failures are ignored.
macro_rules! note {
    ($($text:tt)*) => {{
        use std::io::Write;
        let _ = writeln!(std::io::stderr(), $($text)*);
    }};
}

pub(crate) use {note, say};

/// Keeps the pages of freed tensors, which the system's allocator would return and request anew at every step.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;
