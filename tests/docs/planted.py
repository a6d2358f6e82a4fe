"""Faults that are planted, one at a time, and that a check must notice: a check that finds nothing may look at nothing."""

POOL = """
```yaml
apiVersion: taskworkerpool.dev/v1alpha1
kind: TaskWorkerPool
metadata:
  name: mail
spec:
  targetRef: {name: mail-worker}
  broker: {url: "redis://redis:6379/0"}
```
"""

CRD = "crds/taskworkerpools.taskworkerpool.dev.yaml"

# Check, file, what is replaced ("": appended) by what, and a part of the complaint.
FAULTS = [
    ("links", "README.md", "", "\n[nothing](docs/nothing.md)\n", "docs/nothing.md leads nowhere"),
    ("links", "docs/faq.md", "", "\n[two\nlines](../nothing.md)\n", "nothing.md leads nowhere"),
    ("links", "SECURITY.md", "", "\n[`code`](docs/redis.md#no-such)\n", "no heading #no-such"),
    ("links", "docs/redis.md", "## Rights\n", "## Right\n", "no heading #rights"),
    ("paths", "SECURITY.md", "", "\n`src/nothing.rs`\n", "no src/nothing.rs"),
    ("paths", "src/framework/rq.rs", "docs/frameworks.md", "docs/framework.md", "no docs/framework.md"),
    ("summary", "docs/new.md", "", "# New\n", "does not list docs/new.md"),
    ("summary", "docs/SUMMARY.md", "", "- [Again](redis.md)\n", "docs/redis.md twice"),
    ("commands", "docs/faq.md", "", "\n```sh\nrm\n```\n", "neither"),
    ("commands", "docs/faq.md", "", "\n  ```console\n  $ rm\n  ```\n", "neither"),
    ("commands", "docs/faq.md", "", "\n<!-- run: tests/none.rs -->\n```sh\nrm\n```\n", "no test tests/none.rs"),
    ("commands", "docs/faq.md", "", "\n<!-- run: tests/e2e/brokers/rights.rs -->\n```sh\nrm\n```\n", "does not read docs/faq.md"),
    ("syntax", "docs/faq.md", "", "\n```sh\nif true\n```\n", "syntax error"),
    ("names", "docs/faq.md", "", "\n`scaleDown.idleMinutes`\n", "no field `scaleDown.idleMinutes`"),
    ("names", "docs/faq.md", "", "\n`status.work.done`\n", "no field `status.work.done`"),
    ("names", "docs/faq.md", "", "\n`networkPolicy.on: true`\n", "no value of the chart `networkPolicy.on`"),
    ("names", "docs/install.md", "--set podMonitor.enabled=true", "--set podMonitor.on=true", "no value of the chart `podMonitor.on`"),
    ("samples", "README.md", "DEGRADED  AGE", "AGE  DEGRADED", "the columns are"),
    ("samples", "docs/on-call.md", "200 tasks (200 waiting)", "200 jobs (200 waiting)", "no test expects"),
    ("manifests", "docs/faq.md", "", POOL.replace("broker:", "borker:"), "`borker` does not exist"),
    ("manifests", "docs/faq.md", "", POOL.replace("{name: mail-worker}", "{name: mail-worker, king: Deployment}"), "`king` does not exist"),
    ("manifests", "docs/faq.md", "", POOL.replace("  name: mail\n", ""), "has no `name:`"),
    ("manifests", "docs/faq.md", "", "\n```yaml\nspec:\n  minReplica: 1\n```\n", "`minReplica` does not exist"),
    ("readme", "README.md", "", "\n" * 130, "are allowed"),
    ("readme", "README.md", "", "\n" + "word " * 1000, "are allowed"),
    ("wording", "docs/faq.md", "", "\nA worker works off what it holds.\n", "works off"),
    ("conditions", "src/controller/report.rs", '        "Ready",\n        "SourceAvailable",\n        "ScalingActive",', '        "Ready",\n        "Newly",\n        "SourceAvailable",\n        "ScalingActive",', "no row for `Newly`"),
    ("conditions", "docs/reference/conditions.md", "| `Stalled` |", "| `Stuck` |", "`Stuck` does not exist"),
    ("reasons", "src/controller/status/queues.rs", '"QueueShared"', '"QueueDivided"', "no heading for `QueueDivided`"),
    ("reasons", "src/model/error.rs", '"Timeout"', '"TimeIsUp"', "no heading for `TimeIsUp`"),
    ("reasons", "src/controller/status.rs", '"Suspended", True, "Suspended"', '"Suspended", True, "Stalled"', "no heading for `Stalled`"),
    ("reasons", "docs/troubleshooting.md", "### StopIgnored", "### StopsIgnored", "no heading for `StopIgnored`"),
    ("reasons", "docs/troubleshooting.md", "### Working", "### Idling\n\n### Working", "`Idling` does not exist"),
    ("reasons", "docs/reference/conditions.md", "`QueueShared`, ", "", "does not name `QueueShared`"),
    ("decision_rules", "src/scaling/mod.rs", '=> "Stranded"', '=> "Beached"', "no row for the rule `Beached`"),
    ("metrics", "src/telemetry/metrics/pools.rs", '"twp_queue_waiting_tasks"', '"twp_queue_new_tasks"', "no row for `twp_queue_new_tasks`"),
    ("metrics", "src/telemetry/metrics/pools.rs", '"twp_source_up"', '"twp_source_on"', "no row for `twp_source_on`"),
    ("metrics", "src/telemetry/metrics/pools.rs", '"twp_scale_events"', '"twp_scalings"', "no row for `twp_scalings`"),
    ("metrics", "src/telemetry/metrics.rs", '"twp_api_calls"', '"twp_calls"', "no row for `twp_calls`"),
    ("metrics", "docs/faq.md", "", "\n`twp_invented_total`\n", "`twp_invented_total` does not exist"),
    ("flags", "src/controller/mod.rs", 'env = "TWP_LISTEN"', 'env = "TWP_HEAR"', "no row for `--listen`, `TWP_HEAR`"),
    ("flags", "docs/reference/flags.md", "| `--probes` |", "| `--probe` |", "`--probe` does not exist"),
    ("rights", "charts/twp-operator/templates/rbac.yaml", "verbs: [get]\n", "verbs: [get, list]\n", "secrets"),
    ("events", "src/telemetry/events/words.rs", '"TasksVanished".to_owned()', '"TasksGone".to_owned()', "no row for `TasksGone`"),
    ("fields", CRD, "Upper limit of replicas", "Largest number of replicas", "is not made from"),
    ("answers", "tests/view/schema.json", "Tasks that wait and are due.", "Tasks that wait.", "is not made from"),
    ("conventions", CRD, "    - twp\n    singular", "    - po\n    singular", "another meaning for po"),
    ("conventions", CRD, "scope: Namespaced", "scope: Cluster", "pools are of a namespace"),
    ("conventions", CRD, "subresources:\n      status: {}", "subresources:\n      status: {}\n      scale: {}", "others would write to the spec"),
    ("conventions", CRD, "- jsonPath: .spec.targetRef.name\n    served", "- jsonPath: .spec.mode\n    served", "cannot be selected"),
    ("conventions", CRD, "maxReplicas:\n", "MaxReplicas:\n", "not in camelCase"),
    ("conventions", CRD, "serverName:\n", "namespace:\n", "in the pool's own namespace"),
    ("conventions", CRD, "secretKeyRef:\n", "secretKey:\n", "is a `…Ref`"),
    ("conventions", CRD, "idleSeconds:\n", "idle:\n", "does not say its unit"),
    ("conventions", CRD, "timeZone:\n", "timePeriod:\n", "a whole number of `…Seconds`"),
    ("conventions", CRD, "format: int32", "format: int64", "is an int32"),
    ("conventions", CRD, "suspend:\n", "paused:\n", "spec.paused: a boolean"),
    ("conventions", CRD, "suspend:\n", "paused:\n", "no spec.suspend any more"),
    ("conventions", CRD, "- WhenIdle", "- when-idle", "the word when-idle"),
    ("conventions", CRD, "x-kubernetes-list-type: map", "x-kubernetes-list-type: atomic", "a map by keys"),
    ("conventions", CRD, "`queues` must not name a queue twice", "Queues are unique", "does not say which field"),
    ("checklist", "docs/checklist.md", "| 7 | it can", "| 8 | it can", "not 1 to 56"),
    ("checklist", "docs/checklist.md", " of 56 are kept", " of 57 are kept", "does not say that"),
    ("checklist", "docs/checklist.md", "| no: there are logs", "| perhaps: there are logs", "neither ✓ nor no"),
    ("checklist", "docs/checklist.md", "| `charts/check/defaults.py` `people` |", "| – |", "nothing shows it"),
    ("checklist", "docs/checklist.md", "| `charts/check/defaults.py` `people` |", "| `charts/check/people.py` |", "charts/check/people.py is no file of tests"),
    ("checklist", "docs/checklist.md", "| `charts/check/defaults.py` `people` |", "| `charts/render.sh` |", "charts/render.sh is no file of tests"),
    ("checklist", "docs/checklist.md", " `the_definition_fits_into_an_annotation`", "", "names no test in tests/crd.rs"),
    ("checklist", "tests/crd.rs", "#[test]\nfn the_definition_fits", "fn the_definition_fits", "no the_definition_fits_into_an_annotation in"),
    ("checklist", "tests/e2e/cluster/references.rs", "fn bad_pools_are_told_apart", "fn pools_are_told_apart", "no bad_pools_are_told_apart"),
    ("checklist", "charts/check.sh", 'check "  no wildcard"', 'check "  wildcards"', "no no wildcard in charts/check.sh"),
    ("checklist", "charts/check/defaults.py", "def people(", "def persons(", "no people in"),
    ("checklist", "charts/check/refused.yaml", "misspelt:", "mistyped:", "no misspelt in"),
]


def unnoticed(tree, make, checks):
    """The planted faults that their check does not notice, and those that can no longer be planted."""
    found = []
    for check, path, old, new, complaint in FAULTS:
        text = tree.read(path) if tree.exists(path) else ""
        if old and old not in text:
            found.append(f"planted.py: {path} has no {old!r} any more")
            continue
        changed = make({path: text.replace(old, new, 1) if old else text + new})
        if not any(complaint in line for line in checks[check](changed)):
            found.append(f"planted.py: `{check}` does not notice {new.strip()[:60]!r} in {path}")
    return found
