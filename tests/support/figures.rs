//! What the tests measure: `target/figures/main-job.json`, `interrupt.json` for scaling down without an interruption,
//! `real.json` for real applications, `install.json` for what comes with a chart, and `plugin.json` for `kubectl twp`.

use std::{
    fs::{self, File},
    io::{Read, Seek, Write},
    path::PathBuf,
};

use serde_json::{Map, Value};

/// Records one figure of the main job under a dotted path, such as `redis.first_write_ms`.
pub fn record(path: &str, value: impl Into<Value>) {
    record_in("main-job", path, value);
}

/// Records one figure under a dotted path, in one of the files: `main-job`, `interrupt`, `real`, `install` or `plugin`.
pub fn record_in(file: &str, path: &str, value: impl Into<Value>) {
    let value = value.into();
    println!("figure {file}: {path} = {value}");
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("target/figures/{file}.json"));
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
