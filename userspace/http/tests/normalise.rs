//! One form for paths and hosts.

use http::normalise::host::Authority;
use http::normalise::{
    Backslash, EncodedSlash, HostError, Normal, PathError, PathPolicy, host, path,
};

fn normal_by(policy: &PathPolicy, raw: &str) -> Result<String, PathError> {
    let mut out = Vec::new();
    let normal = path(raw.as_bytes(), policy, &mut out)?;
    Ok(String::from_utf8(normal.bytes(&out).to_vec()).expect("a normal path is ASCII"))
}

fn normal(raw: &str) -> Result<String, PathError> {
    normal_by(&PathPolicy::default(), raw)
}

#[test]
fn paths() {
    let cases = [
        ("/", "/"),
        ("/a/b.html", "/a/b.html"),
        ("/a;v=1/b,c", "/a;v=1/b,c"),
        ("/%61%2D%5f%7E", "/a-_~"),
        ("/%c3%a9%3f%25", "/%C3%A9%3F%25"),
        ("/%252e%252e/", "/%252e%252e/"),
        ("/a/./b", "/a/b"),
        ("/a/../b", "/b"),
        ("/a/b/..", "/a/"),
        ("/a/b/.", "/a/b/"),
        ("/a/..", "/"),
        ("/a/%2e%2E/b", "/b"),
        ("/a/.%2e/b", "/b"),
        ("/a/b/../../c", "/c"),
        ("/...", "/..."),
        ("/.a/..b/c.", "/.a/..b/c."),
        ("//a///b//", "/a/b/"),
        ("/a//../b", "/b"),
        ("/a/.//b", "/a/b"),
        ("/%2f%2F", "/%2F%2F"),
        ("/a%0d%0ab", "/a%0D%0Ab"),
        ("/a|b{c}\"<>^`[]", "/a%7Cb%7Bc%7D%22%3C%3E%5E%60%5B%5D"),
        ("/a?b#c", "/a%3Fb%23c"),
        ("*", "*"),
    ];
    for (raw, expected) in cases {
        assert_eq!(normal(raw).as_deref(), Ok(expected), "{raw}");
    }
}

#[test]
fn paths_that_are_refused() {
    let cases = [
        ("", PathError::NotAbsolute),
        ("a", PathError::NotAbsolute),
        ("/..", PathError::AboveRoot(3)),
        ("/../a", PathError::AboveRoot(3)),
        ("/a/../../b", PathError::AboveRoot(8)),
        ("/%2e%2e/a", PathError::AboveRoot(7)),
        ("/a%", PathError::Escape(2)),
        ("/a%2", PathError::Escape(2)),
        ("/a%zz", PathError::Escape(2)),
        ("/a%+1", PathError::Escape(2)),
        ("/a%u0041", PathError::Escape(2)),
        ("/a%00", PathError::Nul(2)),
        ("/a\0", PathError::Byte(2)),
        ("/a\n", PathError::Byte(2)),
        ("/a b", PathError::Byte(2)),
        ("/a\u{7f}", PathError::Byte(2)),
        ("/\u{e9}", PathError::Byte(1)),
        ("/a\\b", PathError::Backslash(2)),
        ("/a%5cb", PathError::Backslash(2)),
        ("/a/..;/b", PathError::DotSegment(6)),
        ("/a/..;x=y", PathError::DotSegment(9)),
        ("/a/.;/b", PathError::DotSegment(5)),
        ("/a/..%3b/b", PathError::DotSegment(8)),
        ("/a/..%2Fb", PathError::DotSegment(9)),
        ("/a/b%2f..%2fc", PathError::DotSegment(13)),
        ("/a/b%2f%2e%2e", PathError::DotSegment(13)),
    ];
    for (raw, expected) in cases {
        assert_eq!(normal(raw), Err(expected), "{raw:?}");
        assert!(!expected.to_string().is_empty());
    }
}

#[test]
fn the_operator_has_choices() {
    let keep = PathPolicy {
        backslash: Backslash::Keep,
        ..PathPolicy::default()
    };
    assert_eq!(normal_by(&keep, "/a\\b%5cc").as_deref(), Ok("/a%5Cb%5Cc"));
    assert_eq!(normal_by(&keep, "/a\\..\\b"), Err(PathError::DotSegment(7)));
    let slash = PathPolicy {
        backslash: Backslash::Slash,
        ..PathPolicy::default()
    };
    assert_eq!(normal_by(&slash, "/a\\b%5c..\\c").as_deref(), Ok("/a/c"));
    assert_eq!(normal_by(&slash, "/..%5c"), Err(PathError::AboveRoot(3)));
    let refuse = PathPolicy {
        encoded_slash: EncodedSlash::Refuse,
        ..PathPolicy::default()
    };
    assert_eq!(
        normal_by(&refuse, "/a%2fb"),
        Err(PathError::EncodedSlash(2))
    );
    let apart = PathPolicy {
        merge_slashes: false,
        ..PathPolicy::default()
    };
    assert_eq!(normal_by(&apart, "/a//b/").as_deref(), Ok("/a//b/"));
    assert_eq!(normal_by(&apart, "/a//../b").as_deref(), Ok("/a/b"));
    assert_eq!(normal_by(&apart, "//..").as_deref(), Ok("/"));
}

#[test]
fn what_is_normal_is_not_copied() {
    let mut out = Vec::new();
    for raw in ["/", "/a/b.c;d", "/%C3%A9"] {
        let normal = path(raw.as_bytes(), &PathPolicy::default(), &mut out);
        assert_eq!(normal, Ok(Normal::Same(raw.as_bytes())));
    }
    assert_eq!(
        host(b"a.example:80", &mut out),
        Ok(Normal::Same(b"a.example"))
    );
}

#[test]
fn hosts() {
    let cases = [
        ("A.Example", "a.example"),
        ("a.example:8080", "a.example"),
        ("a.example.:443", "a.example"),
        ("a.example:", "a.example"),
        ("192.0.2.1:80", "192.0.2.1"),
        ("[2001:DB8:0:0::1]:80", "[2001:db8::1]"),
        ("[::ffff:192.0.2.1]", "[::ffff:192.0.2.1]"),
    ];
    for (raw, expected) in cases {
        let mut out = Vec::new();
        let normal = host(raw.as_bytes(), &mut out).expect(raw);
        assert_eq!(normal.bytes(&out), expected.as_bytes(), "{raw}");
    }
    assert_eq!(host(b"", &mut Vec::new()), Err(HostError::Empty));
    assert_eq!(host(b"a:99999", &mut Vec::new()), Err(HostError::Port(2)));
    assert_eq!(host(b"a b", &mut Vec::new()), Err(HostError::Byte(1)));
    assert_eq!(host(b"[::g]", &mut Vec::new()), Err(HostError::Ipv6));
}

#[test]
fn an_authority_knows_what_it_is() {
    let ipv6 = |text: &'static str| Authority::parse(text.as_bytes()).expect(text).ipv6;
    assert_eq!(ipv6("a.example"), None);
    assert_eq!(ipv6("192.0.2.1"), None);
    assert_eq!(ipv6("[::1]:80"), Some([0, 0, 0, 0, 0, 0, 0, 1].into()));
    assert_eq!(Authority::parse(b"a:8080").map(|a| a.port), Ok(Some(8080)));
}
