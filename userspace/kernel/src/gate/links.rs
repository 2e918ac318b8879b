//! The program on interfaces: one pinned link each.

use super::Mode;
use super::error::AttachError;
use super::pins::{PinDir, PinnedName, pin};
use crate::host::interfaces;
use aya::pin::PinError;
use aya::programs::links::{FdLink, LinkError, PinnedLink};
use aya::programs::xdp::{XdpError, XdpLink, XdpLinkId};
use aya::programs::{ProgramError, Xdp, XdpMode};
use std::fs;
use std::io;
use std::time::Duration;

/// How long the kernel may take to detach a link whose last pin and descriptor are gone: half a second in all.
const DETACH_WAIT: Duration = Duration::from_millis(10);
const DETACH_WAITS: u32 = 50;

/// How a program is attached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UsedMode {
    /// In the driver, before the kernel makes a buffer of the packet.
    Driver,
    /// Behind the driver.
    Generic,
}

impl UsedMode {
    pub(super) const ALL: [Self; 2] = [Self::Driver, Self::Generic];

    /// The word for it in output and pins.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Driver => "driver",
            Self::Generic => "generic",
        }
    }

    const fn flags(self) -> XdpMode {
        match self {
            Self::Driver => XdpMode::Driver,
            Self::Generic => XdpMode::Skb,
        }
    }
}

impl From<UsedMode> for Mode {
    fn from(mode: UsedMode) -> Self {
        match mode {
            UsedMode::Driver => Self::Driver,
            UsedMode::Generic => Self::Generic,
        }
    }
}

impl Mode {
    /// The modes to try, the best first.
    const fn candidates(self) -> &'static [UsedMode] {
        match self {
            Self::Auto => &UsedMode::ALL,
            Self::Driver => &[UsedMode::Driver],
            Self::Generic => &[UsedMode::Generic],
        }
    }
}

/// The program on one interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attachment {
    /// The interface.
    pub interface: String,
    /// How.
    pub mode: UsedMode,
    /// The link was there before, made by an earlier process.
    pub adopted: bool,
}

/// All attachments. The open links keep the program attached even where somebody removes the pins.
#[derive(Default)]
pub(super) struct Links {
    held: Vec<Held>,
}

struct Held {
    attachment: Attachment,
    /// The index that the interface has: another one with its name has another.
    index: Option<u32>,
    link: FdLink,
}

impl Links {
    pub(super) fn attachments(&self) -> Vec<Attachment> {
        self.held
            .iter()
            .map(|held| held.attachment.clone())
            .collect()
    }

    /// The interfaces, by index, that packets can be sent out of without the stack.
    pub(super) fn ways_out(&self) -> Vec<u32> {
        let names = self.held.iter().map(|held| &held.attachment.interface);
        names.filter_map(|name| interfaces::index(name)).collect()
    }

    /// Brings the links in line with the wish: adopts, makes, and at last removes those that are no longer wanted.
    /// Where one cannot be made, those made before it are taken back.
    pub(super) fn sync(
        &mut self,
        program: &mut Xdp,
        pins: &PinDir,
        wanted: &[String],
        mode: Mode,
    ) -> Result<(), AttachError> {
        interfaces::check_present(wanted)?;
        let mut pinned = pins.links()?;
        let mut made = Vec::new();
        for (index, interface) in wanted.iter().enumerate() {
            if wanted
                .iter()
                .take(index)
                .any(|earlier| earlier == interface)
            {
                continue;
            }
            let before = take_named(&mut pinned, interface);
            match self.ensure(program, pins, before, interface, mode) {
                Ok(true) => made.push(interface),
                Ok(false) => {}
                Err(error) => {
                    self.remove(pins, |interface| made.contains(&interface));
                    return Err(error);
                }
            }
        }
        for stale in pinned {
            fs::remove_file(&stale.path).map_err(pin(&stale.path))?;
        }
        self.held
            .retain(|held| wanted.contains(&held.attachment.interface));
        Ok(())
    }

    /// Whether there is an interface among these that has come since we attached, be it anew under its old name. Costs a call for
    /// each.
    pub(super) fn lacks(&self, wanted: &[String]) -> bool {
        wanted.iter().any(|name| {
            let index = interfaces::index(name);
            let is_held = |held: &Held| held.attachment.interface == *name && held.index == index;
            index.is_some() && !self.held.iter().any(is_held)
        })
    }

    /// Puts this program back on links that another process has switched to its own.
    pub(super) fn retake(&mut self, program: &mut Xdp, pins: &PinDir) {
        for held in &mut self.held {
            let Attachment {
                interface, mode, ..
            } = &held.attachment;
            let name = PinnedName {
                path: pins.link(*mode, interface),
                mode: *mode,
                interface: interface.clone(),
            };
            if let Some(link) = adopt(program, &name) {
                held.link = link;
            }
        }
    }

    /// One interface; says whether its link is new. `before` is what is pinned for the name.
    fn ensure(
        &mut self,
        program: &mut Xdp,
        pins: &PinDir,
        before: Option<PinnedName>,
        interface: &String,
        mode: Mode,
    ) -> Result<bool, AttachError> {
        let Some(before) = before else {
            if self.holds(interface) {
                // Somebody removed the pin of a link that we hold.
                self.remove(pins, |held| held == interface);
                self.attach_after(program, pins, interface, mode)?;
            } else {
                self.remove(pins, |held| held == interface);
                self.attach(program, pins, interface, mode)?;
            }
            return Ok(true);
        };
        let fits = mode.candidates().contains(&before.mode);
        if fits && self.holds(interface) {
            return Ok(false);
        }
        if fits && let Some(link) = adopt(program, &before) {
            self.hold(link, interface, before.mode, true);
            return Ok(false);
        }
        // It belongs to an interface of this name that is gone, or it has another mode than is wanted: a kernel runs
        // programs of one mode on an interface, so it has to go before another comes.
        let was_on = !fits && self.holds(interface);
        self.remove(pins, |held| held == interface);
        if before.path.exists() {
            fs::remove_file(&before.path).map_err(pin(&before.path))?;
        }
        match self.attach_after(program, pins, interface, mode) {
            Err(error) if was_on => {
                // The reason for the refusal matters more than that of a second one.
                let _ = self.attach_after(program, pins, interface, before.mode.into());
                Err(error)
            }
            Err(error) => Err(error),
            Ok(()) => Ok(true),
        }
    }

    /// Attaches where a link was just removed: the kernel takes the old one down a moment later.
    fn attach_after(
        &mut self,
        program: &mut Xdp,
        pins: &PinDir,
        interface: &str,
        mode: Mode,
    ) -> Result<(), AttachError> {
        for _ in 0..DETACH_WAITS {
            match self.attach(program, pins, interface, mode) {
                Err(AttachError::Occupied { .. }) => std::thread::sleep(DETACH_WAIT),
                result => return result,
            }
        }
        self.attach(program, pins, interface, mode)
    }

    fn attach(
        &mut self,
        program: &mut Xdp,
        pins: &PinDir,
        interface: &str,
        mode: Mode,
    ) -> Result<(), AttachError> {
        let (link, mode) = attach(program, interface, mode)?;
        let path = pins.link(mode, interface);
        let pinned = link
            .pin(&path)
            .map_err(|error| pin(&path)(pin_error(error)))?;
        self.hold(pinned.into(), interface, mode, false);
        Ok(())
    }

    fn hold(&mut self, link: FdLink, interface: &str, mode: UsedMode, adopted: bool) {
        let attachment = Attachment {
            interface: interface.to_owned(),
            mode,
            adopted,
        };
        self.held.push(Held {
            attachment,
            index: interfaces::index(interface),
            link,
        });
    }

    /// We hold a link on the interface that has this name today.
    fn holds(&self, interface: &str) -> bool {
        self.held.iter().any(|held| {
            held.attachment.interface == interface && interfaces::link_is_on(&held.link, interface)
        })
    }

    /// Lets go of links and removes their pins; one that is gone already is no matter.
    fn remove(&mut self, pins: &PinDir, chosen: impl Fn(&String) -> bool) {
        self.held.retain(|Held { attachment, .. }| {
            let goes = chosen(&attachment.interface);
            if goes {
                let _ = fs::remove_file(pins.link(attachment.mode, &attachment.interface));
            }
            !goes
        });
    }
}

fn take_named(pinned: &mut Vec<PinnedName>, interface: &str) -> Option<PinnedName> {
    let index = pinned.iter().position(|name| name.interface == interface)?;
    Some(pinned.swap_remove(index))
}

/// Switches a pinned link to the program in one step; none where its interface is gone.
fn adopt(program: &mut Xdp, name: &PinnedName) -> Option<FdLink> {
    let link = FdLink::from(PinnedLink::from_pin(&name.path).ok()?);
    if !interfaces::link_is_on(&link, &name.interface) {
        return None;
    }
    let link = XdpLink::try_from(link).ok()?;
    let id = program.attach_to_link(link).ok()?;
    take(program, id).ok()
}

/// Attaches in the best mode that the interface takes.
pub(crate) fn attach(
    program: &mut Xdp,
    interface: &str,
    mode: Mode,
) -> Result<(FdLink, UsedMode), AttachError> {
    let mut attempts = Vec::new();
    for mode in mode.candidates() {
        let attached = program.attach(interface, mode.flags());
        match attached.and_then(|id| take(program, id)) {
            Ok(link) => return Ok((link, *mode)),
            Err(error) if is_occupied(&error) => {
                return Err(AttachError::Occupied {
                    interface: interface.to_owned(),
                });
            }
            Err(error) => attempts.push(format!("{} mode: {}", mode.name(), answer(&error))),
        }
    }
    Err(AttachError::Refused {
        interface: interface.to_owned(),
        attempts: attempts.join("; "),
    })
}

/// Takes the link out of the program's care, so that it is not detached with the program.
fn take(program: &mut Xdp, id: XdpLinkId) -> Result<FdLink, ProgramError> {
    let link = program.take_link(id)?;
    // An attachment by netlink, of kernels older than we admit, cannot be pinned and is detached here.
    FdLink::try_from(link).map_err(|_: LinkError| ProgramError::NotAttached)
}

fn os_error(error: &ProgramError) -> Option<i32> {
    match error {
        ProgramError::SyscallError(error) => error.io_error.raw_os_error(),
        ProgramError::XdpError(XdpError::NetlinkError(error)) => error.raw_os_error(),
        _ => None,
    }
}

fn is_occupied(error: &ProgramError) -> bool {
    matches!(os_error(error), Some(libc::EBUSY | libc::EEXIST))
}

/// The kernel's answer in an operator's words.
fn answer(error: &ProgramError) -> String {
    match os_error(error) {
        Some(libc::EOPNOTSUPP) => "the driver does not support it".to_owned(),
        Some(libc::ERANGE) => "the MTU is too large for it".to_owned(),
        Some(libc::ENOMEM | libc::ENOSPC) => {
            "the driver has too few queues or rings for it".to_owned()
        }
        Some(code) => io::Error::from_raw_os_error(code).to_string(),
        None => error.to_string(),
    }
}

fn pin_error(error: PinError) -> io::Error {
    match error {
        PinError::SyscallError(error) => error.io_error,
        other => io::Error::other(other),
    }
}
