//! What the viewer sees: commands, answers, what was expected.

use super::place::Side;
use super::stage::Stage;
use std::io::IsTerminal;
use std::process::Stdio;

/// How much of an answer is shown; longer lines go on in the next one.
const SHOWN_LINES: usize = 16;
const SHOWN_COLUMNS: usize = 118;

/// The programme so far.
pub(super) struct Show {
    steps: usize,
    checks: usize,
    unmet: usize,
    colour: bool,
}

/// What a command gave back.
pub(super) struct Answer {
    /// None where a signal ended it.
    pub(super) code: Option<i32>,
    pub(super) text: String,
}

impl Answer {
    /// The status of the last HTTP answer that curl printed with its head.
    pub(super) fn status(&self) -> Option<u16> {
        let line = self.text.lines().rfind(|line| line.starts_with("HTTP/"))?;
        line.split(' ').nth(1)?.parse().ok()
    }

    /// The status for people: what there was in its place where there is none.
    pub(super) fn outcome(&self) -> String {
        match (self.status(), self.code) {
            (Some(status), _) => status.to_string(),
            (None, Some(7)) => "connection refused".to_owned(),
            (None, Some(28)) => "no answer, timeout".to_owned(),
            (None, Some(52 | 56)) => "connection closed".to_owned(),
            (None, Some(code)) => format!("exit code {code}"),
            (None, None) => "ended by a signal".to_owned(),
        }
    }
}

impl Show {
    pub(super) fn new() -> Self {
        Self {
            steps: 0,
            checks: 0,
            unmet: 0,
            colour: std::io::stdout().is_terminal(),
        }
    }

    /// Begins a step.
    pub(super) fn step(&mut self, title: &str) {
        self.steps += 1;
        println!("\n{}", self.paint("1", &format!("{}. {title}", self.steps)));
    }

    /// Runs a command on a side, and shows it with its answer.
    pub(super) fn run(&self, stage: &Stage<'_>, side: Side, words: &[&str]) -> Answer {
        self.run_briefly(stage, side, words, |_| true)
    }

    /// The same, with only those lines of the answer that matter.
    pub(super) fn run_briefly(
        &self,
        stage: &Stage<'_>,
        side: Side,
        words: &[&str],
        matters: impl Fn(&str) -> bool,
    ) -> Answer {
        println!("  {}", self.paint("36", &typed(side, words)));
        let answer = match stage.command(side, words).stdin(Stdio::null()).output() {
            Ok(output) => Answer {
                code: output.status.code(),
                text: String::from_utf8_lossy(&[output.stdout, output.stderr].concat())
                    .replace('\r', ""),
            },
            Err(error) => Answer {
                code: None,
                text: error.to_string(),
            },
        };
        self.quote(&answer.text, matters);
        answer
    }

    /// Shows a text, indented, as far as [`SHOWN_LINES`].
    pub(super) fn quote(&self, text: &str, matters: impl Fn(&str) -> bool) {
        let lines: Vec<&str> = text
            .lines()
            .filter(|line| !line.trim().is_empty() && matters(line))
            .collect();
        for line in lines.iter().take(SHOWN_LINES) {
            let characters: Vec<char> = line.chars().collect();
            for part in characters.chunks(SHOWN_COLUMNS) {
                let part: String = part.iter().collect();
                println!("    {}", self.paint("2", &part));
            }
        }
        if lines.len() > SHOWN_LINES {
            println!("    … {} more lines", lines.len() - SHOWN_LINES);
        }
    }

    /// Holds what was found against what was expected.
    pub(super) fn expect(&mut self, expected: &str, met: bool, found: &str) {
        self.checks += 1;
        let verdict = if met {
            self.paint("32", "OK")
        } else {
            self.unmet += 1;
            self.paint("31", "FAIL")
        };
        println!("  {verdict:<4} expected: {expected}; found: {found}");
    }

    /// Closes the programme and tells how many expectations were not met.
    pub(super) fn finish(&self) -> usize {
        let met = self.checks - self.unmet;
        println!(
            "\n{met} of {} expectations were met in {} steps",
            self.checks, self.steps
        );
        self.unmet
    }

    fn paint(&self, code: &str, text: &str) -> String {
        if self.colour {
            format!("\x1b[{code}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }
}

/// A command as a person would type it.
fn typed(side: Side, words: &[&str]) -> String {
    let mut line = format!("{}$", side.name());
    for word in words {
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=@,%+".contains(c);
        line.push(' ');
        if !word.is_empty() && word.chars().all(plain) {
            line.push_str(word);
        } else {
            line.push_str(&format!("'{}'", word.replace('\'', r"'\''")));
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_can_be_pasted_into_a_shell() {
        let line = typed(Side::Client, &["curl", "-s", "id=1' OR 1", ""]);
        assert_eq!(line, r"client$ curl -s 'id=1'\'' OR 1' ''");
    }

    #[test]
    fn the_last_status_counts() {
        let answer = Answer {
            code: Some(0),
            text: "HTTP/1.1 100 Continue\n\nHTTP/1.1 401 Unauthorized\n".to_owned(),
        };
        assert_eq!(answer.status(), Some(401));
        let none = Answer {
            code: Some(28),
            text: String::new(),
        };
        assert_eq!(none.outcome(), "no answer, timeout");
    }
}
