"""A headless Chromium over its own debugging protocol: keys, fingers, screenshots. Skips where there is none."""

import base64
import contextlib
import itertools
import json
import shutil
import subprocess
import urllib.request

from support.processes import wait_for

PATIENCE_S = 10.0


def chromium():
    """Where it is, or None."""
    return shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


class Browser:
    """One page of one browser process."""

    def __init__(self, profile, address, *, width=390, height=844, touch=True):
        from websockets.sync.client import connect

        command = [
            chromium(), "--headless", "--no-sandbox", "--disable-gpu", "--remote-debugging-port=0", "--mute-audio",
            "--remote-allow-origins=*", f"--user-data-dir={profile}", "--no-first-run", "about:blank",
        ]  # fmt: skip
        self.process = subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        port = wait_for(lambda: (profile / "DevToolsActivePort").exists()
                        and (profile / "DevToolsActivePort").read_text().split())[0]  # fmt: skip
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/json", timeout=PATIENCE_S) as answer:
            pages = [one for one in json.load(answer) if one["type"] == "page"]
        self.held = contextlib.ExitStack()
        self.socket = self.held.enter_context(connect(pages[0]["webSocketDebuggerUrl"], max_size=None, proxy=None))
        self.count = itertools.count(1)
        self.ask("Page.enable")
        self.size(width, height, touch=touch)
        self.ask("Page.navigate", url=address)

    def ask(self, method, **parameters):
        """One command and its answer."""
        number = next(self.count)
        self.socket.send(json.dumps({"id": number, "method": method, "params": parameters}))
        while True:
            said = json.loads(self.socket.recv(timeout=PATIENCE_S))
            if said.get("id") == number:
                assert "error" not in said, said
                return said["result"]

    def size(self, width, height, *, touch=True):
        """A phone's screen, or a desk's."""
        self.ask("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=touch)

    def run(self, script):
        """The value of a line of JavaScript."""
        return self.ask("Runtime.evaluate", expression=script, returnByValue=True)["result"].get("value")

    def until(self, script):
        """Wait until a line of JavaScript is true."""
        return wait_for(lambda: self.run(script))

    def key(self, code, kind="keyDown"):
        """A key goes down (`keyDown`) or up (`keyUp`)."""
        text = {"text": " ", "key": " "} if code == "Space" else {"key": code}
        self.ask("Input.dispatchKeyEvent", type=kind, code=code, **text)

    def middle(self, selector):
        """The middle of an element, on the screen."""
        box = f"document.querySelector({selector!r}).getBoundingClientRect()"
        return self.run(f"[{box}.left + {box}.width / 2, {box}.top + {box}.height / 2]")

    def mouse(self, kind, place):
        """`mousePressed`, `mouseMoved`, `mouseReleased`."""
        x, y = place
        self.ask("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", buttons=1, clickCount=1)

    def click(self, selector):
        """Press and let go."""
        self.run(f"document.querySelector({selector!r}).scrollIntoView({{block: 'center'}})")
        last: list = []

        def steady():
            # The page may still be moving: press only where the element was twice, and is on top.
            place = self.middle(selector)
            top = f"!!document.elementFromPoint({place[0]}, {place[1]})?.closest({selector!r})"
            last.append(place)
            return last[-2:] == [place, place] and self.run(top) and place

        place = wait_for(steady)
        self.mouse("mousePressed", place)
        self.mouse("mouseReleased", place)

    def picture(self, path, *, whole=False):
        """A screenshot."""
        said = self.ask("Page.captureScreenshot", captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(said["data"]))

    def close(self):
        """End the process."""
        self.held.close()
        self.process.terminate()
        self.process.wait(PATIENCE_S)
