"""Each failure arrives as the exception that the SDK has for it, with its fields filled in."""

import openai
import pytest
from openai import OpenAI

from rig import MODEL, story, tool

WRITE = tool("write_file", "path", "content")


def ask(client, **more):
    return client.chat.completions.create(model=MODEL, messages=story(25), **more)


def refused(client, expected, **more):
    """The exception a request ends with; of that very class."""
    with pytest.raises(openai.APIError) as caught:
        ask(client, **more)
    assert type(caught.value) is expected, repr(caught.value)
    assert caught.value.request_id.startswith("req_")
    return caught.value


streamed_or_not = pytest.mark.parametrize("stream", [False, True], ids=["plain", "streamed"])


@streamed_or_not
def test_a_context_that_is_too_long_everywhere(client, providers, stream):
    providers.fail("context_too_long")
    error = refused(client, openai.BadRequestError, stream=stream)
    assert (error.status_code, error.code, error.type) == (400, "context_length_exceeded", "invalid_request_error")
    assert "Please reduce the length of the messages or completion." in error.message
    assert "retry-after" not in error.response.headers


def test_a_conversation_of_megabytes(client):
    """Larger than any window: not a limit of the transport, but something that compaction mends."""
    messages = [{"role": "user", "content": "a word or two " * 400_000}]
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(model=MODEL, messages=messages)
    assert caught.value.code == "context_length_exceeded"


def test_a_bad_request_keeps_the_providers_words(client, providers):
    providers.cerebras.fails("bad_request")
    error = refused(client, openai.BadRequestError)
    assert (error.code, error.param, error.type) == ("invalid_value", "temperature", "invalid_request_error")
    assert error.body["message"] == "The value of 'temperature' is not valid."
    assert providers.chutes.stats()["received"] == 0, "no provider would take it"


def test_what_both_reject_keeps_its_status(client, providers):
    providers.fail("mixed_strict")
    error = refused(client, openai.UnprocessableEntityError, tools=[WRITE])
    assert (error.status_code, error.code) == (422, "wrong_api_format")
    assert "mixed values for 'strict'" in error.message


def test_an_unknown_model(client, providers):
    with pytest.raises(openai.NotFoundError) as caught:
        client.chat.completions.create(model="gpt-4o", messages=story(5))
    assert (caught.value.code, caught.value.param) == ("model_not_found", "model")
    assert "gpt-4o" in caught.value.message and MODEL in caught.value.message
    assert providers.cerebras.stats()["received"] == 0

    with pytest.raises(openai.NotFoundError) as caught:
        client.models.retrieve("gpt-4o")
    assert caught.value.code == "model_not_found"


def test_a_request_without_messages(client):
    with pytest.raises(openai.BadRequestError) as caught:
        client.post("/chat/completions", body={"model": MODEL}, cast_to=object)
    assert caught.value.type == "invalid_request_error"
    assert "messages" in caught.value.message


def test_a_wrong_client_key(start, providers):
    proxy = start(PROXY_API_KEYS="right-key,other-key")
    with OpenAI(base_url=proxy.url, api_key="wrong-key", max_retries=0) as client:
        error = refused(client, openai.AuthenticationError)
        assert (error.status_code, error.code, error.type) == (401, "invalid_api_key", "authentication_error")
        assert "PROXY_API_KEYS" in error.message
        with pytest.raises(openai.AuthenticationError):
            client.models.list()
    assert providers.cerebras.stats()["received"] == 0
    with OpenAI(base_url=proxy.url, api_key="other-key", max_retries=0) as client:
        assert ask(client).model == MODEL


@streamed_or_not
def test_no_quota_anywhere(client, providers, stream):
    providers.cerebras.fails("rate_limit_minute")
    providers.chutes.fails("payment_required")
    error = refused(client, openai.RateLimitError, stream=stream)
    assert (error.status_code, error.code, error.type) == (429, "rate_limit_exceeded", "rate_limit_error")
    assert "Cerebras" in error.message and "Chutes" in error.message
    assert 1 <= int(error.response.headers["retry-after"]) <= 59


def test_the_sdk_comes_back_by_itself(proxy, providers):
    """Nothing of ours: its own retries, by the Retry-After it is given."""
    providers.cerebras.fails("queue_exceeded")
    providers.chutes.fails("capacity")
    with OpenAI(base_url=proxy.url, api_key="anything", max_retries=0) as client:
        wait = int(refused(client, openai.RateLimitError).response.headers["retry-after"])
        assert 1 <= wait <= 10, "a short jam does not keep anybody away for long"
        providers.reset()
        assert client.with_options(max_retries=2).chat.completions.create(model=MODEL, messages=story(5))


@streamed_or_not
def test_both_providers_down(client, providers, stream):
    providers.fail("server_error")
    error = refused(client, openai.InternalServerError, stream=stream)
    assert (error.status_code, error.code, error.type) == (503, "providers_unavailable", "server_error")
    assert "Cerebras" in error.message and "Chutes" in error.message
    assert 1 <= int(error.response.headers["retry-after"]) <= 59


def test_both_provider_keys_refused_is_not_the_clients_fault(client, providers):
    providers.fail("unauthorized")
    error = refused(client, openai.InternalServerError)
    assert (error.status_code, error.code) == (502, "provider_configuration")
    assert "CEREBRAS_API_KEY" in error.message and "CHUTES_API_KEY" in error.message
    # The same when they are paused and not asked again.
    assert refused(client, openai.InternalServerError).status_code == 502


@pytest.mark.parametrize("fault", ["error_leaks_key", "error_in_200"])
def test_no_provider_key_reaches_a_client(client, providers, fault):
    providers.fail(fault)
    error = refused(client, openai.InternalServerError)
    assert "csk-" not in str(error.body) and "cpk_" not in str(error.body)


BROKEN = ["cut_rst", "cut_fin", "cut_clean", "stall", "bare_json_failure"]
# Here the provider says in the stream what went wrong; whether the SDK shows that or only the broken
# connection depends on which it reads first.
REPORTED = ["error_mid_stream", "error_mid_stream_leaks_key"]


@pytest.mark.parametrize("tools", [None, [WRITE]], ids=["text", "tool call"])
@pytest.mark.parametrize("fault", BROKEN + REPORTED)
@pytest.mark.parametrize("provider", ["cerebras", "chutes"])
def test_a_broken_stream_never_ends_silently(start, providers, provider, fault, tools):
    proxy = start(STREAM_IDLE_TIMEOUT="400")
    if provider == "chutes":
        providers.cerebras.fails("rate_limit_minute")
    getattr(providers, provider).fails(fault)
    more = {"tools": tools} if tools else {}
    chunks = []
    with OpenAI(base_url=proxy.url, api_key="anything", max_retries=0, timeout=30) as client:
        stream = ask(client, stream=True, **more)
        with pytest.raises(openai.APIError) as caught:
            for chunk in stream:
                chunks.append(chunk)
    if fault in BROKEN:
        assert type(caught.value) is openai.APIConnectionError
    assert "csk-" not in str(caught.value) and "cpk_" not in str(caught.value)
    assert not any(chunk.choices and chunk.choices[0].finish_reason for chunk in chunks)
    proxy.stop()
    [line] = proxy.requests()
    assert (line["end"], line["provider"]) == ("broken", provider)
