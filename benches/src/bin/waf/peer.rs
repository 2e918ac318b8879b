//! libmodsecurity in a process of its own (`benches/waf/peer.c`), which times its own thread.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

pub(crate) struct Peer {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    /// What it says it is.
    pub(crate) name: String,
}

impl Peer {
    pub(crate) fn start(program: &Path, rules: &Path, workload: &Path) -> Result<Peer, String> {
        let mut child = Command::new(program)
            .args([rules, workload])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("{}: {error}", program.display()))?;
        let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            return Err("the peer has no pipes".to_owned());
        };
        let mut peer = Peer {
            child,
            input,
            output: BufReader::new(output),
            name: String::new(),
        };
        let ready = peer.line()?;
        let name = ready.strip_prefix("ready ");
        peer.name = name.ok_or("the peer did not get ready")?.to_owned();
        Ok(peer)
    }

    fn line(&mut self) -> Result<String, String> {
        let mut line = String::new();
        match self.output.read_line(&mut line) {
            Ok(0) => Err("the peer ended".to_owned()),
            Ok(_) => Ok(line.trim_end().to_owned()),
            Err(error) => Err(format!("the peer cannot be read: {error}")),
        }
    }

    fn ask(&mut self, command: &str) -> Result<u64, String> {
        writeln!(self.input, "{command}").map_err(|error| format!("the peer: {error}"))?;
        let line = self.line()?;
        line.parse()
            .map_err(|_| format!("the peer answered `{line}`"))
    }

    /// Nanoseconds of a request over `count` of them from `start` on.
    pub(crate) fn run(&mut self, start: usize, count: usize) -> Result<f64, String> {
        let spent = self.ask(&format!("run {start} {count}"))?;
        Ok(spent as f64 / count as f64)
    }

    /// The status of the intervention of one request, 0 for none.
    pub(crate) fn verdict(&mut self, index: usize) -> Result<u64, String> {
        self.ask(&format!("verdict {index}"))
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // It ends by itself at the end of its input; one that hangs is ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
