"""kstatus' verdict on a custom resource, by the rules of sigs.k8s.io/cli-utils, pkg/kstatus/status:
`checkGenericProperties` and `checkGeneration` (generic.go), then `checkReadyCondition` (status.go). Flux uses the same.
"""


def kstatus(pool):
    if pool["metadata"].get("deletionTimestamp"):
        return "Terminating"
    status = pool.get("status") or {}
    generation, observed = pool["metadata"].get("generation"), status.get("observedGeneration")
    if generation is not None and observed is not None and observed != generation:
        return "InProgress"
    conditions = status.get("conditions") or []
    # In the order of the list: the first of the two decides.
    for condition in conditions:
        if condition["status"] == "True" and condition["type"] in ("Reconciling", "Stalled"):
            return "InProgress" if condition["type"] == "Reconciling" else "Failed"
    for condition in conditions:
        if condition["type"] == "Ready":
            return "Current" if condition["status"] == "True" else "InProgress"
    # Nothing is known of it: taken for current.
    return "Current"


def rules(pool):
    """Rules of Flux' and kstatus' conditions that this pool breaks (fluxcd/pkg, runtime/conditions/check, in short)."""
    listed = pool["status"]["conditions"]
    by_type = {condition["type"]: condition for condition in listed}
    ready = by_type.get("Ready", {}).get("status")
    reconciling, stalled = (by_type.get(kind, {}).get("status") for kind in ("Reconciling", "Stalled"))
    deleted = "deletionTimestamp" in pool["metadata"]
    broken = {
        "a type stands twice": len(by_type) != len(listed),
        "Ready must always be there": ready is None,
        "Reconciling and Stalled are there only when True": {reconciling, stalled} - {None, "True"},
        "Reconciling and Stalled exclude each other": reconciling and stalled,
        "Ready is True beside Reconciling or Stalled": ready == "True" and (reconciling or stalled),
        "Ready is not True, and neither Reconciling nor Stalled says why": ready != "True"
        and not (reconciling or stalled or deleted),
        "Stalled wants Ready False": stalled and ready != "False",
        "a condition is about another generation": any(
            condition["observedGeneration"] != pool["status"]["observedGeneration"] for condition in listed
        ),
    }
    return [rule for rule, is_broken in broken.items() if is_broken]
