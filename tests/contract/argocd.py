"""Argo CD's scripts, run as Argo CD runs them (util/lua/lua.go), and the tests of its repository for them
(util/lua/health_test.go, util/lua/custom_actions_test.go).
"""

from pathlib import Path

import lupa.lua51
import yaml

# What Argo CD opens for scripts in argocd-cm: the base library and `table`. (Its `os` has the clock alone, which no script
# here reads.)
POOR = """
for _, name in ipairs({"string", "math", "io", "os", "debug", "coroutine", "package", "require", "module", "dofile", "loadfile"}) do
  _G[name] = nil
end
"""


def run(script, obj):
    """What this script returns for this object."""
    lua = lupa.lua51.LuaRuntime(unpack_returned_tuples=True, register_eval=False, register_builtins=False)
    lua.execute('debug.setmetatable("", nil)')
    lua.execute(POOR)
    lua.globals().obj = _to_lua(lua, obj)
    return _from_lua(lua.execute(script))


def _to_lua(lua, value):
    if isinstance(value, dict):
        return lua.table_from({key: _to_lua(lua, inner) for key, inner in value.items()})
    if isinstance(value, list):
        return lua.table_from([_to_lua(lua, inner) for inner in value])
    return value


def _from_lua(value):
    if lupa.lua51.lua_type(value) != "table":
        return value
    keys = list(value.keys())
    if keys and keys == list(range(1, len(keys) + 1)):
        return [_from_lua(value[key]) for key in keys]
    return {key: _from_lua(value[key]) for key in keys}


def upstream_tests(folder: Path):
    """Runs health_test.yaml and actions/action_test.yaml; yields what was tried, what came, what is right."""
    script = (folder / "health.lua").read_text()
    for test in yaml.safe_load((folder / "health_test.yaml").read_text())["tests"]:
        yield test["inputPath"], run(script, _load(folder / test["inputPath"])), test["healthStatus"]
    actions = folder / "actions"
    tests = yaml.safe_load((actions / "action_test.yaml").read_text())
    discovery = (actions / "discovery.lua").read_text()
    for test in tests["discoveryTests"]:
        found = run(discovery, _load(actions / test["inputPath"]))
        right = {action.pop("name"): action for action in test["result"]}
        yield f"discovery {test['inputPath']}", found, right
    for test in tests["actionTests"]:
        script = (actions / test["action"] / "action.lua").read_text()
        found = run(script, _load(actions / test["inputPath"]))
        yield f"action {test['action']}", found, _load(actions / test["expectedOutputPath"])


def snippet(folder: Path):
    """The patch for argocd-cm that carries the same scripts."""
    actions = folder / "actions"
    names = sorted(path.name for path in actions.iterdir() if (path / "action.lua").exists())
    parts = [
        "# Argo CD's health check and actions for pools, without waiting for a release of Argo CD that has them:\n"
        "#   kubectl -n argocd patch configmap argocd-cm --patch-file argocd-cm.yaml\n"
        "# With Argo CD's Helm chart the two keys go below `configs.cm`.\n"
        "# Made by `UPDATE=1 tests/contract/run.sh` from resource_customizations/; do not edit.\n"
        "data:\n"
        "  resource.customizations.health.taskworkerpool.dev_TaskWorkerPool: |\n",
        _indented(folder / "health.lua", 4),
        "  resource.customizations.actions.taskworkerpool.dev_TaskWorkerPool: |\n    discovery.lua: |\n",
        _indented(actions / "discovery.lua", 6),
        "    definitions:\n",
    ]
    for name in names:
        parts += [f"    - name: {name}\n      action.lua: |\n", _indented(actions / name / "action.lua", 8)]
    return "".join(parts)


def _indented(path, by):
    lines = path.read_text().splitlines()
    return "".join(f"{' ' * by}{line}\n" if line else "\n" for line in lines)


def _load(path):
    return yaml.safe_load(path.read_text())
