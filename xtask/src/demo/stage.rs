//! Who is on: three backends and bascule.

use super::place::{Place, Side};
use super::site::Site;
use crate::failure::{Failure, Outcome};
use crate::service::Service;
use crate::undo::Undo;
use crate::{run, tree};
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// How long something that was counted or logged may take to become visible.
const PATIENCE: Duration = Duration::from_secs(5);

/// The running programs, and how commands reach them.
pub(super) struct Stage<'a> {
    place: &'a Place,
    pub(super) site: &'a Site,
    bascule: Option<Service>,
    starts: usize,
    /// Drops happen in XDP here; otherwise bans are carried out when connections are accepted.
    pub(super) has_gate: bool,
    /// An API key that is accepted.
    pub(super) key: String,
}

impl<'a> Stage<'a> {
    /// Starts everything.
    pub(super) fn set(place: &'a Place, site: &'a Site, undo: &mut Undo) -> Outcome<Self> {
        let mut stage = Self {
            place,
            site,
            bascule: None,
            starts: 0,
            has_gate: false,
            key: String::new(),
        };
        let backend = tree::profile("release").join("backend");
        for (name, address) in &site.backends {
            let words = [
                backend.to_string_lossy().into_owned(),
                "--listen".to_owned(),
                address.to_string(),
                "--name".to_owned(),
                (*name).to_owned(),
            ];
            let mut command = place.command(Side::Gateway, &words);
            let log = site.file(&format!("backend-{name}.log"));
            let url = format!("http://{address}/healthz");
            Service::start(name, &mut command, &log, undo)?
                .wait_until(|| stage.succeeds(&["curl", "-sf", &url]))?;
        }
        stage.key = stage.issue_key()?;
        // What the program itself says about this host, before it has tried.
        let report = stage.ask(&["bascule", "--json", "check"])?;
        let dense: String = report.split_whitespace().collect();
        stage.has_gate = dense.contains(r#""path":"xdp""#);
        stage.start(undo)?;
        if let Place::Namespaces { .. } = place
            && !stage.has_gate
        {
            println!("without XDP: {}", stage.kernel_path());
        }
        Ok(stage)
    }

    /// Starts bascule, for the first time or once again, and waits until it serves.
    pub(super) fn start(&mut self, undo: &mut Undo) -> Outcome {
        self.starts += 1;
        let log = self.site.file(&format!("bascule-{}.log", self.starts));
        let mut command = self.command(Side::Gateway, &["bascule", "run"]);
        let mut service = Service::start("bascule", &mut command, &log, undo)?;
        let ready = format!("http://{}/readyz", self.site.admin);
        service.wait_until(|| self.succeeds(&["curl", "-sf", &ready]))?;
        self.bascule = Some(service);
        Ok(())
    }

    /// Kills bascule as `kill -9` does.
    pub(super) fn kill(&mut self) -> Outcome {
        match &mut self.bascule {
            Some(service) => service.kill(),
            None => Ok(()),
        }
    }

    pub(super) fn pid(&self) -> u32 {
        self.bascule.as_ref().map_or(0, |service| service.pid)
    }

    /// A command on a side. `bascule` is the one that was just built, and finds its configuration by the environment.
    pub(super) fn command(&self, side: Side, words: &[&str]) -> Command {
        let bascule = tree::profile("release").join("bascule");
        let words: Vec<String> = words
            .iter()
            .enumerate()
            .map(|(index, word)| match (index, *word) {
                (0, "bascule") => bascule.to_string_lossy().into_owned(),
                (_, word) => word.to_owned(),
            })
            .collect();
        let mut command = self.place.command(side, &words);
        command
            .current_dir(&self.site.folder)
            .env("BASCULE_CONFIG", self.site.file("bascule.yaml"))
            .env_remove("BASCULE_SOCKET")
            .env_remove("http_proxy");
        command
    }

    /// What a command on the gateway prints.
    pub(super) fn ask(&self, words: &[&str]) -> Outcome<String> {
        let mut command = self.command(Side::Gateway, words);
        run::output(&mut command).ok_or_else(|| Failure::Exit {
            command: words.join(" "),
            code: None,
        })
    }

    fn succeeds(&self, words: &[&str]) -> bool {
        run::succeeds(&mut self.command(Side::Gateway, words))
    }

    fn issue_key(&self) -> Outcome<String> {
        let words = [
            "bascule",
            "key",
            "create",
            "--store",
            "keys.db",
            "--consumer",
            "demo-team",
        ];
        let mut command = self.command(Side::Gateway, &words);
        command.stderr(Stdio::null());
        run::output(&mut command).ok_or_else(|| Failure::Exit {
            command: words.join(" "),
            code: None,
        })
    }

    /// The kernel path that is in use, in the program's own words.
    pub(super) fn kernel_path(&self) -> String {
        let status = self.ask(&["bascule", "status"]).unwrap_or_default();
        status
            .lines()
            .find_map(|line| line.strip_prefix("kernel path"))
            .map_or_else(|| status.clone(), |path| path.trim().to_owned())
    }

    /// Packets that the gate dropped because their address is banned.
    pub(super) fn dropped(&self) -> u64 {
        let url = format!("http://{}/metrics", self.site.admin);
        let metrics = self.ask(&["curl", "-s", &url]).unwrap_or_default();
        metrics
            .lines()
            .find_map(|line| {
                let rest =
                    line.strip_prefix("bascule_xdp_packets_total{reason=\"drop_ban_exact_v4\"} ")?;
                rest.trim().parse().ok()
            })
            .unwrap_or(0)
    }

    /// The first line of a log that has all of these, once it is written.
    pub(super) fn logged(&self, file: &str, parts: &[&str]) -> Option<String> {
        let path = self.site.file(file);
        let deadline = Instant::now() + PATIENCE;
        loop {
            let text = std::fs::read_to_string(&path).unwrap_or_default();
            let found = text
                .lines()
                .find(|line| parts.iter().all(|part| line.contains(part)));
            if let Some(line) = found {
                return Some(line.to_owned());
            }
            if Instant::now() > deadline {
                return None;
            }
            sleep(Duration::from_millis(50));
        }
    }

    /// What can be tried while everything stays up.
    pub(super) fn instructions(&self) -> String {
        let prefix = |side| {
            let mut words = self.place.prefix(side);
            words.push(String::new());
            words.join(" ")
        };
        let (client, gateway) = (prefix(Side::Client), prefix(Side::Gateway));
        let bascule = tree::profile("release").join("bascule");
        let bascule = format!(
            "{} --config {}",
            bascule.display(),
            self.site.file("bascule.yaml").display()
        );
        let (bascule, options) = bascule.split_once(' ').unwrap_or((&bascule, ""));
        format!(
            "  {client}curl -i http://{web}/
  {client}curl -i 'http://{web}/?file=../../../../etc/passwd'
  {client}curl -i -H 'x-api-key: {key}' http://{web}/api/orders
  {gateway}{bascule} status {options}
  {gateway}{bascule} ban add {client_address} --ttl 1m {options}
  {gateway}curl -s http://{admin}/metrics
  tail -f {access}
",
            web = self.site.web,
            key = self.key,
            client_address = self.place.client(),
            admin = self.site.admin,
            access = self.site.file("access.json").display(),
        )
    }

    /// The address of the client that gets banned.
    pub(super) fn rogue(&self) -> String {
        self.place.rogue().to_string()
    }
}
