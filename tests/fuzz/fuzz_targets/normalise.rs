//! The normal form of a path or a host is its own normal form, and a normal path has no dot segments. The first byte
//! chooses the policy.
#![no_main]

use http::normalise::{Backslash, EncodedSlash, PathPolicy, host, path};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let Some((&choice, text)) = input.split_first() else {
        return;
    };
    let policy = PathPolicy {
        backslash: [Backslash::Refuse, Backslash::Keep, Backslash::Slash][usize::from(choice) % 3],
        encoded_slash: if choice & 4 == 0 {
            EncodedSlash::Keep
        } else {
            EncodedSlash::Refuse
        },
        merge_slashes: choice & 8 == 0,
    };
    let (mut once, mut twice) = (Vec::new(), Vec::new());
    match path(text, &policy, &mut once) {
        Ok(normal) => {
            let normal = normal.bytes(&once);
            assert!(normal == b"*" || normal.starts_with(b"/"));
            assert!(normal.iter().all(|byte| byte.is_ascii_graphic()));
            let mut segments = normal.split(|&byte| byte == b'/');
            assert!(segments.all(|segment| !matches!(segment, b"." | b"..")));
            if policy.merge_slashes {
                assert!(!normal.windows(2).any(|pair| pair == b"//"));
            }
            let again = path(normal, &policy, &mut twice).expect("a normal path is a path");
            assert_eq!(again.bytes(&twice), normal);
        }
        Err(error) => {
            let _ = error.to_string();
        }
    }
    match host(text, &mut once) {
        Ok(normal) => {
            let normal = normal.bytes(&once);
            let again = host(normal, &mut twice).expect("a normal host is a host");
            assert_eq!(again.bytes(&twice), normal);
        }
        Err(error) => assert!(error.offset() <= text.len()),
    }
});
