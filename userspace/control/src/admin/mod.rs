//! The admin API: HTTP/1.1 on a Unix socket for the `bascule` command, and what probes and Prometheus need on a TCP
//! address, where one is configured.
//!
//! | request | answer |
//! | --- | --- |
//! | `GET /metrics` | Prometheus text |
//! | `GET /healthz` | 200 while the process lives |
//! | `GET /readyz` | 200 while it serves and every worker runs, else 503 |
//! | `GET /v1/status` | [`Status`] |
//! | `POST /v1/reload` | [`Reload`]; 422 with diagnostics where the configuration is refused |
//! | `POST /v1/upgrade` | [`UpgradeRequest`] → [`Upgraded`]; 422 or 409 with the reason, and nothing has changed |
//! | `POST /v1/drain` | 202 |
//! | `GET /v1/bans` | [`BanList`] |
//! | `POST /v1/bans` | [`BanRequest`] → [`BanAdded`] |
//! | `DELETE /v1/bans?target=T` | [`BanLifted`] |
//! | `POST /v1/bans/flush` | [`BanFlushed`] |
//! | `GET /v1/scores?limit=20` | [`ScoreList`] |
//! | `POST /v1/logs/reopen` | 204 |
//!
//! The TCP address has the first three alone. While the process starts, all but `/healthz` are answered with 503. Errors are problem+json (RFC 9457), see [`Problem`]. Who may open the
//! socket may do everything: its owner and root.

mod answer;
mod api;
mod bans;
mod instance;
mod routes;
mod scrape;
mod server;
mod socket;
mod status;
#[cfg(test)]
mod tests;

pub use api::SampleEntry;
pub use api::{
    BanAdded, BanEntry, BanFlushed, BanLifted, BanList, BanListLoaded, BanListStatus, BanLists,
    BanRequest, BanResult, BanShown, EndpointStatus, L4EndpointStatus, L4ServiceStatus,
    ListenerStatus, MAX_TTL_SECONDS, OffenceEntry, PacketCount, PolicyStatus, Problem,
    ProcessState, Reload, Score, ScoreList, Status, UpgradeRequest, Upgraded, UpstreamStatus,
    WorkerStatus,
};
pub use server::AdminError;
pub(crate) use server::{Admin, AdminSockets, Bound, bind};
pub use socket::{SocketError, socket_path};
