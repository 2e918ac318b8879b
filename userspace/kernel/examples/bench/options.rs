//! What was typed.

use std::path::PathBuf;

const EXPECTED: &str = "--traffic FILE [--out FILE] [--parts bans,services,limits,drops,forwards,tcp] [--rounds N] [--quick]";
/// Fewer rounds have no median worth the name.
const ROUNDS: usize = 5;
const ROUNDS_MAX: usize = 1000;

/// What is measured; each part makes and removes its own place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// Time of a packet by the number of bans.
    Bans,
    /// Time of a packet that is forwarded.
    Services,
    /// Time of a packet under limits and in a flood.
    Limits,
    /// Frames that are dropped at the end of a cable, beside nftables.
    Drops,
    /// Frames that are forwarded from cable to cable, beside nftables.
    Forwards,
    /// TCP through the services, beside `HAProxy`.
    Tcp,
}

impl Part {
    pub(crate) const ALL: [Self; 6] = [
        Self::Bans,
        Self::Services,
        Self::Limits,
        Self::Drops,
        Self::Forwards,
        Self::Tcp,
    ];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Bans => "bans",
            Self::Services => "services",
            Self::Limits => "limits",
            Self::Drops => "drops",
            Self::Forwards => "forwards",
            Self::Tcp => "tcp",
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Options {
    /// The object with the program that makes the traffic.
    pub(crate) traffic: PathBuf,
    /// Where the figures go; none: nowhere but to the table.
    pub(crate) out: Option<PathBuf>,
    pub(crate) parts: Vec<Part>,
    pub(crate) rounds: usize,
    /// Small tables and short rounds, to see that everything works.
    pub(crate) quick: bool,
}

impl Options {
    pub(crate) fn parse(arguments: impl IntoIterator<Item = String>) -> Result<Self, String> {
        let mut traffic = None;
        let mut out = None;
        let mut parts = Part::ALL.to_vec();
        let mut rounds = None;
        let mut quick = false;
        let mut arguments = arguments.into_iter();
        while let Some(name) = arguments.next() {
            if name == "--quick" {
                quick = true;
                continue;
            }
            let value = arguments
                .next()
                .ok_or_else(|| expected(&format!("{name} with nothing behind it")))?;
            match name.as_str() {
                "--traffic" => traffic = Some(PathBuf::from(value)),
                "--out" => out = Some(PathBuf::from(value)),
                "--parts" => parts = value.split(',').map(part).collect::<Result<_, _>>()?,
                "--rounds" => rounds = Some(number(&value)?),
                _ => return Err(expected(&name)),
            }
        }
        Ok(Self {
            traffic: traffic.ok_or_else(|| expected("no --traffic"))?,
            out,
            parts,
            rounds: rounds.unwrap_or(if quick { 1 } else { ROUNDS }),
            quick,
        })
    }

    /// One of two sizes: that of a real run, or that of `--quick`.
    pub(crate) fn size<T>(&self, real: T, quick: T) -> T {
        if self.quick { quick } else { real }
    }
}

fn part(name: &str) -> Result<Part, String> {
    let mut all = Part::ALL.into_iter();
    all.find(|part| part.name() == name)
        .ok_or_else(|| expected(&format!("the part `{name}`")))
}

fn number(value: &str) -> Result<usize, String> {
    value
        .parse()
        .ok()
        .filter(|number| (1..=ROUNDS_MAX).contains(number))
        .ok_or_else(|| expected(&format!("`{value}` rounds")))
}

fn expected(found: &str) -> String {
    format!("expected {EXPECTED}, found {found}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Options, String> {
        Options::parse(line.split_whitespace().map(ToOwned::to_owned))
    }

    #[test]
    fn everything_is_measured_unless_parts_are_named() {
        let options = parse("--traffic t.o").expect("good");
        assert_eq!(options.parts, Part::ALL);
        assert_eq!((options.rounds, options.quick), (ROUNDS, false));
        let options = parse("--traffic t.o --parts tcp,bans --rounds 9 --out f").expect("good");
        assert_eq!(options.parts, [Part::Tcp, Part::Bans]);
        assert_eq!((options.rounds, options.out), (9, Some(PathBuf::from("f"))));
    }

    #[test]
    fn a_quick_run_has_one_round_unless_more_are_asked_for() {
        let options = parse("--quick --traffic t.o").expect("good");
        assert_eq!((options.rounds, options.size(5, 3)), (1, 3));
        assert_eq!(
            parse("--quick --rounds 2 --traffic t.o").map(|o| o.rounds),
            Ok(2)
        );
    }

    #[test]
    fn what_is_unknown_is_named() {
        for (line, found) in [
            ("", "no --traffic"),
            ("--traffic", "--traffic with nothing"),
            ("--traffic t.o --fast x", "--fast"),
            ("--traffic t.o --parts bans,l7", "`l7`"),
            ("--traffic t.o --rounds 0", "`0` rounds"),
            ("--traffic t.o --rounds many", "`many` rounds"),
        ] {
            let error = parse(line).expect_err(line);
            assert!(
                error.contains(found) && error.contains("--parts"),
                "{error}"
            );
        }
    }
}
