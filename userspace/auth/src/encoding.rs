//! base64url as JOSE writes it, and base62 for API keys.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// Decodes base64url without padding. Strict: white space, `=`, any other character and non-zero trailing bits are
/// refused (RFC 7515, 2 and appendix C), so that one byte string has exactly one spelling.
pub(crate) fn base64url(text: &[u8]) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}

const BASE62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// Writes a big-endian number in base62, most significant digit first, with exactly `N` digits.
/// `N` must be large enough for the number; the digits that do not fit are lost.
pub(crate) fn base62<const N: usize>(number: &[u8]) -> [u8; N] {
    let mut rest = number.to_vec();
    let mut digits = [b'0'; N];
    for digit in digits.iter_mut().rev() {
        let mut remainder = 0_u32;
        for byte in &mut rest {
            let value = (remainder << 8) | u32::from(*byte);
            *byte = u8::try_from(value / 62).unwrap_or(u8::MAX);
            remainder = value % 62;
        }
        *digit = base62_digit(remainder);
    }
    digits
}

/// The digit for a value below 62.
pub(crate) fn base62_digit(value: u32) -> u8 {
    usize::try_from(value)
        .ok()
        .and_then(|index| BASE62.get(index).copied())
        .unwrap_or(b'0')
}

/// Lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    let digit = |nibble: u8| char::from_digit(u32::from(nibble), 16).unwrap_or('0');
    bytes
        .iter()
        .flat_map(|byte| [digit(byte >> 4), digit(byte & 0x0f)])
        .collect()
}

/// Reads exactly 32 bytes of lower-case hexadecimal.
pub(crate) fn unhex32(text: &str) -> Option<[u8; 32]> {
    let text = text.as_bytes();
    if text.len() != 64 {
        return None;
    }
    let mut bytes = [0; 32];
    for (byte, pair) in bytes.iter_mut().zip(text.chunks_exact(2)) {
        let &[high, low] = pair else { return None };
        *byte = (nibble(high)? << 4) | nibble(low)?;
    }
    Some(bytes)
}

const fn nibble(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64url_has_one_spelling() {
        assert_eq!(base64url(b"VGVzdA").as_deref(), Some(&b"Test"[..]));
        for other in [
            "VGVzdA==", "VGVzdA=", "VGVz dA", "VGVzdB", "VGVzdA\n", "VGV+dA", "VGVz/A", "V",
        ] {
            assert_eq!(base64url(other.as_bytes()), None, "{other:?}");
        }
    }

    #[test]
    fn base62_is_positional_and_padded() {
        assert_eq!(&base62::<3>(&[61]), b"00z");
        assert_eq!(&base62::<3>(&[62]), b"010");
        assert_eq!(&base62::<6>(&u32::MAX.to_be_bytes()), b"4gfFC3");
        assert_eq!(
            &base62::<33>(&[0xff; 24]),
            b"2lFA6LboL2xx0ldQH2K1TdSrwuqMMiME3"
        );
    }

    #[test]
    fn hex_round_trips_and_is_strict() {
        let bytes: [u8; 32] = std::array::from_fn(|i| u8::try_from(i * 7 % 256).unwrap());
        assert_eq!(unhex32(&hex(&bytes)), Some(bytes));
        assert_eq!(unhex32(&hex(&bytes).to_uppercase()), None);
        assert_eq!(unhex32(&hex(&bytes)[2..]), None);
    }
}
