//! Secrets are referred to, never written, and never shown.

use crate::given::{given, given_in};
use config::{AuthMethod, Config, Env, FileKind, Kind, parse_str};
use std::io;
use std::path::Path;

const REST: &str = "listeners: [{ address: 0.0.0.0:8080 }]
routes: [{ path: /, upstream: app, auth: a }]
upstreams: { app: { endpoints: [127.0.0.1:9001] } }";

fn file(jwt: &str) -> String {
    format!("auth: {{ a: {{ jwt: {{ issuer: i, audience: b, {jwt} }} }} }}\n{REST}")
}

/// A world with one variable and one file.
struct Small {
    variable: &'static str,
    file: &'static [u8],
}

impl Env for Small {
    fn variable(&self, name: &str) -> Option<String> {
        (name == "JWT").then(|| self.variable.to_owned())
    }

    fn expect(&self, path: &Path, kind: FileKind) -> io::Result<()> {
        match (path.to_str(), kind) {
            (Some("conf/secret"), FileKind::File) => Ok(()),
            (Some("conf/locked"), _) => Err(io::ErrorKind::PermissionDenied.into()),
            _ => Err(io::ErrorKind::NotFound.into()),
        }
    }

    fn read(&self, _: &Path, limit: u64) -> io::Result<Vec<u8>> {
        Ok(self
            .file
            .iter()
            .copied()
            .take(usize::try_from(limit).unwrap())
            .collect())
    }

    fn find(&self, _: &Path, _: &str) -> io::Result<Vec<String>> {
        Err(io::ErrorKind::NotFound.into())
    }
}

const SECRET: &str = "0123456789abcdef0123456789abcdef";
const SMALL: Small = Small {
    variable: SECRET,
    file: b"0123456789abcdef0123456789abcdef\r\n",
};

#[test]
fn secrets_come_from_variables_and_files() {
    for reference in ["{ env: JWT }", "{ file: secret }"] {
        let loaded = Config::parse(
            "conf/x.yaml",
            &file(&format!("secret: {reference}")),
            &SMALL,
        )
        .unwrap();
        let Some(AuthMethod::Jwt(jwt)) = loaded.config.auth.get("a") else {
            panic!("a JWT method")
        };
        assert_eq!(
            jwt.secret.as_ref().unwrap().secret.expose(),
            SECRET.as_bytes()
        );
    }
}

#[test]
fn what_is_not_there_is_named() {
    let read = |jwt: &str, env: &Small| given_in(&file(jwt), env);
    read("secret: { env: «OTHER }", &SMALL)
        .finds_only(Kind::Secret)
        .says("`OTHER` is not set");
    read("secret: { file: «missing }", &SMALL)
        .finds_only(Kind::File)
        .remedy("relative to the folder");
    read("secret: { file: «locked }", &SMALL)
        .finds_only(Kind::File)
        .remedy("let the user");
    read(
        "secret: { env: «JWT }",
        &Small {
            variable: "",
            ..SMALL
        },
    )
    .finds_only(Kind::Secret)
    .says("is empty");
    read(
        "secret: { env: «JWT }",
        &Small {
            variable: "short",
            ..SMALL
        },
    )
    .finds_only(Kind::Secret)
    .says("5 bytes");
    read(
        "secret: { file: «secret }",
        &Small {
            file: b"\n",
            ..SMALL
        },
    )
    .finds_only(Kind::Secret)
    .says("is empty");
    let huge: &'static [u8] = Box::leak(vec![b'x'; 1 << 20].into_boxed_slice());
    read(
        "secret: { file: «secret }",
        &Small {
            file: huge,
            ..SMALL
        },
    )
    .finds_only(Kind::Secret)
    .says("too large");
    read("secret: { env: JWT }, algorithms: [HS512]", &SMALL)
        .finds_only(Kind::Secret)
        .says("32 bytes");
    read("secret: «{ env: JWT, file: secret }", &SMALL)
        .finds_only(Kind::Secret)
        .says("2 keys");
}

#[test]
fn a_secret_that_was_written_out_is_an_error_and_stays_hidden() {
    for jwt in [
        "secret: «hunter2",
        "secret: «\"hunter2\"",
        "secret: { env: «'hunter2 !' }",
        "secret: «{ value: hunter2 }",
        "secret: «[hunter2]",
    ] {
        let given = given(&file(jwt));
        let shown = format!(
            "{}{:?}{}",
            given.findings,
            given.findings,
            given.findings.json()
        );
        assert!(!shown.contains("hunter2"), "{shown}");
        assert!(!given.errors().is_empty());
    }
    given(&file("secret: «hunter2"))
        .finds_only(Kind::Secret)
        .remedy("replace the secret");
}

#[test]
fn other_findings_on_the_line_do_not_show_it_either() {
    for text in [
        file("secert: hunter2"),
        file("secret: hunter2, leeway: 5"),
        file("password: hunter2"),
        file("secret: |\n      hunter2\n  "),
        "jwt: { secret: hunter2, [".to_owned(),
        "authh: { jwtt: { secret: hunter2 } }".to_owned(),
        "auth: { a: { api_token: hunter2, store: x } }".to_owned(),
        "client_secret: hunter2: hunter2".to_owned(),
    ] {
        let shown = given(&text).findings.to_string();
        assert!(!shown.contains("hunter2"), "{text}\n{shown}");
        assert!(shown.starts_with("error"), "{shown}");
    }
}

#[test]
fn a_good_configuration_shows_references_alone() {
    let loaded = parse_str(&file("secret: { env: JWT }")).unwrap();
    let shown = format!("{loaded:?}{}", loaded.config.json());
    assert!(shown.contains("[secret]") && shown.contains("JWT"));
    assert!(!shown.contains("a pretended secret"));
}
