"""`kubectl twp top` as a person runs it: the program itself in tmux, against an API server of our own (api.py).

    top.py              all tests, and whether docs/plugin.md shows what comes
    top.py NAME         those with NAME in theirs
    top.py --write      writes docs/plugin.md
"""

import concurrent.futures
import copy
import os
import pathlib
import re
import shlex
import subprocess
import sys
import tempfile
import time
import traceback

import api

ROOT = api.ROOT
PROGRAM = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "debug/kubectl-twp"
PAGE, MARK = "docs/plugin.md", "<!-- run: tests/top/top.py -->\n"
PATIENCE = 20


class Screen:
    """A terminal with a shell, and the cluster that it reaches."""

    def __init__(self, folder, name, columns=80, rows=24):
        self.api, self.name = api.Api(), name
        self.socket = str(pathlib.Path(folder) / f"tmux-{name}")
        env = {"KUBECONFIG": str(self.api.kubeconfig(folder)), "LC_ALL": "C.UTF-8", "TERM": "screen-256color", "PS1": "shell$ ",
               "PATH": os.environ["PATH"], "HOME": folder}
        given = [f"{key}={value}" for key, value in env.items()]
        self.tmux("-f", "/dev/null", "new-session", "-d", "-x", str(columns), "-y", str(rows), "env", "-i", *given, "sh")
        self.until("the shell", lambda text: "shell$" in text)

    def tmux(self, *args):
        said = subprocess.run(["tmux", "-u", "-S", self.socket, *args], capture_output=True, text=True, check=False)
        assert said.returncode == 0, f"tmux {args}: {said.stderr}"
        return said.stdout

    def text(self, *how):
        return self.tmux("capture-pane", "-p", *how)

    def value(self, name):
        return self.tmux("display-message", "-p", "#{" + name + "}").strip()

    def until(self, what, holds, *how):
        """What is on the screen when this holds."""
        end = time.monotonic() + PATIENCE
        while not holds(text := self.text(*how)):
            assert time.monotonic() < end, f"not within {PATIENCE} s: {what}\n{text}"
            time.sleep(0.03)
        return text

    def has(self, *words):
        # A sentence may be broken anywhere.
        return self.until(f"the words {words}", lambda text: all(word in text or word in " ".join(text.split()) for word in words))

    def type(self, *keys):
        self.tmux("send-keys", *keys)

    def command(self, command):
        self.tmux("send-keys", "-l", command)
        self.type("Enter")

    def top(self, *args, before=""):
        self.command(f"clear; {before}{PROGRAM} top {shlex.join(args)}; echo code $?")

    def size(self, columns, rows):
        self.tmux("resize-window", "-x", str(columns), "-y", str(rows))

    def is_restored(self, code):
        """It ended with this code, and the terminal is as it was: another screen, no raw mode, a cursor."""
        text = self.until("the end", lambda text: re.search(r"^code \d+$", text, re.M))
        assert f"code {code}\n" in text, text
        assert self.value("alternate_on") == "0", "it is on the other screen"
        assert self.value("cursor_flag") == "1", "there is no cursor"
        self.command("clear; stty -a")
        assert re.search(r"[^-]icanon.*[^-]echo ", self.has("speed", "echok").replace("\n", " ")), self.text()
        return text

    def close(self):
        self.tmux("kill-server")
        self.api.close()


def the_list_and_its_keys(s):
    s.top("-A")
    text = s.has("live, every 2 s", "> billing    pdf", "Degraded", "▅▇██▇▆▄▂▁▁")
    assert s.value("alternate_on") == "1", text
    shown = {"list": text}
    s.type("Down")
    s.has("> shop       mail ", "2 of 3", "412 tasks must start within 60 s")
    s.type("j")
    s.has("> shop       newsletter", "3 of 3", "nothing waits")
    s.type("k", "Up")
    s.has("1 of 3")
    s.type("/", "m", "a", "i", "l")
    s.until("the filter", lambda text: "/mail" in text and "newsletter" not in text)
    s.type("Enter", "Escape")
    s.has("newsletter", "> shop       mail ")
    s.type("q")
    s.is_restored(0)
    return shown


def one_pool_at_160_columns(s):
    s.size(160, 30)
    s.top("-A")
    s.has("RUNNING", "LAST HOUR", "12 > 19 of 50  ▄▄▅▅▆▆▆▇▇█▇▇▆▆▆▅▅▄▄▃▃▂▂▁▁▁▃▅▇█")
    s.type("Down", "Enter")
    text = s.has("shop/mail  Scaling", "mail-worker-5d-a  Busy", "4 of 4", "Last decisions", "Pods: 1 silent", "oldest wait", "18 s now, 52 s at most")
    s.size(80, 24)
    s.until("one column", lambda text: "mail-worker-5d-a" not in text and "Work " in text)
    s.type("G")
    s.has("Last decisions", "12 > 19")
    s.type("Escape")
    s.has("> shop       mail ", "REPLICAS")
    s.type("C-c")
    s.is_restored(0)
    return {"one": text}


def a_pool_by_its_name(s):
    s.top("mail", "--every", "1")
    s.has("shop/mail  Scaling", "12 set, 12 ready, 19 wanted (0 to 50)")
    s.type("Escape")
    # Those of the context's namespace, and no others.
    text = s.has("Namespace shop  2 pools")
    assert "pdf" not in text, text
    s.type("q")
    s.is_restored(0)


def what_changes_is_shown(s):
    s.top("-A", "--every", "1")
    s.has("live", " 412  18/60 s")
    changed = copy.deepcopy(s.api.pools)
    changed[1]["work"] |= {"waiting": 77777, "oldestWaitSeconds": 99}
    changed[1]["state"] = "Late"
    s.api.pools = changed
    s.has("77777  99/60 s", "1 late")
    s.type("q")
    s.is_restored(0)


def where_the_operator_cannot_be_asked_the_objects_are(s):
    s.api.way = "off"
    s.top("-A", "--every", "1")
    text = s.has("not live", "12 > 19 of 50", "RUNNING", "From the objects' statuses, which may be some seconds old: the operator's view is off: "
                 "`view.enabled=true` in the chart switches it on.")
    assert "LAST HOUR" not in text, text
    s.type("Down", "Down", "Enter")
    s.has("Pods, the last hour and the last scalings are known to the operator alone.")
    s.api.way = "live"
    s.has("live, every 1 s", "Pods: 1 silent")
    s.type("Escape")
    s.has("live, every 1 s", "LAST HOUR")
    s.type("q")
    s.is_restored(0)


def a_broken_connection_leaves_the_last_picture_and_heals(s):
    s.top("-A", "--every", "1")
    s.has("live")
    s.api.way = "broken"
    s.has("This was told at", "the next try is in", "TaskWorkerPools cannot be read", " old\n", " 412  18/60 s")
    # The pauses grow: 1 s, 2 s, 4 s.
    s.until("a longer pause", lambda text: re.search(r"the next try is in [34] s", " ".join(text.split())))
    s.api.way = "live"
    text = s.has("live, every 1 s")
    assert "This was told" not in text, text
    s.type("q")
    s.is_restored(0)


def silence_is_seen_and_keys_still_work(s):
    s.top("-A", "--every", "1")
    s.has("live")
    s.api.way = "silent"
    s.type("Down")
    s.has("2 of 3")
    # Nothing has failed yet, and nothing came.
    s.has("s old\n", "412")
    s.type("q")
    s.is_restored(0)


def the_operator_is_found_once(s):
    s.top("-A", "--every", "1")
    s.has("live")
    s.until("five answers", lambda _: s.api.asked.get(f"/api/v1/namespaces/twp-system/pods/{api.LEADER}/portforward", 0) >= 5)
    assert s.api.asked["/api/v1/pods"] == 1, s.api.asked
    assert s.api.asked[f"/api/v1/namespaces/twp-system/pods/{api.OTHER}/portforward"] == 1, s.api.asked
    s.type("q")
    s.is_restored(0)


def a_thousand(s):
    s.api.pools = [api.POOLS["pools"][1] | {"name": f"mail-{number:04}"} for number in range(1000)]
    s.top("--every", "1")
    s.has("1000 pools: 1000 scaling.", "mail-0000")
    # As when a key is held down.
    for _ in range(10):
        s.type(*["Down"] * 30)
    s.has("> mail-0300", "301 of 1000")
    s.type("End")
    s.has("> mail-0999", "1000 of 1000")
    s.size(160, 50)
    s.has("> mail-0999", "RUNNING")
    s.type("q")
    s.is_restored(0)


def strangers_texts(s):
    nasty = "\x1b]0;owned\x07\x1b[2J\x1b[31m\u202e" + "電子郵便 " * 30 + "\r\n\x9b31m"
    s.api.pools = [pool | {"message": nasty} for pool in s.api.pools]
    s.api.one = s.api.one | {"message": nasty, "queues": [{"name": nasty, "waiting": 5, "missing": False}]}
    s.top("-A", "--every", "1")
    text = s.has("電子郵便 電子郵便", "> billing    pdf ", "↑↓ PgUp PgDn select")
    assert len(text.splitlines()) == 24 and "owned" not in s.value("pane_title"), text
    s.type("Down", "Enter")
    s.has("shop/mail", "Queues", "]0;owned")
    assert "owned" not in s.value("pane_title"), s.value("pane_title")
    s.type("q")
    s.is_restored(0)


COLOUR = re.compile(r"\x1b\[(?:[\d;]*;)?(?:3[0-7]|4[0-7]|9[0-7]|38|48)(?:;[\d;]*)?m")


def colours_can_be_left_out(s):
    s.top("-A", "--every", "1")
    s.has("live")
    s.until("colours", COLOUR.search, "-e")
    s.type("q")
    s.is_restored(0)
    s.top("-A", "--every", "1", before="NO_COLOR=1 ")
    s.has("live", "> billing")
    assert not COLOUR.search(s.text("-e")), s.text("-e")
    s.type("q")
    s.is_restored(0)


def whatever_ends_it_the_terminal_is_given_back(s):
    for signal in ("TERM", "HUP", "INT"):
        s.top("-A", "--every", "1")
        s.has("live")
        pid = subprocess.run(["pgrep", "-P", s.value("pane_pid")], capture_output=True, text=True, check=True).stdout.split()[0]
        subprocess.run(["kill", f"-{signal}", pid], check=True)
        s.is_restored(0)
        s.command("clear")
    s.command(f"clear; {os.environ['PANICS']}; echo code $?")
    text = s.is_restored(101)
    assert "planted" in text, text


def without_a_cluster_or_a_terminal_it_says_so_and_takes_none(s):
    s.top("gone", "--every", "1")
    text = s.is_restored(1)
    assert "there is no TaskWorkerPool `gone`" in text.replace("\n", ""), text
    s.top("-A", before="KUBECONFIG=/nowhere ")
    text = s.is_restored(1)
    assert "no cluster is configured" in text.replace("\n", ""), text
    s.top("-A", before="TERM=dumb ")
    text = s.is_restored(1)
    assert "needs a terminal" in text and "kubectl twp status" in text.replace("\n", ""), text


TESTS = [a_broken_connection_leaves_the_last_picture_and_heals, where_the_operator_cannot_be_asked_the_objects_are, silence_is_seen_and_keys_still_work,
         whatever_ends_it_the_terminal_is_given_back, the_operator_is_found_once, the_list_and_its_keys, one_pool_at_160_columns, a_pool_by_its_name,
         what_changes_is_shown, a_thousand, strangers_texts, colours_can_be_left_out, without_a_cluster_or_a_terminal_it_says_so_and_takes_none]


def passes(folder, test):
    """How long it took, what went wrong, and what was shown."""
    screen, began, shown = None, time.monotonic(), {}
    try:
        screen = Screen(folder, test.__name__[:20])
        shown = test(screen) or {}
        return f"({time.monotonic() - began:.0f} s)", "", shown
    except Exception as error:  # pylint: disable=broad-exception-caught
        return "", str(error) if isinstance(error, AssertionError) else traceback.format_exc(), shown
    finally:
        if screen:
            screen.close()


def compare(shown, write):
    """Whether the page has the screens, without empty lines in a row."""
    page = (ROOT / PAGE).read_text()
    parts = re.split(f"({re.escape(MARK)}```text\n.*?```\n)", page, flags=re.S)
    assert len(parts) == 5, f"{PAGE} has {len(parts) // 2} blocks of {MARK.strip()}, not 2"
    for at, name in ((1, "list"), (3, "one")):
        text = re.sub(r"\n{3,}", "\n\n", "\n".join(line.rstrip() for line in shown[name].splitlines())).strip("\n")
        parts[at] = f"{MARK}```text\n{text}\n```\n"
    if write:
        (ROOT / PAGE).write_text("".join(parts))
    return "" if "".join(parts) == page or write else f"{PAGE} is out of date: tests/top/run.sh --write"


def main():
    write, names = "--write" in sys.argv, [arg for arg in sys.argv[1:] if not arg.startswith("-")]
    chosen = [test for test in TESTS if not names or any(name in test.__name__ for name in names)]
    began, failed, shown = time.monotonic(), 0, {}
    with tempfile.TemporaryDirectory(prefix="twp-top-") as folder, concurrent.futures.ThreadPoolExecutor(6) as pool:
        for test, (took, wrong, found) in zip(chosen, pool.map(lambda test: passes(folder, test), chosen)):
            failed += bool(wrong)
            shown |= found
            print(f"{'FAILED' if wrong else 'ok    '} {test.__name__} {took}{wrong}", flush=True)
    if len(shown) == 2:
        wrong = compare(shown, write)
        failed += bool(wrong)
        print(wrong or f"ok     {PAGE}")
    print(f"{len(chosen)} tests, {failed} failed, {time.monotonic() - began:.0f} s")
    return 1 if failed or not chosen else 0


if __name__ == "__main__":
    sys.exit(main())
