//! A JSON Web Token for the demo, signed with HS256 by `openssl`.

use crate::failure::{Failure, Outcome, at};
use std::io::Write;
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

pub(super) const ISSUER: &str = "https://id.demo.example";
pub(super) const AUDIENCE: &str = "demo";
const GOOD_FOR: Duration = Duration::from_secs(24 * 3600);

/// A token for a subject, good for a day.
pub(super) fn issue(secret: &str, subject: &str) -> Outcome<String> {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let (issued, expires) = (now.as_secs(), (now + GOOD_FOR).as_secs());
    let header = r#"{"alg":"HS256","typ":"JWT"}"#;
    let claims = format!(
        r#"{{"iss":"{ISSUER}","aud":"{AUDIENCE}","sub":"{subject}","iat":{issued},"exp":{expires}}}"#
    );
    let signed = format!(
        "{}.{}",
        base64(header.as_bytes()),
        base64(claims.as_bytes())
    );
    let signature = hmac_sha256(secret, signed.as_bytes())?;
    Ok(format!("{signed}.{}", base64(&signature)))
}

fn hmac_sha256(secret: &str, message: &[u8]) -> Outcome<Vec<u8>> {
    let mut command = Command::new("openssl");
    command
        .args(["dgst", "-sha256", "-binary", "-hmac", secret])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    let start = |error| Failure::Start {
        command: "openssl dgst".to_owned(),
        error,
    };
    let mut child = command.spawn().map_err(start)?;
    if let Some(mut input) = child.stdin.take() {
        input.write_all(message).map_err(at("openssl dgst"))?;
    }
    let output = child.wait_with_output().map_err(start)?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    Err(Failure::Exit {
        command: "openssl dgst".to_owned(),
        code: output.status.code(),
    })
}

/// base64url without padding (RFC 4648, section 5).
fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let group = chunk
            .iter()
            .chain([0; 2].iter())
            .take(3)
            .fold(0_u32, |group, byte| group << 8 | u32::from(*byte));
        for position in 0..=chunk.len() {
            let index = (group >> (18 - 6 * position)) & 63;
            text.push(char::from(ALPHABET[index as usize]));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_that_of_the_rfc() {
        for (bytes, text) in [
            ("", ""),
            ("f", "Zg"),
            ("fo", "Zm8"),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg"),
            ("???>>>", "Pz8_Pj4-"),
        ] {
            assert_eq!(base64(bytes.as_bytes()), text);
        }
    }
}
