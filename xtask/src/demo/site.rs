//! The demo's files: the configuration, keys and secrets, in a folder of its own.

use super::place::{GATEWAY_LINK, Place};
use super::token;
use crate::failure::{Failure, Outcome, at};
use crate::service::free_address;
use crate::tree;
use crate::undo::{Deed, Undo};
use std::fs::{self, File};
use std::io::Read;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

/// The backends' names, which their answers tell.
pub(super) const BACKENDS: [&str; 3] = ["one", "two", "three"];

/// Files and addresses.
pub(super) struct Site {
    pub(super) folder: PathBuf,
    /// Where bascule listens.
    pub(super) web: SocketAddr,
    /// Metrics and health.
    pub(super) admin: SocketAddr,
    pub(super) backends: Vec<(&'static str, SocketAddr)>,
    /// A token that the configuration accepts.
    pub(super) token: String,
}

impl Site {
    /// Writes everything anew.
    pub(super) fn make(place: &Place, undo: &mut Undo) -> Outcome<Self> {
        let folder = tree::profile("demo");
        match fs::remove_dir_all(&folder) {
            Err(error) if folder.exists() => return Err(at(&folder)(error)),
            _ => fs::create_dir_all(&folder).map_err(at(&folder))?,
        }
        // Nobody else listens in a namespace that was made a moment ago.
        let address = |port: u16| match place {
            Place::Namespaces { .. } => Ok(SocketAddr::from((Ipv4Addr::LOCALHOST, port))),
            Place::Loopback => free_address(),
        };
        let mut backends = Vec::new();
        for (name, port) in BACKENDS.into_iter().zip(9001..) {
            backends.push((name, address(port)?));
        }
        let secret = random_hex()?;
        let site = Self {
            web: SocketAddr::new(place.gateway(), address(8080)?.port()),
            admin: address(9900)?,
            backends,
            token: token::issue(&secret, "demo-user")?,
            folder,
        };
        site.write("token.secret", &secret)?;
        let pins = match place {
            Place::Namespaces { .. } => Some(pins(undo)?),
            Place::Loopback => None,
        };
        site.write("bascule.yaml", &site.configuration(pins.as_deref()))?;
        Ok(site)
    }

    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    fn write(&self, name: &str, text: &str) -> Outcome {
        use std::os::unix::fs::PermissionsExt;
        let path = self.file(name);
        fs::write(&path, text).map_err(at(&path))?;
        // Secrets that others can read are refused, or at least warned about.
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).map_err(at(&path))
    }

    fn configuration(&self, pins: Option<&Path>) -> String {
        let kernel = pins.map_or(String::new(), |pins| {
            format!(
                "\nkernel:\n  interfaces: [{GATEWAY_LINK}]\n  pin: {}\n",
                pins.display()
            )
        });
        let endpoints: Vec<String> = self
            .backends
            .iter()
            .map(|(_, address)| format!("\"{address}\""))
            .collect();
        format!(
            "\
# Made by `cargo xtask demo`.
admin: {{ socket: admin.sock, address: \"{admin}\" }}
{kernel}
listeners:
  - {{ name: web, address: \"{web}\" }}

waf:
  own: {{ rules: shipped, audit_log: audit.json }}

auth:
  keys: {{ api_key: {{ header: x-api-key, store: keys.db }} }}
  tokens:
    jwt: {{ issuer: \"{issuer}\", audience: {audience}, secret: {{ file: token.secret }} }}

routes:
  - {{ name: open, path: /, waf: own, upstream: app }}
  - {{ name: api, path: {{ prefix: /api }}, waf: own, auth: {{ any_of: [keys, tokens] }}, upstream: app }}

upstreams:
  app:
    endpoints: [{endpoints}]
    health: {{ http: /healthz, interval: 1s, timeout: 500ms }}

log: {{ level: info, access: {{ path: access.json }} }}
",
            admin = self.admin,
            web = self.web,
            issuer = token::ISSUER,
            audience = token::AUDIENCE,
            endpoints = endpoints.join(", "),
        )
    }
}

/// The folder for pinned maps and links, which outlive the process: they are removed when the demo ends.
fn pins(undo: &mut Undo) -> Outcome<PathBuf> {
    let path = PathBuf::from(format!("/sys/fs/bpf/bascule-demo-{}", std::process::id()));
    undo.at_end(&Deed::Folder(path.clone()))?;
    Ok(path)
}

fn random_hex() -> Outcome<String> {
    let path = "/dev/urandom";
    let mut bytes = [0; 32];
    File::open(path)
        .and_then(|mut file| file.read_exact(&mut bytes))
        .map_err(|error| Failure::File {
            path: path.into(),
            error,
        })?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}
