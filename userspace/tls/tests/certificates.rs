//! Certificates and keys as operators have them, right and wrong.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use rcgen::{CertificateParams, KeyPair};
use tls::{Certificate, CertificateError, Policy, ServerSide, ServerSpec, parse_roots};
use types::Secret;

fn pair(names: &[&str]) -> (String, String) {
    let key = KeyPair::generate().unwrap();
    let names: Vec<String> = names.iter().map(ToString::to_string).collect();
    let certificate = CertificateParams::new(names)
        .unwrap()
        .self_signed(&key)
        .unwrap();
    (certificate.pem(), key.serialize_pem())
}

fn read(chain: &str, key: &str) -> Result<Certificate, CertificateError> {
    Certificate::from_pem(chain.as_bytes(), &Secret::new(key.as_bytes()))
}

#[test]
fn names_serial_and_end_are_read() {
    let (chain, key) = pair(&["Shop.Example.com", "*.example.org", "192.0.2.1"]);
    let certificate = read(&chain, &key).unwrap();
    assert_eq!(
        certificate.names(),
        ["shop.example.com", "*.example.org", "192.0.2.1"]
    );
    assert!(!certificate.serial().is_empty());
    assert!(certificate.not_after() > std::time::SystemTime::now());
    assert!(!format!("{certificate:?}").contains("PRIVATE"));
}

#[test]
fn a_key_of_another_pair_is_refused() {
    let ((chain, _), (_, key)) = (pair(&["a.example"]), pair(&["a.example"]));
    assert!(matches!(
        read(&chain, &key),
        Err(CertificateError::KeyMismatch)
    ));
}

#[test]
fn files_that_are_swapped_or_empty_are_refused() {
    let (chain, key) = pair(&["a.example"]);
    assert!(matches!(
        read(&key, &chain),
        Err(CertificateError::NoCertificate)
    ));
    assert!(matches!(read(&chain, &chain), Err(CertificateError::NoKey)));
    assert!(matches!(
        read("", &key),
        Err(CertificateError::NoCertificate)
    ));
    assert!(matches!(
        read("no PEM at all", &key),
        Err(CertificateError::NoCertificate)
    ));
    assert!(parse_roots(b"").is_err());
}

#[test]
fn a_certificate_cut_short_is_refused_not_panicked_on() {
    let (chain, key) = pair(&["a.example"]);
    for end in (0..chain.len()).step_by(7) {
        assert!(read(&chain[..end], &key).is_err(), "cut at {end}");
    }
}

#[test]
fn a_certificate_for_no_host_is_refused() {
    let (chain, key) = pair(&[]);
    assert!(matches!(read(&chain, &key), Err(CertificateError::NoNames)));
}

#[test]
fn a_listener_needs_a_certificate() {
    let spec = ServerSpec {
        protocols: vec![b"http/1.1".to_vec()],
        certificates: Vec::new(),
        policy: Policy::Modern,
        tickets: None,
    };
    assert!(matches!(
        ServerSide::new(&spec),
        Err(CertificateError::NoCertificates)
    ));
}
