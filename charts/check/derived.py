"""Checks what people paste or apply: the notes of the chart, its annotations, the manifests of deploy/, the image's recipe.

derived.py [HELM]: Helm 4; Helm 3 prints no notes without a cluster
"""
import re
import sys

import jsonschema
import yaml
from common import CHART, IMAGE, ROOT, Checks, documents, load, run
from sets import OF_THE_CLUSTER, Schemas, problems

CRD = "crds/taskworkerpools.taskworkerpool.dev.yaml"


def unknown(value, schema, at="."):
    """Fields that the CRD's schema does not know: the API server would drop them."""
    if isinstance(value, dict) and "properties" in schema:
        for name, child in value.items():
            if name not in schema["properties"]:
                yield f"no field {at}{name}"
            else:
                yield from unknown(child, schema["properties"][name], f"{at}{name}.")
    if isinstance(value, list):
        for child in value:
            yield from unknown(child, schema.get("items", {}), at)


def pool_problems(pool, crd):
    """Problems of a pool with the CRD (its rules in CEL are the API server's)."""
    (version,) = crd["spec"]["versions"]
    schema = version["schema"]["openAPIV3Schema"]
    if pool["apiVersion"] != f"{crd['spec']['group']}/{version['name']}" or pool["kind"] != crd["spec"]["names"]["kind"]:
        yield f"{pool['apiVersion']} {pool['kind']}"
    spec = {"type": "object", "properties": {"spec": schema["properties"]["spec"]}}
    yield from unknown({"spec": pool["spec"]}, spec)
    for error in jsonschema.Draft202012Validator(spec).iter_errors(pool):
        yield f"{'.'.join(map(str, error.absolute_path))}: {error.message}"


def notes(helm, *more):
    """Notes of an installation that does not happen."""
    good, text, why = run(helm, "install", "twp-operator", CHART, "--dry-run=client", "-n", "twp-system", "--set", f"image.repository={IMAGE}", *more)
    return text.partition("NOTES:\n")[2] if good else why


def pasted(text, namespace, crd):
    """Problems of the command in the notes, as a shell runs it, and of the pool that kubectl gets."""
    command = text[text.index("kubectl -n ", text.index("\n2. ")) : text.index("\n3. ")]
    good, said, why = run("bash", "-euc", f'kubectl() {{ echo "# $*"; cat; }}\n{command}')
    if not good or why or not said.startswith(f"# -n {namespace} apply -f -\n"):
        yield f"kubectl gets {said[:80]!r}: {why}"
    yield from pool_problems(yaml.safe_load(said), crd)


def annotations(chart, crd):
    """Problems of what Artifact Hub is told."""
    (told,) = yaml.safe_load(chart["annotations"]["artifacthub.io/crds"])
    true = {"kind": crd["spec"]["names"]["kind"], "version": crd["spec"]["versions"][0]["name"], "name": crd["metadata"]["name"]}
    if not true.items() <= told.items():
        yield f"crds: {told}"
    for pool in yaml.safe_load(chart["annotations"]["artifacthub.io/crdsExamples"]):
        yield from pool_problems(pool, crd)
    cargo = (ROOT / "Cargo.toml").read_text()
    for field, value in (("license", chart["annotations"]["artifacthub.io/license"]), ("version", chart["appVersion"])):
        if f'\n{field} = "{value}"\n' not in cargo:
            yield f"Cargo.toml has not {field} {value}"


def manifests(schemas):
    """Problems of the manifests for kubectl."""
    install = (ROOT / "deploy/install.yaml").read_text()
    namespaced = (ROOT / "deploy/install-namespaced.yaml").read_text()
    things = documents(install)
    own, rest = things[0], things[1:]
    if own["kind"] != "Namespace" or own["metadata"]["labels"] != {"pod-security.kubernetes.io/enforce": "restricted"}:
        yield "install.yaml: its namespace does not come first, or is not restricted"
    kinds = {thing["kind"] for thing in things}
    if kinds & {"CustomResourceDefinition", "TaskWorkerPool"}:
        yield "install.yaml: whoever deletes it deletes pools"
    if not {"ValidatingAdmissionPolicy", "ClusterRole", "Deployment"} <= kinds:
        yield f"install.yaml: only {kinds}"
    if {thing["metadata"].get("namespace") for thing in rest} - {None, own["metadata"]["name"]}:
        yield "install.yaml: another namespace"
    yield from problems(schemas, install.partition("\n---\n")[2])
    things = documents(namespaced)
    if {thing["kind"] for thing in things} & (OF_THE_CLUSTER | {"Namespace"}):
        yield "install-namespaced.yaml: objects without a namespace"
    if {thing["metadata"]["namespace"] for thing in things} != {"my-namespace"}:
        yield "install-namespaced.yaml: another namespace"
    yield from problems(schemas, namespaced)
    # The line in their heads makes them somebody's own.
    for text in (install, namespaced):
        if text.count("Helm") or f"image: \"{IMAGE}:" not in text:
            yield "Helm is named, or the image is not the one to replace"
    changed = namespaced.replace("my-namespace", "shop").partition("\n---\n")[2]
    (operator,) = [thing for thing in documents(changed) if thing["kind"] == "Deployment"]
    env = {variable["name"]: variable.get("value") for variable in operator["spec"]["template"]["spec"]["containers"][0]["env"]}
    if env["TWP_WATCH_NAMESPACES"] != "shop" or "RUST_LOG" in env:
        yield f"install-namespaced.yaml: {env}"


def image():
    """Problems of the image's recipe: the test bed makes the same without Docker."""
    recipe = (ROOT / "Containerfile").read_text()
    bed = (ROOT / "tests/testbed/images.sh").read_text()
    toolchain = re.search(r'^channel = "(.*)"$', (ROOT / "rust-toolchain.toml").read_text(), re.MULTILINE)[1]
    version = load("charts/twp-operator/Chart.yaml")["appVersion"]
    for wanted in (f"rust:{toolchain}-slim", f"ARG VERSION={version}", "\nFROM scratch\n", "\nUSER 65532:65532\n"):
        if wanted not in recipe:
            yield f"Containerfile: no {wanted!r}"
    if "--user 65532:65532" not in bed:
        yield "the test bed's image has another user"
    # What the sources take in from elsewhere, their tests apart.
    for source in ROOT.glob("src/**/*.rs"):
        text = "" if "tests" in source.stem or "tests" in source.parts else source.read_text().split("#[cfg(test)]\nmod tests {")[0]
        for path in re.findall(r'include_str!\("((?:\.\./)+[^"]+)"\)', text):
            file = (source.parent / path).resolve().relative_to(ROOT)
            if file.parts[0] != "src" and (f"COPY {file} {file}\n" not in recipe or f"!{file}\n" not in (ROOT / ".dockerignore").read_text()):
                yield f"Containerfile or .dockerignore: no {file}"
    bundle = "/etc/ssl/certs/ca-certificates.crt"
    if f"COPY --from=build {bundle} {bundle}" not in recipe or f"$base{bundle}\" {bundle}" not in bed:
        yield "no certificate authorities"
    labels = set(re.findall(r"org\.opencontainers\.image\.\w+", recipe))
    missing = labels - set(re.findall(r"org\.opencontainers\.image\.\w+", bed)) - {"org.opencontainers.image.revision"}
    if missing:
        yield f"the test bed's image lacks {missing}"


def main(helm=""):
    checks, schemas = Checks(), Schemas()
    crd, chart = load(CRD), load("charts/twp-operator/Chart.yaml")
    for namespace, more in (("default", []), ("default", ["--set", "view.enabled=true"]), ("shop", ["--set", "watchNamespaces={shop,billing}"])) if helm else ():
        checks.say(f"the notes have a whole pool for {namespace} {' '.join(more)}".rstrip(), pasted(notes(helm, *more), namespace, crd))
    checks.say("Artifact Hub is told the truth", annotations(chart, crd))
    checks.say("the manifests for kubectl are right", manifests(schemas))
    checks.say("the image is made alike twice", image())
    checks.end()


if __name__ == "__main__":
    main(*sys.argv[1:])
