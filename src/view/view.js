"use strict";
// The page of the view: it asks the API of the operator that serves it, and shows what it says. Whatever is shown goes in as
// text: names and sentences are others' words.

const EVERY = 2000; // milliseconds between two questions
const STATES = { Broken: "×", Degraded: "!", Late: "»", Unknown: "?", Limited: "▲", Scaling: "↕", Working: "●", Idle: "○", Suspended: "‖" };
const $ = (id) => document.getElementById(id);

// An element with attributes and children; a text is a text.
function el(tag, attributes, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) made.setAttribute(name, value);
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

function svg(tag, attributes, ...children) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

// A name or a sentence: whatever direction its letters have, it changes nothing around it.
const said = (text) => el("bdi", {}, text);
const number = (value) => (value === null || value === undefined ? "?" : String(value));

function lasting(seconds) {
  if (seconds === null || seconds === undefined) return "?";
  if (seconds < 100) return `${seconds} s`;
  if (seconds < 6000) return `${Math.round(seconds / 60)} min`;
  return `${Math.round(seconds / 3600)} h`;
}

const clock = (time) => new Date(time).toLocaleTimeString([], { hour12: false });
const address = (pool) => `#/${encodeURIComponent(pool.namespace)}/${encodeURIComponent(pool.name)}`;

function stateWord(state, into) {
  into.className = `state ${state in STATES ? state : "Unknown"}`;
  into.replaceChildren(el("span", { "aria-hidden": "true" }, `${STATES[state] || "?"} `), state);
}

function replicas(of) {
  const limit = of.max ? ` of ${of.max}` : "";
  const changes = of.wanted !== null && of.wanted !== of.set;
  const starting = of.set !== null && of.ready !== null && of.ready < of.set ? `, ${of.ready} ready` : "";
  return `${number(of.set)}${changes ? ` → ${of.wanted}` : ""}${limit}${starting}`;
}

// The oldest wait in seconds; null: not known.
function oldest(pool) {
  const work = pool.work;
  if (!work || !work.fresh) return null;
  return work.waiting === 0 ? 0 : work.oldestWaitSeconds;
}

function waitText(pool) {
  const wait = oldest(pool), target = pool.promise.waitSeconds;
  return target === null ? lasting(wait) : `${number(wait)}/${target} s`;
}

// Path of a column: an area or steps. Where a number is not known, there is a gap.
function path(column, most, { width, height, steps, area }) {
  const each = width / Math.max(column.length, 1), level = (value) => height - (value / Math.max(most, 1)) * (height - 2);
  let out = "", open = false;
  column.forEach((value, at) => {
    const x = (at * each).toFixed(1), end = ((at + 1) * each).toFixed(1);
    if (value === null) {
      if (open && area) out += `V${height}Z`;
      open = false;
      return;
    }
    const y = level(value).toFixed(1);
    if (!open) out += area ? `M${x},${height}V${y}` : `M${x},${y}`;
    out += steps || area ? `${open ? `V${y}` : ""}H${end}` : `L${end},${y}`;
    open = true;
  });
  if (open && area) out += `V${height}Z`;
  return out;
}

const highest = (...columns) => columns.flat().reduce((most, value) => Math.max(most, value || 0), 0);

// ---- the list: rows are made once, and then only what has changed is written.

const rows = new Map();
const SPARK = { width: 120, height: 28 };

function makeRow(pool) {
  const cell = (label, more) => el("td", { role: "cell", "data-label": label, ...more });
  const link = el("a", { href: address(pool) }, said(`${pool.namespace}/${pool.name}`));
  const text = el("span"), fill = el("i"), bar = el("span", { class: "bar" }, fill);
  const area = svg("path", { class: "area" }), line = svg("path", { class: "line set" });
  const picture = svg("svg", { ...SPARK, viewBox: `0 0 ${SPARK.width} ${SPARK.height}`, role: "img" }, area, line);
  const row = {
    state: cell("State"), wait: cell("Wait / target"), waiting: cell("Waiting", { class: "number" }),
    flight: cell("In flight", { class: "number" }), replicas: cell("Replicas"), spark: cell("Last hour"), why: cell("Why"),
    text, fill, bar, area, line, picture, link, was: {},
  };
  row.wait.append(el("span", {}, text, bar));
  row.spark.append(picture);
  row.word = el("span");
  row.state.append(row.word);
  row.sentence = said("");
  row.why.append(row.sentence);
  row.tr = el("tr", { role: "row" }, row.state, el("th", { role: "rowheader", scope: "row" }, link),
    row.wait, row.waiting, row.flight, row.replicas, row.spark, row.why);
  return row;
}

function patchRow(row, pool) {
  const changed = (name, value, write) => {
    if (row.was[name] !== value) {
      row.was[name] = value;
      write(value);
    }
  };
  const work = pool.work && pool.work.fresh ? pool.work : null;
  changed("state", pool.state, (state) => stateWord(state, row.word));
  changed("wait", waitText(pool), (text) => { row.text.textContent = text; });
  const wait = oldest(pool), target = pool.promise.waitSeconds;
  const share = target && wait !== null ? Math.min(wait / target, 1) : 0;
  changed("bar", target === null ? -1 : Math.round(share * 100), (percent) => {
    row.bar.hidden = percent < 0;
    row.fill.style.width = `${Math.max(percent, 0)}%`;
  });
  changed("over", target !== null && wait > target, (over) => row.bar.classList.toggle("over", over));
  changed("waiting", number(work && work.waiting), (text) => { row.waiting.textContent = text; });
  changed("flight", number(work && work.inFlight), (text) => { row.flight.textContent = text; });
  changed("replicas", replicas(pool.replicas), (text) => { row.replicas.textContent = text; });
  changed("why", pool.message, (text) => { row.sentence.textContent = text; });
  const { waiting, set } = pool.sparkline;
  changed("spark", `${waiting} ${set}`, () => {
    row.area.setAttribute("d", path(waiting, highest(waiting), { ...SPARK, area: true }));
    row.line.setAttribute("d", path(set, highest(set, [pool.replicas.max ? 1 : 0]), { ...SPARK, steps: true }));
    row.picture.setAttribute("aria-label", `last hour: at most ${highest(waiting)} waiting, ${highest(set)} replicas`);
  });
  row.searched = `${pool.namespace}/${pool.name} ${pool.state} ${pool.message}`.toLowerCase();
  row.namespace = pool.namespace;
}

function showList(answer) {
  const tbody = $("rows"), seen = new Set(), focus = document.activeElement;
  let next = tbody.firstElementChild;
  const fresh = document.createDocumentFragment();
  for (const pool of answer.pools) {
    const key = `${pool.namespace}/${pool.name}`;
    seen.add(key);
    let row = rows.get(key);
    if (!row) rows.set(key, (row = makeRow(pool)));
    patchRow(row, pool);
    if (row.tr === next) next = next.nextElementSibling;
    else if (next) tbody.insertBefore(row.tr, next);
    else fresh.append(row.tr);
  }
  tbody.append(fresh);
  for (const [key, row] of rows) {
    if (!seen.has(key)) {
      row.tr.remove();
      rows.delete(key);
    }
  }
  // A row that was moved has lost the focus.
  if (focus && focus !== document.activeElement && tbody.contains(focus)) focus.focus({ preventScroll: true });
  chooseNamespaces([...new Set(answer.pools.map((pool) => pool.namespace))].sort());
  filter();
}

function chooseNamespaces(names) {
  const select = $("namespace"), there = [...select.options].slice(1).map((option) => option.value);
  if (there.join("\n") === names.join("\n")) return;
  const chosen = select.value;
  select.replaceChildren(el("option", { value: "" }, "all"), ...names.map((name) => el("option", { value: name }, name)));
  select.value = names.includes(chosen) ? chosen : "";
}

function filter() {
  const wanted = $("filter").value.trim().toLowerCase(), namespace = $("namespace").value;
  let shown = 0;
  for (const row of rows.values()) {
    const fits = row.searched.includes(wanted) && (namespace === "" || row.namespace === namespace);
    if (row.tr.hidden === fits) row.tr.hidden = !fits;
    shown += fits ? 1 : 0;
  }
  $("count").textContent = shown === rows.size ? `${shown} pools` : `${shown} of ${rows.size} pools`;
}

// Up and down from row to row; / to the filter.
function keys(event) {
  if (event.key === "/" && !/^(INPUT|SELECT)$/.test(document.activeElement.tagName) && !$("list").hidden) {
    event.preventDefault();
    $("filter").focus();
  }
  const step = { ArrowDown: "nextElementSibling", ArrowUp: "previousElementSibling" }[event.key];
  const from = step && document.activeElement.closest("#rows tr");
  if (!from) return;
  let to = from[step];
  while (to && to.hidden) to = to[step];
  if (to) {
    event.preventDefault();
    to.querySelector("a").focus();
  }
}

// ---- one pool

// A part of the page; null where there is nothing in it.
const part = (title, ...children) => (children.some(Boolean) ? el("section", {}, el("h3", {}, title), ...children.filter(Boolean)) : null);

function table(caption, heads, lines) {
  if (!lines.length) return null;
  const head = (text) => el("th", { scope: "col" }, text);
  return el("table", {}, el("caption", {}, caption), el("thead", {}, el("tr", {}, ...heads.map(head))),
    el("tbody", {}, ...lines.map((line) => el("tr", line.attributes || {}, ...line.cells))));
}
const cells = (...texts) => texts.map((text, at) => (at ? el("td", {}, text) : el("th", { scope: "row" }, text)));

function why(pool) {
  const most = highest(pool.candidates.map((one) => one.replicas));
  const lines = pool.candidates.map((one) => {
    const fill = el("i"), bar = el("span", { class: "bar" }, fill);
    fill.style.width = `${most ? Math.round((one.replicas / most) * 100) : 0}%`;
    return { attributes: one.chosen ? { class: "chosen" } : {}, cells: cells(one.rule, String(one.replicas), bar, one.chosen ? "chosen" : "") };
  });
  const learned = pool.estimates, facts = [];
  if (learned) {
    if (learned.taskMilliseconds !== null) facts.push(`${learned.taskMilliseconds / 1000} s a task`);
    if (learned.arrivalsPerMinute !== null) facts.push(`${learned.arrivalsPerMinute} arrive in a minute`);
    if (learned.startupSeconds !== null) facts.push(`${learned.startupSeconds} s until a pod is ready`);
    if (learned.concurrency !== null) facts.push(`${learned.concurrency} tasks at a time in a pod`);
    if (learned.inTime !== null) facts.push(`${(learned.inTime * 100).toFixed(1)} % in time lately`);
  }
  return part("Why", el("p", { class: "facts" }, said(pool.message)),
    table("What each rule alone would ask for", ["Rule", "Replicas", "", ""], lines),
    facts.length ? el("p", { class: "muted" }, `Learned: ${facts.join(" · ")}`) : null);
}

function chart(label, keysOf, columns, target) {
  const size = { width: 720, height: 100 }, most = Math.max(highest(...columns.map((column) => column.values)), target || 0);
  const picture = svg("svg", { viewBox: `0 0 ${size.width} ${size.height}`, preserveAspectRatio: "none", role: "img",
    "aria-label": `${label}: at most ${most} within the last hour` }, svg("rect", { class: "frame", x: 0, y: 0, ...size }));
  for (const { values, name, area } of columns) {
    picture.append(svg("path", { class: area ? "area" : `line ${name}`, d: path(values, most, { ...size, area, steps: !area }) }));
  }
  if (target) {
    const y = size.height - (target / Math.max(most, 1)) * (size.height - 2);
    picture.append(svg("path", { class: "line target", d: `M0,${y}H${size.width}` }));
  }
  return el("div", { class: "chart" }, el("p", {}, el("strong", {}, label), el("span", { class: "muted" }, `0 – ${most}`), ...keysOf), picture);
}

function hour(pool) {
  const { waiting, oldestWaitSeconds, wanted, set, ready, everySeconds } = pool.detail.history;
  if (!waiting.length) return null;
  const key = (name, text) => el("span", { class: `${name}-key` }, text);
  const target = pool.promise.waitSeconds;
  return part(`Last ${lasting(waiting.length * everySeconds)}`,
    chart("Waiting tasks", [], [{ values: waiting, area: true }]),
    chart("Oldest wait, seconds", target === null ? [] : [key("target", `target ${target} s`)], [{ values: oldestWaitSeconds, name: "oldest" }], target),
    chart("Replicas", [key("wanted", "wanted"), key("set", "set"), key("ready", "ready (dashed)")],
      [{ values: wanted, name: "wanted" }, { values: set, name: "set" }, { values: ready, name: "ready" }]));
}

function podLine(pod) {
  const holds = [];
  if (pod.running) holds.push(`${pod.running} running`);
  if (pod.reserved) holds.push(`${pod.reserved} reserved`);
  if (pod.scheduled) holds.push(`${pod.scheduled} not due`);
  if (pod.running === null) holds.push("not known");
  const word = el("span");
  word.className = `state ${pod.state}`;
  word.textContent = pod.state.toLowerCase() + (pod.seconds !== null ? ` for ${lasting(pod.seconds)}` : "");
  return { cells: cells(said(pod.name), word, (holds.join(", ") || "nothing") + (pod.fresh || pod.state === "Starting" || pod.state === "Silent" ? "" : " (some time ago)")) };
}

/* Each condition that has a cause of its own, and in one line those that are unknown because of it. */
function wrong(condition, all) {
  const waiting = all.filter((other) => other.unknownBecause === condition.type).map((other) => other.type);
  return el("div", { class: "wrong" },
    el("p", {}, el("strong", {}, said(`${condition.type}=${condition.status}`)), " ",
      el("a", { href: `#help=${encodeURIComponent(condition.reason)}` }, said(condition.reason)), ` since ${clock(condition.since)}`),
    el("p", {}, said(condition.message)),
    waiting.length ? el("p", { class: "muted" },
      `${waiting.length} more ${waiting.length === 1 ? "condition" : "conditions"} cannot be judged until then: ${waiting.join(", ")}`) : null);
}

function showPool(answer) {
  const pool = answer.pool, detail = pool.detail;
  $("pool-name").replaceChildren(said(`${pool.namespace}/${pool.name}`));
  const work = pool.work && pool.work.fresh ? pool.work : null;
  const summary = `${pool.state}: ${replicas(pool.replicas)} replicas`;
  // Only what has changed is read out.
  if ($("pool-state").dataset.said !== summary) {
    $("pool-state").dataset.said = summary;
    const word = el("span");
    stateWord(pool.state, word);
    $("pool-state").replaceChildren(word, ` · ${replicas(pool.replicas)} replicas`);
  }
  const facts = [
    pool.target ? `${pool.target.kind} ${pool.target.name}` : "no target",
    pool.framework, pool.broker ? `${pool.broker.kind} at ${pool.broker.host}` : "no broker",
    pool.mode === "Observe" ? "only observes" : null,
    `${number(work && work.waiting)} waiting, ${number(work && work.inFlight)} in flight, ${number(work && work.scheduled)} not due`,
    `oldest wait ${waitText(pool)}`,
  ].filter(Boolean);
  const starting = detail.starting ? el("p", { class: "muted" }, `${detail.starting} of ${number(pool.replicas.set)} replicas are not ready.`) : null;
  const more = (count, what) => (count ? el("p", { class: "muted" }, `and ${count} more ${what}`) : null);
  const body = $("pool-body"), top = window.scrollY, focused = document.activeElement;
  const link = body.contains(focused) ? focused.getAttribute("href") : null;
  body.replaceChildren(...[
    el("p", { class: "muted" }, said(facts.join(" · "))),
    pool.conditions.length ? part("Conditions that are not normal", ...pool.conditions.filter((one) => !one.unknownBecause).map((one) => wrong(one, pool.conditions))) : null,
    why(pool), hour(pool),
    part("Pods", table("Pods", ["Pod", "State", "Holds"], detail.pods.map(podLine)), starting, more(detail.podsOmitted, "pods")),
    part("Queues", table("Queues", ["Queue", "Waiting", ""],
      pool.queues.map((queue) => ({ cells: cells(said(queue.name), work ? String(queue.waiting) : "?", queue.missing ? "the broker does not know it" : "") }))),
    more(pool.queuesOmitted, "queues")),
    part("Decisions", table("Decisions, the newest first", ["Time", "Replicas", "Rule", "Why"],
      detail.decisions.map((one) => ({ cells: cells(clock(one.at), `${one.from} → ${one.to}`, one.rule, said(one.message)) })))),
  ].filter(Boolean));
  if (link) [...body.querySelectorAll("a")].find((one) => one.getAttribute("href") === link)?.focus({ preventScroll: true });
  window.scrollTo(0, top);
}

// ---- what a reason means

let pages = null;

async function showHelp(reason) {
  $("help-name").textContent = reason;
  pages = pages || (await (await fetch("troubleshooting.md")).text());
  const lines = pages.split("\n"), at = lines.indexOf(`### ${reason}`);
  let rest = at < 0 ? ["There is no page for this reason."] : lines.slice(at + 1);
  const end = rest.findIndex((line) => /^##/.test(line));
  if (end >= 0) rest = rest.slice(0, end);
  const paragraphs = rest.join("\n").split(/\n\s*\n/).map((text) => text.trim()).filter(Boolean);
  $("help-body").replaceChildren(...paragraphs.map((text) => {
    const bare = text.replace(/\[([^\]]*)\]\([^)]*\)/g, "$1").split("`");
    return el("p", { class: "facts" }, ...bare.map((piece, odd) => (odd % 2 ? el("code", {}, piece) : piece)));
  }));
}

// ---- what is shown now, and when it is asked again

let timer = 0, asking = null, lastGood = null;

function route() {
  const hash = location.hash;
  if (hash.startsWith("#help=")) return { section: "help", reason: decoded(hash.slice(6)) };
  const [namespace, name, more] = hash.startsWith("#/") ? hash.slice(2).split("/") : [];
  if (namespace && name && more === undefined) {
    return { section: "pool", url: `api/v1/pools/${namespace}/${name}`, show: showPool };
  }
  return { section: "list", url: "api/v1/pools", show: showList };
}

function decoded(text) {
  try { return decodeURIComponent(text); } catch { return text; }
}

function only(section) {
  for (const id of ["standby", "list", "pool", "help"]) $(id).hidden = id !== section;
}

function live(text, off) {
  const shown = $("live");
  if (shown.textContent !== text) shown.textContent = text;
  shown.classList.toggle("off", off);
}

// Why there is nothing new.
function notLive(text) {
  live(`not live ${lastGood ? `since ${clock(lastGood)}` : "yet"}: ${text}`, true);
}

function standby(refusal) {
  const { leader, error } = refusal;
  $("standby-why").textContent = error.message;
  const port = leader ? leader.port : 0;
  $("forward").textContent = leader ? `kubectl -n ${leader.namespace} port-forward pod/${leader.pod} ${port}:${port}` : "";
  $("forward").hidden = !leader;
  only("standby");
}

async function ask() {
  clearTimeout(timer);
  if (asking) asking.abort();
  if (document.hidden) return;
  const mine = (asking = new AbortController()), shown = route(), began = performance.now();
  const late = setTimeout(() => mine.abort(), 10000);
  try {
    if (shown.section === "help") {
      only("help");
      return await showHelp(shown.reason);
    }
    const response = await fetch(shown.url, { cache: "no-store", signal: mine.signal });
    const answer = await response.json();
    if (mine !== asking) return;
    if (response.ok) {
      only(shown.section);
      shown.show(answer);
      lastGood = Date.now();
      $("who").textContent = `twp-operator ${answer.leader.version || ""} · leader ${answer.leader.pod}`;
      live("live", false);
    } else if (answer.error.reason === "NotLeader") {
      standby(answer);
      notLive("this replica stands by");
    } else {
      notLive(answer.error.message);
      if (response.status === 404) only("none");
    }
  } catch {
    if (mine === asking) notLive("the operator does not answer; is the port-forward still there?");
  } finally {
    clearTimeout(late);
    if (mine === asking && shown.section !== "help") {
      // A large list over a slow line is not asked for all the time.
      timer = setTimeout(ask, Math.max(EVERY, 4 * (performance.now() - began)));
    }
  }
}

function moved() {
  const { section } = route();
  $("pool-state").dataset.said = "";
  $("pool-body").replaceChildren();
  $("pool-name").textContent = "";
  ask().then(() => {
    if (section === "pool") $("pool-name").focus({ preventScroll: true });
    if (section === "help") $("help-name").focus({ preventScroll: true });
  });
}

$("filter").addEventListener("input", filter);
$("namespace").addEventListener("change", filter);
$("help-back").addEventListener("click", (event) => {
  if (history.length > 1) {
    event.preventDefault();
    history.back();
  }
});
document.querySelector("form").addEventListener("submit", (event) => event.preventDefault());
document.addEventListener("keydown", keys);
document.addEventListener("visibilitychange", () => {
  if (document.hidden) notLive("this page is hidden");
  ask();
});
window.addEventListener("hashchange", moved);
ask();
