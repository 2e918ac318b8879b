//! Files of banned addresses and prefixes, and what `bascule ban` takes: read, or refused at one line.
#![no_main]

use kernel::{parse_ban_file, parse_target};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    match parse_ban_file(text, "list.txt") {
        Ok(bans) => {
            for ban in bans {
                assert!(ban.target.prefix_len() > 0 && ban.target.trunc() == ban.target);
                let again = parse_target(&ban.target.to_string());
                assert_eq!(again.as_ref(), Ok(&ban.target));
                assert!(!ban.reason.is_empty());
            }
        }
        Err(errors) => {
            assert!(!errors.is_empty());
            for error in errors {
                assert!(error.line <= text.lines().count());
                assert!(!error.error.to_string().is_empty());
            }
        }
    }
});
