//! The values that stand in the file: each with the form it is written in, its range and its error messages.

mod address;
mod address_set;
mod file;
mod measure;
mod named;
mod plain;
mod secret;
mod service;
mod text;

pub use address::{EndpointAddress, EndpointHost};
pub use address_set::AddressSet;
pub(crate) use file::reason;
pub use file::{FilePath, Files, InputFile, MAX_FILES, OutputFile};
pub use measure::{Percent, Rate, Size};
pub use named::{Entry, Named, OneOrMore};
pub use secret::{MAX_SECRET, SecretRef, SecretSource};
pub use service::{ServiceAddress, ServiceProtocol};
pub(crate) use text::is_host;
pub use text::{ClaimName, HeaderName, HeaderValue, HostPattern, Method, Name, Url};
