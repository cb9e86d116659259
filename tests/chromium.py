"""A headless Chromium, asked through its DevTools protocol."""

import base64
import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

PROGRAM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)
SECONDS = 60  # to wait for any answer

OPTIONS = (
    "--headless=new", "--disable-gpu", "--no-first-run", "--disable-extensions",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--disable-dev-shm-usage", "--remote-debugging-port=0",
)  # fmt: skip


class Page:
    """A page that is open.

    Attributes
    ----------
    errors : list of str
        What its console said of errors and warnings, and exceptions.
    requests : list of str
        Addresses that it asked for, those of its own data left out.
    """

    def __init__(self, socket: Any) -> None:
        self._socket, self._number = socket, 0
        self.errors: list[str] = []
        self.requests: list[str] = []
        self._loaded = False
        target = self._ask("Target.createTarget", url="about:blank")["targetId"]
        attached = self._ask("Target.attachToTarget", targetId=target, flatten=True)
        self._session: str | None = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.ask(f"{domain}.enable")

    _session: str | None = None

    def ask(self, method: str, **params: Any) -> dict[str, Any]:
        """The answer to a command of the protocol."""
        return self._ask(method, **params)

    def open(self, path: Path, *, width: int = 1280, height: int = 900) -> None:
        """Load a file, in a window of so many CSS pixels."""
        self.resize(width, height)
        self._loaded = False
        self.ask("Page.navigate", url=path.resolve().as_uri())
        while not self._loaded:
            self._receive()
        self.run("Promise.all([...document.images].map(i => i.decode().catch(() => 0)))")

    def resize(self, width: int, height: int = 900) -> None:
        """A window of so many CSS pixels; below 600 that of a phone."""
        self.ask(
            "Emulation.setDeviceMetricsOverride", width=width, height=height,
            deviceScaleFactor=1, mobile=width < 600,
        )  # fmt: skip

    def run(self, expression: str) -> Any:
        """The value of an expression of JavaScript, in the page."""
        found = self.ask(
            "Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True
        )
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def screenshot(self, path: Path) -> None:
        """The whole page as PNG."""
        size = self.ask("Page.getLayoutMetrics")["cssContentSize"]
        clip = {"x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1}
        found = self.ask("Page.captureScreenshot", captureBeyondViewport=True, clip=clip)
        path.write_bytes(base64.b64decode(found["data"]))

    def pdf(self) -> bytes:
        """The page as it is printed."""
        return base64.b64decode(self.ask("Page.printToPDF")["data"])

    def _ask(self, method: str, **params: Any) -> dict[str, Any]:
        self._number += 1
        number = self._number
        message = {"id": number, "method": method, "params": params}
        if self._session is not None:
            message["sessionId"] = self._session
        self._socket.send(json.dumps(message))
        while True:
            found = self._receive()
            if found.get("id") == number:
                assert "error" not in found, found
                result: dict[str, Any] = found["result"]
                return result

    def _receive(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self._socket.recv())
        params = found.get("params", {})
        match found.get("method"):
            case "Page.loadEventFired":
                self._loaded = True
            case "Runtime.exceptionThrown":
                self.errors.append(str(params["exceptionDetails"]))
            case "Runtime.consoleAPICalled" if params["type"] in ("error", "warning", "assert"):
                self.errors.append(str(params["args"]))
            case "Log.entryAdded" if params["entry"]["level"] in ("error", "warning"):
                self.errors.append(str(params["entry"]))
            case "Network.requestWillBeSent":
                url = params["request"]["url"]
                if not url.startswith("data:"):
                    self.requests.append(url)
        return found


@contextmanager
def chromium(folder: Path) -> Iterator[Page]:
    """A page of a Chromium of its own, with its profile in `folder`."""
    from websocket import create_connection

    assert PROGRAM is not None
    # the sandbox does not work for root
    root = ("--no-sandbox",) if os.geteuid() == 0 else ()
    line = [PROGRAM, *OPTIONS, *root, f"--user-data-dir={folder}", "about:blank"]
    said = folder.with_suffix(".log")
    port = folder / "DevToolsActivePort"
    with said.open("wb") as log:
        process = subprocess.Popen(line, stdout=log, stderr=log)
    try:
        started = time.monotonic()
        while not (port.exists() and port.read_text().count("\n") >= 1):
            assert process.poll() is None, said.read_text()
            assert time.monotonic() - started < SECONDS, said.read_text()
            time.sleep(0.05)
        number, path = port.read_text().split()
        socket = create_connection(
            f"ws://127.0.0.1:{number}{path}", timeout=SECONDS, suppress_origin=True
        )
        try:
            yield Page(socket)
        finally:
            socket.close()
    finally:
        process.terminate()
        process.wait(SECONDS)
