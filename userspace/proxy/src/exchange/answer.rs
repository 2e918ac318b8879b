//! Answers of our own: refusals, in the words of RFC 9457.

use super::stop::Stop;
use super::{After, Exchange};
use crate::body::RequestBody;
use crate::front::Writer;
use crate::worker::Worker;
use http::respond::{self, Answer, PROBLEM_JSON, Problem};
use http::{Method, Version};
use net::{Buffer, Driver, Parts};
use std::time::Duration;
use types::{Reason, Verdict};

/// Room for the head and the body of a refusal.
pub(super) const REFUSAL_BYTES: usize = 1024;

impl<D: Driver> Exchange<'_, D> {
    /// Tells the client why the request is not served.
    pub(super) async fn answer_stop(
        &mut self,
        stop: Stop,
        body: &RequestBody<'_, '_, D::Stream>,
        writer: &mut Writer<'_, D::Stream>,
    ) -> After {
        let reason = stop.reason();
        self.record.detail = stop.detail;
        let status = match stop.verdict {
            Verdict::Respond { status, .. } => status,
            Verdict::Ban { ttl, .. } => {
                self.ban(ttl, reason);
                self.record.end(0, reason);
                return After::Abort;
            }
            Verdict::Close(_) | Verdict::Continue => {
                self.record.end(0, reason);
                return After::Abort;
            }
        };
        self.record.end(status, reason);
        // What follows an unread body cannot be told from the body.
        self.keep_alive &= body.is_read();
        let head = self.request.view.head();
        let mut out = Buffer::with_capacity(REFUSAL_BYTES);
        let refusal = Refusal {
            status,
            reason,
            sentence: &stop.sentence,
            fields: &stop.fields,
            request_id: self.record.own_id(),
            version: head.version(),
            head_only: head.method() == Method::Head,
            body_only: false,
            keep_alive: self.keep_alive,
        };
        refusal.write(self.worker, &mut out);
        match writer.send(Parts::from(out), None).await {
            Ok(()) if self.keep_alive => After::NextRequest,
            Ok(()) if body.is_read() => After::Close,
            Ok(()) => After::Linger,
            Err(_) => After::Abort,
        }
    }

    /// Bans the client's address, in the kernel where the gate is attached.
    fn ban(&self, ttl: Duration, reason: Reason) {
        let client = self.request.client;
        let shared = &self.worker.shared;
        // On the wire there is somebody else where a proxy has named it.
        let bans = match self.is_named() {
            true => shared.offences.forwarded_bans(),
            false => &shared.bans,
        };
        if let Err(error) = bans.add(client.into(), Some(ttl), reason.name()) {
            tracing::warn!(%client, %reason, %error, "ban failed");
        }
    }
}

pub(super) struct Refusal<'a> {
    pub(super) status: u16,
    pub(super) reason: Reason,
    pub(super) sentence: &'a str,
    pub(super) fields: &'a [(&'static str, Vec<u8>)],
    pub(super) request_id: &'a str,
    pub(super) version: Version,
    pub(super) head_only: bool,
    /// Without a head, for those who read none.
    pub(super) body_only: bool,
    pub(super) keep_alive: bool,
}

impl Refusal<'_> {
    pub(super) fn write<D: Driver>(&self, worker: &Worker<D>, out: &mut Buffer) {
        let mut body = Vec::with_capacity(REFUSAL_BYTES / 2);
        let problem = Problem {
            status: self.status,
            reason: self.reason,
            detail: self.sentence,
            request_id: self.request_id,
        };
        respond::problem(&mut body, &problem);
        if self.body_only {
            return out.extend_from_slice(&body);
        }
        let fields: Vec<(&str, &[u8])> = self
            .fields
            .iter()
            .map(|(name, value)| (*name, value.as_slice()))
            .collect();
        let answer = Answer {
            status: self.status,
            client_version: self.version,
            keep_alive: self.keep_alive,
            head_only: self.head_only,
            date: &worker.date(),
            content_type: Some(PROBLEM_JSON),
            headers: &fields,
            body: &body,
        };
        respond::write(out.as_mut_vec(), &answer);
    }
}
