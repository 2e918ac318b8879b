//! The C program beside this file: builds it and talks to it.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::OnceLock;

const SOURCE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/oracle/libinjection.c");
/// The library that has libinjection inside.
const LIBRARY: &str = "-l:libmodsecurity.so.3";
/// Bytes of a verdict: sqli, fingerprint, xss.
const VERDICT: usize = 10;

/// What libinjection says of a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Verdict {
    /// The fingerprint of what it takes for SQL injection.
    pub(crate) sqli: Option<Vec<u8>>,
    pub(crate) xss: bool,
}

/// Which detector is timed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(dead_code, reason = "the tests take no times")]
pub(crate) enum Detector {
    Sqli = 1,
    Xss = 2,
}

/// A running program.
pub(crate) struct Oracle {
    child: Child,
    input: Option<ChildStdin>,
    output: ChildStdout,
}

impl Oracle {
    /// Builds and starts the program; says why where that is not possible.
    pub(crate) fn start() -> Option<Oracle> {
        // Every test that runs beside this one starts the same file.
        static PROGRAM: OnceLock<Result<PathBuf, String>> = OnceLock::new();
        let program = match PROGRAM.get_or_init(build) {
            Ok(program) => program,
            Err(reason) => {
                println!("skipped: no libinjection to compare with ({reason})");
                return None;
            }
        };
        let mut child = Command::new(program)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        Some(Oracle {
            input: child.stdin.take(),
            output: child.stdout.take().unwrap(),
            child,
        })
    }

    fn ask(&mut self, wanted: u32, rounds: u32, values: &[Vec<u8>], answer: &mut [u8]) {
        let bytes: usize = values.iter().map(Vec::len).sum();
        let mut request = Vec::with_capacity(16 + bytes + 4 * values.len());
        for number in [wanted, rounds, values.len() as u32, bytes as u32] {
            request.extend_from_slice(&number.to_ne_bytes());
        }
        for value in values {
            request.extend_from_slice(&(value.len() as u32).to_ne_bytes());
            request.extend_from_slice(value);
        }
        let input = self.input.as_mut().unwrap();
        input.write_all(&request).unwrap();
        input.flush().unwrap();
        self.output.read_exact(answer).unwrap();
    }

    #[allow(dead_code, reason = "the benchmark takes times alone")]
    pub(crate) fn verdicts(&mut self, values: &[Vec<u8>]) -> Vec<Verdict> {
        let mut answer = vec![0; values.len() * VERDICT];
        self.ask(0, 0, values, &mut answer);
        let verdict = |bytes: &[u8]| Verdict {
            sqli: (bytes[0] != 0).then(|| {
                let fingerprint = &bytes[1..9];
                let end = fingerprint.iter().position(|&byte| byte == 0).unwrap_or(8);
                fingerprint[..end].to_vec()
            }),
            xss: bytes[9] != 0,
        };
        answer.chunks_exact(VERDICT).map(verdict).collect()
    }

    /// The time for `rounds` times all values, in ns.
    #[allow(dead_code, reason = "the tests take no times")]
    pub(crate) fn time_ns(&mut self, detector: Detector, rounds: u32, values: &[Vec<u8>]) -> u64 {
        let mut answer = [0; 8];
        self.ask(detector as u32, rounds, values, &mut answer);
        u64::from_ne_bytes(answer)
    }
}

impl Drop for Oracle {
    fn drop(&mut self) {
        drop(self.input.take());
        self.child.wait().unwrap();
    }
}

fn build() -> Result<PathBuf, String> {
    let program =
        Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("oracle-{}", std::process::id()));
    let output = Command::new("cc")
        .args(["-O2", "-o"])
        .arg(&program)
        .args([SOURCE, LIBRARY])
        .output()
        .map_err(|error| format!("cc: {error}"))?;
    if output.status.success() {
        Ok(program)
    } else {
        let words = String::from_utf8_lossy(&output.stderr);
        Err(words.lines().last().unwrap_or("cc failed").to_owned())
    }
}
