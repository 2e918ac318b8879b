//! Enums whose variants are words of the language.

/// Declares an enum, the canonical word of each variant and the other spellings that mean the same.
///
/// Words are compared without case. `NAMES` holds every spelling, for the remedies of error messages.
macro_rules! names {
    (
        $(#[$meta:meta])*
        pub enum $Enum:ident {
            $($(#[$doc:meta])* $Variant:ident = $name:literal $(| $alias:literal)*,)*
        }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum $Enum { $($(#[$doc])* $Variant,)* }

        impl $Enum {
            /// Every one there is.
            pub const ALL: &'static [Self] = &[$(Self::$Variant,)*];

            /// Every spelling there is.
            pub const NAMES: &'static [&'static str] = &[$($name, $($alias,)*)*];

            /// The canonical word.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$Variant => $name,)* }
            }

            /// The one that a word means, whatever its case.
            #[must_use]
            pub fn from_name(word: &str) -> Option<Self> {
                $(if word.eq_ignore_ascii_case($name) $(|| word.eq_ignore_ascii_case($alias))* {
                    return Some(Self::$Variant);
                })*
                None
            }
        }

        impl std::fmt::Display for $Enum {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.name())
            }
        }
    };
}

pub(crate) use names;
