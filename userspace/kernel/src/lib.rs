//! The kernel path: loads the BPF programs, owns their maps and pins, and bans addresses.
//!
//! [`Bans`] is the one list of bans. It answers for itself, so that a host without the kernel path bans as well, only
//! later (at accept instead of on the wire). [`Gate::attach`] puts the XDP program on interfaces and lets the list
//! write through to the program's maps. Maps and links are pinned: when the process dies, drops go on, and the next
//! [`Gate::attach`] adopts what it finds. [`HostReport`] says which path a host gets and why.

mod bans;
mod batch;
mod clock;
mod counters;
mod gate;
mod host;
mod lookup;
mod mapped;
mod object;
mod policy;
pub mod privilege;
mod relay;
mod samples;
mod services;
mod settings;
mod steer;
mod unwrap;

pub use abi::Reason as PacketReason;
pub use abi::steer::Load;
pub use bans::{
    Added, Ban, BanError, BanFileError, BanLimits, BanLineError, BanList, Bans, FileBan,
    ListChange, ScoreBan, TargetError, parse_ban_file, parse_target, read_ban_file,
};
pub use clock::boot_time;
pub use counters::{CounterError, CounterSample, Counters};
pub use gate::{
    Action, AttachError, Attachment, FloodState, Gate, GateSpec, Mode, RunResult, UsedMode,
    remove_pins,
};
pub use host::own_addresses;
pub use host::{BpfFs, HostReport, InterfaceReport, KernelPath, NativeXdp, is_local, take_off};
pub use lookup::{
    Lookup, LookupError, LookupRule, LookupSocket, PREFIXES_MAX, SOCKETS_MAX, Transport,
};
pub use policy::{FloodPolicy, GatePolicy, RateLimit, SourceLimits};
pub use relay::{Direction, JoinError, RELAY_QUEUE_BYTES, RELAYED_MAX, Relay, Relayed};
pub use samples::{Carried, Headers, PacketSample, SampleCounts, Samples};
pub use services::{
    EndpointState, Forwarding, Protocol, ServiceEndpoint, ServiceEndpointStatus, ServiceError,
    ServiceSpec, ServiceStatus, Services,
};
pub use steer::{Loads, Steering, WorkerLoad};
pub use unwrap::{Unwrap, UnwrapCounts};

/// Slots of the table of an L4 service.
pub const SERVICE_SLOTS: u32 = abi::service::MAGLEV_SLOTS;

/// Where maps and links are pinned unless the operator says otherwise.
pub const DEFAULT_PIN_DIR: &str = "/sys/fs/bpf/bascule";
