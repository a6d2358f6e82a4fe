#!/usr/bin/env python3
"""The page of the view in a real browser, against answers that the operator's types have written. Standard library, chromium and
chromedriver.

    page.py                    all tests, and whether each notices the fault that is planted for it; figures in target/figures/plugin.json
    page.py NAME…              some of them
    page.py --pictures DIR     the pictures of docs/view.md
"""

import copy
import fcntl
import json
import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from browser import Browser, missing
from fake import ROOT, Fake
from operator_itself import Operator, program

HERE, MADE = pathlib.Path(__file__).parent, ROOT / "target/view"
THREE, ONE, STANDBY = ((json.loads((HERE / f"{name}.json").read_text())) for name in ("pools", "pool", "standby"))
FILES = ("page.html", "view.js", "view.css")
# Several times what a busy machine with two cores took.
MOST_KIB, MOST_PAINT_MS = 40, 5000
FIGURES = {}

# Contrast of every visible text with the ground behind it, as WCAG computes it; those below 4.5.
CONTRAST = """
const parse = (text) => { const [r, g, b, a = 1] = text.match(/[\\d.]+/g).map(Number); return [r, g, b, a]; };
const light = ([r, g, b]) => [r, g, b].map((c) => c / 255).map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4))
  .reduce((sum, c, at) => sum + c * [0.2126, 0.7152, 0.0722][at], 0);
const ground = (node) => { for (; node; node = node.parentElement) { const c = parse(getComputedStyle(node).backgroundColor); if (c[3] === 1) return c; } return [255, 255, 255]; };
const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT), bad = [];
let count = 0;
for (let text = walker.nextNode(); text; text = walker.nextNode()) {
  const node = text.parentElement;
  if (!text.data.trim() || !node.checkVisibility() || node.closest("noscript, svg, option")) continue;
  const [a, b] = [light(parse(getComputedStyle(node).color)), light(ground(node))].sort((x, y) => y - x);
  count += 1;
  if ((a + 0.05) / (b + 0.05) < 4.5) bad.push(`${text.data.trim().slice(0, 40)}: ${((a + 0.05) / (b + 0.05)).toFixed(2)}`);
}
return [count, bad];
"""

ROWS = """return [...document.querySelectorAll("#rows tr")].filter((tr) => !tr.hidden).map((tr) =>
  [...tr.children].map((cell) => cell.innerText.replace(/\\s+/g, " ").trim()))"""


def same(seen, wanted, what=""):
    assert seen == wanted, f"{what}: {seen!r}, not {wanted!r}"


def pool(answer, name):
    return next(pool for pool in answer["pools"] if pool["name"] == name)


class Stage:
    """The browser before the page, with the fake behind it."""

    def __init__(self, browser, fake):
        self.browser, self.fake = browser, fake

    def show(self, pools=THREE, one=ONE, status=200, at="", wait="live", **looks):
        self.fake.pools, self.fake.one, self.fake.status = pools, one, status
        self.browser.looks(**looks)
        self.browser.open("about:blank")
        self.browser.complaints()
        self.browser.open(self.fake.url + at)
        self.browser.until(f"the page is {wait}", "document.getElementById('live')?.textContent.startsWith(arguments[0])", wait)

    def text(self, selector):
        return self.browser.js("return document.querySelector(arguments[0]).innerText", selector)

    def rows(self):
        return self.browser.js(ROWS)


def three_pools(s):
    s.show()
    rows = s.rows()
    same([row[1] for row in rows], ["billing/pdf", "shop/mail", "shop/newsletter"], "the worst first")
    mail = rows[1]
    same(mail[0].split()[-1], "Scaling")
    same(mail[2:6], ["18/60 s", "412", "48", "12 → 19 of 50"])
    same(mail[7], THREE["pools"][1]["message"])
    same(rows[0][2:5], ["?/60 s", "?", "?"], "what cannot be counted is not shown as a number")
    same(rows[2][5], "0 of 50")
    same(s.browser.js("return [...document.querySelectorAll('#rows .bar i')].map((i) => i.style.width)"), ["0%", "30%", "0%"])
    drawn = s.browser.js("return [...document.querySelectorAll('#rows tr')].map((tr) => tr.querySelector('.area').getAttribute('d').length)")
    assert drawn[0] == 0 and min(drawn[1:]) > 50, f"what is not known is not drawn: {drawn}"
    same(s.text("#who"), "twp-operator 0.1.0 · leader twp-operator-7c9d6b5f4-abcde")


def live_and_not(s):
    s.show()
    s.fake.status = 0
    s.browser.until("it says so", "document.getElementById('live').textContent.startsWith('not live since ')")
    same(len(s.rows()), 3, "what was known stays")
    s.fake.status = 200
    s.browser.until("it goes on", "document.getElementById('live').textContent === 'live'")
    s.fake.status, s.fake.pools = 503, {"apiVersion": "v1", "leader": None, "error": {"reason": "Busy", "message": "Too much is asked at once."}}
    s.browser.until("the reason is told", "document.getElementById('live').textContent.endsWith('Too much is asked at once.')")


def a_standby_names_the_leader(s):
    s.show(pools=STANDBY, status=503, wait="not live yet: this replica")
    same(s.text("#forward"), "kubectl -n twp-system port-forward pod/twp-operator-7c9d6b5f4-abcde 8082:8082")
    assert s.browser.js("return document.getElementById('list').hidden && !document.getElementById('standby').hidden")
    s.fake.status, s.fake.pools = 200, THREE
    s.browser.until("it leads", "document.querySelectorAll('#rows tr').length === 3")
    assert s.browser.js("return document.getElementById('standby').hidden")


def hidden_pages_ask_nothing(s):
    s.show()
    hide = """Object.defineProperty(document, "hidden", {configurable: true, get: () => arguments_});
              document.dispatchEvent(new Event("visibilitychange"));"""
    s.browser.js(hide.replace("arguments_", "true"))
    time.sleep(0.3)
    before = s.fake.asked
    time.sleep(4.5)
    same(s.fake.asked, before, "questions while it is hidden")
    s.browser.js(hide.replace("arguments_", "false"))
    s.browser.until("it asks again", "document.getElementById('live').textContent === 'live'")
    assert s.fake.asked > before


def one_pool(s):
    s.show(at="#/shop/mail")
    same(s.text("#pool-name"), "shop/mail")
    assert s.text("#pool-state").endswith("Scaling · 12 → 19 of 50 replicas"), s.text("#pool-state")
    body = s.text("#pool-body")
    for wanted in ("Deployment mail-worker", "Redis at redis.shop", "412 waiting, 48 in flight, 90 not due", "oldest wait 18/60 s",
                   "6.1 s a task", "192 arrive in a minute", "24 s until a pod is ready", "99.3 % in time lately", "mail.high"):
        assert wanted in body, f"no {wanted!r} in {body}"
    chosen = s.browser.js("return [...document.querySelectorAll('tr.chosen')].map((tr) => tr.innerText.replace(/\\s+/g, ' ').trim())")
    same(chosen, ["Deadline 19 chosen"])
    pods = s.browser.js("return [...document.querySelectorAll('#pool-body table')].find((t) => t.caption.textContent === 'Pods').tBodies[0].innerText.split('\\n').map((l) => l.trim())")
    same(pods, ["mail-worker-5d-d\tsilent for 40 s\tnot known", "mail-worker-5d-b\tdraining\t1 running, 1 reserved", "mail-worker-5d-a\tbusy\t4 running",
                "mail-worker-5d-c\tstarting\tnot known", "mail-worker-5d-e\tidle for 10 s\tnothing"])
    charts = s.browser.js("return [...document.querySelectorAll('.chart')].map((c) => [c.innerText.split('\\n')[0], [...c.querySelectorAll('path')].every((p) => p.getAttribute('d').length > 5)])")
    same([title.split("0 –")[0].strip() for title, _ in charts], ["Waiting tasks", "Oldest wait, seconds", "Replicas"])
    assert all(drawn for _, drawn in charts), charts
    decisions = s.browser.js("return [...document.querySelectorAll('#pool-body table')].find((t) => t.caption.textContent.startsWith('Decisions')).tBodies[0].rows.length")
    same(decisions, 3)
    s.fake.status, s.fake.one = 404, {"apiVersion": "v1", "leader": None, "error": {"reason": "NotFound", "message": "There is no such pool."}}
    s.browser.until("a pool that has gone", "document.getElementById('live').textContent.includes('no such pool') && document.getElementById('pool').hidden")


def conditions_and_their_cure(s):
    broken = copy.deepcopy(ONE)
    broken["pool"] = {**broken["pool"], **{key: pool(THREE, "pdf")[key] for key in ("conditions", "state", "work", "message")}}
    s.show(one=broken, at="#/shop/mail")
    assert "NetworkPolicy" in s.text(".wrong") and "SourceAvailable=False" in s.text(".wrong"), s.text(".wrong")
    kinds = s.browser.js("return [...document.querySelectorAll('.wrong strong')].map((one) => one.textContent)")
    same(kinds, ["SourceAvailable=False", "Degraded=True"])
    assert "2 more conditions cannot be judged until then: WorkersKnown, TargetFeasible" in s.text(".wrong"), s.text(".wrong")
    own = copy.deepcopy(broken)
    own["pool"]["conditions"][1]["unknownBecause"] = None
    s.show(one=own, at="#/shop/mail")
    s.browser.until("a cause of its own", "document.querySelectorAll('.wrong').length === 3")
    assert "1 more condition cannot be judged until then: TargetFeasible" in s.text(".wrong"), s.text(".wrong")
    s.show(one=broken, at="#/shop/mail")
    s.browser.js("document.querySelector('.wrong a').click()")
    s.browser.until("what the docs say of it", "document.getElementById('help-body').textContent.length > 50")
    same(s.text("#help-name"), "Timeout")
    page = (ROOT / "docs/troubleshooting.md").read_text().split("### Timeout\n")[1].split("\n#")[0]
    first = page.strip().split(".")[0].replace("`", "").replace("\n", " ")
    assert first in s.text("#help-body").replace("\n", " "), s.text("#help-body")
    s.browser.js("document.getElementById('help-back').click()")
    s.browser.until("back at the pool", "!document.getElementById('pool').hidden && document.querySelector('.wrong')")


def rows_are_patched(s):
    s.show()
    s.browser.js("window.before = [...document.querySelectorAll('#rows tr')]; before[1].querySelector('a').focus()")
    turned = copy.deepcopy(THREE)
    turned["pools"].reverse()
    pool(turned, "mail")["work"]["waiting"] = 413
    del turned["pools"][2]
    turned["pools"].append({**copy.deepcopy(pool(THREE, "newsletter")), "name": "new"})
    s.fake.pools = turned
    s.browser.until("the new number", "[...document.querySelectorAll('#rows td.number')].some((td) => td.textContent === '413')")
    same([row[1] for row in s.rows()], ["shop/newsletter", "shop/mail", "shop/new"], "the order of the answer")
    same(s.browser.js("const now = [...document.querySelectorAll('#rows tr')]; return [now[0] === before[2], now[1] === before[1], before[0].isConnected]"),
         [True, True, False], "rows are kept, moved and taken away")
    same(s.browser.js("return document.activeElement.textContent"), "shop/mail", "the focus")


def filter_and_namespace(s):
    s.show()
    write = "const e = document.getElementById(arguments[0]); e.value = arguments[1]; e.dispatchEvent(new Event(arguments[2])); "
    s.browser.js(write, "filter", "DEGRADED", "input")
    same([row[1] for row in s.rows()], ["billing/pdf"])
    same(s.text("#count"), "1 of 3 pools")
    s.browser.js(write, "filter", "", "input")
    same(s.browser.js("return [...document.getElementById('namespace').options].map((o) => o.textContent)"), ["all", "billing", "shop"])
    s.browser.js(write, "namespace", "shop", "change")
    same([row[1] for row in s.rows()], ["shop/mail", "shop/newsletter"])
    s.browser.js("window.option = document.getElementById('namespace').options[2]")
    asked = s.fake.asked
    while s.fake.asked < asked + 2:
        time.sleep(0.05)
    same(s.browser.js("return [document.getElementById('namespace').value, option.isConnected]"), ["shop", True], "it stays chosen, and open")


def by_keyboard(s):
    s.show()
    s.browser.press("/")
    same(s.browser.js("return document.activeElement.id"), "filter")
    s.browser.press("Tab")
    same(s.browser.js("return document.activeElement.id"), "namespace")
    s.browser.press("Tab")
    same(s.browser.js("return document.activeElement.textContent"), "billing/pdf")
    outline = s.browser.js("const style = getComputedStyle(document.activeElement); return [style.outlineStyle, parseFloat(style.outlineWidth)]")
    assert outline[0] == "solid" and outline[1] >= 2, outline
    s.browser.press("ArrowDown")
    same(s.browser.js("return document.activeElement.textContent"), "shop/mail")
    s.browser.press("ArrowUp")
    s.browser.press("ArrowDown")
    s.browser.press("Enter")
    s.browser.until("the pool", "document.getElementById('pool-name').textContent === 'shop/mail' && document.querySelector('tr.chosen')")
    s.browser.until("its heading has the focus", "document.activeElement.id === 'pool-name'")


def a_thousand(s):
    thousand = (MADE / "thousand.json").read_text()
    s.show(pools=thousand, wait="live")
    same(s.browser.js("return document.querySelectorAll('#rows tr').length"), 1000)
    # From the answer to the frame after the rows; then the same again, patched.
    paint = s.browser.call("POST", "/execute/async", {"args": [], "script": """
        const done = arguments[arguments.length - 1];
        fetch("api/v1/pools").then((answer) => answer.json()).then((answer) => {
          document.getElementById("rows").replaceChildren(); rows.clear();
          const began = performance.now();
          showList(answer);
          requestAnimationFrame(() => setTimeout(() => {
            const first = performance.now() - began, again = performance.now();
            showList(answer);
            requestAnimationFrame(() => setTimeout(() => done([first, performance.now() - again]), 0));
          }, 0));
        });"""})
    FIGURES["first_paint_ms_1000"], FIGURES["patch_ms_1000"] = round(paint[0]), round(paint[1])
    assert paint[0] < MOST_PAINT_MS, f"{paint[0]:.0f} ms until a thousand rows are painted"
    assert paint[1] < paint[0], f"{paint[1]:.0f} ms to patch what took {paint[0]:.0f} ms to make"
    s.browser.js("const e = document.getElementById('filter'); e.value = 'pool-0042'; e.dispatchEvent(new Event('input'))")
    same(len(s.rows()), 1)


def hostile_names(s):
    s.show(pools=json.loads((MADE / "hostile.json").read_text()), one=json.loads((MADE / "hostile-one.json").read_text()))
    names = s.browser.js("return [...document.querySelectorAll('#rows a')].map((a) => a.textContent)")
    same(sorted(names), sorted(f"{p['namespace']}/{p['name']}" for p in s.fake.pools["pools"]), "as they are")
    strange = "return [...document.querySelectorAll('main img, main script, main [onerror]')].length"
    same(s.browser.js(strange), 0)
    wide = "return document.documentElement.scrollWidth - innerWidth"
    assert s.browser.js(wide) <= 0, f"{s.browser.js(wide)} px too wide"
    same(s.browser.js("return [...document.querySelectorAll('#rows a')].every((a) => a.firstElementChild.tagName === 'BDI' && a.hash.startsWith('#/') && a.origin === location.origin)"), True)
    s.browser.js("[...document.querySelectorAll('#rows a')].find((a) => a.textContent.includes('onerror')).click()")
    s.browser.until("its page", "document.querySelectorAll('.wrong').length === 1")
    assert "<img src=x onerror=alert(1)>" in s.text("#pool-name"), s.text("#pool-name")
    same(s.browser.js(strange), 0)
    s.browser.js("document.querySelector('.wrong a').click()")
    s.browser.until("no such reason", "document.getElementById('help-body').textContent.includes('no page for this reason')")
    same(s.browser.js(strange), 0)
    assert s.browser.js(wide) <= 0
    same(s.browser.js("return violations"), [])
    same(s.browser.js("return Object.prototype.namespace === undefined && ({}).text === undefined"), True)


def nothing_is_complained_about(s):
    for at in ("", "#/shop/mail", "#help=Timeout"):
        s.show(at=at, wait="live" if not at.startswith("#help") else "")
        time.sleep(0.2)
        same(s.browser.complaints(), [], f"console at {at}")
        same(s.browser.js("return violations"), [], f"policy at {at}")
    # A script and a style that stand in the page do not run: the policy is there.
    s.browser.js("const e = document.createElement('div'); document.body.append(e); e.setAttribute('style', 'color: red'); e.setAttribute('onclick', 'window.ran = 1'); e.click()")
    assert s.browser.js("return window.ran === undefined && violations.length >= 2"), s.browser.js("return violations")


def for_everybody(s):
    for at in ("", "#/shop/mail"):
        s.show(at=at)
        same(s.browser.js("return [document.documentElement.lang, document.title.length > 0]"), ["en", True])
        same(s.browser.js("return [...document.querySelectorAll('input, select')].filter((e) => e.labels.length !== 1 || !e.labels[0].textContent.trim()).map((e) => e.id)"), [], "labels")
        levels = s.browser.js("return [...document.querySelectorAll('h1,h2,h3,h4')].filter((e) => e.checkVisibility()).map((e) => Number(e.tagName[1]))")
        assert levels[0] == 1 and all(b <= a + 1 for a, b in zip(levels, levels[1:])), levels
        same(s.browser.js("return [...document.querySelectorAll('svg[role=img]')].filter((e) => !e.getAttribute('aria-label')).length"), 0, "pictures without a name")
        same(s.browser.js("return [...document.querySelectorAll('table')].filter((t) => !t.caption || !t.caption.textContent || [...t.tHead.rows[0].cells].some((c) => c.scope !== 'col')).length"), 0, "tables without caption and heads")
        same(s.browser.js("return [...document.querySelectorAll('tbody tr')].filter((tr) => tr.querySelectorAll('th[scope=row]').length !== 1).length"), 0, "rows without a head")
    s.show()
    same(s.browser.js("return [...document.querySelectorAll('#rows tr')].filter((tr) => tr.querySelectorAll('a[href]').length !== 1).length"), 0, "rows without a link")
    live = s.browser.js("const e = document.getElementById('live'); return [e.getAttribute('role'), e.getAttribute('aria-live')]")
    same(live, ["status", "polite"])
    s.show(motion="reduce")
    same(s.browser.js("return getComputedStyle(document.querySelector('.bar i')).transitionDuration"), "0s", "reduced motion")


def contrast(s):
    broken = copy.deepcopy(ONE)
    broken["pool"]["conditions"] = pool(THREE, "pdf")["conditions"]
    every = copy.deepcopy(THREE)
    for state in ("Broken", "Late", "Unknown", "Limited", "Working", "Suspended"):
        every["pools"].append({**copy.deepcopy(every["pools"][1]), "name": state.lower(), "state": state})
    for scheme in ("light", "dark"):
        for at in ("", "#/shop/mail", "#help=Timeout"):
            s.show(pools=every, one=broken, at=at, scheme=scheme, wait="live" if not at.startswith("#help") else "")
            time.sleep(0.1)
            count, bad = s.browser.js(CONTRAST)
            assert count > 4, f"{count} texts"
            same(bad, [], f"{scheme} {at}")
        s.fake.status = 0
        s.browser.until("not live", "document.getElementById('live').classList.contains('off')") if at == "" else None
    grounds = []
    for scheme in ("light", "dark"):
        s.show(scheme=scheme)
        grounds.append(s.browser.js("return getComputedStyle(document.body).backgroundColor"))
    assert grounds[0] != grounds[1], grounds


def on_a_phone(s):
    s.show(width=390, height=844)
    for at in ("", "#/shop/mail"):
        s.show(at=at, width=390, height=844)
        over = s.browser.js("return document.documentElement.scrollWidth - innerWidth")
        assert over <= 0, f"{over} px too wide at {at}"
    s.show(width=390, height=844)
    lefts = s.browser.js("return [...new Set([...document.querySelectorAll('#rows td, #rows th')].map((e) => Math.round(e.getBoundingClientRect().left)))]")
    same(len(lefts), 1, "one column")
    label = s.browser.js("return [...document.querySelectorAll('#rows tr:first-child td')].map((e) => getComputedStyle(e, '::before').content)")
    assert '"Waiting"' in label and '"Why"' in label, label
    same(s.browser.js("return [...new Set([...document.querySelectorAll('#rows td')].map((e) => e.getAttribute('role')))]"), ["cell"], "it is still a table")


def the_operator_itself(s):
    operator = Operator()
    try:
        seen = operator.until("a pool whose broker is lost", "/api/v1/pools", lambda status, body: status == 200 and body["pools"] and body["pools"][0]["state"] == "Degraded")
        (mail,) = seen["pools"]
        same([mail["name"], mail["replicas"], mail["broker"]], ["mail", {"wanted": 2, "set": 2, "ready": 2, "min": 2, "max": 9}, {"kind": "Redis", "host": "127.0.0.1"}])
        same(seen["leader"] | {"version": ""}, {"pod": "twp-operator-0", "namespace": "twp-system", "port": operator.port, "version": ""})
        status, one = operator.get("/api/v1/pools/shop/mail")
        same([status, one["pool"]["detail"]["history"]["set"][-1], one["pool"]["detail"]["history"]["waiting"][-1]], [200, 2, None])
        assert any(candidate["chosen"] for candidate in one["pool"]["candidates"]), one["pool"]["candidates"]
        same(operator.get("/api/v1/pools", host="evil.example")[0], 403)
        s.browser.open("about:blank")
        s.browser.complaints()
        s.browser.open(operator.url)
        s.browser.until("the page is live", "document.getElementById('live').textContent === 'live'")
        same(s.rows()[0][1], "shop/mail")
        s.browser.js("document.querySelector('#rows a').click()")
        s.browser.until("the conditions", "document.querySelectorAll('.wrong').length >= 2")
        s.browser.js("document.querySelector('.wrong a').click()")
        s.browser.until("the help", "document.getElementById('help-body').textContent.length > 50")
        same([s.browser.complaints(), s.browser.js("return violations")], [[], []])
    finally:
        operator.close()
    standby = Operator("--leader-election")
    try:
        said = standby.until("a standby that knows who leads", "/api/v1/pools", lambda status, body: status == 503 and body["leader"])
        same([said["leader"]["pod"], said["leader"]["port"], said["error"]["reason"]], ["twp-operator-of-others", standby.port, "NotLeader"])
        s.browser.open(standby.url)
        s.browser.until("the command", "document.getElementById('forward').textContent.startsWith('kubectl')")
        same(s.text("#forward"), f"kubectl -n twp-system port-forward pod/twp-operator-of-others {standby.port}:{standby.port}")
    finally:
        standby.close()


def few_bytes(_):
    size = sum((ROOT / "src/view" / file).stat().st_size for file in FILES) / 1024
    FIGURES["page_kib"] = round(size, 1)
    assert size < MOST_KIB, f"{size:.1f} KiB"


TESTS = [three_pools, live_and_not, a_standby_names_the_leader, hidden_pages_ask_nothing, one_pool, conditions_and_their_cure, rows_are_patched,
         filter_and_namespace, by_keyboard, a_thousand, hostile_names, nothing_is_complained_about, for_everybody, contrast, on_a_phone, the_operator_itself, few_bytes]

# A test, a file, what is replaced by what: the test must notice it.
FAULTS = [
    ("three_pools", "view.js", "if (!work || !work.fresh) return null;", "if (!work) return null;"),
    ("live_and_not", "view.js", 'notLive("the operator does not answer', 'void ("the operator does not answer'),
    ("a_standby_names_the_leader", "view.js", "pod/${leader.pod}", "pod/${leader.namespace}"),
    ("hidden_pages_ask_nothing", "view.js", "if (document.hidden) return;", ""),
    ("one_pool", "view.js", "one.chosen ? { class:", "!one.chosen ? { class:"),
    ("conditions_and_their_cure", "view.js", "lines.slice(at + 1)", "lines.slice(at + 9)"),
    ("conditions_and_their_cure", "view.js", "filter((one) => !one.unknownBecause)", "filter((one) => one.status !== \"Unknown\")"),
    ("rows_are_patched", "view.js", "if (focus && focus", "if (!focus && focus"),
    ("filter_and_namespace", "view.js", "row.searched.includes(wanted)", "true"),
    ("filter_and_namespace", "view.js", 'if (there.join("\\n") === names.join("\\n")) return;', ""),
    ("by_keyboard", "view.css", ":focus-visible { outline: 3px solid", ":focus-visible { outline: 0 none"),
    ("hostile_names", "view.js", "row.sentence.textContent = text;", "row.sentence.innerHTML = text;"),
    ("nothing_is_complained_about", "page.html", '<h1>', '<h1 style="color: red">'),
    ("for_everybody", "page.html", '<label for="filter">', '<label for="filer">'),
    ("for_everybody", "view.css", "no-preference", "reduce"),
    ("contrast", "view.css", "--muted: #525b65", "--muted: #8a939c"),
    ("contrast", "view.css", "--orange: #ffb066", "--orange: #7a4a10"),
    ("on_a_phone", "view.css", "max-width: 48rem", "max-width: 4rem"),
]


def passes(stage, test):
    """What is wrong, or nothing."""
    try:
        test(stage)
    except (AssertionError, RuntimeError) as error:
        return str(error) or type(error).__name__
    return ""


def record(figures):
    path = ROOT / "target/figures/plugin.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "a+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        known = json.loads(file.read() or "{}")
        file.truncate(0)
        json.dump(known | figures, file, indent=2)


def pictures(stage, folder):
    folder.mkdir(parents=True, exist_ok=True)
    thousand = json.loads((MADE / "thousand.json").read_text())
    broken = copy.deepcopy(THREE)
    for name, answers, at, looks in [
        ("view-light", {}, "", {"width": 1280, "height": 420}),
        ("view-dark", {"pools": broken}, "", {"width": 1280, "height": 420, "scheme": "dark"}),
        ("view-pool", {}, "#/shop/mail", {"width": 1000, "height": 1320}),
        ("view-phone", {}, "", {"width": 390, "height": 844}),
        ("view-thousand", {"pools": thousand}, "", {"width": 1280, "height": 640}),
    ]:
        stage.show(at=at, **answers, **looks)
        time.sleep(0.5)
        picture = stage.browser.picture()
        (folder / f"{name}.png").write_bytes(picture)
        print(f"{name}.png: {len(picture) / 1024:.0f} KiB")
        assert len(picture) <= 150 * 1024, f"{name}.png is larger than 150 KiB"


def main():
    if absent := missing():
        print(f"page: NOT RUN, nothing of the page has been tested: missing {' and '.join(absent)} (Debian: chromium, chromium-driver)", file=sys.stderr)
        return 1
    if not (MADE / "thousand.json").exists():
        print("page: NOT RUN: first `cargo test --locked --all-features --lib view::`, which writes target/view", file=sys.stderr)
        return 1
    if not program().exists():
        print(f"page: NOT RUN: there is no {program()}: cargo build --locked --all-features --bin twp-operator", file=sys.stderr)
        return 1
    browser, fake = Browser(), Fake()
    stage = Stage(browser, fake)
    try:
        match sys.argv[1:]:
            case ["--pictures", folder]:
                pictures(stage, pathlib.Path(folder))
                return 0
            case names:
                chosen = [test for test in TESTS if not names or test.__name__ in names]
        failed = 0
        for test in chosen:
            wrong = passes(stage, test)
            failed += bool(wrong)
            print(f"{'FAILED' if wrong else 'ok    '} {test.__name__} {wrong}", flush=True)
        unnoticed = 0
        # What a fault keeps from coming is not waited for as long.
        browser.patience = 6
        for name, file, old, new in FAULTS:
            test = next(test for test in TESTS if test.__name__ == name)
            if test not in chosen:
                continue
            text = (ROOT / "src/view" / file).read_text()
            assert text.count(old) >= 1, f"{file} has no {old!r} any more"
            fake.changed = {file: text.replace(old, new, 1)}
            if not passes(stage, test):
                unnoticed += 1
                print(f"FAILED {name} does not notice {new!r} in {file}", flush=True)
        fake.changed = {}
        if not names:
            record({"page_tests": [len(chosen) - failed, len(chosen)]} | FIGURES)
        print(f"page: {FIGURES}, {len(FAULTS)} planted faults, {unnoticed} unnoticed")
        print(f"{len(chosen) - failed} passed, {failed + unnoticed} failed")
        return 1 if failed or unnoticed else 0
    finally:
        fake.close()
        browser.close()


if __name__ == "__main__":
    sys.exit(main())
