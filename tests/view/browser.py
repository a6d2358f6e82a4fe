"""A headless Chromium, driven through chromedriver by its own protocol. Standard library only."""

import base64
import json
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request

OPTIONS = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars", "--force-color-profile=srgb",
           "--disable-background-networking", "--disable-component-update", "--no-first-run", "--lang=en-US"]


def missing():
    return [program for program in ("chromium", "chromedriver") if not shutil.which(program)]


class Browser:
    def __init__(self):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.driver = subprocess.Popen(["chromedriver", f"--port={port}", "--silent"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.base = f"http://127.0.0.1:{port}"
        self.session = ""
        deadline = time.monotonic() + 30
        while True:
            try:
                if self.call("GET", "/status")["ready"]:
                    break
            except OSError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)
        wanted = {"browserName": "chrome", "goog:chromeOptions": {"binary": shutil.which("chromium"), "args": OPTIONS},
                  "goog:loggingPrefs": {"browser": "ALL"}}
        self.session = "/session/" + self.call("POST", "/session", {"capabilities": {"alwaysMatch": wanted}})["sessionId"]
        # Violations of the page's policy are kept where they can be asked for.
        self.cdp("Page.addScriptToEvaluateOnNewDocument", source="""
            window.violations = [];
            document.addEventListener("securitypolicyviolation", (event) => violations.push(event.violatedDirective + " " + event.blockedURI));
            window.alert = () => violations.push("alert");""")

    def call(self, method, path, body=None):
        data = None if method == "GET" else json.dumps(body or {}).encode()
        request = urllib.request.Request(self.base + self.session + path, data, {"Content-Type": "application/json"}, method=method)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as error:
            raise RuntimeError(json.load(error)["value"]["message"]) from None

    def cdp(self, command, **parameters):
        return self.call("POST", "/goog/cdp/execute", {"cmd": command, "params": parameters})

    def open(self, url):
        self.call("POST", "/url", {"url": url})

    def js(self, text, *arguments):
        """What the function with this body returns."""
        return self.call("POST", "/execute/sync", {"script": text, "args": list(arguments)})

    # Seconds until what must come has come: the machine may be busy.
    patience = 40

    def until(self, what, text, *arguments):
        """Waits until the expression is true; returns it."""
        deadline = time.monotonic() + self.patience
        while not (value := self.js(f"return {text}", *arguments)):
            if time.monotonic() > deadline:
                raise AssertionError(f"not within {self.patience} s: {what}")
            time.sleep(0.02)
        return value

    def press(self, key):
        code = {"Tab": 9, "ArrowDown": 40, "ArrowUp": 38, "/": 191, "Enter": 13}[key]
        more = {"text": key} if len(key) == 1 else {"text": "\r"} if key == "Enter" else {}
        self.cdp("Input.dispatchKeyEvent", type="keyDown", key=key, code="Slash" if key == "/" else key, windowsVirtualKeyCode=code, **more)
        self.cdp("Input.dispatchKeyEvent", type="keyUp", key=key, code="Slash" if key == "/" else key, windowsVirtualKeyCode=code)

    def looks(self, width=1280, height=800, scheme="light", motion="no-preference"):
        self.cdp("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600)
        self.cdp("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme},
                                                         {"name": "prefers-reduced-motion", "value": motion}])

    def picture(self):
        return base64.b64decode(self.call("GET", "/screenshot"))

    def complaints(self):
        """Errors on the console since the last call."""
        entries = self.call("POST", "/se/log", {"type": "browser"})
        return [entry["message"] for entry in entries if entry["level"] in ("SEVERE", "WARNING")]

    def close(self):
        try:
            self.call("DELETE", "")
        finally:
            self.driver.terminate()
            self.driver.wait(10)
