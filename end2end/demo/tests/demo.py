#!/usr/bin/env python3
"""`make demo` as a person meets it: it prints an address, someone signs in there, deployments wait
and one runs; Ctrl-C leaves nothing behind.

    python3 end2end/demo/tests/demo.py

Linux only: what is left of it is looked for in /proc.
"""

import http.cookiejar
import json
import os
import re
import signal
import socket
import subprocess
import tempfile
import time
import unittest
import urllib.parse
import urllib.request
from pathlib import Path

DEMO = Path(__file__).parents[3] / "scripts" / "demo.sh"
PORTS = 5
# A machine that is busy with other tests takes longer than a person would wait.
PATIENCE = 120


def free_ports():
    """The first of five ports in a row that nobody listens on."""
    for first in range(21080, 32000, 10):
        sockets = [socket.socket() for _ in range(PORTS)]
        try:
            for number, each in enumerate(sockets):
                each.bind(("127.0.0.1", first + number))
            return first
        except OSError:
            continue
        finally:
            for each in sockets:
                each.close()
    raise RuntimeError("no free ports")


def listening(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def members(session):
    """The processes of a session, those left out that have ended and are not yet collected."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            text = stat.read_text()
        except OSError:
            continue  # it has ended meanwhile
        # After the name, which may hold anything: state, parent, group, session.
        state, _, _, of = text.rpartition(")")[2].split()[:4]
        if int(of) == session and state != "Z":
            found.append(text)
    return found


def as_at_a_terminal():
    """Ctrl-C is heard, even if whoever runs the tests ignores it."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


class Demo(unittest.TestCase):
    def setUp(self):
        self.scratch = tempfile.TemporaryDirectory()
        self.addCleanup(self.scratch.cleanup)
        self.output = Path(self.scratch.name) / "output"
        self.temporary = Path(self.scratch.name) / "tmp"
        self.temporary.mkdir()
        self.port = free_ports()
        with self.output.open("wb") as output:
            self.demo = subprocess.Popen(
                [DEMO],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, "TMPDIR": str(self.temporary), "TIDEGATE_DEMO_PORT": str(self.port)},
                start_new_session=True,
                preexec_fn=as_at_a_terminal,
            )
        self.addCleanup(self.kill)
        # As a browser: it keeps cookies and follows where it is sent, through no proxy.
        self.browser = urllib.request.build_opener(
            urllib.request.ProxyHandler({}),
            urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar()),
        )

    def kill(self):
        if self.demo.poll() is None:
            os.killpg(self.demo.pid, signal.SIGKILL)
            self.demo.wait()

    def until(self, what, look):
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            found = look()
            if found:
                return found
            self.assertIsNone(self.demo.poll(), self.output.read_text())
            time.sleep(0.2)
        self.fail(f"not in time: {what}\n{self.output.read_text()}")

    def printed(self, pattern):
        return re.search(pattern, self.output.read_text())

    def sign_in(self, login):
        page = self.browser.open(f"{self.url}/auth/sign-in").geturl()
        asked = urllib.parse.urlsplit(page)
        self.assertEqual(asked.port, self.port + 1, "GitHub asks who it is")
        form = [*urllib.parse.parse_qsl(asked.query), ("user", login)]
        page = asked._replace(query="").geturl()
        self.browser.open(page, urllib.parse.urlencode(form).encode())

    def deployments(self, state):
        answer = self.browser.open(f"{self.url}/api/v1/deployments?state={state}")
        return json.load(answer)["items"]

    def test_it_starts_shows_its_story_and_leaves_nothing_behind(self):
        self.url = self.until("an address", lambda: self.printed(r"Tidegate runs at +(\S+)"))[1]
        self.sign_in("ada-acme")
        home = self.browser.open(self.url).read().decode()
        self.assertIn("ada-acme", home)
        self.until("today's releases", lambda: self.printed("Today's releases are there"))
        waiting = self.deployments("awaiting_approval")
        self.assertGreaterEqual(len(waiting), 3, waiting)
        self.assertEqual(len(self.deployments("deploying")), 1)
        self.assertGreater(len(self.deployments("succeeded")), 20, "two weeks of history")

        os.killpg(self.demo.pid, signal.SIGINT)
        self.assertEqual(self.demo.wait(timeout=30), 0, self.output.read_text())
        self.assertEqual(members(self.demo.pid), [])
        self.assertEqual([port for port in range(self.port, self.port + PORTS) if listening(port)], [])
        self.assertEqual(list(self.temporary.iterdir()), [])


if __name__ == "__main__":
    unittest.main()
