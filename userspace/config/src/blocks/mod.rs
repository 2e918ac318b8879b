//! The blocks of the file, each with its keys, defaults and limits.

mod admin;
mod audit;
mod auth;
mod auto_ban;
mod cache;
mod kernel;
mod layer4;
mod limits;
mod listener;
mod log;
mod path;
mod route;
mod service;
mod upstream;
mod waf;

pub use admin::{Admin, Io, MAX_WORKERS, Splice, Steering, Workers};
pub use audit::{AuditFormat, AuditLog, AuditParts, AuditWhich, Scrub, SyslogTarget};
pub use auth::{ApiKey, AuthMethod, ClaimRule, ClaimValue, Jwks, Jwt, TokenAlgorithm};
pub use auto_ban::{AutoBan, ForwardedAnswer, OffenceWeights};
pub use cache::{Cache, default_cache_folder};
pub use kernel::{
    BanUrl, Bans, Flood, FloodAction, ForeignProgram, GateLimits, GateVerdict, Kernel, KernelMode,
    Samples, SourceLimits,
};
pub use layer4::{AcceptProxy, ListenerTimeouts, Protocol, ProxyProtocol, SniRoute};
pub use limits::{LimitOverrides, Limits, RouteTimeouts, Timeouts};
pub use listener::{Certificate, LengthBesideCoding, Listener, Tls, TlsPolicy, TlsVersion};
pub use log::{AccessLog, AccessTarget, Log, LogFormat, LogLevel};
pub use path::{MAX_PATH, PathPattern};
pub use route::{AuthRule, HeaderCondition, HeaderMatch, RequestHeaders, Route, RouteWaf};
pub use service::{Service, ServiceAffinity, ServiceEndpoint, ServiceMode};
pub use upstream::{
    Balance, BalanceAlgorithm, Ejection, Endpoint, HashKey, HashSource, Health, MAX_ENDPOINTS,
    Pool, ProxyTlv, ProxyVersion, Retries, SendProxy, SourceAddress, Upstream, UpstreamTls,
};
pub use waf::{
    Compressed, Exclude, OverLimit, RuleIds, RuleSource, Shadow, TargetExclusion, WafFailure,
    WafMode, WafPolicy,
};
