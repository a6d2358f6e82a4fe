//! Servers and workers as processes of this machine, on ports of their own; each ends when it goes out of scope.

use std::{
    fs::File,
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::support::bed::{PATIENCE, eventually, unique};

/// A RabbitMQ in its own root: a new data folder in memory, guest, ports of its own, and all of it gone with its first process.
const RABBITMQ: &str = r#"
mount --make-rprivate /
mount -t proc proc "$ROOT/proc"
mount --bind /dev "$ROOT/dev"
mount -t tmpfs tmpfs "$ROOT/data"
cat >"$ROOT/data/rabbitmq.conf" <<END
listeners.tcp.1 = 127.0.0.1:$PORT
management.tcp.ip = 127.0.0.1
management.tcp.port = $MANAGEMENT
END
echo '[rabbitmq_management].' >"$ROOT/data/enabled_plugins"
export HOME=/data RABBITMQ_NODENAME=rabbit@localhost RABBITMQ_MNESIA_BASE=/data RABBITMQ_LOGS=- RABBITMQ_LOG_BASE=/data
export RABBITMQ_ENABLED_PLUGINS_FILE=/data/enabled_plugins RABBITMQ_CONFIG_FILE=/data/rabbitmq ERL_MAX_PORTS=65536
export ERL_EPMD_ADDRESS=127.0.0.1 RABBITMQ_PID_FILE=/data/pid LC_ALL=C.UTF-8 PATH=/usr/sbin:/usr/bin
exec chroot "$ROOT" /usr/lib/rabbitmq/bin/rabbitmq-server
"#;

/// A process and those it started.
pub struct Process {
    child: Child,
    pub log: PathBuf,
}

impl Process {
    /// Starts it with its output in a file of this name.
    pub fn start(name: &str, mut command: Command) -> Self {
        use std::os::unix::process::CommandExt;
        let log = std::env::temp_dir().join(format!("twp-versions-{name}-{}.log", unique()));
        let file = File::create(&log).expect("a log");
        let child = command
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(file.try_clone().expect("the log twice"))
            .stderr(file)
            .spawn()
            .expect("a process");
        Self { child, log }
    }

    pub fn logged(&self) -> String {
        std::fs::read_to_string(&self.log).expect("its log")
    }

    /// Tells the process, not its children, to end.
    pub fn end(&self) {
        self.kill("-TERM", &self.child.id().to_string());
    }

    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().expect("its state").is_some()
    }

    fn kill(&self, signal: &str, whom: &str) {
        let _gone = Command::new("kill")
            .args([signal, "--", whom])
            .stderr(Stdio::null())
            .status();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill("-KILL", &format!("-{}", self.child.id()));
        let _ended = self.child.wait();
        if !std::thread::panicking() {
            let _gone = std::fs::remove_file(&self.log);
        }
    }
}

/// A broker.
pub struct Server {
    _process: Process,
    pub port: u16,
    /// RabbitMQ's.
    pub management: Option<u16>,
    /// What it calls itself.
    pub version: String,
}

impl Server {
    /// Starts one by its folder's name, such as `redis-6.0`.
    pub async fn start(folder: &Path, name: &str) -> Self {
        let root = folder.join(name);
        let port = free_port();
        if name.starts_with("rabbitmq") {
            return Self::rabbitmq(name, &root, port).await;
        }
        let program = format!("{}-server", name.split('-').next().unwrap_or_default());
        let mut command = if root.join("usr/lib").exists() {
            let mut command = Command::new("chroot");
            command.arg(&root).arg(program);
            command
        } else {
            Command::new(root.join("usr/bin").join(program))
        };
        let arguments = format!("--port {port} --bind 127.0.0.1 --databases 64 --daemonize no");
        command
            .args(arguments.split(' '))
            .args(["--save", ""])
            .env("LC_ALL", "C");
        let process = Process::start(name, command);
        let info = eventually(&format!("{name} answers"), PATIENCE, async || {
            redis(port, "INFO server").await.map_err(|error| error.to_string())
        })
        .await;
        let said = |key: &str| info.lines().find_map(|line| line.strip_prefix(key)).map(str::trim);
        let version = match (said("valkey_version:"), said("redis_version:")) {
            (Some(version), _) => format!("Valkey {version}"),
            (None, version) => format!("Redis {}", version.unwrap_or("?")),
        };
        Self {
            _process: process,
            port,
            management: None,
            version,
        }
    }

    async fn rabbitmq(name: &str, root: &Path, port: u16) -> Self {
        let management = free_port();
        let mut command = Command::new("unshare");
        command
            .args([
                "--mount",
                "--pid",
                "--fork",
                "--kill-child",
                "sh",
                "-eu",
                "-c",
                RABBITMQ,
            ])
            .env("ROOT", root)
            .env("PORT", port.to_string())
            .env("MANAGEMENT", management.to_string())
            .env("ERL_EPMD_PORT", free_port().to_string())
            .env("RABBITMQ_DIST_PORT", free_port().to_string());
        let process = Process::start(name, command);
        eventually(&format!("{name} takes connections"), 3 * PATIENCE, async || {
            let both = async {
                TcpStream::connect(("127.0.0.1", port)).await?;
                TcpStream::connect(("127.0.0.1", management)).await
            };
            both.await.map(drop).map_err(|error| {
                let log = process.logged();
                let end = log.len().saturating_sub(2000);
                format!("{error}: {}", log.get(end..).unwrap_or(&log))
            })
        })
        .await;
        let log = process.logged();
        let version = log
            .split("Starting RabbitMQ ")
            .nth(1)
            .and_then(|rest| rest.split_whitespace().next());
        Self {
            version: format!("RabbitMQ {}", version.unwrap_or("?")),
            _process: process,
            port,
            management: Some(management),
        }
    }

    /// The broker URL, on Redis with this database.
    pub fn url(&self, db: usize) -> String {
        match self.management {
            None => format!("redis://127.0.0.1:{}/{db}", self.port),
            Some(_) => format!("amqp://guest:guest@127.0.0.1:{}//", self.port),
        }
    }

    /// The management API's URL.
    pub fn management(&self) -> Option<String> {
        let port = self.management?;
        Some(format!("http://guest:guest@127.0.0.1:{port}"))
    }
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("its address").port()
}

/// One command without spaces in its arguments: what a Redis answers, without the type's sign.
pub async fn redis(port: u16, command: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
    stream.write_all(format!("{command}\r\nQUIT\r\n").as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer
        .trim_end_matches("+OK\r\n")
        .get(1..)
        .unwrap_or_default()
        .trim()
        .to_owned())
}
