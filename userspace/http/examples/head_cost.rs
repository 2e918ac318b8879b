//! What a head costs: parse, normalise, write on, decode. Run with `--release`.
#![allow(clippy::print_stdout, reason = "it is a measuring tool")]

use http::forward::{ForwardContext, request_head};
use http::h1::{Framing, HeadLimits, Parse, request, response};
use http::normalise::{self, PathPolicy};
use http::{Method, Scheme};
use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Instant;

const REQUEST: &[u8] = b"GET /products/shoes/running?size=43&color=blue HTTP/1.1\r\n\
Host: shop.example.com\r\n\
User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\r\n\
Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8\r\n\
Accept-Language: en-US,en;q=0.5\r\n\
Accept-Encoding: gzip, deflate, br, zstd\r\n\
Referer: https://shop.example.com/products/shoes\r\n\
Connection: keep-alive\r\n\
Cookie: session=0123456789abcdef0123456789abcdef; theme=dark; consent=yes\r\n\
Upgrade-Insecure-Requests: 1\r\n\
Sec-Fetch-Dest: document\r\n\
Sec-Fetch-Mode: navigate\r\n\
Sec-Fetch-Site: same-origin\r\n\r\n";

const RESPONSE: &[u8] = b"HTTP/1.1 200 OK\r\n\
Server: origin\r\n\
Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n\
Content-Type: text/html; charset=utf-8\r\n\
Content-Length: 1024\r\n\
Cache-Control: no-cache\r\n\r\n";

fn main() {
    let limits = HeadLimits::default();
    let mut head = request::RequestHead::new();
    measure("request head", || {
        let parsed = request::parse(black_box(REQUEST), &limits, &mut head);
        assert!(matches!(parsed, Ok(Parse::Complete { .. })));
    });
    let view = head.view(REQUEST);
    let (mut path, mut host) = (Vec::new(), Vec::new());
    measure("normalise path and host", || {
        let path = normalise::path(black_box(view.path()), &PathPolicy::default(), &mut path);
        let host = normalise::host(black_box(view.host()), &mut host);
        black_box((path.is_ok(), host.is_ok()));
    });
    let context = ForwardContext {
        path: view.path(),
        query: view.query(),
        host: view.host(),
        framing: Framing::None,
        keep_alive: true,
        peer: IpAddr::V4(Ipv4Addr::new(192, 0, 2, 17)),
        peer_is_trusted: false,
        scheme: Scheme::Https,
        request_id: b"01890a5d-ac96-774b-bcce-b302099a8057",
        pseudonym: "bascule",
        edits: &[],
    };
    let mut out = Vec::new();
    measure("forwarded request head", || {
        out.clear();
        request_head(&mut out, black_box(view), &context);
        black_box(&out);
    });
    let mut answer = response::ResponseHead::new();
    measure("response head", || {
        let parsed = response::parse(black_box(RESPONSE), &limits, Method::Get, &mut answer);
        assert!(matches!(parsed, Ok(Parse::Complete { .. })));
    });
}

/// Prints the best of many short rounds: what the code costs when nothing else runs.
fn measure(what: &str, mut work: impl FnMut()) {
    const ROUNDS: u32 = 300;
    const CALLS: u32 = 1000;
    let best = (0..ROUNDS)
        .map(|_| {
            let start = Instant::now();
            (0..CALLS).for_each(|_| work());
            start.elapsed()
        })
        .min()
        .unwrap_or_default();
    println!("{what}: {} ns", best.as_nanos() / u128::from(CALLS));
}
