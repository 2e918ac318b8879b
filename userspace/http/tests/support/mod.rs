//! What the tests of request heads share.

use http::h1::request::{RequestHead, parse};
use http::h1::{HeadError, HeadLimits, Parse};

/// Parses a head that has to be complete.
pub(crate) fn accepted(text: &str) -> RequestHead {
    let mut head = RequestHead::new();
    match parse(text.as_bytes(), &HeadLimits::default(), &mut head) {
        Ok(Parse::Complete { consumed }) => assert_eq!(consumed, text.len(), "{text:?}"),
        other => panic!("{text:?}: {other:?}"),
    }
    head
}

pub(crate) fn refused(text: &[u8]) -> HeadError {
    refused_by(text, &HeadLimits::default())
}

pub(crate) fn refused_by(text: &[u8], limits: &HeadLimits) -> HeadError {
    let result = parse(text, limits, &mut RequestHead::new());
    result.expect_err(&format!("{:?}", String::from_utf8_lossy(text)))
}

pub(crate) fn with_fields(fields: &str) -> String {
    format!("POST /a HTTP/1.1\r\nHost: a.example\r\n{fields}\r\n")
}
