//! Certificates for brokers with TLS, made by openssl.

use std::{path::Path, process::Command};

use super::bed::unique;

/// What a broker with TLS needs, and a CA that did not sign it.
pub struct Certificates {
    pub ca: String,
    pub stranger: String,
    pub certificate: String,
    pub key: String,
}

impl Certificates {
    /// For a server of this name.
    pub fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("twp-certificates-{}", unique()));
        std::fs::create_dir(&folder).expect("a folder");
        for ca in ["ca", "stranger"] {
            openssl(
                &folder,
                &format!(
                    "req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN={ca} -keyout {ca}.key -out {ca}.pem \
                     -addext keyUsage=critical,keyCertSign,cRLSign"
                ),
            );
        }
        openssl(
            &folder,
            &format!(
                "req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN={name} -addext subjectAltName=DNS:{name} \
                 -addext basicConstraints=critical,CA:FALSE -CA ca.pem -CAkey ca.key -keyout server.key -out server.pem"
            ),
        );
        let read = |file: &str| std::fs::read_to_string(folder.join(file)).expect("a PEM file");
        let made = Self {
            ca: read("ca.pem"),
            stranger: read("stranger.pem"),
            certificate: read("server.pem"),
            key: read("server.key"),
        };
        std::fs::remove_dir_all(&folder).expect("the folder is gone");
        made
    }
}

fn openssl(folder: &Path, arguments: &str) {
    let said = Command::new("openssl")
        .args(arguments.split_ascii_whitespace())
        .current_dir(folder)
        .output()
        .expect("openssl is installed");
    assert!(
        said.status.success(),
        "openssl {arguments}: {}",
        String::from_utf8_lossy(&said.stderr)
    );
}
