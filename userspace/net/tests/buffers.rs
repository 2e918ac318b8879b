//! Buffers, chunks and lists of parts: who shares what, and what comes back to the pool.

use net::{Buffer, Chunk, Class, Parts, Piece, SMALL_BYTES, pool_use, trim_pool};

fn alphabet() -> Chunk {
    Chunk::copy_of(b"abcdefghij")
}

fn text(parts: &Parts) -> Vec<u8> {
    parts.iter().flat_map(|piece| piece.to_vec()).collect()
}

#[test]
fn a_buffer_is_written_frozen_and_returned() {
    trim_pool();
    let mut buffer = Buffer::with_capacity(10);
    buffer.extend_from_slice(b"hello");
    buffer.as_mut_vec().push(b'!');
    assert_eq!(&*buffer, b"hello!");
    let chunk = buffer.freeze();
    assert_eq!(&*chunk, b"hello!");
    assert_eq!(chunk.capacity(), SMALL_BYTES);
    assert_eq!(pool_use().buffers, 0);
    drop(chunk);
    assert_eq!(pool_use().buffers, 1);
    assert!(
        Buffer::of(Class::Small).is_empty(),
        "the next taker sees old bytes"
    );
}

#[test]
fn slices_share_the_buffer_and_the_last_one_returns_it() {
    trim_pool();
    let mut chunk = alphabet();
    let slice = chunk.slice(2..5);
    let copy = chunk.clone();
    let head = chunk.split_to(4);
    assert_eq!(
        (&*slice, &*copy, &*head, &*chunk),
        (
            &b"cde"[..],
            &b"abcdefghij"[..],
            &b"abcd"[..],
            &b"efghij"[..]
        )
    );
    drop((copy, head, chunk));
    assert_eq!(pool_use().buffers, 0);
    drop(slice);
    assert_eq!(pool_use().buffers, 1);
}

#[test]
fn ranges_outside_a_chunk_are_cut() {
    let chunk = alphabet();
    assert_eq!(&*chunk.slice(8..100), b"ij");
    assert_eq!(&*chunk.slice(100..), b"");
    assert_eq!(&*chunk.slice(..=2), b"abc");
    assert_eq!(&*chunk.slice(..=usize::MAX), b"abcdefghij");
    let mut rest = chunk.clone();
    rest.advance(usize::MAX);
    assert!(rest.is_empty());
    let mut start = chunk.clone();
    start.truncate(3);
    start.truncate(100);
    assert_eq!(&*start, b"abc");
    let mut all = chunk;
    assert_eq!(&*all.split_to(100), b"abcdefghij");
    assert!(all.is_empty());
}

#[test]
fn a_buffer_that_grew_is_not_kept() {
    trim_pool();
    let mut buffer = Buffer::of(Class::Small);
    buffer.extend_from_slice(&[0; SMALL_BYTES + 1]);
    drop(buffer.freeze());
    drop(Chunk::from(vec![1, 2, 3]));
    assert_eq!(pool_use().buffers, 0);
}

#[test]
fn the_buffer_used_last_is_handed_out_first() {
    trim_pool();
    let (first, second) = (Buffer::default(), Buffer::default());
    let address = second.as_ptr();
    drop(first);
    drop(second);
    assert_eq!(Buffer::default().as_ptr(), address);
}

#[test]
fn parts_leave_out_what_is_empty() {
    let parts = Parts::new()
        .with(Chunk::empty())
        .with(b"")
        .with(alphabet())
        .with(Buffer::default());
    assert_eq!(parts.iter().count(), 1);
    assert!(Parts::from(Chunk::empty()).is_empty());
}

#[test]
fn parts_are_sent_from_the_front() {
    let all = b"abcdefghijklmnopq";
    for sent in 0..=all.len() {
        let mut parts = Parts::new()
            .with(alphabet())
            .with(b"klm")
            .with(b"nopq".to_vec());
        assert_eq!(parts.bytes(), all.len());
        parts.advance(sent);
        assert_eq!(text(&parts), all[sent..]);
        assert_eq!(parts.is_empty(), sent == all.len());
    }
}

#[test]
fn sent_pieces_release_their_buffers_at_once() {
    trim_pool();
    let mut parts = Parts::new().with(alphabet()).with(alphabet());
    parts.advance(15);
    assert_eq!(pool_use().buffers, 1);
    assert!(matches!(parts.into_iter().next(), Some(Piece::Chunk(rest)) if *rest == *b"fghij"));
    assert_eq!(pool_use().buffers, 2);
}
