"""The examples that have always been in the documentation, word for word, as a reader pastes them."""

import json
import socket
import subprocess

import pytest

from rig import CLEAN, MODEL, words

MODELS = "curl http://localhost:3000/v1/models"
STORY = r"""curl http://localhost:3000/v1/chat/completions \
-H "Content-Type: application/json" \
-d '{ "model": "qwen-3-coder", "messages": [ { "role": "user", "content": "Tell me a 250 word story." } ], "stream": false, "max_tokens": 1024, "temperature": 0.7 }'"""
WEATHER = r"""curl http://localhost:3000/v1/chat/completions \
-H "Content-Type: application/json" \
-d '{ "model": "qwen-3-coder", "messages": [ { "role": "user", "content": "What is the weather like in New York?" } ], "tools": [ { "type": "function", "function": { "name": "get_current_weather", "description": "Get the current weather in a given location", "parameters": { "type": "object", "properties": { "location": { "type": "string", "description": "The city and state, e.g. San Francisco, CA" } }, "required": ["location"] } } } ], "tool_choice": "auto" }'"""
PORT = 3000


@pytest.fixture(autouse=True)
def on_the_documented_port(start):
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", PORT))
        except OSError as error:
            pytest.fail(f"The examples need port {PORT}, and something else has it ({error}): stop that first.")
    start(port=PORT)


def pasted(command):
    """What the command prints."""
    done = subprocess.run(["bash", "-c", command], env=CLEAN, capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_models():
    answer = pasted(MODELS)
    assert answer["object"] == "list"
    [model] = answer["data"]
    assert (model["id"], model["object"], model["owned_by"]) == (MODEL, "model", "qwen-3-coder-proxy")


def test_story():
    answer = pasted(STORY)
    assert answer["model"] == MODEL
    assert words(answer["choices"][0]["message"]["content"]) == 250


def test_weather():
    answer = pasted(WEATHER)
    assert answer["model"] == MODEL
    [choice] = answer["choices"]
    assert choice["finish_reason"] == "tool_calls"
    [call] = choice["message"]["tool_calls"]
    assert call["function"]["name"] == "get_current_weather"
    assert json.loads(call["function"]["arguments"]) == {"location": "New York"}
