//! Who may use whom, and which files are pure.

/// For each module: the modules and the outside crates it may name (all those of `Cargo.toml` that are not listed here
/// are for nobody else). `std`, `core`, `serde`, `thiserror` and `futures` are free, as long as a file is not pure.
pub const TABLE: &[(&str, &[&str], &[&str])] = &[
    ("api", &[], &["kube", "schemars", "k8s_openapi", "serde_json"]),
    ("model", &[], &["jiff"]),
    ("framework", &["model"], &["jiff", "serde_json", "base64"]),
    ("scaling", &["model"], &["cronexpr", "jiff"]),
    ("sim", &["scaling"], &["clarabel", "jiff", "serde_json"]),
    (
        "broker",
        &["model"],
        &[
            "async_rs",
            "base64",
            "http_body_util",
            "hyper",
            "hyper_util",
            "jiff",
            "lapin",
            "percent_encoding",
            "redis",
            "rustls",
            "rustls_native_certs",
            "rustls_pki_types",
            "serde_json",
            "tokio",
            "tokio_rustls",
            "tracing",
        ],
    ),
    ("drain", &["model"], &["jiff", "serde_json"]),
    (
        "kube",
        &["api", "drain", "model"],
        &["jiff", "k8s_openapi", "kube", "serde_json", "tokio", "tower", "tracing"],
    ),
    (
        "telemetry",
        &["kube", "model"],
        &[
            "http_body_util",
            "hyper",
            "hyper_util",
            "prometheus_client",
            "tokio",
            "tracing",
            "tracing_subscriber",
        ],
    ),
    (
        "view",
        &["api", "kube", "model", "scaling", "telemetry"],
        &["http_body_util", "hyper", "jiff", "schemars", "serde_json", "tokio"],
    ),
    (
        "controller",
        &[
            "api",
            "framework",
            "model",
            "scaling",
            "broker",
            "kube",
            "drain",
            "telemetry",
            "view",
        ],
        &["clap", "jiff", "tokio", "tracing"],
    ),
    (
        "doctor",
        &["api", "controller", "kube", "model"],
        &["clap", "serde_json", "serde_saphyr", "tokio"],
    ),
    (
        "cli",
        &["api", "controller", "doctor", "kube", "model", "scaling", "sim", "view"],
        &[
            "clap",
            "clap_complete",
            "clap_mangen",
            "http_body_util",
            "hyper",
            "hyper_util",
            "jiff",
            "kube_cel",
            "percent_encoding",
            "ratatui",
            "regex",
            "serde_json",
            "serde_saphyr",
            "strsim",
            "tokio",
        ],
    ),
];

/// Rooms and files that must be pure: values in, values out. A file is pure if it says so by the lint, or a module around it
/// does; the rest of the house may have more of them.
pub const PURE: &[&str] = &[
    "model",
    "framework",
    "scaling",
    "sim",
    "drain",
    "cli/manifest",
    "cli/top/draw.rs",
    "cli/top/fit.rs",
    "cli/top/list.rs",
    "cli/top/look.rs",
    "cli/top/one.rs",
    "cli/top/spark.rs",
    "cli/top/state.rs",
    "cli/workload",
    "doctor/broker.rs",
    "doctor/finding.rs",
    "doctor/pool.rs",
    "doctor/rights.rs",
    "doctor/schema.rs",
    "controller/fleet.rs",
    "controller/state",
    "controller/status.rs",
    "controller/validate.rs",
    "view/host.rs",
    "view/json.rs",
    "view/record.rs",
    "view/ring.rs",
    "view/state.rs",
    "view/types.rs",
];

/// Frameworks, and the library by which one of them reaches its broker.
pub const FRAMEWORKS: &[&str] = &["celery", "kombu", "rq", "taskiq"];

/// Rooms that serve all frameworks alike, and name none.
pub const NAMELESS: &[&str] = &["broker/", "drain/", "kube/", "model/"];

/// What may name one all the same, and why.
pub const NAMED: &[(&str, &str)] = &[
    ("broker/url", "a URL is read as the application's own library reads it"),
    ("model/mod.rs", "the names of those ways to read a URL"),
];

/// What no pure file says.
pub const IMPURE: &[&str] = &[
    "kube::Client",
    "kube::Api",
    "kube::client",
    "kube::runtime",
    "Instant::now",
    "SystemTime::now",
    "Timestamp::now",
    "Zoned::now",
    "async fn",
    ".await",
    "std::fs",
    "crossterm",
    "TcpStream",
    "ToSocketAddrs",
    "std::env",
    "thread::",
];

/// The crates that no pure file names, whatever the table allows its module.
pub const IMPURE_CRATES: &[&str] = &[
    "tokio",
    "redis",
    "lapin",
    "hyper",
    "hyper_util",
    "tracing",
    "tokio_rustls",
];

/// Every crate of the operator, by its name in code.
pub const CRATES: &[&str] = &[
    "async_rs",
    "base64",
    "clap",
    "clap_complete",
    "clap_mangen",
    "clarabel",
    "cronexpr",
    "http_body_util",
    "hyper",
    "hyper_util",
    "jiff",
    "k8s_openapi",
    "kube",
    "kube_cel",
    "lapin",
    "percent_encoding",
    "prometheus_client",
    "ratatui",
    "redis",
    "regex",
    "rustls",
    "rustls_native_certs",
    "rustls_pki_types",
    "schemars",
    "serde_json",
    "serde_saphyr",
    "strsim",
    "tokio",
    "tokio_rustls",
    "tower",
    "tracing",
    "tracing_subscriber",
];
