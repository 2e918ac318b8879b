//! The XDP gate.

use crate::block::{block, optional_block, words};
use crate::diagnostic::{Diagnostic, Kind, Spanned};
use crate::document::Node;
use crate::reader::Reader;
use crate::values::{FilePath, Files, Percent, Rate, Size, Url};
use std::path::PathBuf;
use std::time::Duration;
use types::IpNet;

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

words! {
    /// What is done where somebody else's XDP program is on an interface.
    pub enum ForeignProgram {
        /// It stays. The gate is attached nowhere then, and bans hold at accept.
        Refuse = "refuse",
        /// The gate takes its place, unless a BPF link of another process holds it.
        Replace = "replace",
    }
}

words! {
    /// What the gate does with packets of a kind.
    pub enum GateVerdict {
        /// They are dropped.
        Drop = "drop",
        /// They go on, and are judged by where they come from.
        Pass = "pass",
    }
}

words! {
    /// What is done in a flood with a SYN that no cookie answers.
    pub enum FloodAction {
        /// Those beyond the limit of a second are dropped.
        Limit = "limit",
        /// They go on.
        Pass = "pass",
    }
}

block! {
    /// The XDP gate: drops banned sources before the kernel's network stack sees them. Needs root, or CAP_BPF,
    /// CAP_NET_ADMIN and CAP_PERFMON. Left out: bans work in the proxy alone.
    #[check(check)]
    pub struct Kernel {
        /// The network interfaces to attach to, at least one.
        interfaces: Vec<Spanned<String>>;
        /// How the program is attached.
        mode: KernelMode = KernelMode::Auto;
        /// What is done where somebody else's XDP program is on one of them: an interface has one. Where several have to share it, let
        /// the dispatcher of libxdp call them: load the others behind `xdp-loader`, and this gate on another interface.
        foreign: ForeignProgram = ForeignProgram::Refuse;
        /// The folder in which maps and links are pinned, on a BPF file system. Drops go on when the process dies, and
        /// the next one adopts them.
        pin: FilePath = FilePath(PathBuf::from("/sys/fs/bpf/bascule"));
        /// Packets that no host sends: lengths that contradict each other, TCP flags without a sense, from an address and
        /// port to the same, more than 8 IPv6 extension headers, fragments that cannot be. Dropped before anything else
        /// is looked at; or passed to the kernel's stack, which refuses most of them itself.
        malformed: GateVerdict = GateVerdict::Drop;
        /// Fragments of IP packets, whoever sends them.
        fragments: GateVerdict = GateVerdict::Pass;
        /// Addresses and prefixes that are never banned, limited or counted in a flood; only what is malformed is dropped.
        /// Bans do not concern them at accept either.
        allow: Vec<IpNet> = Vec::new();
        /// Directions of flows that L4 services remember; a flow of NAT has two. Beyond it the one that was silent longest is
        /// forgotten: its packets are balanced anew. Each takes about 200 bytes, from the first service on. Another number
        /// may be put in force by a reload; the flows go on.
        flows: u32 = 131_072, within 1024..=16_777_216;
        /// What is banned.
        bans: Bans = Bans::default();
        /// What one source may send. What is left out is not limited. ICMP that path MTU and neighbour discovery need
        /// passes whatever the source has sent, and whether it is banned or not.
        limits: GateLimits = GateLimits::default();
        /// What is done when new connections come in a flood. Left out: nothing.
        flood: Flood = Flood::default();
        /// What is kept of dropped packets, for `bascule ban show`.
        samples: Samples = Samples::default();
    }
}

optional_block! {
    /// What one source may send, by token buckets that hold what flows into them in a second.
    pub struct GateLimits {
        /// Of each address.
        address: SourceLimits = SourceLimits::default();
        /// Of each /24 of IPv4 and each /64 of IPv6, all its addresses together.
        prefix: SourceLimits = SourceLimits::default();
        /// How many sources are remembered, addresses and prefixes each: those seen last. One that is forgotten begins with
        /// full buckets. Each takes about 100 bytes in the kernel, used or not. A change takes effect at the next start.
        sources: u32 = 65_536, within 1_024..=16_777_216;
    }
}

optional_block! {
    /// Headers of packets that the gate dropped, without payload. The last 8 of each ban are kept, and of each source that
    /// a limit dropped; of 1,024 bans and as many sources at most.
    pub struct Samples {
        /// One in so many dropped packets is sampled, and the first that a ban drops; 0: none. What comes faster than it is
        /// read is lost and counted.
        every: u32 = 1_000, within 0..=1_000_000_000;
    }
}

optional_block! {
    /// What a source may send in a second; the packet that is more is dropped.
    pub struct SourceLimits {
        /// Packets a second.
        packets: Option<u32> = None, within 1..=100_000_000;
        /// TCP packets a second that open a connection.
        syns: Option<u32> = None, within 1..=100_000_000;
        /// Bytes a second, from the Ethernet header on. 256 KiB may always come at once.
        bytes: Option<Rate> = None, within Rate::new(1)..=Rate::new(1 << 40);
    }
}

optional_block! {
    /// When new connections come in a flood, and what is done then. A flood ends 3 s after the last second beyond the
    /// limit. As long as it lasts, sources that are not known are not remembered, so that spoofed ones push out nobody.
    pub struct Flood {
        /// New connections a second, over all sources: TCP SYNs, and first packets of unknown sources in other protocols.
        /// More are a flood. Left out: there are none.
        new_connections: Option<u32> = None, within 1..=100_000_000;
        /// How busy the CPUs of this host may be, all together, for a second. Busier is a flood as well: there is no room to
        /// serve whoever comes new. Left out: as busy as they like.
        cpu: Option<Percent> = None, within Percent::new(10)..=Percent::new(100);
        /// In a flood, SYNs to listeners of this host are answered with SYN cookies before the kernel's stack sees them,
        /// and ACKs that answer none are dropped. Needs `sysctl net.ipv4.tcp_syncookies` at 2: at 1, the default, the kernel
        /// makes them only for a listener whose queue is full.
        syn_cookies: bool = true;
        /// What is done with SYNs that no cookie answers: for L4 services, or where the kernel makes none.
        otherwise: FloodAction = FloodAction::Limit;
    }
}

optional_block! {
    /// Bans: what `bascule ban add` puts in, and lists in files.
    pub struct Bans {
        /// Files with an address or a prefix on each line; `#` or `;` begins a comment, which is the reason. `bans/*` are all
        /// files of a folder. They are read again when one changes, comes or goes.
        files: Vec<Files> = Vec::new();
        /// Lists in the same format that are fetched from URLs.
        urls: Vec<BanUrl> = Vec::new();
        /// Most single addresses, of IPv4 and of IPv6 each; what does not fit is refused with an error, and what was loaded
        /// before stays. A place takes 32 bytes in the kernel, an address in it 130 bytes more, and 16 to 100 bytes in the
        /// process. While lists are replaced the kernel has the old and the new ones.
        limit_addresses: u32 = 1_048_576, within 1..=16_777_216;
        /// Most prefixes, of IPv4 and of IPv6 each; what does not fit is refused with an error. Each takes up to 260 bytes
        /// in the kernel.
        limit_prefixes: u32 = 1_048_576, within 1..=4_194_304;
    }
}

block! {
    /// A ban list that is fetched by HTTP or HTTPS, and again at an interval, where it has changed (ETag, Last-Modified). When
    /// that fails, the last good list stays in force, also over restarts: it is kept in the folder of `cache`.
    #[check(check_url)]
    pub struct BanUrl {
        /// Where it is fetched.
        url: Spanned<Url>;
        /// How often.
        interval: Duration = Duration::from_secs(3600), within Duration::from_secs(1)..=Duration::from_secs(604_800);
        /// How long a fetch may take as a whole.
        timeout: Duration = Duration::from_secs(30), within Duration::from_secs(1)..=Duration::from_secs(600);
        /// The longest list that is taken.
        limit: Size = Size::mib(64), within Size::kib(1)..=Size::mib(256);
    }
}

fn check_url(list: &BanUrl, _: &Node, reader: &mut Reader<'_>) {
    let url = &list.url;
    if url.as_str().starts_with("http://") {
        let found = "a ban list over plain HTTP can be replaced on its way";
        reader.report(
            Diagnostic::warning(Kind::Risky, url.span, found)
                .expected("`https://`, unless the server is on this host"),
        );
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
    for (index, list) in kernel.bans.urls.iter().enumerate() {
        let before = kernel.bans.urls.iter().take(index);
        if before
            .clone()
            .any(|other| other.url.as_str() == list.url.as_str())
        {
            let found = "this list is named twice";
            reader.report(
                Diagnostic::error(Kind::Conflict, list.url.span, found).remedy("remove one"),
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
