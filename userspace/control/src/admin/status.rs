//! The process at one moment.

use super::api::{
    EndpointStatus, L4EndpointStatus, L4ServiceStatus, ListenerStatus, PacketCount, ProcessState,
    Status, UpstreamStatus, WorkerStatus,
};
use super::instance::Instance;
use balance::{Snapshot, Upstream};
use kernel::{
    CounterSample, EndpointState, Forwarding, Load, ServiceEndpointStatus, ServiceStatus,
};
use proxy::ListenerPlan;
use std::time::{Duration, Instant};

/// Whether it takes traffic.
pub(super) fn is_ready(instance: &impl Instance) -> bool {
    instance.state() == ProcessState::Serving && instance.workers_alive()
}

/// Everything there is to say about an instance. `started` is when it began.
pub(super) fn status(instance: &impl Instance, started: Instant, now: Instant) -> Status {
    let generation = instance.generation();
    Status {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        pid: std::process::id(),
        state: instance.state(),
        ready: is_ready(instance),
        uptime_seconds: now.saturating_duration_since(started).as_secs(),
        generation: generation.number,
        config: instance.config_path().display().to_string(),
        workers: instance.workers(),
        io: instance.io_name().to_owned(),
        kernel_path: instance.kernel_path(),
        steering: instance.steering(),
        splice: instance.splice(),
        loads: instance.loads().iter().map(worker).collect(),
        bans: instance.bans().len(),
        listeners: generation
            .listeners
            .iter()
            .map(|plan| listener(plan))
            .collect(),
        routes: generation.routes.len(),
        waf: instance.policies(),
        upstreams: generation
            .upstreams
            .iter()
            .map(|plan| upstream(&plan.balancer, now))
            .collect(),
        services: instance.services().iter().map(service).collect(),
        packets: instance.packets().iter().map(packets).collect(),
    }
}

fn worker(load: &Load) -> WorkerStatus {
    WorkerStatus {
        connections: load.connections,
        busy: load.busy,
    }
}

fn listener(plan: &ListenerPlan) -> ListenerStatus {
    ListenerStatus {
        name: plan.name.to_string(),
        address: plan.address.to_string(),
        tls: plan.tls.is_some(),
    }
}

fn upstream(upstream: &Upstream, now: Instant) -> UpstreamStatus {
    UpstreamStatus {
        name: upstream.name().to_owned(),
        balance: upstream.algorithm().name().to_owned(),
        endpoints: upstream.snapshots(now).map(|one| endpoint(&one)).collect(),
    }
}

fn endpoint(snapshot: &Snapshot) -> EndpointStatus {
    let whole = |amount: u128| u64::try_from(amount).unwrap_or(u64::MAX);
    EndpointStatus {
        address: snapshot.address.to_string(),
        weight: snapshot.weight,
        healthy: snapshot.healthy,
        draining: snapshot.draining,
        ejected_for_ms: snapshot
            .ejected_for
            .as_ref()
            .map(Duration::as_millis)
            .map(whole),
        in_flight: snapshot.in_flight,
        latency_us: whole(snapshot.latency.as_micros()),
        requests: snapshot.requests,
        failures: snapshot.failures,
        ejections: snapshot.ejections,
    }
}

fn service((status, in_kernel): &(ServiceStatus, bool)) -> L4ServiceStatus {
    L4ServiceStatus {
        name: status.name.clone(),
        address: format!("{}/{}", status.address, status.protocol.name()),
        mode: match status.forwarding {
            Forwarding::Nat => "nat",
            Forwarding::L2Dsr => "l2_dsr",
            Forwarding::Tunnel => "ipip",
        }
        .to_owned(),
        by: if *in_kernel { "xdp" } else { "proxy" }.to_owned(),
        endpoints: status.endpoints.iter().map(service_endpoint).collect(),
    }
}

fn service_endpoint(status: &ServiceEndpointStatus) -> L4EndpointStatus {
    L4EndpointStatus {
        address: status.address.to_string(),
        weight: status.weight,
        state: match status.state {
            EndpointState::Up if status.weight > 0 => "up",
            EndpointState::Up | EndpointState::Draining => "draining",
            EndpointState::Down | EndpointState::Free => "down",
        }
        .to_owned(),
        packets: status.packets,
        bytes: status.bytes,
        reply_packets: status.reply_packets,
        reply_bytes: status.reply_bytes,
        connections: status.flows,
        moved: status.moved,
    }
}

fn packets(sample: &CounterSample) -> PacketCount {
    PacketCount {
        reason: sample.reason.name().to_owned(),
        dropped: sample.reason.drops(),
        packets: sample.packets,
        bytes: sample.bytes,
    }
}
