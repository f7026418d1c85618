//! Which ports a sandbox takes, and who has them.
//!
//! Everything lies in a block of [`BLOCK`] ports from the base, except one: SeaweedFS's workers look for its admin
//! service 10,000 above that service's HTTP port, whatever the settings say.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

/// The first port of a sandbox that is not told otherwise: Kafka is then found at 19092.
pub const DEFAULT_PORT_BASE: u16 = 19090;

/// How many ports, from the base on, belong to one sandbox.
pub const BLOCK: u16 = 20;

pub(crate) const MIN_BASE: u16 = 1024;
/// Leaves room for the one port that lies 10,000 above the block.
pub(crate) const MAX_BASE: u16 = 65535 - 10_000 - BLOCK;

/// A port with what it is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Port {
    pub number: u16,
    pub role: &'static str,
}

/// The process that has a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    pub pid: u32,
    pub name: String,
}

/// The scheme: what lies where, counted from the base.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ports {
    pub(crate) base: u16,
}

impl Ports {
    pub(crate) const REGISTRY: u16 = 0;
    pub(crate) const REGISTRY_MANAGEMENT: u16 = 1;
    pub(crate) const KAFKA: u16 = 2;
    pub(crate) const KAFKA_CONTROLLER: u16 = 3;
    pub(crate) const KAFKA_SASL: u16 = 4;
    pub(crate) const S3: u16 = 5;
    pub(crate) const ICEBERG_REST: u16 = 6;
    pub(crate) const SEAWEED_MASTER: u16 = 7;
    pub(crate) const SEAWEED_VOLUME: u16 = 8;
    pub(crate) const SEAWEED_FILER: u16 = 9;
    pub(crate) const SEAWEED_ADMIN: u16 = 10;
    pub(crate) const S3_GRPC: u16 = 11;
    pub(crate) const SEAWEED_MASTER_GRPC: u16 = 12;
    pub(crate) const SEAWEED_VOLUME_GRPC: u16 = 13;
    pub(crate) const SEAWEED_FILER_GRPC: u16 = 14;
    pub(crate) const REGISTRY2: u16 = 15;
    pub(crate) const REGISTRY2_MANAGEMENT: u16 = 16;
    pub(crate) const ICEBERG_JAVA: u16 = 17;
    pub(crate) const SEAWEED_ADMIN_GRPC: u16 = 10_000 + Self::SEAWEED_ADMIN;

    pub(crate) fn at(self, offset: u16) -> u16 {
        self.base.saturating_add(offset)
    }

    pub(crate) fn address(self, offset: u16) -> String {
        format!("127.0.0.1:{}", self.at(offset))
    }

    pub(crate) fn url(self, offset: u16) -> String {
        format!("http://{}", self.address(offset))
    }

    pub(crate) fn port(self, (offset, role): (u16, &'static str)) -> Port {
        Port { number: self.at(offset), role }
    }
}

fn loopback(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}

/// Whether anybody listens there, or may not be joined there.
pub(crate) fn is_taken(port: u16) -> bool {
    // A listener on all interfaces does not keep others from one interface on every system, hence both questions.
    TcpListener::bind(loopback(port)).is_err()
        || TcpStream::connect_timeout(&loopback(port), Duration::from_millis(200)).is_ok()
}

/// The first base from `after` on at which all `offsets` are free.
pub(crate) fn free_base(after: u16, offsets: &[u16]) -> Option<u16> {
    (1..=200u16)
        .filter_map(|n| after.checked_add(n.checked_mul(BLOCK)?))
        .take_while(|base| *base <= MAX_BASE)
        .find(|base| offsets.iter().all(|o| !is_taken(base.saturating_add(*o))))
}

/// Who listens on a port of this machine, where the system tells.
pub(crate) fn owner(port: u16) -> Option<Owner> {
    let inodes = listening_inodes(port);
    let pids = std::fs::read_dir("/proc").ok()?.flatten();
    let pid = pids
        .filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok())
        .find(|pid| holds_socket(*pid, &inodes))?;
    let name = std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    Some(Owner { pid, name: name.trim().to_owned() })
}

/// Whether process `pid` is the one that listens on `port`. Nothing where the system does not tell.
pub(crate) fn listens(pid: u32, port: u16) -> Option<bool> {
    cfg!(target_os = "linux").then(|| holds_socket(pid, &listening_inodes(port)))
}

/// The sockets that listen on a port, by proc(5): local address is field 2, state 4 (0A listens), inode 10.
fn listening_inodes(port: u16) -> Vec<String> {
    let suffix = format!(":{port:04X}");
    let tables = ["/proc/net/tcp", "/proc/net/tcp6"].map(|p| std::fs::read_to_string(p).unwrap_or_default());
    let rows = tables.iter().flat_map(|t| t.lines().skip(1));
    rows.filter_map(|row| {
        let fields: Vec<_> = row.split_ascii_whitespace().collect();
        let listens = fields.get(1)?.ends_with(&suffix) && *fields.get(3)? == "0A";
        listens.then(|| fields.get(9).map(|inode| format!("socket:[{inode}]")))?
    })
    .collect()
}

fn holds_socket(pid: u32, sockets: &[String]) -> bool {
    if sockets.is_empty() {
        return false;
    }
    let Ok(entries) = std::fs::read_dir(format!("/proc/{pid}/fd")) else { return false };
    entries
        .flatten()
        .filter_map(|e| std::fs::read_link(e.path()).ok())
        .any(|target| target.to_str().is_some_and(|t| sockets.iter().any(|s| s == t)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_taken_port_is_seen_with_its_owner() {
        let listener = TcpListener::bind(loopback(0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        assert!(is_taken(port));
        if cfg!(target_os = "linux") {
            assert_eq!(owner(port).map(|o| o.pid), Some(std::process::id()));
            assert_eq!(listens(std::process::id(), port), Some(true));
            assert_eq!(listens(1, port), Some(false));
        }
        drop(listener);
        // A test beside this one that is just starting a process may hold a copy of the socket for a moment.
        assert!((0..100_000).any(|_| !is_taken(port)));
    }

    #[test]
    fn a_listener_on_all_interfaces_takes_the_port_too() {
        let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0)).unwrap();
        assert!(is_taken(listener.local_addr().unwrap().port()));
    }

    #[test]
    fn a_free_base_has_none_of_its_ports_taken() {
        let listener = TcpListener::bind(loopback(0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let after = port - BLOCK - 3;
        let base = free_base(after, &[3, 4]);
        assert!(base.is_none_or(|b| b > after + BLOCK), "{port} {base:?}");
    }
}
