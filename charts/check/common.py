"""What the checks of the chart share: counting, Helm, YAML that refuses a key twice, figures."""
import fcntl
import functools
import json
import pathlib
import re
import subprocess
import sys

import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
CHART = ROOT / "charts/twp-operator"
CHECKS = ROOT / "charts/check"
IMAGE = "registry.example/twp-operator"


class Strict(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
    """Loader that refuses a key that a map has twice: Kubernetes' API server does, and so does Helm 4."""


def _map(loader, node):
    keys = [loader.construct_object(key) for key, _ in node.value]
    twice = {str(key) for key in keys if keys.count(key) > 1}
    if twice:
        raise yaml.YAMLError(f"twice in one map: {', '.join(twice)} ({node.start_mark})")
    return loader.construct_mapping(node, deep=True)


Strict.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _map)


@functools.cache
def _document(text):
    return yaml.load(text, Strict)


def documents(text):
    """Objects of a file of several; empty ones are left out. One that came before is not parsed again: do not change them."""
    parsed = (_document(part) for part in re.split(r"^---$", text, flags=re.MULTILINE))
    return [document for document in parsed if document is not None]


def load(path):
    """The one document of a file."""
    return yaml.load((ROOT / path).read_text(), Strict)


class Checks:
    """Counts checks; prints those that fail. The last line is `N passed, N failed`, which charts/check.sh adds up."""

    def __init__(self):
        self.passed = self.failed = 0

    def say(self, what, problems):
        """One check: right if there are no problems."""
        problems = [str(problem) for problem in problems]
        if not problems:
            self.passed += 1
            return True
        self.failed += 1
        print(f"FAIL {what}")
        for problem in problems[:20]:
            print(f"     {problem}")
        return False

    def end(self):
        print(f"{self.passed} passed, {self.failed} failed")
        sys.exit(1 if self.failed else 0)


def run(*command, text=None):
    """A command's end: whether it succeeded, what it printed, what it said besides."""
    done = subprocess.run([str(word) for word in command], input=text, capture_output=True, text=True, check=False)
    return done.returncode == 0, done.stdout, done.stderr


def render(helm, values, *more):
    """`helm template` with these values."""
    values = {**values}
    release, namespace = values.pop("$release", "twp-operator"), values.pop("$namespace", "twp-system")
    image = {"repository": IMAGE, **values.pop("image", {})}
    text = json.dumps({"image": image, **values})
    return run(helm, "template", release, CHART, "--namespace", namespace, "--values", "-", *more, text=text)


def record(**figures):
    """Adds figures to those of the installation; the tests lock the file as well."""
    path = ROOT / "target/figures/install.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "a+", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        known = file.read()
        known = {**(json.loads(known) if known.strip() else {}), **figures}
        file.truncate(0)
        file.write(json.dumps(known, indent=2))
