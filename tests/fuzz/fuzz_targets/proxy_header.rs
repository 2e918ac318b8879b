//! Headers of the PROXY protocol. What is read is written again and has to say the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use preamble::proxy::{Header, Origin, Outgoing, Reading, Tlv, kind, read, write_v1, write_v2};

fuzz_target!(|input: &[u8]| {
    let Ok(Reading::Header(header, consumed)) = read(input) else {
        return;
    };
    assert!(consumed <= input.len());
    // Nothing less is a header, and what follows does not change it.
    assert_eq!(read(&input[..consumed - 1]), Ok(Reading::Partial));
    assert_eq!(
        read(&input[..consumed]),
        Ok(Reading::Header(header, consumed))
    );
    let _ = (header.tlvs.authority(), header.tlvs.ssl());
    if let Origin::Client(addresses) = header.origin {
        let mut line = Vec::new();
        write_v1(&mut line, Some(addresses));
        assert_eq!(origin(&line).origin, Origin::Client(addresses.in_one_family()));
    }
    let tlvs: Vec<Tlv<'_>> = header
        .tlvs
        .filter(|tlv| tlv.kind != kind::CRC32C)
        .collect();
    let mut block = Vec::new();
    write_v2(
        &mut block,
        &Outgoing {
            origin: header.origin,
            datagram: false,
            tlvs: &tlvs,
            checksum: true,
        },
    );
    let again = origin(&block);
    if let Origin::Client(addresses) = header.origin {
        assert_eq!(again.origin, Origin::Client(addresses.in_one_family()));
    }
});

fn origin(bytes: &[u8]) -> Header<'_> {
    match read(bytes) {
        Ok(Reading::Header(header, consumed)) if consumed == bytes.len() => header,
        other => panic!("what we write is not read: {other:?}"),
    }
}
