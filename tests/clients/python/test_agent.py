"""Coding agents at work, told by scripted providers to write files."""

import pytest

from agents import Pi, QwenCode
from rig import Alone, Proxy, temporary

CONTENT = 'first line\n  "quoted", \\n not a newline, \ttab\nüñî 你好 🦀\nno newline at the end'
BOTH = pytest.mark.parametrize("kind", [QwenCode, Pi], ids=["Qwen Code", "pi"])


@BOTH
@pytest.mark.parametrize("in_peace", [True, False], ids=["in peace", "while Cerebras answers 429"])
def test_the_agent_writes_a_file(kind, proxy, providers, tmp_path, in_peace):
    agent = kind(proxy.url, tmp_path)
    write = agent.write("notes.txt", CONTENT)
    providers.say({"calls": [write]}, {"text": "The file is written."})
    if not in_peace:
        providers.cerebras.fails("rate_limit_minute")

    done = agent.run("Write the file notes.txt.")
    proxy.stop()

    print(done.stdout, done.stderr)
    assert done.returncode == 0
    assert "The file is written." in done.stdout
    assert (agent.work / "notes.txt").read_bytes() == CONTENT.encode()

    expected, other = (providers.cerebras, providers.chutes) if in_peace else (providers.chutes, providers.cerebras)
    assert expected.stats()["served"] >= 2
    assert other.stats()["served"] == 0
    [first, *_] = expected.bodies()
    assert write["name"] in [offered["function"]["name"] for offered in first["tools"]]
    last = expected.bodies()[-1]["messages"][-1]
    assert last["role"] == "tool"

    lines = proxy.requests()
    assert len(lines) == expected.stats()["served"]
    assert {line["end"] for line in lines} == {"whole"}
    assert {line["provider"] for line in lines} == {"cerebras" if in_peace else "chutes"}
    assert {line["level"] for line in proxy.log()} <= {"INFO"}


class Strict:
    """A Cerebras that refuses what agents send, and a Chutes that reasons."""

    def __init__(self, directory):
        refused = "--reject=store,messages.*.reasoning_content"
        limits = [f"--{limit}=0" for limit in ("requests-per-minute", "tokens-per-minute", "tokens-per-day")]
        self.cerebras = Alone("cerebras", directory, refused, "--strict-history", *limits)
        self.chutes = Alone("chutes", directory, "--reasoning")
        self.both = (self.cerebras, self.chutes)


@pytest.fixture
def strict(tmp_path):
    providers = Strict(tmp_path)
    yield providers
    for provider in providers.both:
        provider.stop()


NOTHING_KNOWN = "[presets.cerebras]\nrejects = []\nrenames = []\namends = []\n"


@BOTH
@pytest.mark.parametrize("known", [True, False], ids=["by the preset", "by learning"])
def test_every_turn_is_served_by_the_fast_lane_from_the_second_on(kind, strict, tmp_path, known):
    directory = temporary(tmp_path, "proxy")
    if not known:
        directory.joinpath("qwen-3-coder-proxy.toml").write_text(NOTHING_KNOWN)
    proxy = Proxy(strict, directory)
    agent = kind(proxy.url, tmp_path)
    files = [f"notes-{number}.txt" for number in range(4)]
    for provider in strict.both:
        provider.says(*({"calls": [agent.write(name, CONTENT)]} for name in files), {"text": "All are written."})
    # So the first turn is the slow lane's, and its reasoning stands in the history of all others.
    strict.cerebras.fails("server_error", times=1)

    done = agent.run("Write four files of notes.")
    proxy.stop()

    print(done.stdout, done.stderr)
    assert done.returncode == 0
    assert "All are written." in done.stdout
    assert {(agent.work / name).read_bytes() for name in files} == {CONTENT.encode()}

    lines = proxy.requests()
    assert {line["end"] for line in lines} == {"whole"}
    assert [line["provider"] for line in lines] == ["chutes"] + ["cerebras"] * (len(lines) - 1)
    assert len(lines) >= len(files) + 1

    lessons = [line["lesson"] for line in proxy.log() if line.get("message") == "learned" and "upstream_model" in line]
    refused = strict.cerebras.stats()["rejected"]
    if known:
        assert (lessons, refused) == ([], 0)
    else:
        assert "messages.*.reasoning_content is left out" in lessons
        assert ("store is left out" in lessons) == (kind is Pi)
        # Each is refused once, in one refusal or in two, and never again.
        assert 1 <= refused <= len(lessons)
    # The agent itself sends it all to the end; only Cerebras does not see it.
    served = strict.cerebras.bodies()[-1]
    assert "store" not in served
    assert not any("reasoning_content" in message for message in served["messages"])
    assert any(message["role"] == "assistant" for message in served["messages"])
