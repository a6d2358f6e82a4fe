//! An operator of the test's own: the debug binary as a process of this machine, for the test's namespaces only.

use std::{
    io::{BufRead, BufReader},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::bed::{PATIENCE, eventually, kubeconfig};

/// How an operator is started.
#[derive(Clone, Default)]
pub struct Options {
    /// Another kubeconfig than the administrator's.
    pub kubeconfig: Option<String>,
    /// `RUST_LOG`.
    pub log_level: Option<String>,
    /// More of its environment.
    pub env: Vec<(&'static str, String)>,
}

/// A running operator; killed when it goes out of scope.
pub struct Operator {
    child: Child,
    log: Arc<Mutex<String>>,
    addresses: Addresses,
}

/// Where it listens.
#[derive(Clone, Default)]
struct Addresses {
    metrics: String,
    probes: String,
}

impl Operator {
    /// Starts one for a namespace and waits until it is ready.
    pub async fn start(namespace: &str) -> Self {
        Self::start_with(namespace, Options::default()).await
    }

    /// Starts one and waits until it is ready.
    pub async fn start_with(namespace: &str, options: Options) -> Self {
        let operator = Self::launch(namespace, options).await;
        operator.wait_ready().await;
        operator
    }

    /// Starts one and waits until it listens, no longer.
    pub async fn launch(namespace: &str, options: Options) -> Self {
        // Several checkouts may share one target folder: then the name of a copy is given.
        let program = std::env::var("TWP_OPERATOR").unwrap_or_else(|_| env!("CARGO_BIN_EXE_twp-operator").to_owned());
        let mut child = Command::new(program)
            .args(["run", "--watch-namespaces", namespace])
            .args(["--listen", "127.0.0.1:0", "--probes", "127.0.0.1:0"])
            .args(["--log-format", "json"])
            .env("KUBECONFIG", options.kubeconfig.unwrap_or_else(kubeconfig))
            .envs(options.env)
            .env("RUST_LOG", options.log_level.unwrap_or_else(|| "info".to_owned()))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the operator starts");
        let log = Arc::new(Mutex::new(String::new()));
        let (lines, into) = (BufReader::new(child.stderr.take().expect("its log")), log.clone());
        std::thread::spawn(move || {
            for line in lines.lines().map_while(Result::ok) {
                let mut log = into.lock().expect("the log");
                log.push_str(&line);
                log.push('\n');
            }
        });
        let mut operator = Self {
            child,
            log,
            addresses: Addresses::default(),
        };
        operator.addresses = eventually("the operator says where it listens", PATIENCE, async || {
            operator.listens().ok_or_else(|| operator.log())
        })
        .await;
        operator
    }

    fn listens(&self) -> Option<Addresses> {
        self.log().lines().find_map(|line| {
            let line: serde_json::Value = serde_json::from_str(line).ok()?;
            let started = line.pointer("/fields/message").or(line.get("message"))? == "started";
            let at = |name: &str| {
                let at = line.pointer(&format!("/fields/{name}")).or(line.get(name))?;
                at.as_str().map(str::to_owned)
            };
            let addresses = Addresses {
                metrics: at("listen")?,
                probes: at("probes")?,
            };
            started.then_some(addresses)
        })
    }

    /// Waits for `/readyz`.
    pub async fn wait_ready(&self) {
        eventually("the operator is ready", PATIENCE, async || {
            let answer = get(&self.addresses.probes, "/readyz").await?;
            if answer.starts_with("HTTP/1.1 200") {
                Ok(())
            } else {
                Err(format!("{answer}\n{}", self.log()))
            }
        })
        .await;
    }

    /// Where it serves metrics, and where probes.
    pub fn addresses(&self) -> [String; 2] {
        [self.addresses.metrics.clone(), self.addresses.probes.clone()]
    }

    /// Whether `/livez` says so as soon as the kubelet wants to know it, within 2 s.
    pub async fn is_alive(&self) -> bool {
        let answer = tokio::time::timeout(Duration::from_secs(2), get(&self.addresses.probes, "/livez")).await;
        matches!(answer, Ok(Ok(text)) if text.starts_with("HTTP/1.1 200"))
    }

    /// Everything it logged so far.
    pub fn log(&self) -> String {
        self.log.lock().expect("the log").clone()
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The text of `/metrics`.
    pub async fn metrics(&self) -> String {
        get(&self.addresses.metrics, "/metrics")
            .await
            .unwrap_or_else(|seen| panic!("/metrics: {seen}\n{}", self.log()))
    }

    /// The sum of all series of one metric; 0 where there is none.
    pub async fn metric(&self, name: &str) -> f64 {
        let text = self.metrics().await;
        let series = text.lines().filter_map(|line| {
            let (series, value) = line.rsplit_once(' ')?;
            let this = series.split('{').next() == Some(name);
            this.then(|| value.parse::<f64>().ok()).flatten()
        });
        series.sum()
    }

    /// Asks it to end by SIGTERM and waits for that: how it ended.
    pub async fn stop(&mut self) -> ExitStatus {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args(["-TERM", &pid]).status().expect("kill");
        assert!(sent.success(), "SIGTERM could not be sent");
        eventually("the operator ends after SIGTERM", PATIENCE, async || {
            self.ended().ok_or_else(|| "it still runs".to_owned())
        })
        .await
    }

    /// Whether it has ended, and how.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("its state")
    }

    /// SIGKILL.
    pub fn kill(&mut self) {
        let _ended = self.child.kill();
        let _status = self.child.wait();
    }
}

/// One answer of one of its HTTP servers, head and body.
async fn get(address: &str, path: &str) -> Result<String, String> {
    let ask = async {
        let mut stream = TcpStream::connect(address).await?;
        let request = format!("GET {path} HTTP/1.1\r\nHost: operator\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await?;
        std::io::Result::Ok(String::from_utf8_lossy(&answer).into_owned())
    };
    match tokio::time::timeout(Duration::from_secs(10), ask).await {
        Ok(answer) => answer.map_err(|error| error.to_string()),
        Err(_) => Err("no answer in 10 s".to_owned()),
    }
}

impl Drop for Operator {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = self.log();
            let from = log.lines().count().saturating_sub(60);
            eprintln!("--- the operator's last words ---");
            log.lines().skip(from).for_each(|line| eprintln!("{line}"));
        }
        self.kill();
    }
}
