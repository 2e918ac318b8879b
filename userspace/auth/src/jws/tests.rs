use super::*;
use crate::testing::base64url as encode;
use proptest::prelude::*;

fn with_header(header: &str) -> Result<Header, JwsError> {
    let token = format!(
        "{}.{}.{}",
        encode(header),
        encode("{}"),
        encode("signature")
    );
    parse(token.as_bytes()).map(|jws| jws.header)
}

#[test]
fn takes_a_token_apart() {
    let token = format!(
        "{}.{}.{}",
        encode(r#"{"alg":"ES256","kid":"k","typ":"JWT","x5t":"ignored"}"#),
        encode("payload"),
        encode("sig")
    );
    let jws = parse(token.as_bytes()).unwrap();
    let expected = Header {
        algorithm: Algorithm::Es256,
        kid: Some("k".into()),
        typ: Some("JWT".into()),
    };
    assert_eq!(jws.header, expected);
    assert_eq!(
        (&*jws.payload, &*jws.signature),
        (&b"payload"[..], &b"sig"[..])
    );
    let end = token.rfind('.').unwrap();
    assert_eq!(jws.signing_input, &token.as_bytes()[..end]);
}

#[test]
fn refuses_other_shapes() {
    let header = encode(r#"{"alg":"HS256"}"#);
    for (token, error) in [
        (String::new(), JwsError::Parts),
        ("a.b".to_owned(), JwsError::Parts),
        (format!("{header}.e30.AA.AA"), JwsError::Parts),
        (format!("{header}.e30.AA.AA.AA"), JwsError::Parts),
        ("..".to_owned(), JwsError::Header),
        (format!("{header}=.e30.AA"), JwsError::Encoding("header")),
        (format!(" {header}.e30.AA"), JwsError::Encoding("header")),
        (format!("{header}.e3 0.AA"), JwsError::Encoding("payload")),
        (format!("{header}.e30=.AA"), JwsError::Encoding("payload")),
        (format!("{header}.e30.AB"), JwsError::Encoding("signature")),
        (
            format!("{header}.e30.AA\n"),
            JwsError::Encoding("signature"),
        ),
        (format!("{header}.e30.A+"), JwsError::Encoding("signature")),
        (
            format!("{header}.e30.{}", "A".repeat(TOKEN_LIMIT_BYTES)),
            JwsError::TooLarge,
        ),
    ] {
        assert_eq!(parse(token.as_bytes()).unwrap_err(), error, "{token:.60}");
    }
}

#[test]
fn refuses_headers_that_it_does_not_understand() {
    for (header, error) in [
        ("[]", JwsError::Header),
        ("x", JwsError::Header),
        (r#"{"alg":"HS256","alg":"RS256"}"#, JwsError::Header),
        (r#"{"alg":"HS256","kid":"a","kid":"b"}"#, JwsError::Header),
        (r#"{"kid":"a"}"#, JwsError::Parameter("alg")),
        (r#"{"alg":7}"#, JwsError::Parameter("alg")),
        (r#"{"alg":null}"#, JwsError::Parameter("alg")),
        (r#"{"alg":"HS256","kid":7}"#, JwsError::Parameter("kid")),
        (
            r#"{"alg":"HS256","typ":["JWT"]}"#,
            JwsError::Parameter("typ"),
        ),
        (r#"{"alg":"none"}"#, JwsError::AlgorithmNone),
        (r#"{"alg":"NONE"}"#, JwsError::AlgorithmNone),
        (r#"{"alg":"nOnE"}"#, JwsError::AlgorithmNone),
        (r#"{"alg":"hs256"}"#, JwsError::AlgorithmUnknown),
        (
            r#"{"alg":"RSA-OAEP","enc":"A128GCM"}"#,
            JwsError::AlgorithmUnknown,
        ),
        (r#"{"alg":""}"#, JwsError::AlgorithmUnknown),
        (r#"{"alg":"HS256","crit":[]}"#, JwsError::Critical("crit")),
        (
            r#"{"alg":"HS256","crit":["exp"],"exp":1}"#,
            JwsError::Critical("crit"),
        ),
        (
            r#"{"alg":"HS256","b64":false,"crit":["b64"]}"#,
            JwsError::Critical("crit"),
        ),
        (r#"{"alg":"HS256","b64":true}"#, JwsError::Critical("b64")),
    ] {
        assert_eq!(with_header(header).unwrap_err(), error, "{header}");
    }
}

#[test]
fn knows_every_algorithm_by_its_registered_name() {
    for algorithm in Algorithm::ALL {
        assert_eq!(
            with_header(&format!(r#"{{"alg":"{algorithm}"}}"#))
                .unwrap()
                .algorithm,
            algorithm
        );
    }
    assert_eq!(
        with_header(r#"{"alg":"Ed25519"}"#).unwrap().algorithm,
        Algorithm::EdDsa
    );
}

#[test]
fn errors_do_not_repeat_the_token() {
    let error = parse(b"c2VjcmV0.c2VjcmV0.!").unwrap_err();
    assert!(!format!("{error} {error:?}").contains("c2VjcmV0"));
}

proptest! {
    #[test]
    fn never_panics(token: Vec<u8>) {
        let _ = parse(&token);
    }

    #[test]
    fn never_panics_on_three_parts(header in ".{0,80}", payload: Vec<u8>, signature: Vec<u8>) {
        let token = format!("{}.{}.{}", encode(header), encode(payload), encode(signature));
        let _ = parse(token.as_bytes());
    }
}
