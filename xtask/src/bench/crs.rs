//! The OWASP Core Rule Set as all contestants with it load it: from one file, with the same settings.

use crate::failure::{Failure, Outcome, at};
use std::fs;
use std::path::{Path, PathBuf};

/// What both engines run with: blocking, bodies of requests inspected, those of answers not, and no audit log. The paranoia level
/// is 1, as the set-up of the CRS leaves it.
const SETTINGS: &str = "\
SecRuleEngine On
SecRequestBodyAccess On
SecResponseBodyAccess Off
SecAuditEngine Off
";

/// Writes the file that includes the set-up and the rules of a CRS.
pub(super) fn write(crs: &Path, folder: &Path) -> Outcome<PathBuf> {
    let set_up = set_up(crs)?;
    let rules = crs.canonicalize().map_err(at(crs))?.join("rules");
    let (set_up, rules) = (set_up.display(), rules.display());
    let text = format!("{SETTINGS}Include {set_up}\nInclude {rules}/*.conf\n");
    let path = folder.join("crs.conf");
    fs::write(&path, text).map_err(at(&path))?;
    Ok(path)
}

/// The set-up of a CRS: beside its rules as the project ships it, or where the distribution's file says.
pub(super) fn set_up(crs: &Path) -> Outcome<PathBuf> {
    let beside = ["crs-setup.conf", "crs-setup.conf.example"].map(|name| crs.join(name));
    let named = fs::read_to_string(crs.join("owasp-crs.load")).unwrap_or_default();
    let named = named
        .lines()
        .filter_map(|line| line.split_whitespace().nth(1).map(PathBuf::from))
        .filter(|path| path.ends_with("crs-setup.conf"));
    beside
        .into_iter()
        .chain(named)
        .find_map(|path| path.canonicalize().ok())
        .ok_or_else(|| Failure::Missing {
            what: format!("the CRS in {}", crs.display()),
            remedy: "apt-get install modsecurity-crs, or name its folder with --crs".to_owned(),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_without_the_set_up_is_no_crs() {
        assert!(set_up(Path::new(env!("CARGO_MANIFEST_DIR"))).is_err());
    }
}
