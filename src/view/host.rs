//! Whether a request names a host that is ours. A page from elsewhere may have its own name resolve to this address (DNS
//! rebinding), and its browser then sends that name.
#![deny(clippy::disallowed_methods)]

use std::net::IpAddr;

/// Names by which this process may be asked.
#[derive(Clone, Debug)]
pub struct HostRule {
    /// Names of the pod and endings of the names of Services; none on loopback.
    names: Option<(String, [String; 2])>,
    /// Names that the user gave.
    given: Vec<String>,
}

impl HostRule {
    /// Only addresses and `localhost`.
    pub fn loopback() -> Self {
        Self {
            names: None,
            given: Vec::new(),
        }
    }

    /// The pod's name, too, and Services of its namespace by their whole name: a name of one or two words might be
    /// anybody's.
    pub fn of_pod(pod: &str, namespace: &str, domain: &str) -> Self {
        let service = format!(".{namespace}.svc");
        let whole = format!("{service}.{}", domain.trim_matches('.'));
        Self {
            names: Some((pod.to_ascii_lowercase(), [service, whole])),
            given: Vec::new(),
        }
    }

    /// The same, and these names: an API server that passes requests on leaves its own name in them.
    pub fn and(mut self, names: &[String]) -> Self {
        let names = names.iter().map(|name| name.trim().trim_end_matches('.'));
        let names = names.filter(|name| !name.is_empty());
        self.given.extend(names.map(str::to_ascii_lowercase));
        self
    }

    /// Whether a request with this `Host` is answered. `None`: it has none.
    pub fn allows(&self, host: Option<&str>) -> bool {
        let Some(host) = host else { return true };
        let Some(name) = without_port(host) else { return false };
        let name = name.to_ascii_lowercase();
        let name = name.strip_suffix('.').unwrap_or(&name);
        let address = name.trim_start_matches('[').trim_end_matches(']');
        address.parse::<IpAddr>().is_ok()
            || name == "localhost"
            || self.given.iter().any(|given| given == name)
            || self.names.as_ref().is_some_and(|(pod, services)| {
                let service = |end: &String| name.strip_suffix(end.as_str()).is_some_and(is_label);
                name == pod || services.iter().any(service)
            })
    }
}

/// Host without its port; `None`: it is no host.
fn without_port(host: &str) -> Option<&str> {
    let (name, port) = match host.rsplit_once(':') {
        Some((_, port)) if port.ends_with(']') => (host, ""),
        Some((name, port)) => (name, port),
        None => (host, ""),
    };
    let bare_v6 = name.contains(':') && !name.starts_with('[');
    (!name.is_empty() && !bare_v6 && port.bytes().all(|byte| byte.is_ascii_digit())).then_some(name)
}

/// Whether this is one label of a name.
fn is_label(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOSTILE: [&str; 15] = [
        "evil.example",
        "evil.example:8082",
        "127.0.0.1.evil.example",
        "localhost.evil.example:8082",
        "localhost@evil.example",
        "evil.example/localhost",
        "localhost:80:80",
        "127.0.0.1:8082x",
        "",
        ":8082",
        "[::1].evil.example",
        "twp-operator",
        "view.other.svc",
        "evil.example.svc",
        "x\u{202e}localhost",
    ];

    #[test]
    fn addresses_and_localhost_are_ours() {
        let rule = HostRule::loopback();
        for host in [
            "127.0.0.1",
            "127.0.0.1:8082",
            "[::1]:8082",
            "[::1]",
            "localhost",
            "LOCALHOST:9",
            "localhost.",
            "10.1.2.3:8082",
        ] {
            assert!(rule.allows(Some(host)), "{host}");
        }
        assert!(rule.allows(None), "HTTP/1.0, or a probe: no browser");
        for host in HOSTILE {
            assert!(!rule.allows(Some(host)), "{host}");
        }
        assert!(!rule.allows(Some("twp-operator-0")), "a port-forward does not send it");
    }

    #[test]
    fn a_name_that_was_given_is_ours_and_none_below_it() {
        let rule = HostRule::loopback().and(&["Api.example.com".into(), " ".into(), String::new()]);
        assert!(rule.allows(Some("api.example.com:6443")) && rule.allows(Some("API.example.com.")));
        for host in HOSTILE.into_iter().chain(["x.api.example.com", "example.com", " "]) {
            assert!(!rule.allows(Some(host)), "{host}");
        }
    }

    #[test]
    fn in_the_pods_network_its_own_names_are_ours_too() {
        let rule = HostRule::of_pod("twp-operator-0", "twp-system", "cluster.local.");
        for host in [
            "127.0.0.1:8082",
            "twp-operator-0",
            "twp-operator-0:8082",
            "view.twp-system.svc",
            "view.twp-system.svc:8082",
            "View.twp-system.svc.cluster.local",
            "view.twp-system.svc.cluster.local.:8082",
        ] {
            assert!(rule.allows(Some(host)), "{host}");
        }
        for host in HOSTILE.into_iter().chain([
            "view.twp-system",
            "a.view.twp-system.svc",
            ".twp-system.svc",
            "view.twp-system.svc.evil.example",
        ]) {
            assert!(!rule.allows(Some(host)), "{host}");
        }
    }
}
