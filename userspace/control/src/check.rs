//! A configuration looked at without starting anything.

use crate::build::{self, Memory, PolicyReport};
use crate::lookup::Lookups;
use config::{Config, Diagnostic, Diagnostics, Io, Kind, ServiceMode};
use kernel::HostReport;
use net::Driver;
use std::path::Path;

/// Where maps and links would be pinned, for a configuration that does not say.
const PIN: &str = "/sys/fs/bpf/bascule";

/// What a configuration amounts to on this host.
pub struct CheckReport {
    /// What looks like a mistake or a risk.
    pub warnings: Diagnostics,
    /// The routes in the order in which they are tried.
    pub routes: Vec<String>,
    /// The WAF policies.
    pub policies: Vec<PolicyReport>,
    /// What the host offers to the kernel path, for the interfaces that the configuration names.
    pub kernel: HostReport,
    /// The I/O driver that the workers get.
    pub io: &'static str,
    /// Why it is not the better one.
    pub io_reason: Option<String>,
}

/// Reads a configuration, and everything that it names, as `run` would: certificates, rules, keys, names. Nothing is
/// opened for writing, bound or attached.
///
/// # Errors
/// Everything that is wrong, each with its place and what to do.
pub fn check(path: &Path) -> Result<CheckReport, Diagnostics> {
    let loaded = Config::load(path)?;
    let built = {
        // Loaded to see whether it can be, and gone with the end of this: nothing finds a socket by it.
        let reason = Lookups::default().open(&loaded.config);
        let no_gate = loaded.config.kernel.is_none();
        let memory = Memory::default()
            .binding_each(reason)
            .without_gate(no_gate.then(|| "`kernel` is not configured".to_owned()));
        build::build(&loaded, &memory, true)?
    };
    let mut warnings = built.warnings;
    for policy in &built.policies {
        if let Some((found, remedy)) = policy.try_out() {
            let entry = loaded
                .config
                .waf
                .iter()
                .find(|entry| entry.name.as_str() == policy.name);
            let span = entry.map(|entry| entry.name.span).unwrap_or_default();
            warnings.push(Diagnostic::warning(Kind::Risky, span, found).remedy(remedy));
        }
    }
    warnings.extend(loaded.warnings.iter().cloned());
    let config = &loaded.config;
    let interfaces = config.kernel.iter().flat_map(|kernel| &kernel.interfaces);
    let interfaces: Vec<String> = interfaces.map(|name| name.value.clone()).collect();
    let pin = config
        .kernel
        .as_ref()
        .map_or(Path::new(PIN), |kernel| &kernel.pin.0);
    let kernel = HostReport::probe(&interfaces, pin);
    if let Some(obstacle) = kernel
        .obstacles()
        .first()
        .filter(|_| config.kernel.is_some())
    {
        warnings.extend(in_want_of_the_gate(config, obstacle));
    }
    let (io, io_reason) = match (config.io, net::Uring::probe()) {
        (Io::Epoll, _) => (
            net::Epoll::NAME,
            Some("the configuration asks for it".to_owned()),
        ),
        (_, Ok(())) => (net::Uring::NAME, None),
        (_, Err(error)) => (net::Epoll::NAME, Some(error.to_string())),
    };
    Ok(CheckReport {
        warnings: loaded.report(warnings),
        routes: built
            .generation
            .table
            .order()
            .map(|ranked| ranked.to_string())
            .collect(),
        policies: built.policies,
        kernel,
        io,
        io_reason,
    })
}

/// Services that would not start here.
fn in_want_of_the_gate(config: &Config, obstacle: &str) -> Vec<Diagnostic> {
    let services = config.services.iter();
    services
        .filter(|entry| entry.value.mode != ServiceMode::Nat)
        .map(|entry| {
            let mode = entry.value.mode.name();
            let found = format!("`mode: {mode}` needs the XDP gate, which this process cannot attach: {obstacle}");
            Diagnostic::warning(Kind::Risky, entry.name.span, found)
                .remedy("`bascule run` would not start like this; `mode: nat` is done by the proxy without the gate")
        })
        .collect()
}
