"""Simulated providers and proxies under test, as child processes on loopback."""

import json
import os
import re
import subprocess
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

BINARY = os.environ["PROXY_BINARY"]
MODEL = "qwen-3-coder"
START_TIMEOUT = 20

# No setting of the machine's owner reaches what is under test.
CLEAN = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
# Far more than any test uses: only injected faults refuse.
UNLIMITED = {"CEREBRAS_REQUESTS_PER_MINUTE": "100000", "CEREBRAS_TOKENS_PER_MINUTE": "100000000"}


def http(url, body=None, headers=None):
    """Status, headers and body of a GET, or of a POST where there is a body; never raises for a status."""
    data = None if body is None else json.dumps(body).encode()
    headers = {"content-type": "application/json", **(headers or {})}
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(urllib.request.Request(url, data, headers), timeout=20) as answer:
            return answer.status, answer.headers, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.headers, error.read()


class Process:
    """A child whose output is collected line by line."""

    def __init__(self, arguments, environment, directory):
        self.lines = []
        self._more = threading.Condition()
        self.child = subprocess.Popen(
            [BINARY, *arguments],
            env={**CLEAN, **environment},
            cwd=directory,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._reader = threading.Thread(target=self._collect, daemon=True)
        self._reader.start()

    def _collect(self):
        for line in self.child.stdout:
            with self._more:
                self.lines.append(line.rstrip("\n"))
                self._more.notify_all()
        with self._more:
            self._more.notify_all()

    def wait_for(self, find):
        """The first truthy `find(line)` of any line, past or to come."""
        deadline = time.monotonic() + START_TIMEOUT
        seen = 0
        with self._more:
            while True:
                for line in self.lines[seen:]:
                    if found := find(line):
                        return found
                seen = len(self.lines)
                left = deadline - time.monotonic()
                if left <= 0 or (self.child.poll() is not None and not self._reader.is_alive()):
                    raise AssertionError("it never said so:\n" + "\n".join(self.lines))
                self._more.wait(min(left, 0.2))

    def stop(self):
        self.child.terminate()
        try:
            self.child.wait(5)
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.wait()
        self._reader.join(5)


class Provider:
    """The control plane of one simulated provider."""

    def __init__(self, base_url):
        self.base_url = base_url
        self.control = base_url.removesuffix("/v1") + "/_sim/"

    def _call(self, action, body=None):
        status, _, answer = http(self.control + action, body)
        assert status == 200, answer
        return json.loads(answer)

    def fails(self, fault, times="always"):
        self._call("fault", {"fault": fault, "times": times})

    def says(self, *replies):
        self._call("script", {"replies": replies})

    def reset(self):
        self._call("reset", {})

    def stats(self):
        return self._call("stats")

    def bodies(self):
        """The request bodies it was sent, oldest first."""
        return [json.loads(seen["body"]) for seen in self._call("requests") if seen["method"] == "POST"]


class Providers:
    """Both simulated providers, in one child."""

    def __init__(self, directory, requests_per_minute=100_000, tokens_per_minute=100_000_000):
        limits = {"requests-per-minute": requests_per_minute, "tokens-per-minute": tokens_per_minute}
        arguments = {"port": 0, "chutes-port": 0, **limits}
        options = [f"--{name}={value}" for name, value in arguments.items()]
        self._process = Process(["simulate", *options], {}, directory)
        self.cerebras = self._provider("CEREBRAS_BASE_URL")
        self.chutes = self._provider("CHUTES_BASE_URL")
        self.both = (self.cerebras, self.chutes)

    def _provider(self, variable):
        found = self._process.wait_for(lambda line: re.search(rf"\b{variable}=(\S+)", line))
        return Provider(found[1])

    def fail(self, fault):
        for provider in self.both:
            provider.fails(fault)

    def say(self, *replies):
        for provider in self.both:
            provider.says(*replies)

    def reset(self):
        for provider in self.both:
            provider.reset()

    def stop(self):
        self._process.stop()


class Alone(Provider):
    """One simulated provider in a child of its own, with options of its own."""

    def __init__(self, vendor, directory, *options):
        self._process = Process(["simulate", vendor, "--port=0", *options], {}, directory)
        found = self._process.wait_for(lambda line: re.search(rf"\b{vendor.upper()}_BASE_URL=(\S+)", line))
        super().__init__(found[1])

    def stop(self):
        self._process.stop()


class Proxy:
    """A proxy under test, before those providers."""

    def __init__(self, providers, directory, port=0, **environment):
        settings = {
            "HOME": str(directory),
            "STATE_DIR": str(directory),
            "CEREBRAS_API_KEY": "csk-test-0123456789",
            "CHUTES_API_KEY": "cpk_test-0123456789",
            "CEREBRAS_BASE_URL": providers.cerebras.base_url,
            "CHUTES_BASE_URL": providers.chutes.base_url,
            "PORT": str(port),
            **UNLIMITED,
            **environment,
        }
        self._process = Process(["serve"], settings, directory)
        self.root = "http://" + self._process.wait_for(listening)
        self.url = self.root + "/v1"

    def stop(self):
        self._process.stop()

    def log(self):
        """Its log lines so far. Lines are written behind the answers: stop it to have them all."""
        return [parsed for parsed in map(json_line, self._process.lines) if parsed is not None]

    def requests(self):
        """The log line of each request."""
        return [line for line in self.log() if line.get("message") == "request"]


def json_line(line):
    try:
        return json.loads(line)
    except ValueError:
        return None


def listening(line):
    parsed = json_line(line)
    return parsed and parsed.get("message") == "listening" and parsed["address"]


def eventually(condition, what):
    """Waits for what happens behind the answers."""
    deadline = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < deadline, f"never happened: {what}"
        time.sleep(0.01)


def words(text):
    return len(text.split())


def story(count):
    """A prompt, which the simulated providers answer with exactly so many words."""
    return [{"role": "user", "content": f"Tell me a {count} word story."}]


def function(name, *required):
    """A function as it is declared to a model."""
    properties = {argument: {"type": "string"} for argument in required}
    parameters = {"type": "object", "properties": properties, "required": list(required)}
    return {"name": name, "description": f"Does {name}.", "parameters": parameters}


def tool(name, *required):
    return {"type": "function", "function": function(name, *required)}


def temporary(parent, name):
    directory = Path(parent) / name
    directory.mkdir()
    return directory
