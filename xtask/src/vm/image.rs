//! What a machine boots into: busybox, `ip`, the modules that tests need, the test programs, and a script that runs them.

use super::folder;
use super::package::Kernel;
use crate::failure::{Failure, Outcome, at};
use crate::run;
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A test program.
pub(super) struct Test {
    pub(super) name: String,
    program: PathBuf,
}

/// The crate whose tests are run.
const CRATE: &str = "bascule-kernel";

/// Modules in the order in which they can be loaded. Those that a kernel has built in, or not at all, are no matter.
const MODULES: [&str; 6] = [
    "net/llc/llc",
    "net/802/stp",
    "net/bridge/bridge",
    "drivers/net/veth",
    "net/tls/tls",
    "net/ipv4/tunnel4",
];

/// Builds the test programs: those that are named, or all.
pub(super) fn tests(named: &[String]) -> Outcome<Vec<Test>> {
    let mut cargo = run::cargo();
    cargo
        .args(["test", "--package", CRATE, "--tests", "--no-run"])
        .args(["--message-format", "json-render-diagnostics"])
        .stderr(Stdio::inherit());
    let output = cargo.output().map_err(|error| Failure::Start {
        command: run::line(&cargo),
        error,
    })?;
    if !output.status.success() {
        return Err(Failure::Exit {
            command: run::line(&cargo),
            code: output.status.code(),
        });
    }
    let messages = String::from_utf8_lossy(&output.stdout);
    let mut tests: Vec<Test> = messages.lines().filter_map(test).collect();
    tests.sort_by(|one, other| one.name.cmp(&other.name));
    for name in named {
        if !tests.iter().any(|test| test.name == *name) {
            let known: Vec<_> = tests.iter().map(|test| test.name.as_str()).collect();
            return Err(Failure::Unexpected {
                program: "vm".to_owned(),
                expected: format!("test programs of {CRATE}: {}", known.join(", ")),
                found: name.clone(),
            });
        }
    }
    tests.retain(|test| named.is_empty() || named.contains(&test.name));
    Ok(tests)
}

/// The program that a message of cargo tells of.
fn test(message: &str) -> Option<Test> {
    let program = after(message, "\"executable\":\"")?;
    let target = after(message, "\"target\":{")?;
    let program = program.split('"').next()?;
    let name = after(target, "\"name\":\"")?.split('"').next()?;
    Some(Test {
        name: name.to_owned(),
        program: program.into(),
    })
}

fn after<'t>(text: &'t str, mark: &str) -> Option<&'t str> {
    text.split_once(mark).map(|(_, rest)| rest)
}

/// Packs everything for one kernel.
pub(super) fn build(kernel: &Kernel, tests: &[Test]) -> Outcome<PathBuf> {
    let root = folder().join("root");
    let _ = fs::remove_dir_all(&root);
    for name in [
        "bin", "proc", "sys", "dev", "run", "tmp", "tests", "modules",
    ] {
        let place = root.join(name);
        fs::create_dir_all(&place).map_err(at(&place))?;
    }
    install(Path::new("busybox"), &root.join("bin/busybox"))?;
    let mut programs = vec![find("ip")?];
    install(&find("ip")?, &root.join("bin/ip"))?;
    for test in tests {
        let place = root.join("tests").join(&test.name);
        // What a debugger wants is most of it, and has to be unpacked by an emulated processor.
        let mut strip = Command::new("strip");
        if !run::succeeds(strip.arg("-o").arg(&place).arg(&test.program)) {
            install(&test.program, &place)?;
        }
        programs.push(test.program.clone());
    }
    for library in libraries(&programs) {
        install(&library, &inside(&root, &library))?;
    }
    let modules = modules(kernel, &root)?;
    let init = root.join("init");
    fs::write(&init, script(tests, &modules)).map_err(at(&init))?;
    fs::set_permissions(&init, fs::Permissions::from_mode(0o755)).map_err(at(&init))?;
    let packed = folder().join(format!("initramfs-{}", kernel.release));
    let pack = "cd \"$1\" && find . | cpio --quiet -o -H newc | gzip -1 > \"$2\"";
    run::run(
        Command::new("sh")
            .args(["-c", pack, "sh"])
            .args([&root, &packed]),
    )?;
    fs::remove_dir_all(&root).map_err(at(&root))?;
    Ok(packed)
}

fn find(program: &str) -> Outcome<PathBuf> {
    run::find(program).ok_or_else(|| Failure::Missing {
        what: program.to_owned(),
        remedy: "cargo xtask vm".to_owned(),
    })
}

fn install(from: &Path, to: &Path) -> Outcome {
    let from = match from.is_absolute() {
        true => from.to_owned(),
        false => find(&from.to_string_lossy())?,
    };
    if let Some(folder) = to.parent() {
        fs::create_dir_all(folder).map_err(at(folder))?;
    }
    fs::copy(&from, to).map(drop).map_err(at(&from))
}

fn inside(root: &Path, path: &Path) -> PathBuf {
    root.join(path.strip_prefix("/").unwrap_or(path))
}

/// The shared libraries of programs, and what loads them.
fn libraries(programs: &[PathBuf]) -> BTreeSet<PathBuf> {
    let told = run::output(Command::new("ldd").args(programs)).unwrap_or_default();
    told.split_whitespace()
        .filter(|word| word.starts_with('/') && word.contains(".so"))
        .map(PathBuf::from)
        .collect()
}

/// Copies the modules that there are, unpacked, and gives their names.
fn modules(kernel: &Kernel, root: &Path) -> Outcome<Vec<String>> {
    let mut names = Vec::new();
    for module in MODULES {
        let plain = kernel.modules.join(format!("{module}.ko"));
        let packed = kernel.modules.join(format!("{module}.ko.xz"));
        let name = module.rsplit('/').next().unwrap_or(module).to_owned();
        let to = root.join("modules").join(format!("{name}.ko"));
        if plain.is_file() {
            install(&plain, &to)?;
        } else if packed.is_file() {
            let unpack = "xz --decompress --stdout \"$1\" > \"$2\"";
            run::run(
                Command::new("sh")
                    .args(["-c", unpack, "sh"])
                    .args([&packed, &to]),
            )?;
        } else {
            continue;
        }
        names.push(name);
    }
    Ok(names)
}

/// The first process of the machine.
fn script(tests: &[Test], modules: &[String]) -> String {
    let mut script = String::from(
        "#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/bin HOME=/tmp RUST_BACKTRACE=0 RUST_TEST_THREADS=1 BASCULE_MAY_SET_CLOCK=1
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mount -t bpf bpf /sys/fs/bpf
mount -t tmpfs run /run
mkdir -p /var /run/netns
ln -s /run /var/run
ip link set lo up
echo 1 > /proc/sys/net/core/bpf_jit_enable
",
    );
    for module in modules {
        script.push_str(&format!("insmod /modules/{module}.ko\n"));
    }
    script.push_str("echo vm: up $(uname -r)\n");
    for Test { name, .. } in tests {
        script.push_str(&format!(
            "echo vm: begin {name}\n/tests/{name}\necho vm: end {name} $?\n"
        ));
    }
    script.push_str("echo vm: done\npoweroff -f\n");
    script
}
