//! Two processes at one gate: the one that serves, and the one that takes its place, or fails to.

mod support;

use kernel::{AttachError, Bans, Gate, GatePolicy, GateSpec, Mode, PacketReason};
use support::namespace::{CLIENTS, Cable, INTERFACE};
use support::{PinDir, bans, kernel_path_is_there};

const CLIENT: &str = CLIENTS[0];
const OTHER: &str = CLIENTS[1];

struct Given {
    cable: Cable,
    pins: PinDir,
}

impl Given {
    fn new() -> Option<Self> {
        if !kernel_path_is_there() {
            return None;
        }
        Some(Self {
            cable: Cable::new()?,
            pins: PinDir::new(),
        })
    }

    fn attach(&self, bans: &Bans) -> Result<Gate, AttachError> {
        self.cable.at_gate(|| self.pins.attach(&[INTERFACE], bans))
    }

    /// The next process, with the lock of the one that serves.
    fn attach_beside(&self, gate: &Gate, bans: &Bans) -> Gate {
        let lock = gate.lock_file().expect("a descriptor");
        let spec = GateSpec {
            interfaces: vec![INTERFACE.to_owned()],
            mode: Mode::Auto,
            pin_dir: self.pins.0.clone(),
            policy: GatePolicy::default(),
        };
        self.cable
            .at_gate(|| Gate::attach_beside(&spec, bans, lock))
            .expect("attached beside the other")
    }

    /// Whether the folder is locked for everybody else.
    fn is_locked(&self) -> bool {
        matches!(self.attach(&bans()), Err(AttachError::InUse { .. }))
    }
}

fn ban(bans: &Bans, target: &str) {
    let target = kernel::parse_target(target).expect("a target");
    bans.add(target, None, "test").expect("banned");
}

fn dropped(gate: &Gate) -> u64 {
    let sample = gate.counters().sum(PacketReason::DropExactV4);
    sample.expect("counters").packets
}

#[test]
fn the_next_process_has_the_gate_with_its_bans_counters_and_lock() {
    let Some(given) = Given::new() else {
        return;
    };
    let (old_bans, new_bans) = (bans(), bans());
    let mut old = given.attach(&old_bans).expect("attached");
    ban(&old_bans, CLIENT);
    assert!(given.cable.is_cut_off(CLIENT));
    let counted = dropped(&old);

    let mut new = given.attach_beside(&old, &new_bans);
    assert!(new.attachments().iter().all(|place| place.adopted));
    assert_eq!(new_bans.list().len(), 1);
    assert!(given.cable.is_cut_off(CLIENT));
    assert!(dropped(&new) > counted, "counters go on");
    // As long as both are there, what the old one is told holds as well.
    ban(&old_bans, OTHER);
    assert!(given.cable.is_cut_off(OTHER));

    old.leave();
    new.take_charge();
    drop((old, old_bans));
    assert!(given.is_locked(), "the folder is the new process's");
    assert!(given.cable.is_cut_off(CLIENT));
    drop(new);
    let again = bans();
    let gate = given
        .attach(&again)
        .expect("nobody has the folder any more");
    assert_eq!(again.list().len(), 2);
    drop(gate);
}

#[test]
fn a_process_that_fails_leaves_the_gate_to_the_one_that_serves() {
    let Some(given) = Given::new() else {
        return;
    };
    let (serving, failing) = (bans(), bans());
    let mut gate = given.attach(&serving).expect("attached");
    ban(&serving, CLIENT);
    drop((given.attach_beside(&gate, &failing), failing));
    assert!(given.is_locked(), "its end does not unlock the folder");
    gate.retake().expect("the program is there");
    assert!(given.cable.is_cut_off(CLIENT));
    assert!(given.cable.arrives_from(OTHER));
    ban(&serving, OTHER);
    assert!(given.cable.is_cut_off(OTHER));
    // Again, and this time it comes so far.
    let next = bans();
    let mut new = given.attach_beside(&gate, &next);
    gate.leave();
    new.take_charge();
    drop(gate);
    assert!(given.is_locked());
    assert_eq!(next.list().len(), 2);
}
