"""Cerebras fails, Chutes answers, the SDK notices nothing."""

import asyncio

import pytest
from openai import AsyncOpenAI

from rig import MODEL, Providers, Proxy, story, temporary, words

UNNOTICED = [
    "rate_limit_second",
    "rate_limit_minute",
    "rate_limit_tokens_minute",
    "rate_limit_tokens_day",
    "queue_exceeded",
    "capacity",
    "server_error",
    "bad_gateway",
    "unavailable",
    "payment_required",
    "unauthorized",
    "forbidden",
    "request_timeout",
    "model_retired",
    "context_too_long",
    "bad_format",
    "mixed_strict",
    "refuse",
    "black_hole",
    "silence_after_head",
    "role_then_silence",
    "error_in_200",
    "error_event_named",
    "empty_stream",
    "no_completion",
    "html_200",
    "cut_before_payload",
]


@pytest.fixture
def impatient(start):
    """So that silent faults take no time."""
    return start(REQUEST_TIMEOUT="400")


@pytest.fixture
def proxy(impatient):
    return impatient


@pytest.mark.parametrize("fault", UNNOTICED)
def test_unnoticed(client, providers, fault):
    providers.cerebras.fails(fault)
    raw = client.chat.completions.with_raw_response.create(model=MODEL, messages=story(25))
    assert raw.headers["x-proxy-provider"] == "chutes"
    assert words(raw.parse().choices[0].message.content) == 25

    raw = client.chat.completions.with_raw_response.create(model=MODEL, messages=story(25), stream=True)
    assert raw.headers["x-proxy-provider"] == "chutes"
    chunks = list(raw.parse())
    assert words("".join(chunk.choices[0].delta.content or "" for chunk in chunks)) == 25
    assert {chunk.model for chunk in chunks} == {MODEL}


def test_a_paused_provider_is_not_asked(client, providers):
    providers.cerebras.fails("rate_limit_minute")
    for _ in range(5):
        client.chat.completions.create(model=MODEL, messages=story(5))
    assert providers.chutes.stats()["served"] == 5
    assert providers.cerebras.stats()["received"] == 1


def test_one_failure_in_passing_does_not_drive_it_away(client, providers):
    providers.cerebras.fails("server_error", times=1)
    asked = client.chat.completions.with_raw_response
    took = [asked.create(model=MODEL, messages=story(5)).headers["x-proxy-provider"] for _ in range(3)]
    assert took == ["chutes", "cerebras", "cerebras"]


def test_a_burst_beyond_the_ration_is_answered_and_never_refused_by_cerebras(tmp_path):
    """The limits of the real plan: the proxy knows when to stop, no 429 has to tell it."""
    providers = Providers(tmp_path, requests_per_minute=15, tokens_per_minute=165_000)
    ration = {"CEREBRAS_REQUESTS_PER_MINUTE": "12", "CEREBRAS_TOKENS_PER_MINUTE": "132000"}
    proxy = Proxy(providers, temporary(tmp_path, "proxy"), **ration)

    async def ask(client, count):
        stream = await client.chat.completions.create(
            model=MODEL, messages=story(count), max_tokens=500, stream=True
        )
        return words("".join([chunk.choices[0].delta.content or "" async for chunk in stream]))

    async def burst():
        async with AsyncOpenAI(base_url=proxy.url, api_key="anything", max_retries=0, timeout=30) as client:
            return await asyncio.gather(*(ask(client, count) for count in range(10, 50)))

    try:
        assert asyncio.run(burst()) == list(range(10, 50))
        cerebras, chutes = providers.cerebras.stats(), providers.chutes.stats()
        assert cerebras["received"] == cerebras["served"]
        assert cerebras["served"] + chutes["served"] == 40
        assert 6 <= cerebras["served"] <= 15
    finally:
        proxy.stop()
        providers.stop()
