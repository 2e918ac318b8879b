//! A request body on its way to an endpoint while it still arrives.

use crate::body::RequestBody;
use crate::generation::RoutePlan;
use crate::upstream::Backend;
use http::h1::Framing;
use http::h1::chunk::{self, ChunkHead};
use net::{Buffer, Chunk, Parts, Stream};
use std::time::Instant;
use types::Reason;

/// Why an upload ended early.
pub(super) enum UploadFault {
    /// The endpoint takes no more.
    Endpoint,
    /// The client stopped, or sent what is no body.
    Client(Reason),
}

/// Sends a head, what was gathered of the body, and the rest as it arrives.
pub(super) async fn upload<S: Stream>(
    mut parts: Parts,
    body: &mut RequestBody<'_, '_, S>,
    backend: &Backend<S>,
    route: &RoutePlan,
    total: Instant,
) -> Result<(), UploadFault> {
    let patience = route.response_timeout;
    let is_chunked = body.framing() == Framing::Chunked;
    let mut follows = false;
    let mut piece = Some(body.gathered()).filter(|gathered| !gathered.is_empty());
    loop {
        if let Some(piece) = piece {
            if is_chunked {
                parts.push(framed(piece.len(), follows));
                follows = true;
            }
            parts.push(piece);
        }
        backend.arm(patience, total);
        backend
            .io
            .send(std::mem::take(&mut parts))
            .await
            .map_err(|_| UploadFault::Endpoint)?;
        backend.timer.disarm();
        piece = body.next().await.map_err(UploadFault::Client)?;
        if piece.is_none() {
            break;
        }
    }
    if is_chunked {
        let mut end = Buffer::with_capacity(64);
        chunk::write_last(end.as_mut_vec(), follows, body.trailers(), |field| {
            !route.removes(field.name, field.value)
        });
        backend
            .io
            .send(Parts::from(end.freeze()))
            .await
            .map_err(|_| UploadFault::Endpoint)?;
    }
    Ok(())
}

/// What stands before a chunk of `len` bytes; `follows`: behind another one.
pub(super) fn framed(len: usize, follows: bool) -> Chunk {
    let head = if follows {
        ChunkHead::next(len as u64)
    } else {
        ChunkHead::first(len as u64)
    };
    let mut out = Buffer::with_capacity(head.as_bytes().len());
    out.extend_from_slice(head.as_bytes());
    out.freeze()
}
