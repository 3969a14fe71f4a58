"""Coding agents, headless: each runs in a directory of its own, with an empty home."""

import json
import os
import subprocess

from rig import CLEAN, MODEL, temporary

NODE_MODULES = os.environ["NODE_MODULES"]
NODE = os.environ["NODE"]


class Agent:
    """What all of them have: a home, a place to work, and nowhere to go but this machine."""

    def __init__(self, url, directory):
        self.home = temporary(directory, "home")
        self.work = temporary(directory, "work")
        self.environment = {
            **CLEAN,
            "HOME": str(self.home),
            "PATH": f"{os.path.dirname(NODE)}:{CLEAN['PATH']}",
        }
        self.set_up(url)

    def run(self, task):
        return subprocess.run(
            [NODE, *self.command(task)],
            cwd=self.work,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=100,
        )


class QwenCode(Agent):
    """Sends the history's reasoning back as reasoning_content."""

    # No updates, no statistics, no traces.
    SETTINGS = {
        "general": {"enableAutoUpdate": False},
        "privacy": {"usageStatisticsEnabled": False},
        "telemetry": {"enabled": False},
    }

    def set_up(self, url):
        temporary(self.home, ".qwen").joinpath("settings.json").write_text(json.dumps(self.SETTINGS))
        self.environment |= {
            "OPENAI_BASE_URL": url,
            "OPENAI_API_KEY": "anything",
            "OPENAI_MODEL": MODEL,
            "QWEN_CODE_SUPPRESS_YOLO_WARNING": "1",
        }

    def command(self, task):
        entry = f"{NODE_MODULES}/@qwen-code/qwen-code/cli-entry.js"
        return [entry, "-p", task, "-y", "--auth-type", "openai"]

    def write(self, name, content):
        """A call of its tool that writes a file."""
        return {"name": "write_file", "arguments": {"file_path": str(self.work / name), "content": content}}


class Pi(Agent):
    """The same, and `store: false` in every request."""

    def set_up(self, url):
        model = {"id": MODEL, "reasoning": True, "contextWindow": 131072, "maxTokens": 16384}
        compat = {"supportsDeveloperRole": False, "supportsReasoningEffort": False}
        provider = {
            "baseUrl": url,
            "api": "openai-completions",
            "apiKey": "anything",
            "compat": compat,
            "models": [model],
        }
        settings = temporary(temporary(self.home, ".pi"), "agent")
        settings.joinpath("models.json").write_text(json.dumps({"providers": {"proxy": provider}}))
        self.environment |= {"PI_OFFLINE": "1", "PI_TELEMETRY": "0"}

    def command(self, task):
        entry = f"{NODE_MODULES}/@mariozechner/pi-coding-agent/dist/cli.js"
        return [entry, "--provider", "proxy", "--model", MODEL, "-p", task]

    def write(self, name, content):
        """A call of its tool that writes a file."""
        return {"name": "write", "arguments": {"path": str(self.work / name), "content": content}}
