//! `normalizePath` and `normalizePathWin`.

/// Takes out empty segments, `.`, and `..` with the segment before it. An absolute path does not rise above its root; of a relative one
/// the leading `..` stay. A final slash stays where there was one. For Windows a backslash is a slash.
pub(super) fn normalize_path(input: &[u8], windows: bool, out: &mut Vec<u8>) {
    let is_slash = |byte: &u8| *byte == b'/' || (windows && *byte == b'\\');
    let absolute = input.first().is_some_and(is_slash);
    let trailing = input.last().is_some_and(is_slash);
    let start = out.len();
    if absolute {
        out.push(b'/');
    }
    let root = out.len();
    // What lies before `floor` is the root or `..` segments that nothing can take back.
    let mut floor = root;
    for segment in input.split(is_slash) {
        match segment {
            b"" | b"." => {}
            b".." if out.len() > floor => {
                let last = out[floor..]
                    .iter()
                    .rposition(|&byte| byte == b'/')
                    .map_or(floor, |slash| floor + slash);
                out.truncate(last);
            }
            b".." if absolute => {}
            _ => {
                if out.len() > root {
                    out.push(b'/');
                }
                out.extend_from_slice(segment);
                if segment == b".." {
                    floor = out.len();
                }
            }
        }
    }
    if trailing && out.len() > start && out.last() != Some(&b'/') {
        out.push(b'/');
    }
}
