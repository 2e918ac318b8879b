//! Where a field stands in a struct of the running kernel, by the description that the kernel gives of itself (BTF).

use std::fs;

/// Where the kernel describes itself.
const VMLINUX: &str = "/sys/kernel/btf/vmlinux";

const MAGIC: u16 = 0xeb9f;
const STRUCT: u32 = 4;

/// The offset of a direct field of a struct in the running kernel, in bytes.
pub(super) fn offset_of(name: &str, field: &str) -> Result<u32, String> {
    let bytes = fs::read(VMLINUX).map_err(|error| format!("{VMLINUX}: {error}"))?;
    find(&bytes, name, field).ok_or_else(|| format!("{VMLINUX} has no `{name}.{field}`"))
}

fn find(bytes: &[u8], name: &str, field: &str) -> Option<u32> {
    if bytes.first_chunk() != Some(&MAGIC.to_ne_bytes()) {
        return None;
    }
    let header = word(bytes, 4)? as usize;
    let part = |at: usize| -> Option<&[u8]> {
        let from = header + word(bytes, at)? as usize;
        bytes.get(from..from + word(bytes, at + 4)? as usize)
    };
    let (types, strings) = (part(8)?, part(16)?);
    let is = |offset: u32, wanted: &str| {
        let found = strings.get(offset as usize..).unwrap_or_default();
        found
            .strip_prefix(wanted.as_bytes())
            .and_then(<[u8]>::first)
            == Some(&0)
    };
    let mut at = 0;
    while at < types.len() {
        let info = word(types, at + 4)?;
        let (kind, count) = ((info >> 24) & 0x1f, (info & 0xffff) as usize);
        let members = at + 12;
        if kind == STRUCT && is(word(types, at)?, name) {
            let member = (0..count)
                .map(|index| members + index * 12)
                .find(|&member| word(types, member).is_some_and(|named| is(named, field)))?;
            // With the flag, the upper byte is the width of a bit field.
            let bits = match info >> 31 {
                0 => word(types, member + 8)?,
                _ => word(types, member + 8)? & 0x00ff_ffff,
            };
            return Some(bits / 8);
        }
        at = members + after(kind, count)?;
    }
    None
}

/// How much follows a type of a kind (linux/btf.h).
fn after(kind: u32, count: usize) -> Option<usize> {
    Some(match kind {
        // Integers, variables, tags of declarations.
        1 | 14 | 17 => 4,
        // Pointers, forward declarations, names, qualifiers, functions, floats, tags of types.
        2 | 7..=12 | 16 | 18 => 0,
        // Arrays.
        3 => 12,
        // Structs, unions, sections, long enumerations.
        4 | 5 | 15 | 19 => count * 12,
        // Enumerations, prototypes.
        6 | 13 => count * 8,
        _ => return None,
    })
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    let four = bytes.get(at..)?.first_chunk()?;
    Some(u32::from_ne_bytes(*four))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An integer and a struct with two fields.
    fn described(kind_flag: u32) -> Vec<u8> {
        let strings = b"\0int\0pair\0left\0right\0";
        let types: [u32; 4 + 3 + 6] = [
            1,
            1 << 24,
            4,
            32, // int
            5,
            (kind_flag << 31) | (STRUCT << 24) | 2,
            8, // pair
            10,
            1,
            0,
            15,
            1,
            (kind_flag << 29) | 32,
        ];
        let mut bytes = MAGIC.to_ne_bytes().to_vec();
        bytes.extend([1, 0]);
        for word in [
            24,
            0,
            size_of_val(&types),
            size_of_val(&types),
            strings.len(),
        ] {
            bytes.extend(u32::try_from(word).unwrap().to_ne_bytes());
        }
        bytes.extend(types.iter().flat_map(|word| word.to_ne_bytes()));
        bytes.extend(strings);
        bytes
    }

    #[test]
    fn fields_are_found() {
        for kind_flag in [0, 1] {
            let bytes = described(kind_flag);
            assert_eq!(find(&bytes, "pair", "right"), Some(4));
            assert_eq!(find(&bytes, "pair", "left"), Some(0));
            assert_eq!(find(&bytes, "pair", "up"), None);
            assert_eq!(find(&bytes, "pai", "left"), None);
        }
    }

    #[test]
    fn bytes_that_are_cut_are_not_found_in() {
        let bytes = described(0);
        for end in 0..bytes.len() - 1 {
            assert_eq!(find(&bytes[..end], "pair", "right"), None, "{end}");
        }
    }
}
