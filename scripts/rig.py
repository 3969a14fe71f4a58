"""For scripts that load the program: simulated providers and a proxy as child processes, and a client that checks every answer.

Nothing but Python 3.9 and the program itself, at PROXY_BINARY or built for release. All traffic stays on loopback.
"""

import asyncio
import collections
import gzip
import json
import os
import re
import resource
import subprocess
import threading
import time
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# Far more than any of this uses.
UNLIMITED = {
    "CEREBRAS_REQUESTS_PER_MINUTE": "1000000",
    "CEREBRAS_TOKENS_PER_MINUTE": "1000000000",
    "CEREBRAS_TOKENS_PER_DAY": "1000000000000",
}
FREE = ["--requests-per-minute=0", "--tokens-per-minute=0", "--tokens-per-day=0"]
# Longer than any answer takes: whatever does is a hang.
HANG = 120


class Violation(Exception):
    """What a client must never see."""


def binary():
    given = os.environ.get("PROXY_BINARY")
    if not given:
        subprocess.run(["cargo", "build", "--release", "--locked", "--quiet"], cwd=ROOT, check=True)
        given = ROOT / "target/release/qwen-3-coder-proxy"
    return str(Path(given).resolve())


def many_descriptors():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


class Child:
    """A process whose last lines are kept."""

    def __init__(self, arguments, environment, directory):
        self.lines = collections.deque(maxlen=1000)
        self.process = subprocess.Popen(
            arguments,
            env={"PATH": os.environ["PATH"], **environment},
            cwd=directory,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        threading.Thread(target=self._collect, daemon=True).start()

    def _collect(self):
        for line in self.process.stdout:
            self.lines.append(line)

    def said(self, pattern):
        """What a pattern's group matched in its output, once it does."""
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            for line in list(self.lines):
                if found := re.search(pattern, line):
                    return found[1]
            if self.process.poll() is not None:
                break
            time.sleep(0.01)
        raise SystemExit(f"no {pattern} in:\n{''.join(self.lines)}")

    def resident_kib(self):
        return int(re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{self.process.pid}/status").read_text())[1])

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def stop(self):
        """Ends it; its exit code."""
        self.process.terminate()
        try:
            return self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()


class Provider(Child):
    """A simulated provider."""

    def __init__(self, vendor, options, directory):
        super().__init__([binary(), "simulate", vendor, "--port=0", *options], {}, directory)
        self.url = self.said(r"(http://127\.0\.0\.1:\d+/v1)")

    def control(self, path, body=None):
        data = None if body is None and path.startswith(("faults", "stats")) else json.dumps(body or {}).encode()
        request = urllib.request.Request(
            self.url.replace("/v1", f"/_sim/{path}"), data, {"content-type": "application/json"}
        )
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=20) as answer:
            return answer.read()


class Proxy(Child):
    """The program under test."""

    def __init__(self, environment, directory):
        super().__init__([binary()], {**UNLIMITED, **environment, "PORT": "0"}, directory)
        self.port = int(self.said(r'"listening".*"address":"127\.0\.0\.1:(\d+)"'))


def question(words, stream, history=()):
    return {
        "model": "qwen-3-coder",
        "messages": [*history, {"role": "user", "content": f"Tell me a {words} word story."}],
        "max_tokens": 4 * words + 50,
        "stream": stream,
    }


async def ask(port, body, compressed=False, leave_after=None):
    """What became of a question: whole, error, broken (visibly), or left. Raises Violation for anything else."""
    try:
        return await asyncio.wait_for(_ask(port, body, compressed, leave_after), HANG)
    except asyncio.TimeoutError:
        raise Violation("a hang") from None


async def _ask(port, body, compressed, leave_after):
    sent = json.dumps(body).encode()
    more = ""
    if compressed:
        sent, more = gzip.compress(sent), "Content-Encoding: gzip\r\n"
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        head = "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        writer.write(f"{head}{more}Content-Length: {len(sent)}\r\nConnection: close\r\n\r\n".encode() + sent)
        try:
            return await asyncio.wait_for(_answer(reader), leave_after)
        except asyncio.TimeoutError:
            writer.transport.abort()
            return "left"
    finally:
        writer.close()


async def _answer(reader):
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
    except asyncio.IncompleteReadError:
        raise Violation("no answer at all") from None
    status = int(head[9:12])
    if "transfer-encoding: chunked" not in head:
        body = await reader.readexactly(int(re.search(r"content-length: (\d+)", head)[1]))
        value = json.loads(body)
        if status == 200 and value["choices"][0]["finish_reason"]:
            return "whole"
        if status != 200 and value["error"]["message"]:
            return "error"
        raise Violation(f"{status}: {body[:300]}")
    # The tail of what came, since a finish reason may be cut in two.
    tail, finished = b"", False
    while True:
        try:
            size = int((await reader.readline()).split(b";")[0], 16)
            part = await reader.readexactly(size + 2)
        except (ValueError, asyncio.IncompleteReadError, ConnectionResetError):
            if finished:
                raise Violation("a finish reason, and then a broken connection") from None
            return "broken"
        if size == 0:
            if finished:
                return "whole"
            raise Violation("a clean end without a finish reason")
        tail = tail[-200:] + part
        finished = finished or re.search(rb'"finish_reason": ?"', tail) is not None
