//! What the tests measure, in one file: `target/figures/main-job.json`.

use std::{
    fs::{self, File},
    io::{Read, Seek, Write},
    path::PathBuf,
};

use serde_json::{Map, Value};

/// Records one figure under a dotted path, such as `redis.first_write_ms`.
pub fn record(path: &str, value: impl Into<Value>) {
    let value = value.into();
    println!("figure {path} = {value}");
    let file = file();
    fs::create_dir_all(file.parent().expect("a folder")).expect("the figures' folder");
    let mut file = File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(file)
        .expect("the figures' file");
    // Other tests, and other test processes, record at the same time.
    file.lock().expect("a lock on the figures");
    let mut text = String::new();
    file.read_to_string(&mut text).expect("the figures so far");
    let mut all = serde_json::from_str(&text).unwrap_or_else(|_| Value::Object(Map::new()));
    let mut at = &mut all;
    for key in path.split('.') {
        if !at.is_object() {
            *at = Value::Object(Map::new());
        }
        at = &mut at[key];
    }
    *at = value;
    file.set_len(0).expect("an empty file");
    file.rewind().expect("the file's beginning");
    let text = serde_json::to_string_pretty(&all).expect("JSON");
    file.write_all(text.as_bytes()).expect("the figures written");
}

/// Median and maximum, as the figures list them.
pub fn spread(mut values: Vec<u64>) -> Value {
    values.sort_unstable();
    let median = values.get(values.len() / 2).copied();
    serde_json::json!({"median": median, "max": values.last()})
}

fn file() -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("target"),
        PathBuf::from,
    );
    target.join("figures/main-job.json")
}
