//! As much of HTTP/1.1 as a backend behind a proxy needs.

use memchr::memmem;

/// The longest head in bytes; a longer one is answered with 431.
pub(crate) const HEAD_LIMIT_BYTES: usize = 64 * 1024;

/// A request's head.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Head<'a> {
    pub(crate) method: &'a str,
    pub(crate) target: &'a str,
    pub(crate) fields: Vec<(&'a str, &'a str)>,
    /// Bytes of the head, its empty line included.
    pub(crate) head_bytes: usize,
    /// Bytes of the body that follows.
    pub(crate) body_bytes: usize,
    /// The connection ends with this request's answer.
    pub(crate) close: bool,
}

/// Why there is no head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoHead {
    /// More bytes are needed.
    Partial,
    /// Not a request: 400.
    Malformed,
    /// The head passes [`HEAD_LIMIT_BYTES`]: 431.
    TooLong,
    /// A chunked body, which this backend does not read: 411.
    LengthRequired,
}

impl<'a> Head<'a> {
    /// Reads the head that the bytes begin with.
    pub(crate) fn parse(bytes: &'a [u8]) -> Result<Self, NoHead> {
        let Some(end) = memmem::find(bytes, b"\r\n\r\n") else {
            return Err(if bytes.len() > HEAD_LIMIT_BYTES {
                NoHead::TooLong
            } else {
                NoHead::Partial
            });
        };
        let text = bytes.get(..end).ok_or(NoHead::Malformed)?;
        let text = std::str::from_utf8(text).map_err(|_| NoHead::Malformed)?;
        let mut lines = text.split("\r\n");
        let mut words = lines.next().unwrap_or_default().splitn(3, ' ');
        let (Some(method), Some(target), Some(version)) =
            (words.next(), words.next(), words.next())
        else {
            return Err(NoHead::Malformed);
        };
        let mut head = Head {
            method,
            target,
            fields: Vec::with_capacity(16),
            head_bytes: end + 4,
            body_bytes: 0,
            close: version != "HTTP/1.1",
        };
        for line in lines {
            let (name, value) = line.split_once(':').ok_or(NoHead::Malformed)?;
            head.field(name, value.trim())?;
        }
        Ok(head)
    }

    fn field(&mut self, name: &'a str, value: &'a str) -> Result<(), NoHead> {
        if name.eq_ignore_ascii_case("content-length") {
            self.body_bytes = value.parse().map_err(|_| NoHead::Malformed)?;
        } else if name.eq_ignore_ascii_case("transfer-encoding") {
            return Err(NoHead::LengthRequired);
        } else if name.eq_ignore_ascii_case("connection") {
            self.close = value.eq_ignore_ascii_case("close")
                || (self.close && !value.eq_ignore_ascii_case("keep-alive"));
        }
        self.fields.push((name, value));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_end_at_the_empty_line() {
        let bytes = b"POST /a?b HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc";
        assert_eq!(Head::parse(&bytes[..20]), Err(NoHead::Partial));
        let head = Head::parse(bytes).expect("a whole head");
        assert_eq!((head.method, head.target), ("POST", "/a?b"));
        assert_eq!(head.fields, [("Host", "x"), ("Content-Length", "3")]);
        assert_eq!(
            (head.head_bytes, head.body_bytes, head.close),
            (50, 3, false)
        );
    }

    #[test]
    fn connections_end_when_told() {
        for (text, close) in [
            ("GET / HTTP/1.1\r\n\r\n", false),
            ("GET / HTTP/1.1\r\nConnection: Close\r\n\r\n", true),
            ("GET / HTTP/1.0\r\n\r\n", true),
            ("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", false),
        ] {
            let head = Head::parse(text.as_bytes()).expect("a whole head");
            assert_eq!(head.close, close, "{text}");
        }
    }

    #[test]
    fn what_is_no_request_is_told_apart() {
        for (text, why) in [
            ("\r\n\r\n", NoHead::Malformed),
            ("GET / HTTP/1.1\r\nno colon\r\n\r\n", NoHead::Malformed),
            (
                "GET / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
                NoHead::Malformed,
            ),
            (
                "PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n",
                NoHead::LengthRequired,
            ),
        ] {
            assert_eq!(Head::parse(text.as_bytes()), Err(why), "{text}");
        }
        let long = vec![b'a'; HEAD_LIMIT_BYTES + 1];
        assert_eq!(Head::parse(&long), Err(NoHead::TooLong));
    }
}
