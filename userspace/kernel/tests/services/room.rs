//! How many flows there is room for.

use crate::bench::{Bench, VIP_V4, ack, address, service, syn};
use crate::support::namespace::INTERFACE;
use crate::support::packet::ACK;
use aya::maps::MapInfo;
use kernel::{BanLimits, Bans, EndpointState, PacketReason, Protocol};

const ONE: &str = "10.99.0.51:8080";
const TWO: &str = "10.99.0.52:8080";

fn room(bench: &Bench) -> u32 {
    let info = MapInfo::from_pin(bench.pins.0.join("FLOWS")).expect("the map");
    info.max_entries()
}

#[test]
fn there_is_room_for_flows_while_there_are_services() {
    let Some(bench) = Bench::new() else { return };
    assert!(room(&bench) <= 64, "no service, no memory");
    let services = bench.gate.services();
    services.set_flows(4096);
    assert!(room(&bench) <= 64);
    bench.apply(&[service(VIP_V4, Protocol::Tcp, &[ONE])]);
    assert_eq!(room(&bench), 4096);
    bench.endpoint_of(syn(2000));
    bench.apply(&[]);
    assert!(room(&bench) <= 64);
    bench.passed(&syn(2001).build());
}

#[test]
fn flows_move_to_another_room() {
    let Some(bench) = Bench::new() else { return };
    let services = bench.gate.services();
    services.set_flows(2048);
    let spec = service(VIP_V4, Protocol::Tcp, &[ONE]);
    bench.apply(std::slice::from_ref(&spec));
    for port in 2000..2100 {
        bench.endpoint_of(syn(port));
    }
    // New flows go to the other one, so that what is known is told from what is balanced anew.
    let mut both = service(VIP_V4, Protocol::Tcp, &[ONE, TWO]);
    both.endpoints[0].state = EndpointState::Draining;
    for flows in [65_536, 1024] {
        services.set_flows(flows);
        bench.apply(std::slice::from_ref(&both));
        assert_eq!(room(&bench), flows);
        for port in 2000..2100 {
            assert_eq!(bench.endpoint_of(ack(port)), address(ONE), "{port}");
            let back =
                crate::bench::packet(address(ONE), crate::bench::client(port), Protocol::Tcp, ACK);
            bench.forwarded(back, PacketReason::ForwardReply);
        }
        assert_eq!(bench.endpoint_of(syn(3000)), address(TWO));
    }
}

#[test]
fn flows_go_on_where_another_process_has_other_limits_of_bans() {
    let Some(mut bench) = Bench::new() else {
        return;
    };
    let spec = service(VIP_V4, Protocol::Tcp, &[ONE]);
    bench.apply(std::slice::from_ref(&spec));
    bench.endpoint_of(syn(2000));
    let limits = BanLimits {
        addresses: 128,
        prefixes: 128,
    };
    let Bench { cable, gate, pins } = bench;
    drop(gate);
    let gate = cable.at_gate(|| pins.attach(&[INTERFACE], &Bans::new(limits)));
    bench = Bench {
        cable,
        gate: gate.expect("attached"),
        pins,
    };
    let mut both = service(VIP_V4, Protocol::Tcp, &[ONE, TWO]);
    both.endpoints[0].state = EndpointState::Draining;
    bench.apply(&[both]);
    assert_eq!(bench.endpoint_of(ack(2000)), address(ONE));
    assert_eq!(bench.endpoint_of(syn(2001)), address(TWO));
    assert!(bench.count(PacketReason::ForwardNat) >= 3, "counters stay");
}
