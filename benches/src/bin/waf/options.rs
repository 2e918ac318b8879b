//! What can be asked for.

use std::path::PathBuf;

pub(crate) struct Options {
    /// A CRS: `rules/` and `crs-setup.conf.example`.
    pub(crate) crs: PathBuf,
    /// Its set-up file, where that is not the example beside the rules.
    pub(crate) setup: Option<PathBuf>,
    /// The program made of `peer.c`; without it our engine runs alone.
    pub(crate) peer: Option<PathBuf>,
    pub(crate) out: PathBuf,
    pub(crate) rounds: usize,
    pub(crate) levels: Vec<u8>,
    /// Empty: all.
    kinds: Vec<String>,
    /// `cold`, `warm` or empty for both.
    memory: String,
    /// Further `@rx` rules of a customer.
    pub(crate) extra: usize,
    /// The dearest requests instead of the usual ones.
    pub(crate) worst: bool,
}

impl Options {
    pub(crate) fn parse(arguments: impl Iterator<Item = String>) -> Result<Options, String> {
        let mut options = Options {
            crs: PathBuf::new(),
            setup: None,
            peer: None,
            out: PathBuf::from("target/bench"),
            rounds: 5,
            levels: vec![1, 2],
            kinds: Vec::new(),
            memory: String::new(),
            extra: 0,
            worst: false,
        };
        let mut arguments = arguments;
        while let Some(name) = arguments.next() {
            if name == "--worst" {
                options.worst = true;
                continue;
            }
            let value = arguments
                .next()
                .ok_or_else(|| format!("{name} wants a value"))?;
            let number = || {
                value
                    .parse::<usize>()
                    .map_err(|_| format!("{name}: expected a number, found `{value}`"))
            };
            match name.as_str() {
                "--crs" => options.crs = value.into(),
                "--setup" => options.setup = Some(value.into()),
                "--peer" => options.peer = Some(value.into()),
                "--out" => options.out = value.into(),
                "--rounds" => options.rounds = number()?.max(1),
                "--extra" => options.extra = number()?,
                "--memory" => options.memory = value,
                "--kinds" => options.kinds = value.split(',').map(str::to_owned).collect(),
                "--levels" => {
                    let levels: Result<_, _> = value.split(',').map(str::parse).collect();
                    options.levels =
                        levels.map_err(|_| format!("--levels: found `{value}`, expected 1,2"))?;
                }
                _ => return Err(format!("`{name}` is not known")),
            }
        }
        if options.crs.as_os_str().is_empty() {
            return Err("--crs is missing: the directory of a CRS".to_owned());
        }
        Ok(options)
    }

    pub(crate) fn wants(&self, memory: &str) -> bool {
        self.memory.is_empty() || self.memory == memory
    }

    /// Whether a part of the name is wanted.
    pub(crate) fn covers_part(&self, name: &str) -> bool {
        self.kinds.is_empty() || self.kinds.iter().any(|wanted| name.contains(wanted))
    }

    pub(crate) fn covers(&self, kind: &str) -> bool {
        self.kinds.is_empty() || self.kinds.iter().any(|wanted| wanted == kind)
    }
}
