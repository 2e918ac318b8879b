//! The network interfaces of this namespace. sysfs is not asked: it may show those of another namespace.

#![allow(unsafe_code)]

use crate::gate::AttachError;
use aya::programs::links::FdLink;
use std::ffi::{CStr, CString};
use std::fs;

/// The index of an interface, if there is one of the name.
pub(crate) fn index(name: &str) -> Option<u32> {
    let name = CString::new(name).ok()?;
    // SAFETY: the string ends with NUL and outlives the call.
    let index = unsafe { libc::if_nametoindex(name.as_ptr()) };
    (index != 0).then_some(index)
}

/// The names of all interfaces.
fn names() -> Vec<String> {
    let mut names = Vec::new();
    // SAFETY: no arguments. The array that it returns is ours to free.
    let list = unsafe { libc::if_nameindex() };
    if list.is_null() {
        return names;
    }
    let mut entry = list;
    loop {
        // SAFETY: the array ends with an entry whose index is 0, where the loop ends too.
        let libc::if_nameindex { if_index, if_name } = unsafe { *entry };
        if if_index == 0 || if_name.is_null() {
            break;
        }
        // SAFETY: a name of the array ends with NUL and lives until the array is freed.
        names.push(
            unsafe { CStr::from_ptr(if_name) }
                .to_string_lossy()
                .into_owned(),
        );
        // SAFETY: this was not the last entry.
        entry = unsafe { entry.add(1) };
    }
    // SAFETY: it comes from if_nameindex and is not used any more.
    unsafe { libc::if_freenameindex(list) };
    names
}

/// Every one of the interfaces is there.
pub(crate) fn check_present(wanted: &[String]) -> Result<(), AttachError> {
    match wanted.iter().find(|name| index(name).is_none()) {
        Some(name) => Err(absent(name)),
        None => Ok(()),
    }
}

pub(crate) fn absent(name: &str) -> AttachError {
    AttachError::NoInterface {
        name: name.to_owned(),
        present: names().join(", "),
    }
}

/// Whether an XDP link is on the interface that has this name today. The link of one that was removed, or of one in
/// another namespace, is not.
pub(crate) fn link_is_on(link: &FdLink, interface: &str) -> bool {
    let (Ok(info), Some(index)) = (link.info(), index(interface)) else {
        return false;
    };
    let Ok(descriptors) = fs::read_dir("/proc/self/fdinfo") else {
        return false;
    };
    // The kernel tells the interface of a link in the description of its file descriptor.
    descriptors
        .flatten()
        .filter_map(|descriptor| fs::read_to_string(descriptor.path()).ok())
        .any(|text| {
            field(&text, "link_id:") == Some(info.id()) && field(&text, "ifindex:") == Some(index)
        })
}

fn field(text: &str, name: &str) -> Option<u32> {
    let value = text.lines().find_map(|line| line.strip_prefix(name))?;
    value.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_loopback() {
        assert_eq!(index("lo"), Some(1));
        assert_eq!(index("no-such-if"), None);
        assert_eq!(index("a\0b"), None);
        assert!(names().contains(&"lo".to_owned()));
        let error = check_present(&["nope0".to_owned()]).expect_err("absent");
        assert!(
            error.to_string().contains("`nope0`; there are: "),
            "{error}"
        );
    }
}
