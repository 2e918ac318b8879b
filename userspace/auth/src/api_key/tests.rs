use super::*;
use proptest::prelude::*;

fn key(random: [u8; RANDOM_BYTES]) -> String {
    let secret = ApiKey::generate("bsk", &random).unwrap();
    String::from_utf8(secret.expose().to_vec()).unwrap()
}

#[test]
fn crc32_of_the_check_string() {
    assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
}

#[test]
fn the_form_does_not_change() {
    // Keys that users hold must stay valid. This text was computed by other means.
    let made = key(std::array::from_fn(|i| u8::try_from(i).unwrap()));
    assert_eq!(made, "bsk_000A7dl5PEW67zZCpFU9uKaHnGgOvQKAR32Tc8v");
    let parsed = ApiKey::parse(made.as_bytes()).unwrap();
    assert_eq!(parsed.prefix(), "bsk");
    assert_eq!(parsed.hash(), KeyHash::of(made.as_bytes()));
    assert_eq!(format!("{parsed:?}"), "ApiKey(bsk_[secret])");
}

#[test]
fn prefixes() {
    for good in ["bsk", "shop_live", "a1"] {
        assert!(is_prefix(good), "{good}");
        let made = ApiKey::generate(good, &[7; RANDOM_BYTES]).unwrap();
        assert_eq!(ApiKey::parse(made.expose()).unwrap().prefix(), good);
    }
    for bad in [
        "",
        "b",
        "_a",
        "a_",
        "1a",
        "Bsk",
        "b-k",
        "bsk ",
        "abcdefghijklmnopqrstuvwxy",
    ] {
        assert!(!is_prefix(bad), "{bad}");
        assert_eq!(
            ApiKey::generate(bad, &[7; RANDOM_BYTES]).err(),
            Some(BadPrefix)
        );
    }
}

#[test]
fn refusals() {
    let good = key([9; RANDOM_BYTES]);
    let cases = [
        (String::new(), ApiKeyError::Form),
        ("bsk_".to_owned(), ApiKeyError::Form),
        (good.replace("bsk_", ""), ApiKeyError::Form),
        (good.replace("bsk_", "_"), ApiKeyError::Form),
        (good.replace("bsk_", "bsk-"), ApiKeyError::Form),
        (good.replace("bsk_", "BSK_"), ApiKeyError::Form),
        (format!("{good} "), ApiKeyError::Form),
        (format!(" {good}"), ApiKeyError::Form),
        (good.replace('_', "%5F"), ApiKeyError::Form),
        (good.replace("bsk_", "bsl_"), ApiKeyError::Checksum),
        (good.replace("bsk_", "bsk_0_"), ApiKeyError::Checksum),
    ];
    for (text, error) in cases {
        assert_eq!(ApiKey::parse(text.as_bytes()).err(), Some(error), "{text}");
    }
}

proptest! {
    #[test]
    fn generated_keys_parse(random: [u8; RANDOM_BYTES]) {
        prop_assert!(ApiKey::parse(key(random).as_bytes()).is_ok());
    }

    #[test]
    fn different_randomness_gives_different_keys(a: [u8; RANDOM_BYTES], b: [u8; RANDOM_BYTES]) {
        prop_assert_eq!(a == b, key(a) == key(b));
    }

    #[test]
    fn every_single_mistake_is_found(random: [u8; RANDOM_BYTES], at in 0_usize..43, byte: u8) {
        let good = key(random).into_bytes();
        let mut typo = good.clone();
        typo[at] = byte;
        prop_assert_eq!(ApiKey::parse(&typo).is_ok(), typo == good);
    }

    #[test]
    fn a_cut_key_is_found(random: [u8; RANDOM_BYTES], length in 0_usize..43) {
        prop_assert!(ApiKey::parse(&key(random).as_bytes()[..length]).is_err());
    }

    #[test]
    fn never_panics(text: Vec<u8>) {
        let _ = ApiKey::parse(&text);
    }
}
