//! The XDP gate.

use crate::block::{block, optional_block, words};
use crate::diagnostic::{Diagnostic, Kind, Spanned};
use crate::document::Node;
use crate::reader::Reader;
use crate::values::{FilePath, Files};
use std::path::PathBuf;

words! {
    /// How the XDP program is attached.
    pub enum KernelMode {
        /// In the driver where it can, else in the kernel's generic path, else refused with the reason.
        Auto = "auto",
        /// In the driver, or not at all.
        Driver = "driver",
        /// In the kernel's generic path: slower, works with every driver.
        Generic = "generic",
    }
}

block! {
    /// The XDP gate: drops banned sources before the kernel's network stack sees them. Needs root, or CAP_BPF and
    /// CAP_NET_ADMIN. Left out: bans work in the proxy alone.
    #[check(check)]
    pub struct Kernel {
        /// The network interfaces to attach to, at least one.
        interfaces: Vec<Spanned<String>>;
        /// How the program is attached.
        mode: KernelMode = KernelMode::Auto;
        /// The folder in which maps and links are pinned, on a BPF file system. Drops go on when the process dies, and
        /// the next one adopts them.
        pin: FilePath = FilePath(PathBuf::from("/sys/fs/bpf/bascule"));
        /// What is banned.
        bans: Bans = Bans::default();
    }
}

optional_block! {
    /// Bans: what `bascule ban add` puts in, and lists in files.
    pub struct Bans {
        /// Files with an address or a prefix on each line; `#` begins a comment. They are read again at each reload.
        files: Vec<Files> = Vec::new();
        /// Most single addresses; what does not fit is refused with an error. Each takes about 200 bytes,
        /// half of them in the kernel.
        limit_addresses: u32 = 131_072, within 1..=16_777_216;
        /// Most prefixes; what does not fit is refused with an error.
        limit_prefixes: u32 = 16_384, within 1..=4_194_304;
    }
}

/// Longest name of a network interface in Linux (IFNAMSIZ without its end).
const MAX_INTERFACE: usize = 15;

fn check(kernel: &Kernel, node: &Node, reader: &mut Reader<'_>) {
    if kernel.interfaces.is_empty() {
        reader.report(
            Diagnostic::error(
                Kind::BadValue,
                node.span_of("interfaces"),
                "no interface is named",
            )
            .expected("at least one interface, such as `[eth0]`")
            .remedy("name the interfaces that traffic comes in by, or remove the block `kernel`"),
        );
    }
    for (index, name) in kernel.interfaces.iter().enumerate() {
        let valid =
            name.len() <= MAX_INTERFACE && !name.contains(|c: char| c == '/' || c.is_whitespace());
        if !valid {
            let found = format!("`{}` is not the name of a network interface", name.value);
            reader.report(
                Diagnostic::error(Kind::BadValue, name.span, found)
                    .expected(format!(
                        "at most {MAX_INTERFACE} characters, no `/`, no spaces"
                    ))
                    .remedy("`ip -brief link` shows the names"),
            );
        }
        if kernel
            .interfaces
            .iter()
            .take(index)
            .any(|other| other.value == name.value)
        {
            reader.report(
                Diagnostic::error(Kind::Conflict, name.span, "this interface is named twice")
                    .remedy("remove one"),
            );
        }
    }
    for files in kernel
        .bans
        .files
        .iter()
        .filter(|files| files.found.is_empty())
    {
        let found = format!("no file matches `{}`", files.pattern.display());
        reader.report(Diagnostic::warning(Kind::File, files.span, found).at("kernel.bans.files"));
    }
}
