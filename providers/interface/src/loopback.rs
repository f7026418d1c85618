//! Which hosts are this machine: there a connection without TLS is nobody else's to listen to.

use std::net::IpAddr;

/// `host` as an address has it; an IPv6 address with or without its brackets.
pub fn is_loopback_host(host: &str) -> bool {
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    match host.parse::<IpAddr>() {
        Ok(ip) => ip.is_loopback(),
        Err(_) => host == "localhost" || host.ends_with(".localhost"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_only_look_like_it_are_not_it() {
        for host in ["127.0.0.1", "127.8.0.1", "::1", "[::1]", "localhost", "a.localhost"] {
            assert!(is_loopback_host(host), "{host}");
        }
        for host in
            ["", "127.0.0.1.example.com", "10.0.0.1", "localhost.example.com", "notlocalhost", "[::2]"]
        {
            assert!(!is_loopback_host(host), "{host}");
        }
    }
}
