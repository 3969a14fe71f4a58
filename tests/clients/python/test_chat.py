"""What the official SDK asks and gets on a good day, from either provider."""

import asyncio
import json

import openai
import pytest
from openai import AsyncOpenAI
from pydantic import BaseModel

from rig import MODEL, eventually, function, story, tool, words

WEATHER = [{"role": "user", "content": "What is the weather like in New York?"}]
WEATHER_TOOL = tool("get_current_weather", "location")


class Weather(BaseModel):
    """The weather at a place."""

    location: str
    celsius: int


def text_of(chunks):
    return "".join(chunk.choices[0].delta.content or "" for chunk in chunks)


def test_plain(client, provider):
    raw = client.chat.completions.with_raw_response.create(model=MODEL, messages=story(25), temperature=0.7)
    assert raw.headers["x-proxy-provider"] == provider
    assert int(raw.headers["x-proxy-attempts"]) == (1 if provider == "cerebras" else 2)
    assert raw.headers["x-request-id"].startswith("req_")
    completion = raw.parse()
    assert completion.model == MODEL
    assert completion.object == "chat.completion"
    assert completion.choices[0].finish_reason == "stop"
    assert words(completion.choices[0].message.content) == 25
    assert completion.usage.total_tokens == completion.usage.prompt_tokens + completion.usage.completion_tokens > 25


def test_the_request_id_is_the_sdks(client):
    assert client.chat.completions.create(model=MODEL, messages=story(3))._request_id.startswith("req_")


def test_streaming_without_usage_never_has_a_chunk_without_choices(client, provider):
    raw = client.chat.completions.with_raw_response.create(model=MODEL, messages=story(40), stream=True)
    assert raw.headers["x-proxy-provider"] == provider
    chunks = list(raw.parse())
    # As callers write it: this crashes on a chunk that has only usage.
    assert words(text_of(chunks)) == 40
    assert {chunk.model for chunk in chunks} == {MODEL}
    assert len({chunk.id for chunk in chunks}) == 1
    assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices[0].finish_reason] == ["stop"]


def test_streaming_with_usage_has_it_once_at_the_end(client, provider):
    options = {"include_usage": True}
    stream = client.chat.completions.create(model=MODEL, messages=story(40), stream=True, stream_options=options)
    chunks = list(stream)
    assert {chunk.model for chunk in chunks} == {MODEL}
    assert [bool(chunk.usage) for chunk in chunks] == [False] * (len(chunks) - 1) + [True]
    usage = chunks[-1].usage
    assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens > 40


def test_max_tokens_end_an_answer_early(client, provider):
    completion = client.chat.completions.create(model=MODEL, messages=story(50), max_tokens=5)
    assert completion.choices[0].finish_reason == "length"
    assert completion.usage.completion_tokens <= 5


def test_content_in_parts(client, provider):
    parts = [{"type": "text", "text": "Tell me"}, {"type": "text", "text": "a 12 word story."}]
    completion = client.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": parts}])
    assert completion.choices[0].message.content


def test_a_tool_and_its_result(client, providers, provider):
    completion = client.chat.completions.create(
        model=MODEL, messages=WEATHER, tools=[WEATHER_TOOL], tool_choice="auto"
    )
    assert completion.model == MODEL
    choice = completion.choices[0]
    assert choice.finish_reason == "tool_calls"
    [call] = choice.message.tool_calls
    assert call.function.name == "get_current_weather"
    assert json.loads(call.function.arguments) == {"location": "New York"}

    # The SDK's own message goes back as it came, null content included.
    result = {"role": "tool", "tool_call_id": call.id, "content": [{"type": "text", "text": "21 degrees"}]}
    messages = [*WEATHER, choice.message, result]
    completion = client.chat.completions.create(model=MODEL, messages=messages, tools=[WEATHER_TOOL])
    assert completion.choices[0].finish_reason == "stop"
    assert completion.choices[0].message.content
    sent = getattr(providers, provider).bodies()[-1]["messages"]
    assert sent[1]["tool_calls"][0]["id"] == sent[2]["tool_call_id"] == call.id
    assert sent[2] == result


def test_a_streamed_tool_call(client, provider):
    with client.chat.completions.stream(model=MODEL, messages=WEATHER, tools=[WEATHER_TOOL]) as stream:
        assert {event.chunk.model for event in stream if event.type == "chunk"} == {MODEL}
        completion = stream.get_final_completion()
    assert completion.choices[0].finish_reason == "tool_calls"
    [call] = completion.choices[0].message.tool_calls
    assert call.function.name == "get_current_weather"
    assert json.loads(call.function.arguments) == {"location": "New York"}


@pytest.mark.parametrize("streamed", [False, True])
def test_parallel_tool_calls(client, provider, streamed):
    tools = [WEATHER_TOOL, tool("get_current_time", "city")]
    asked = {"model": MODEL, "messages": WEATHER, "tools": tools, "parallel_tool_calls": True}
    if streamed:
        with client.chat.completions.stream(**asked) as stream:
            completion = stream.get_final_completion()
    else:
        completion = client.chat.completions.create(**asked)
    calls = completion.choices[0].message.tool_calls
    assert [call.function.name for call in calls] == ["get_current_weather", "get_current_time"]
    assert [json.loads(call.function.arguments) for call in calls] == [{"location": "New York"}, {"city": "New York"}]
    assert len({call.id for call in calls}) == 2


def test_a_forced_tool(client, provider):
    tools = [WEATHER_TOOL, tool("get_current_time", "city")]
    choice = {"type": "function", "function": {"name": "get_current_time"}}
    completion = client.chat.completions.create(model=MODEL, messages=WEATHER, tools=tools, tool_choice=choice)
    assert [call.function.name for call in completion.choices[0].message.tool_calls] == ["get_current_time"]


def test_a_legacy_function_and_its_result(client, provider):
    functions = [function("get_current_weather", "location")]
    asked = {"model": MODEL, "functions": functions, "function_call": "auto"}
    completion = client.chat.completions.create(messages=WEATHER, **asked)
    choice = completion.choices[0]
    assert choice.finish_reason == "function_call"
    assert choice.message.function_call.name == "get_current_weather"
    assert json.loads(choice.message.function_call.arguments) == {"location": "New York"}

    result = {"role": "function", "name": "get_current_weather", "content": "21 degrees"}
    completion = client.chat.completions.create(messages=[*WEATHER, choice.message, result], **asked)
    assert completion.choices[0].finish_reason == "stop"
    assert completion.choices[0].message.content


def test_a_streamed_legacy_function(client, provider):
    functions = [function("get_current_weather", "location")]
    chunks = list(client.chat.completions.create(model=MODEL, messages=WEATHER, functions=functions, stream=True))
    calls = [chunk.choices[0].delta.function_call for chunk in chunks if chunk.choices[0].delta.function_call]
    assert "".join(call.name or "" for call in calls) == "get_current_weather"
    assert json.loads("".join(call.arguments or "" for call in calls)) == {"location": "New York"}
    assert chunks[-1].choices[0].finish_reason == "function_call"


def test_parse_a_structured_answer(client, providers, provider):
    # Scripts are for requests with tools; this one is there for that alone.
    providers.say({"text": '{"location": "New York", "celsius": 21}'})
    tools = [openai.pydantic_function_tool(Weather)]
    completion = client.chat.completions.parse(
        model=MODEL, messages=WEATHER, response_format=Weather, tools=tools
    )
    assert completion.choices[0].message.parsed == Weather(location="New York", celsius=21)
    schema = getattr(providers, provider).bodies()[-1]["response_format"]["json_schema"]
    assert schema["strict"] is True and schema["name"] == "Weather"


def test_parse_a_tool_call(client, provider):
    tools = [openai.pydantic_function_tool(Weather)]
    completion = client.chat.completions.parse(model=MODEL, messages=WEATHER, tools=tools)
    [call] = completion.choices[0].message.tool_calls
    assert call.function.parsed_arguments == Weather(location="New York", celsius=1)


def test_models(client):
    assert [model.id for model in client.models.list()] == [MODEL]
    model = client.models.retrieve(MODEL)
    assert (model.id, model.object, model.owned_by) == (MODEL, "model", "qwen-3-coder-proxy")
    assert model.created > 0


@pytest.mark.parametrize("streamed", [False, True])
def test_twenty_at_once(proxy, providers, streamed):
    async def ask(client, count):
        answer = await client.chat.completions.create(model=MODEL, messages=story(count), stream=streamed)
        if not streamed:
            return words(answer.choices[0].message.content)
        return words(text_of([chunk async for chunk in answer]))

    async def all_of_them():
        async with AsyncOpenAI(base_url=proxy.url, api_key="anything", max_retries=0, timeout=30) as client:
            return await asyncio.gather(*(ask(client, count) for count in range(10, 30)))

    assert asyncio.run(all_of_them()) == list(range(10, 30))
    assert providers.cerebras.stats()["served"] == 20


def test_a_client_that_hangs_up_frees_the_provider(client, proxy, providers):
    providers.cerebras.fails("slow_tokens")
    stream = client.chat.completions.create(model=MODEL, messages=story(200), stream=True)
    next(stream)
    stream.close()
    eventually(lambda: providers.cerebras.stats()["aborted"] == 1, "the provider's connection closed")
    assert providers.cerebras.stats()["in_flight"] == 0
    proxy.stop()
    assert [line["end"] for line in proxy.requests()] == ["client left"]
