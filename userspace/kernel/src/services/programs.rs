//! The programs that go on behind the gate.

use super::ServiceError;
use aya::Ebpf;
use aya::maps::{MapData, MapError, ProgramArray};
use aya::programs::{ProgramError, ProgramFd, Xdp};

/// Each program with the map of the object through which the gate hands packets to it.
const PROGRAMS: [(&str, &str); 2] = [
    (abi::XDP_SERVICES, abi::maps::NEXT_PROGRAM),
    (abi::XDP_SERVICE_ERRORS, abi::maps::ERROR_PROGRAM),
];

/// The loaded programs, which get no packet yet.
pub(crate) struct Programs {
    programs: Vec<(ProgramFd, ProgramArray<MapData>)>,
}

impl Programs {
    /// Loads them.
    pub(crate) fn load(ebpf: &mut Ebpf) -> Result<Self, ServiceError> {
        let programs = PROGRAMS.iter().map(|(program, map)| {
            let map = ebpf.take_map(map).ok_or_else(|| MapError::InvalidName {
                name: (*map).to_owned(),
            });
            let next = map
                .and_then(ProgramArray::try_from)
                .map_err(ServiceError::kernel("hand over packets"))?;
            let program = load(ebpf, program).map_err(|error| ServiceError::Program {
                program,
                error: Box::new(error),
            })?;
            Ok((program, next))
        });
        Ok(Self {
            programs: programs.collect::<Result<_, ServiceError>>()?,
        })
    }

    /// From now on the gate hands packets to them.
    pub(crate) fn take_packets(mut self) -> Result<(), ServiceError> {
        for (program, next) in &mut self.programs {
            next.set(0, program, 0)
                .map_err(ServiceError::kernel("hand over packets"))?;
        }
        Ok(())
    }
}

fn load(ebpf: &mut Ebpf, name: &str) -> Result<ProgramFd, ProgramError> {
    let program = ebpf.program_mut(name).ok_or(ProgramError::NotLoaded)?;
    let program: &mut Xdp = program.try_into()?;
    program.load()?;
    Ok(program.fd()?.try_clone()?)
}
