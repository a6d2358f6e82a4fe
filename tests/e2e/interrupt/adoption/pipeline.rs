//! Whoever applies a Deployment in one of the four ways, and hands over its replicas by the steps of the page.

use std::{fs, path::PathBuf};

use serde_json::{Value, json};

use super::{
    page::{commands, settings},
    shell,
};
use crate::support::bed::{Namespace, unique};

#[derive(Clone, Copy, Debug)]
pub enum Way {
    ClientSide,
    ServerSide,
    ArgoCd,
    Helm,
}

impl Way {
    pub fn name(self) -> &'static str {
        match self {
            Self::ClientSide => "client-side",
            Self::ServerSide => "server-side",
            Self::ArgoCd => "argo-cd",
            Self::Helm => "helm",
        }
    }
}

pub struct Pipeline<'a> {
    ns: &'a Namespace,
    way: Way,
    /// The Deployment as it stands in Git.
    manifest: Value,
    /// With the files that the commands name.
    folder: PathBuf,
}

impl<'a> Pipeline<'a> {
    pub fn new(ns: &'a Namespace, way: Way, manifest: Value, pool: &Value) -> Self {
        let folder = std::env::temp_dir().join(format!("twp-adoption-{}", unique()));
        fs::create_dir_all(folder.join("chart/templates")).expect("a folder");
        fs::write(folder.join("pool.yaml"), pool.to_string()).expect("a file");
        Self {
            ns,
            way,
            manifest,
            folder,
        }
    }

    /// What the Deployment was made by, long ago, with its replicas.
    pub async fn first_apply(&self) {
        match self.way {
            Way::ClientSide | Way::ServerSide | Way::ArgoCd => self.apply_again().await,
            Way::Helm => {
                let replicas = &self.manifest["spec"]["replicas"];
                self.run(&format!(
                    "helm3 install mail-worker chart -n shop --set replicas={replicas}"
                ))
                .await;
            }
        }
    }

    /// The steps of the page.
    pub async fn hand_over(&mut self) {
        match self.way {
            Way::ClientSide => {
                self.drop_line();
                self.run_all(&commands("Client-side apply")).await;
            }
            Way::ServerSide => {
                self.drop_line();
                self.run_all(&commands("Server-side apply")).await;
            }
            Way::ArgoCd => {
                self.run("kubectl -n shop apply -f pool.yaml").await;
                self.ns.wait_working(self.way.name()).await;
                // The line may stay or go: with it now, without it from the next time on.
                self.sync().await;
                self.drop_line();
            }
            Way::Helm => {
                self.run(&commands("Server-side apply")[0]).await;
                self.run_all(&commands("Helm without server-side apply")).await;
                self.run("kubectl -n shop apply -f pool.yaml").await;
            }
        }
    }

    /// What it does ever after.
    pub async fn apply_again(&self) {
        match self.way {
            Way::ClientSide => self.run("kubectl -n shop apply -f deployment.yaml").await,
            Way::ServerSide => self.run("kubectl -n shop apply --server-side -f deployment.yaml").await,
            Way::ArgoCd => self.sync().await,
            Way::Helm => self.run("helm upgrade mail-worker chart -n shop --reset-values").await,
        }
    }

    /// Changes a field of the Deployment's spec in Git.
    pub fn change(&mut self, field: &str, value: Value) {
        self.manifest["spec"][field] = value;
    }

    fn drop_line(&mut self) {
        let spec = self.manifest["spec"].as_object_mut().expect("a spec");
        spec.remove("replicas").expect("its replicas");
    }

    /// As Argo CD syncs with the page's settings: what they ignore is applied as it is on the cluster.
    async fn sync(&self) {
        let settings = settings("Argo CD");
        let options = &settings["syncPolicy"]["syncOptions"];
        assert_eq!(options, &json!(["RespectIgnoreDifferences=true"]));
        let mut manifest = self.manifest.clone();
        if let Ok(live) = self.ns.deployment(self.way.name()).await {
            let live = json!(live);
            let pointers = settings["ignoreDifferences"][0]["jsonPointers"].as_array();
            for pointer in pointers.expect("what is ignored") {
                let path = pointer.as_str().expect("a pointer");
                let (parent, field) = path.rsplit_once('/').expect("a field");
                let seen = live.pointer(path).expect("the field").clone();
                manifest.pointer_mut(parent).expect("its parent")[field] = seen;
            }
        }
        let apply = ["apply", "--field-manager=argocd-controller", "-f", "-"];
        let applied = self.ns.try_kubectl(&apply, &manifest.to_string()).await;
        applied.unwrap_or_else(|said| panic!("{:?}: {said}", self.way));
    }

    async fn run_all(&self, blocks: &[String]) {
        for block in blocks {
            self.run(block).await;
        }
    }

    /// Runs commands as they stand on the page, for this Deployment, beside the files that they name.
    async fn run(&self, commands: &str) {
        self.write_files();
        let commands = commands.replace("mail-worker", self.way.name());
        let commands = commands.replace("shop", &self.ns.name);
        shell::run(&self.folder, &commands).await;
    }

    /// The Deployment as it is in Git now, and as a chart: its number is only there if it is among the values.
    fn write_files(&self) {
        let write = |file: &str, text: String| fs::write(self.folder.join(file), text).expect("a file");
        write("deployment.yaml", self.manifest.to_string());
        let chart = "apiVersion: v2\nname: mail-worker\nversion: 1.0.0\n";
        write("chart/Chart.yaml", chart.to_owned());
        let mut spec = self.manifest["spec"].clone();
        spec.as_object_mut().expect("a spec").remove("replicas");
        let fields = spec.as_object().into_iter().flatten();
        let fields: String = fields.map(|(field, value)| format!("  {field}: {value}\n")).collect();
        write(
            "chart/templates/deployment.yaml",
            format!(
                "apiVersion: apps/v1\nkind: Deployment\nmetadata: {}\nspec:\n{fields}  \
                 {{{{- with .Values.replicas }}}}\n  replicas: {{{{ . }}}}\n  {{{{- end }}}}\n",
                self.manifest["metadata"]
            ),
        );
    }
}

impl Drop for Pipeline<'_> {
    fn drop(&mut self) {
        let _gone = fs::remove_dir_all(&self.folder);
    }
}
