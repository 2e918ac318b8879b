//! Finds SQL injection and cross-site scripting in a value, with the verdicts of libinjection.
//!
//! Both detectors are pure functions of the bytes, allocate nothing and take any bytes. Their verdicts and fingerprints are those of
//! libinjection 3.9.2, as libmodsecurity 3.0.9 carries it: `tests/oracle.rs` compares them where that library is installed, and
//! `cargo bench -p bascule-injection` compares the times. What libinjection reads behind the end of a value is NUL here, as it is
//! behind the strings that ModSecurity hands to it.
//!
//! The words and fingerprints of SQL (`src/sqli/*.txt`) are libinjection's data; see the NOTICE of this crate. The code is our own.
//!
//! ```
//! let found = injection::sqli(b"1' OR '1'='1").unwrap();
//! assert_eq!(found.as_bytes(), b"s&sos");
//! assert!(injection::xss(b"<img src=x onerror=alert(1)>"));
//! assert!(injection::sqli(b"O'Neill").is_none());
//! ```
#![forbid(unsafe_code)]

mod fingerprint;
mod sqli;
mod xss;

pub use fingerprint::Fingerprint;
pub use sqli::{can_make_sqli, sqli};
pub use xss::{can_make_xss, xss};
