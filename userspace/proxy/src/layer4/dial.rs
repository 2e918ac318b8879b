//! To an endpoint: choose one, connect, and try another one where that fails. Nothing of the client's bytes has been
//! sent by then, so another try is always safe.

use super::record::Record;
use super::{About, Passage};
use crate::generation::{HashBy, UpstreamPlan};
use crate::upstream::{self, Opening};
use balance::{Attempt, Decision, Lease, Outcome, PickInput, Picked, Tried};
use net::Driver;
use std::net::{IpAddr, SocketAddr};
use std::time::Instant;
use tls::Io;
use types::Reason;

/// A connection to an endpoint, which counts there as long as this lives.
pub(super) struct Dialled<S> {
    pub(super) io: Io<S>,
    pub(super) lease: Lease,
    pub(super) picked: Picked,
}

/// Connects to an endpoint of an upstream.
pub(super) async fn dial<D: Driver>(
    passage: &Passage<'_, D>,
    upstream: usize,
    destination: SocketAddr,
    record: &mut Record,
) -> Result<Dialled<D::Stream>, Reason> {
    let plan = &passage.view.generation.upstreams[upstream];
    let opening = match plan.is_personal() {
        true => Opening::new(plan, &about(passage, destination, record)),
        false => Opening::default(),
    };
    let hash = hash(plan, passage.caller.address);
    let mut tried = Tried::NONE;
    let mut last = None;
    loop {
        let began = Instant::now();
        let input = PickInput {
            now: began,
            hash,
            random: passage.worker.random.next(),
            tried: &tried,
        };
        let picked = match plan.balancer.pick(&input) {
            Ok(picked) => picked,
            // Of an endpoint that failed and none to stand in for it, the failure says more.
            Err(why) => {
                return Err(last.unwrap_or_else(|| {
                    record.detail = why.to_string();
                    Reason::NoEndpoint
                }));
            }
        };
        let index = picked.index();
        record.endpoint = Some(plan.endpoints[index].address);
        record.tries += 1;
        let (reason, detail) = match attempt(passage, plan, picked, &opening).await {
            Ok(dialled) => {
                record.connect += began.elapsed();
                record.detail.clear();
                return Ok(dialled);
            }
            Err(failure) => failure,
        };
        record.connect += began.elapsed();
        record.detail = detail;
        let counts = &passage.view.counts.endpoints[upstream][index];
        counts.failed(reason);
        tried.add(index);
        if !may_retry(plan, reason, &tried) {
            return Err(reason);
        }
        last = Some(reason);
        counts.retried();
    }
}

async fn attempt<D: Driver>(
    passage: &Passage<'_, D>,
    plan: &UpstreamPlan,
    mut picked: Picked,
    opening: &Opening,
) -> Result<Dialled<D::Stream>, (Reason, String)> {
    let began = Instant::now();
    let index = picked.index();
    let outcome = match passage.worker.pools.lease(plan, index) {
        Err(full) => Err((Reason::EndpointFull, full.to_string())),
        Ok(lease) => upstream::open::<D>(plan, index, plan.connect_timeout, opening)
            .await
            .map(|io| (lease, io)),
    };
    let now = Instant::now();
    match outcome {
        Ok((lease, io)) => {
            picked.connected(now - began, now);
            Ok(Dialled { io, lease, picked })
        }
        Err((reason, detail)) => {
            picked.finish(Outcome::of(reason), now - began, now);
            Err((reason, detail))
        }
    }
}

fn may_retry(plan: &UpstreamPlan, reason: Reason, tried: &Tried) -> bool {
    let attempt = Attempt {
        reason,
        bytes_sent: false,
        idempotent: false,
        replayable: true,
        answered: false,
        retries: u8::try_from(tried.len().saturating_sub(1)).unwrap_or(u8::MAX),
    };
    matches!(plan.retry.decide(&attempt), Decision::Retry { .. })
}

fn about<'a, D: Driver>(
    passage: &Passage<'_, D>,
    destination: SocketAddr,
    record: &'a Record,
) -> About<'a> {
    About {
        client: passage.caller.address,
        destination,
        tls: record.tls,
        sni: record.sni.as_deref().unwrap_or_default(),
        alpn: &record.alpn,
        id: record.id.as_slice(),
        datagram: false,
    }
}

/// By the client's address, where the upstream goes by a hash: there are no header fields here.
pub(super) fn hash(plan: &UpstreamPlan, client: SocketAddr) -> Option<u64> {
    match plan.hash_by.as_ref()? {
        HashBy::Client(affinity) => Some(balance::hash_client(client, *affinity)),
        HashBy::Source => Some(match client.ip().to_canonical() {
            IpAddr::V4(address) => balance::hash_key(&address.octets()),
            IpAddr::V6(address) => balance::hash_key(&address.octets()),
        }),
        HashBy::Header(_) | HashBy::Cookie(_) => None,
    }
}
