//! Certificates, keys and CA files: read, or refused with a reason. The input is chain and key at once.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tls::{Certificate, parse_roots};
use types::Secret;

fuzz_target!(|pem: &[u8]| {
    match Certificate::from_pem(pem, &Secret::new(pem)) {
        Ok(certificate) => {
            for name in certificate.names() {
                assert!(!name.chars().any(|c| c.is_ascii_uppercase()));
            }
            let _ = (certificate.serial(), certificate.not_after());
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
    match parse_roots(pem) {
        Ok(roots) => assert!(!roots.is_empty()),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
});
