"""A coding agent at work: Qwen Code, headless, told by scripted providers to write a file."""

import json
import os
import subprocess

import pytest

from rig import CLEAN, MODEL, temporary

NODE_MODULES = os.environ["NODE_MODULES"]
NODE = os.environ["NODE"]
QWEN = f"{NODE_MODULES}/@qwen-code/qwen-code/cli-entry.js"
CONTENT = 'first line\n  "quoted", \\n not a newline, \ttab\nüñî 你好 🦀\nno newline at the end'
# Nothing is to leave this machine: no updates, no statistics, no traces.
SETTINGS = {
    "general": {"enableAutoUpdate": False},
    "privacy": {"usageStatisticsEnabled": False},
    "telemetry": {"enabled": False},
}


class Agent:
    """Runs in a directory of its own, with an empty home."""

    def __init__(self, proxy, directory):
        home = temporary(directory, "home")
        self.work = temporary(directory, "work")
        temporary(home, ".qwen").joinpath("settings.json").write_text(json.dumps(SETTINGS))
        self.environment = {
            **CLEAN,
            "HOME": str(home),
            "PATH": f"{os.path.dirname(NODE)}:{CLEAN['PATH']}",
            "OPENAI_BASE_URL": proxy.url,
            "OPENAI_API_KEY": "anything",
            "OPENAI_MODEL": MODEL,
            "QWEN_CODE_SUPPRESS_YOLO_WARNING": "1",
        }

    def run(self, task):
        return subprocess.run(
            [NODE, QWEN, "-p", task, "-y", "--auth-type", "openai"],
            cwd=self.work,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=100,
        )


@pytest.fixture
def agent(proxy, tmp_path):
    return Agent(proxy, tmp_path)


@pytest.mark.parametrize("in_peace", [True, False], ids=["in peace", "while Cerebras answers 429"])
def test_the_agent_writes_a_file(agent, proxy, providers, in_peace):
    target = agent.work / "notes.txt"
    write = {"name": "write_file", "arguments": {"file_path": str(target), "content": CONTENT}}
    providers.say({"calls": [write]}, {"text": "The file is written."})
    if not in_peace:
        providers.cerebras.fails("rate_limit_minute")

    done = agent.run("Write the file notes.txt.")
    proxy.stop()

    print(done.stdout, done.stderr)
    assert done.returncode == 0
    assert "The file is written." in done.stdout
    assert target.read_bytes() == CONTENT.encode()

    expected, other = (providers.cerebras, providers.chutes) if in_peace else (providers.chutes, providers.cerebras)
    assert expected.stats()["served"] >= 2
    assert other.stats()["served"] == 0
    [first, *_] = expected.bodies()
    assert "write_file" in [offered["function"]["name"] for offered in first["tools"]]
    last = expected.bodies()[-1]["messages"][-1]
    assert last["role"] == "tool"

    lines = proxy.requests()
    assert len(lines) == expected.stats()["served"]
    assert {line["end"] for line in lines} == {"whole"}
    assert {line["provider"] for line in lines} == {"cerebras" if in_peace else "chutes"}
    assert {line["level"] for line in proxy.log()} <= {"INFO"}
