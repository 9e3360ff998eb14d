//! Names of settings, the same in files, on command lines and in output.

/// Implements `name`, `Display` and `FromStr` for an enum of unit variants. The parse error lists the known names. A
/// test checks that the names are those that serde writes.
macro_rules! named {
    ($type:ty, $what:literal: $($variant:ident => $name:literal),+ $(,)?) => {
        impl $type {
            /// The name in files and on command lines.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)+
                }
            }
        }

        impl std::fmt::Display for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.name())
            }
        }

        impl std::str::FromStr for $type {
            type Err = crate::Error;

            fn from_str(name: &str) -> crate::Result<Self> {
                match name {
                    $($name => Ok(Self::$variant),)+
                    _ => {
                        let known = [$($name),+].join(", ");
                        Err(crate::Error::Config(format!(concat!("no ", $what, " '{}'; there are {}"), name, known)))
                    }
                }
            }
        }
    };
}

pub(crate) use named;
