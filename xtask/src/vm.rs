//! `cargo xtask vm`: the tests of the kernel room on other kernels, each in a virtual machine with nothing but an initramfs.
//!
//! Kernels are Debian's packages, kept under target/vm. Nothing runs as root on the host, and the machine has no network.

mod image;
mod machine;
mod package;

use crate::failure::{Failure, Outcome};
use crate::{ebpf, run, setup, tree};
use machine::Verdict;
use package::Kernel;
use std::path::PathBuf;
use std::time::Duration;

/// The kernels that the programs must load on, and the Debian packages that bring them.
const KERNELS: [(&str, &str); 2] = [
    ("6.1", "linux-image-amd64"),
    ("6.12", "linux-image-6.12-amd64"),
];

/// How long a machine may run, unless somebody says otherwise: it is emulated, and boots in a few seconds on an idle host.
const PATIENCE: Duration = Duration::from_secs(900);

const EXPECTED: &str =
    "[--kernel 6.1|6.12]… [--seconds N] [test programs, such as `packets lookup`; all by default]";

struct Options {
    kernels: Vec<(&'static str, &'static str)>,
    patience: Duration,
    programs: Vec<String>,
}

/// Boots each kernel and runs the tests there. Says what it skips where the host has no emulator or no packages.
pub(crate) fn task(arguments: &[String]) -> Outcome {
    let options = options(arguments)?;
    setup::for_build()?;
    if let Some(missing) = missing() {
        println!("skipped: {missing}");
        return Ok(());
    }
    if let ebpf::Build::Skipped(why) = ebpf::build_if_possible()? {
        println!("skipped: {why}");
        return Ok(());
    }
    let tests = image::tests(&options.programs)?;
    let mut failed = 0;
    for (version, package) in options.kernels {
        let kernel = match package::fetch(package)? {
            Ok(kernel) => kernel,
            Err(why) => {
                println!("{version}: skipped: {why}");
                continue;
            }
        };
        let initramfs = image::build(&kernel, &tests)?;
        println!("{version}: {} boots", kernel.release);
        let verdict = machine::run(&kernel, &initramfs, options.patience)?;
        failed += report(&kernel, &verdict, &tests);
    }
    match failed {
        0 => Ok(()),
        count => Err(Failure::Findings(count)),
    }
}

/// Prints what became of each test program, and counts those that were not good.
fn report(kernel: &Kernel, verdict: &Verdict, tests: &[image::Test]) -> usize {
    let mut failed = 0;
    for test in tests {
        let outcome = verdict.outcome(&test.name);
        let is_good = outcome.as_ref().is_some_and(|outcome| outcome.code == 0);
        failed += usize::from(!is_good);
        let words = match &outcome {
            None => "did not come to its end".to_owned(),
            Some(outcome) => outcome.summary.clone(),
        };
        println!("{}: {}: {words}", kernel.release, test.name);
    }
    if failed > 0 {
        println!("what the machine said: {}", verdict.log.display());
    }
    failed
}

fn missing() -> Option<String> {
    let needs = [
        ("qemu-system-x86_64", "qemu-system-x86"),
        ("busybox", "busybox-static"),
        ("cpio", "cpio"),
        ("dpkg-deb", "dpkg"),
        ("apt-get", "apt"),
        ("ip", "iproute2"),
    ];
    if !cfg!(target_arch = "x86_64") {
        return Some("the machines are x86-64, and so must be the tests".to_owned());
    }
    let missing: Vec<_> = needs
        .into_iter()
        .filter(|(program, _)| run::find(program).is_none())
        .collect();
    let names: Vec<_> = missing.iter().map(|(program, _)| *program).collect();
    let packages: Vec<_> = missing.iter().map(|(_, package)| *package).collect();
    (!missing.is_empty()).then(|| {
        format!(
            "{} missing; `apt-get install {}`",
            names.join(", "),
            packages.join(" ")
        )
    })
}

/// Where kernels, initramfs and logs are.
fn folder() -> PathBuf {
    tree::target().join("vm")
}

fn options(arguments: &[String]) -> Outcome<Options> {
    let mut options = Options {
        kernels: Vec::new(),
        patience: PATIENCE,
        programs: Vec::new(),
    };
    let wrong = |found: &str| Failure::Argument {
        found: found.to_owned(),
        expected: EXPECTED,
    };
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        match argument.as_str() {
            "--kernel" => {
                let named = rest.next().ok_or_else(|| wrong(argument))?;
                let known = KERNELS.into_iter().find(|(version, _)| version == named);
                options.kernels.push(known.ok_or_else(|| wrong(named))?);
            }
            "--seconds" => {
                let seconds = rest.next().and_then(|text| text.parse().ok());
                options.patience = Duration::from_secs(seconds.ok_or_else(|| wrong(argument))?);
            }
            other if other.starts_with('-') => return Err(wrong(other)),
            program => options.programs.push(program.to_owned()),
        }
    }
    if options.kernels.is_empty() {
        options.kernels = KERNELS.to_vec();
    }
    Ok(options)
}
