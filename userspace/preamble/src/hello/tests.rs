use super::*;
use proptest::prelude::*;

fn long(bytes: &[u8]) -> Vec<u8> {
    let length = u16::try_from(bytes.len()).unwrap();
    [&length.to_be_bytes(), bytes].concat()
}

fn extension(kind: u16, data: &[u8]) -> Vec<u8> {
    [&kind.to_be_bytes()[..], &long(data)].concat()
}

fn sni(name: &[u8]) -> Vec<u8> {
    extension(0, &long(&[&[0][..], &long(name)].concat()))
}

/// A handshake message with these extensions.
fn message(extensions: &[u8]) -> Vec<u8> {
    let mut body = vec![3, 3];
    body.extend_from_slice(&[7; 32]);
    body.push(0);
    body.extend_from_slice(&long(&[0x13, 1]));
    body.extend_from_slice(&[1, 0]);
    body.extend_from_slice(&long(extensions));
    let length = u32::try_from(body.len()).unwrap().to_be_bytes();
    [&[1][..], &length[1..], &body].concat()
}

/// The same in records of at most so many bytes.
fn records(message: &[u8], size: usize) -> Vec<u8> {
    let record = |piece: &[u8]| [&[22, 3, 1][..], &long(piece)].concat();
    message.chunks(size).flat_map(record).collect()
}

fn read(wire: &[u8]) -> Result<Option<Hello>, HelloError> {
    HelloReader::new().push(wire)
}

fn name_of(extensions: &[u8]) -> Result<Option<String>, HelloError> {
    let hello = read(&records(&message(extensions), 1 << 14))?;
    Ok(hello.expect("it is whole").server_name)
}

#[test]
fn the_name_is_found_in_its_normal_form() {
    assert_eq!(
        name_of(&sni(b"Db.Example.COM.")).unwrap().as_deref(),
        Some("db.example.com")
    );
    assert_eq!(name_of(&[]), Ok(None));
    let alpn = extension(16, &long(b"\x02h2\x08http/1.1"));
    let more = [extension(0xfe0d, b"inner"), alpn, sni(b"a.b")].concat();
    let hello = read(&records(&message(&more), 1 << 14)).unwrap().unwrap();
    assert!(hello.encrypted);
    assert_eq!(hello.protocols, [b"h2".to_vec(), b"http/1.1".to_vec()]);
    assert_eq!(hello.server_name.as_deref(), Some("a.b"));
}

#[test]
fn malformed_hellos_have_their_errors() {
    for (extensions, error) in [
        ([sni(b"a"), sni(b"b")].concat(), HelloError::TwoNames),
        (
            extension(0, &long(b"\0\0\x01a\0\0\x01b")),
            HelloError::TwoNames,
        ),
        (sni(b""), HelloError::BadName),
        (sni(b"a..b"), HelloError::BadName),
        (sni(b"a b"), HelloError::BadName),
        (sni(b"a\0b"), HelloError::BadName),
        (sni("\u{e9}.example".as_bytes()), HelloError::BadName),
        (sni(&[b'a'; 64]), HelloError::BadName),
        (sni(b"a.b".repeat(90).as_slice()), HelloError::BadName),
        (extension(0, &[]), HelloError::Malformed),
        (extension(0, &long(&[])), HelloError::Malformed),
        (extension(0, &long(b"\x01\0\x01a")), HelloError::Malformed),
        (extension(0, &long(b"\0\0\x02a")), HelloError::Malformed),
        (extension(16, &long(&[0])), HelloError::Malformed),
        (vec![0, 0, 0], HelloError::Malformed),
    ] {
        assert_eq!(name_of(&extensions), Err(error), "{extensions:?}");
    }
}

#[test]
fn what_is_no_hello_is_told_early() {
    for (wire, error) in [
        (&b"GET / HTTP/1.1\r\n"[..], HelloError::NotTls),
        (b"\x80\x2e\x01", HelloError::NotTls),
        (b"\x16\x02", HelloError::NotTls),
        (b"\x15\x03\x01\0\x02\x01\0", HelloError::NotTls),
        (b"\x16\x03\x01\0\0", HelloError::RecordLength),
        (b"\x16\x03\x01\x40\x01", HelloError::RecordLength),
        (b"\x16\x03\x01\0\x01\x02", HelloError::NotHello),
        (b"\x16\x03\x01\0\x04\x01\x01\0\0", HelloError::TooLong),
    ] {
        assert_eq!(read(wire), Err(error), "{wire:?}");
    }
    // Something else between its records.
    let mut wire = records(&message(&sni(b"a.b")), 40);
    wire[45] = 23;
    assert_eq!(read(&wire), Err(HelloError::NotTls));
}

#[test]
fn tiny_records_have_an_end() {
    let padded = message(&extension(21, &[0; 12_000]));
    let mut reader = HelloReader::new();
    let outcome = records(&padded, 1)
        .chunks(100)
        .find_map(|piece| reader.push(piece).err());
    assert_eq!(outcome, Some(HelloError::TooLong));
}

proptest! {
    /// However a hello is cut into records and receives, it says the same, and what is handed on is what came.
    #[test]
    fn the_cuts_make_no_difference(record in 1..300_usize, receive in 1..300_usize, behind: Vec<u8>) {
        let hello = message(&[sni(b"shop.example.com"), extension(21, &[0; 300])].concat());
        let wire = [records(&hello, record), behind].concat();
        let mut reader = HelloReader::new();
        let mut sent = 0;
        let found = wire.chunks(receive).find_map(|piece| {
            sent += piece.len();
            reader.push(piece).unwrap()
        });
        let name = found.unwrap().server_name;
        prop_assert_eq!(name.as_deref(), Some("shop.example.com"));
        prop_assert_eq!(reader.into_wire(), &wire[..sent]);
    }

    /// Whatever comes is judged.
    #[test]
    fn nothing_panics(extensions: Vec<u8>, record in 1..64_usize, at: prop::sample::Index, byte: u8) {
        let mut wire = records(&message(&extensions), record);
        let at = at.index(wire.len());
        wire[at] = byte;
        let _ = read(&wire);
        let _ = read(&extensions);
    }
}
