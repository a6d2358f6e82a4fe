//! The plugin as krew takes it: `deploy/krew/`.

use std::{fs, path::Path, process::Command};

use serde_json::Value;

use super::Folder;

const VERSION: &str = "v0.1.0";
const URL: &str = "https://example.com/releases/download/v0.1.0";

/// Runs a script of `deploy/krew`: whether it worked, and what it said.
fn script(name: &str, args: &[&str]) -> (bool, String) {
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/krew").join(name);
    let said = Command::new(program).args(args).output().expect("the script");
    let text = if said.status.success() {
        said.stdout
    } else {
        said.stderr
    };
    (said.status.success(), String::from_utf8_lossy(&text).into_owned())
}

#[test]
fn the_manifest_names_each_archive_and_each_archive_has_what_it_names() {
    let folder = Folder::new("krew");
    let (program, out) = (folder.0.join("program"), folder.0.join("out"));
    let _from_before = fs::remove_dir_all(&out);
    fs::write(&program, "a program").expect("a file");
    let text = |path: &Path| path.to_str().expect("a path").to_owned();
    let platforms = [
        ("linux", "amd64"),
        ("linux", "arm64"),
        ("darwin", "arm64"),
        ("windows", "amd64"),
    ];
    for (os, arch) in platforms {
        let pack = || {
            let (packed, said) = script("pack.sh", &[os, arch, &text(&program), &text(&out)]);
            assert!(packed, "{said}");
            fs::read(said.trim()).expect("an archive")
        };
        assert!(pack() == pack(), "{os}-{arch}: the same program gives the same bytes");
    }
    let (printed, manifest) = script("manifest.sh", &[VERSION, URL, &text(&out)]);
    assert!(printed, "{manifest}");
    let manifest: Value = serde_saphyr::from_str(&manifest).expect("YAML");
    assert_eq!(manifest["metadata"]["name"], "twp");
    assert_eq!(manifest["spec"]["version"], VERSION);
    assert!(
        manifest["spec"]["shortDescription"]
            .as_str()
            .is_some_and(|short| short.len() < 50)
    );
    let named = manifest["spec"]["platforms"].as_array().expect("platforms");
    assert_eq!(named.len(), platforms.len());
    for platform in named {
        let labels = &platform["selector"]["matchLabels"];
        let (os, arch) = (
            labels["os"].as_str().expect("one"),
            labels["arch"].as_str().expect("one"),
        );
        assert!(platforms.contains(&(os, arch)), "{platform}");
        let uri = platform["uri"].as_str().expect("an address");
        let file = uri
            .strip_prefix(URL)
            .and_then(|rest| rest.strip_prefix('/'))
            .expect("a file");
        let archive = text(&out.join(file));
        assert_eq!(
            platform["sha256"],
            run("sha256sum", &[&archive]).split(' ').next().expect("a sum")
        );
        let inside = match os {
            "windows" => run("python3", &["-m", "zipfile", "-l", &archive]),
            _ => run("tar", &["-tzf", &archive]),
        };
        for file in platform["files"].as_array().expect("files") {
            assert!(
                inside.contains(file["from"].as_str().expect("a name")),
                "{file}: {inside}"
            );
        }
        let bin = platform["bin"].as_str().expect("a program");
        assert_eq!(platform["files"][0]["from"], bin);
        assert_eq!(bin.ends_with(".exe"), os == "windows");
    }
    let (printed, said) = script("manifest.sh", &["0.1", URL, &text(&out)]);
    assert!(!printed && said.contains("like v0.1.0"), "{said}");
    let (printed, said) = script("manifest.sh", &[VERSION, URL, &text(&folder.0)]);
    assert!(!printed && said.contains("has no kubectl-twp-OS-ARCH.tar.gz"), "{said}");
}

fn run(program: &str, args: &[&str]) -> String {
    let said = Command::new(program).args(args).output().expect("a program");
    assert!(said.status.success(), "{program} {args:?}");
    String::from_utf8_lossy(&said.stdout).into_owned()
}
