#!/usr/bin/env python3
"""Draws what watch.py has recorded, as SVG for a light and a dark page. Standard library only.

    draw.py target/demo/redis.json > docs/demo.svg
"""

import json
import pathlib
import re
import sys
import textwrap
from xml.sax.saxutils import escape

WIDTH, LEFT, RIGHT, TOP, HEIGHT = 880, 56, 56, 96, 220  # of the picture, of the margins, of the chart
LINE, LETTERS = 18, 112  # of the sentences
STYLE = """
  text { font: 13px -apple-system, "Segoe UI", Helvetica, Arial, sans-serif; fill: #1f2328 }
  .title { font-size: 17px; font-weight: 600 } .dim { fill: #59636e } .end { text-anchor: end } .middle { text-anchor: middle }
  .card { fill: #ffffff; stroke: #d1d9e0 } .grid { stroke: #d1d9e0 } .moment { stroke: #59636e; stroke-dasharray: 2 4 }
  .badge { fill: #1f2328 } .badge-text { font-size: 11px; font-weight: 600; fill: #ffffff; text-anchor: middle }
  .waiting { fill: #54aeff; fill-opacity: .5 } .running { fill: #bf8700; fill-opacity: .6 } .replicas { fill: none; stroke: #1a7f37; stroke-width: 2.5 }
  .ready { fill: none; stroke: #1a7f37; stroke-width: 1.5; stroke-dasharray: 4 3 }
  @media (prefers-color-scheme: dark) {
    text { fill: #f0f6fc } .dim { fill: #9198a1 } .card { fill: #0d1117; stroke: #3d444d } .grid { stroke: #3d444d }
    .moment { stroke: #9198a1 } .badge { fill: #f0f6fc } .badge-text { fill: #0d1117 }
    .waiting { fill: #1f6feb } .running { fill: #d29922 } .replicas, .ready { stroke: #3fb950 }
  }
"""


def round_up(number):
    """To a scale that people can read."""
    return next(step * 10**power for power in range(9) for step in (1, 2, 4, 5, 8) if step * 10**power >= number)


class Picture:
    def __init__(self, run):
        self.run, self.samples, self.parts = run, run["samples"], []
        self.seconds = self.samples[-1]["t"]
        self.tasks = round_up(max(one["waiting"] + one["in_flight"] for one in self.samples))
        self.replicas = round_up(max(run["peak"], 1))

    def x(self, t):
        return LEFT + (WIDTH - LEFT - RIGHT) * t / self.seconds

    def y(self, share):
        return TOP + HEIGHT * (1 - share)

    def add(self, tag, text=None, **attributes):
        listed = " ".join(f'{name.rstrip("_").replace("_", "-")}="{value}"' for name, value in attributes.items())
        self.parts.append(f"<{tag} {listed}/>" if text is None else f"<{tag} {listed}>{escape(text)}</{tag}>")

    def text(self, x, y, text, class_=""):
        self.add("text", text, x=f"{x:.0f}", y=f"{y:.0f}", class_=class_)

    def points(self, pairs):
        return " ".join(f"{x:.1f},{y:.1f}" for x, y in pairs)

    def area(self, below, above, class_):
        """Between two lines of tasks."""
        up = [(self.x(one["t"]), self.y(above(one) / self.tasks)) for one in self.samples]
        down = [(self.x(one["t"]), self.y(below(one) / self.tasks)) for one in reversed(self.samples)]
        self.add("polygon", points=self.points(up + down), class_=class_)

    def steps(self, numbers, class_):
        """A line of replicas: (time, number), each until the next."""
        pairs, last = [], None
        for t, number in [*numbers, (self.seconds, numbers[-1][1])]:
            if last is not None:
                pairs.append((self.x(t), self.y(last / self.replicas)))
            pairs.append((self.x(t), self.y(number / self.replicas)))
            last = number
        self.add("polyline", points=self.points(pairs), class_=class_)

    def axes(self):
        for part in range(5):
            share = part / 4
            self.add("line", x1=LEFT, x2=WIDTH - RIGHT, y1=f"{self.y(share):.1f}", y2=f"{self.y(share):.1f}", class_="grid")
            self.text(LEFT - 8, self.y(share) + 4, f"{self.tasks * share:g}", "dim end")
            self.text(WIDTH - RIGHT + 8, self.y(share) + 4, f"{self.replicas * share:g}", "dim")
        self.text(LEFT - 8, TOP - 24, "tasks", "dim end")
        self.text(WIDTH - RIGHT + 8, TOP - 24, "pods", "dim")
        for t in range(0, int(self.seconds) + 1, 10):
            self.text(self.x(t), TOP + HEIGHT + 18, f"{t} s", "dim middle")

    def legend(self):
        x = LEFT
        for class_, label in (("waiting", "tasks that wait"), ("running", "tasks in flight"), ("replicas", "replicas"), ("ready", "ready pods")):
            if class_ in ("waiting", "running"):
                self.add("rect", x=x, y=66, width=20, height=12, class_=class_)
            else:
                self.add("line", x1=x, x2=x + 20, y1=72, y2=72, class_=class_)
            self.text(x + 28, 77, label)
            x += 48 + 8 * len(label)

    def moments(self):
        """The first of each kind of sentence, but what another one follows at once."""
        kinds = {}
        for one in self.samples:
            kinds.setdefault(re.sub(r"[\d.]+", "", one["why"]), one)
        firsts = list(kinds.values())
        told = [one for one, after in zip(firsts, [*firsts[1:], None]) if not after or self.x(after["t"]) - self.x(one["t"]) > 18]
        y = TOP + HEIGHT + 46
        for number, one in enumerate(told, 1):
            x = self.x(one["t"])
            self.add("line", x1=f"{x:.1f}", x2=f"{x:.1f}", y1=TOP, y2=TOP + HEIGHT, class_="moment")
            for at_x, at_y in ((x, TOP - 8), (LEFT - 28, y - 4)):
                self.add("circle", cx=f"{at_x:.1f}", cy=f"{at_y:.1f}", r=8, class_="badge")
                self.text(at_x, at_y + 4, str(number), "badge-text")
            self.text(LEFT + 20, y, f"{one['t']:.0f} s", "dim end")
            for line in textwrap.wrap(one["why"], LETTERS):
                self.text(LEFT + 32, y, line)
                y += LINE
            y += 4
        return y

    def draw(self):
        run, last = self.run, self.samples[-1]
        broker = {"redis": "Redis", "rabbitmq": "RabbitMQ"}[run["broker"]]
        title = f"{run['sent']} mails through a Django + Celery shop on {broker}: 0 → {run['peak']} → 0 workers in {last['t']:.0f} s"
        self.axes()
        self.area(lambda one: 0, lambda one: one["in_flight"], "running")
        self.area(lambda one: one["in_flight"], lambda one: one["in_flight"] + one["waiting"], "waiting")
        self.steps([(one["t"], one["ready"]) for one in self.samples], "ready")
        self.steps([(0, 0), *run["writes"]], "replicas")
        self.legend()
        height = self.moments() + 30
        told = (
            f"{run['received']} mails arrived, {run['duplicates']} of them twice. First write {run['first_write_ms'] / 1000:.1f} s after the "
            f"request. Recorded by make demo, {run['at'][:10]}."
        )
        self.text(LEFT - 36, height - 26, told, "dim")
        self.text(LEFT - 36, 36, title, "title")
        card = f'<rect x="0.5" y="0.5" width="{WIDTH - 1}" height="{height - 1}" rx="8" class="card"/>'
        head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" role="img">'
        return "\n".join([head, f"<title>{escape(title)}</title>", f"<style>{STYLE}</style>", card, *self.parts, "</svg>"])


print(Picture(json.loads(pathlib.Path(sys.argv[1]).read_text())).draw())
