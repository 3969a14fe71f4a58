"""Cerebras's own SDK, which is given the address without /v1."""

import json

import cerebras.cloud.sdk as cerebras
import httpx
import pytest
from cerebras.cloud.sdk import Cerebras

from rig import MODEL, story, tool, words

WEATHER_TOOL = tool("get_current_weather", "location")


@pytest.fixture
def answers():
    """Method, path and status of all that the SDK did over HTTP."""
    return []


@pytest.fixture
def client(proxy, answers):
    def note(response):
        answers.append((response.request.method, response.request.url.path, response.status_code))

    http_client = httpx.Client(event_hooks={"response": [note]})
    with Cerebras(base_url=proxy.root, api_key="anything", max_retries=0, http_client=http_client) as client:
        yield client


def knows_only_cerebras_chunks(request, provider):
    """This SDK's chunks must have a system_fingerprint, which those of Chutes lack, and the proxy changes no byte of
    an answer but the model's name: so after a fall-back the delta is a plain dict to it. Its plain answers are well."""
    if provider == "chutes":
        request.applymarker(pytest.mark.xfail(raises=AttributeError, strict=True, reason="no system_fingerprint"))


def test_its_warm_up_is_answered(client, answers):
    assert answers == [("GET", "/v1/tcp_warming", 200)]


def test_plain(client, answers, provider):
    raw = client.chat.completions.with_raw_response.create(model=MODEL, messages=story(25), max_completion_tokens=500)
    assert raw.headers["x-proxy-provider"] == provider
    completion = raw.parse()
    assert completion.model == MODEL
    assert words(completion.choices[0].message.content) == 25
    assert completion.usage.total_tokens > 25
    assert answers[-1] == ("POST", "/v1/chat/completions", 200)


def test_streaming(client, provider, request):
    knows_only_cerebras_chunks(request, provider)
    chunks = list(client.chat.completions.create(model=MODEL, messages=story(25), stream=True))
    assert words("".join(chunk.choices[0].delta.content or "" for chunk in chunks)) == 25
    assert {chunk.model for chunk in chunks} == {MODEL}
    assert chunks[-1].choices[0].finish_reason == "stop"


def test_usage_without_asking(client):
    """Cerebras reports usage on the last chunk unasked, and its SDK never asks."""
    chunks = list(client.chat.completions.create(model=MODEL, messages=story(25), stream=True))
    assert chunks[-1].usage.total_tokens > 25


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "streamed"])
def test_a_tool(client, provider, stream, request):
    if stream:
        knows_only_cerebras_chunks(request, provider)
    asked = [{"role": "user", "content": "What is the weather like in New York?"}]
    answer = client.chat.completions.create(model=MODEL, messages=asked, tools=[WEATHER_TOOL], stream=stream)
    if stream:
        calls = [call for chunk in answer for call in chunk.choices[0].delta.tool_calls or []]
    else:
        calls = answer.choices[0].message.tool_calls
    assert "".join(call.function.name or "" for call in calls) == "get_current_weather"
    arguments = "".join(call.function.arguments or "" for call in calls)
    assert json.loads(arguments) == {"location": "New York"}


def test_models(client):
    assert [model.id for model in client.models.list().data] == [MODEL]
    assert client.models.retrieve(MODEL).id == MODEL


def test_no_quota_anywhere(client, providers):
    providers.cerebras.fails("rate_limit_tokens_day")
    providers.chutes.fails("payment_required")
    with pytest.raises(cerebras.RateLimitError) as caught:
        client.chat.completions.create(model=MODEL, messages=story(5))
    assert caught.value.body["code"] == "rate_limit_exceeded"
    assert 1 <= int(caught.value.response.headers["retry-after"]) <= 59


def test_a_broken_stream_never_ends_silently(client, providers):
    providers.cerebras.fails("cut_rst")
    stream = client.chat.completions.create(model=MODEL, messages=story(25), stream=True)
    with pytest.raises(httpx.RemoteProtocolError):
        list(stream)
