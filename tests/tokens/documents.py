"""Texts and chat requests to be counted; the same ones each time."""

import json
import random

SPECIAL = (
    "<|endoftext|> <|im_start|> <|im_end|> <|object_ref_start|> <|object_ref_end|> <|box_start|> <|box_end|> <|quad_start|>"
    " <|quad_end|> <|vision_start|> <|vision_end|> <|vision_pad|> <|image_pad|> <|video_pad|> <tool_call> </tool_call>"
    " <|fim_prefix|> <|fim_middle|> <|fim_suffix|> <|fim_pad|> <|repo_name|> <|file_sep|> <tool_response> </tool_response>"
    " <think> </think>"
).split()
ALIKE = [
    "<|im_start", "<|im_end|>>", "<<|im_end|>", "<tool_call >", "< tool_call>", "<Tool_call>", "</think", "<think/>", "|im_end|>",
    "<|im_end|<|im_end|>", "<|im_", "</tool_respons>", "<tool_responses>", "<|IM_START|>", "<|fim_pad|", "&lt;think&gt;", "<|>", "<", "</",
]  # fmt: skip
WORDS = (
    "the a of request answer token stream provider quota reserve settle error fallback it's don't we'll they're I'd HTTPServer snake_case"
    " camelCase SCREAMING naïve café Übergröße façade x y foo bar self await async fn let match impl struct return if else"
).split()
CODE = [
    "fn main() {\n    println!(\"{}\", 42);\n}\n", "def f(x: int) -> str:\n\treturn f\"{x!r}\"\n", "#include <stdio.h>\r\nint main(void) { return 0; }\r\n",
    "SELECT * FROM t WHERE a >= 10 AND b != 'x';\n", "const f = async (a) => ({ ...a, b: a?.b ?? 1 });\n", "    // a comment with 3 numbers: 1, 22, 333\n",
    "<div class=\"a b\">&amp;</div>\n", "{\"a\": [1, 2.5e-3, null, true]}\n", "a+=b--;c<<=2;d=~e&&f||!g;\n", "\\begin{align}\n  x^2 &= y_1 \\\\\n\\end{align}\n",
]  # fmt: skip
MARKDOWN = ["# Title\n\n", "## 2.1 Part\n", "- item\n  - deeper\n", "1. one\n2. two\n", "> said\n\n", "`code` and **bold** and _it_\n", "```rust\nlet x = 1;\n```\n", "| a | b |\n|---|--:|\n| 1 | 2 |\n", "[link](https://example.com/a?b=c&d=%20#e)\n", "***\n\n\n"]  # fmt: skip
SCRIPTS = [
    (0x4E00, 0x9FFF), (0x3040, 0x30FF), (0xAC00, 0xD7A3), (0x0400, 0x04FF), (0x0370, 0x03FF), (0x0590, 0x05FF), (0x0600, 0x06FF),
    (0x0900, 0x097F), (0x0E00, 0x0E7F), (0x10A0, 0x10FF), (0x1F00, 0x1FFF), (0x3400, 0x4DBF), (0x20000, 0x2A6DF), (0xFF00, 0xFFEF),
]  # fmt: skip
EMOJI = ["😀", "👍🏽", "👩‍👩‍👧‍👦", "🇩🇪", "🏳️‍🌈", "❤️", "1️⃣", "🫠", "🧑🏿‍🚀", "☺", "🀄"]
UNCOMPOSED = ["e\u0301", "a\u0308\u0304", "\u212b", "\u2126", "\u1100\u1161\u11a8", "\u1e9b\u0323", "s\u0323\u0307", "\u0958", "\u2adc", "\ufb1d", "\u0344", "n\u0303", "\ufb01", "q\u0307\u0323", "\u30ab\u3099"]  # fmt: skip
BLANKS = [" ", "  ", "\t", "\n", "\r\n", "\r", "\n\n", " \n", "\x0b", "\x0c", "\x85", "\xa0", "\u1680", "\u2003", "\u2028", "\u2029", "\u202f", "\u3000", "\u200b", "\ufeff", "\x1c", "\x1f"]  # fmt: skip


def fragments(rng):
    """What one text is made of."""
    def letters(first, last):
        return lambda: "".join(chr(rng.randint(first, last)) for _ in range(rng.randint(1, 12)))

    kinds = {
        "code": lambda: rng.choice(CODE),
        "markdown": lambda: rng.choice(MARKDOWN) + rng.choice(WORDS),
        "prose": lambda: rng.choice(WORDS) + rng.choice([" ", " ", " ", ", ", ". ", "\n"]),
        "scripts": letters(*rng.choice(SCRIPTS)),
        "emoji": lambda: rng.choice(EMOJI) + rng.choice(["", " ", "x"]),
        "uncomposed": lambda: rng.choice(UNCOMPOSED) + rng.choice(["", " ", "\u0301", "a", "\u0327"]),
        "special": lambda: rng.choice(SPECIAL) + rng.choice(["", "", " ", "\n", "x", "\u0301"]),
        "alike": lambda: rng.choice(ALIKE) + rng.choice(["", " ", "x"]),
        "digits": lambda: str(rng.randint(0, 10 ** rng.randint(1, 20))) + rng.choice(["", " ", ".", ",", "٣", "½", "Ⅷ"]),
        "blanks": lambda: rng.choice(BLANKS) * rng.randint(1, rng.choice([2, 2, 40])) + rng.choice(["", "a", "1", "."]),
        "points": letters(0x21, 0x2F),
        "contractions": lambda: rng.choice(["'", "’"]) + rng.choice(["s", "S", "ſ", "T", "re", "VE", "m", "LL", "d", "x", "ﬆ"]),
        "any": lambda: "".join(chr(rng.choice([rng.randint(0, 0xD7FF), rng.randint(0xE000, 0x10FFFF), rng.randint(0, 0x2FFF)])) for _ in range(rng.randint(1, 8))),
        "repeated": lambda: rng.choice(["a", "=", "-", "ab", "é", "0", "/", "字", " x"]) * rng.randint(1, 200),
    }  # fmt: skip
    return kinds


def texts(count, seed=1):
    rng = random.Random(seed)
    for number in range(count):
        kinds = fragments(rng)
        # Every other text is of one kind.
        chosen = list(kinds) if number % 2 else [list(kinds)[number // 2 % len(kinds)]]
        length = rng.choice([1, 3, 10, 40, 150])
        yield "".join(kinds[rng.choice(chosen)]() for _ in range(length))


def requests(count, seed=2):
    rng = random.Random(seed)
    for _ in range(count):
        yield request(rng)


def text(rng, most=6):
    kinds = fragments(rng)
    ordinary = ["prose"] * 4 + ["code", "markdown", "blanks", "digits", "scripts", "emoji", "uncomposed", "alike", "contractions", "special"]
    return "".join(kinds[rng.choice(ordinary)]() for _ in range(rng.randint(0, most)))


def value(rng, depth=2):
    kinds = [text, text, number, lambda rng: rng.choice([True, False, None])]
    if depth:
        kinds += [
            lambda rng: [value(rng, depth - 1) for _ in range(rng.randint(0, 3))],
            lambda rng: {key(rng): value(rng, depth - 1) for _ in range(rng.randint(0, 3))},
        ]
    return rng.choice(kinds)(rng)


def number(rng):
    return rng.choice([0, 1, -1, 10**25, 1.0, -0.0, 1e16, 123456.789, 1e-5, 0.0001, 1e300, 5e-324, rng.random(), rng.randint(-999, 999)])


def key(rng):
    return rng.choice(["path", "limit", "file-name", "$ref", "a b", "naïve", "items", "default", "it's", "x" + str(rng.randint(0, 99))])


def request(rng):
    messages = []
    if rng.random() < 0.6:
        messages.append({"role": "system", "content": content(rng)})
    if rng.random() < 0.05:
        messages.append({"role": "tool", "tool_call_id": "0", "content": content(rng)})
    for turn in range(rng.randint(1, 5)):
        messages.append({"role": rng.choice(["user"] * 9 + ["developer"]), "content": content(rng)})
        for _ in range(rng.choice([0, 1, 2])):
            calls = [call(rng, index) for index in range(rng.randint(1, 3))]
            messages.append({"role": "assistant", "content": rng.choice([None, "", content(rng)]), "tool_calls": calls})
            messages += [{"role": "tool", "tool_call_id": str(index), "content": content(rng)} for index in range(rng.randint(0, 3))]
        if rng.random() < 0.7:
            messages.append({"role": "assistant", "content": content(rng)})
        if rng.random() < 0.05:
            messages.append({"role": "system", "content": content(rng)})
    for message in messages:
        if rng.random() < 0.02:
            del message["content"]
        if rng.random() < 0.01:
            message[rng.choice(["content", "role", "tool_calls"])] = value(rng)
    made = {"model": "m", "messages": messages}
    if rng.random() < 0.6:
        made["tools"] = [tool(rng) for _ in range(rng.choice([0, 1, 2, 5]))]
    elif rng.random() < 0.2:
        made["tools"] = None
    return made


def content(rng):
    if rng.random() < 0.2:
        parts = [{"type": "text", "text": text(rng)} for _ in range(rng.randint(1, 3))]
        if rng.random() < 0.03:
            parts.append({"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}})
        return parts
    return text(rng)


def call(rng, index):
    arguments = {key(rng): value(rng) for _ in range(rng.randint(0, 4))}
    written = json.dumps(arguments, ensure_ascii=rng.random() < 0.5)
    if rng.random() < 0.03:
        written = rng.choice(["", "{", "[]", "null", '{"a":1,"a":2}', arguments, None, "1"])
    return {"id": str(index), "type": "function", "function": {"name": rng.choice(["read_file", "run", "é"]), "arguments": written}}


def tool(rng):
    def fields():
        made = {}
        if rng.random() < 0.9:
            made["type"] = rng.choice(["string", "integer", "array", ["string", "null"]])
        if rng.random() < 0.9:
            made["description"] = text(rng)
        if rng.random() < 0.2:
            made["enum"] = [text(rng, 1) for _ in range(3)]
        for _ in range(rng.choice([0, 0, 1, 2])):
            made[key(rng)] = value(rng)
        if rng.random() < 0.1:
            made["required"] = rng.choice([True, False, [], ["a", 1, None], "ab", {"k": 1}, None])
        if rng.random() < 0.1:
            made["properties"] = {"deep": {"type": "string"}}
        return made

    parameters = {"type": "object", "properties": {key(rng): fields() for _ in range(rng.randint(0, 4))}}
    parameters["required"] = [name for name in parameters["properties"] if rng.random() < 0.5]
    if rng.random() < 0.3:
        parameters["additionalProperties"] = rng.choice([False, True, {"type": "string"}])
    function = {"name": "tool_" + str(rng.randint(0, 9)), "description": text(rng), "parameters": parameters}
    if rng.random() < 0.3:
        function["strict"] = rng.choice([True, False, None])
    if rng.random() < 0.1:
        function["return"] = value(rng)
    if rng.random() < 0.1:
        del function[rng.choice(["name", "description", "parameters"])]
    if rng.random() < 0.05:
        function[rng.choice(["name", "description", "parameters"])] = value(rng)
    if rng.random() < 0.05:
        parameters[rng.choice(["properties", "required"])] = value(rng)
    return function if rng.random() < 0.1 else {"type": "function", "function": function}


def golden():
    """A few chats in which a template shows all that it can."""
    system = {"role": "system", "content": "Be brief. "}
    user = {"role": "user", "content": "What is in naïve.txt and e\u0301.txt? 天気 👍🏽"}

    def called(arguments, name="read_file"):
        return {"id": "1", "type": "function", "function": {"name": name, "arguments": arguments}}

    def result(content):
        return {"role": "tool", "tool_call_id": "1", "content": content}

    read_file = {
        "type": "function",
        "function": {
            "name": "read_file",
            "description": " Reads a file.\n",
            "strict": False,
            "parameters": {
                "type": "object",
                "properties": {
                    "path": {"type": "string", "description": "\tbelow the working directory ", "pattern": "^[^\"']+$"},
                    "lines": {"type": ["array", "null"], "items": {"type": "integer", "é": "<&'>"}, "default": [1, 2.0, "it's"], "required": ["a", 1, None]},
                    "en-coding": {"enum": ["utf-8", "latin-1"], "x-$a b": True, "title": None, "minimum": 1e-7, "required": True},
                },
                "required": ["path"],
                "additionalProperties": False,
            },
        },
    }
    bare = {"name": "list", "description": None, "parameters": {}, "return": {"type": "string"}}
    undescribed = {"type": "function", "function": {"name": "now"}}
    calls = [called('{"path": "naïve.txt", "lines": [1, {"to": 2.50}, "\\u00e9\'"], "all": true, "n": null, "f": 1E3, "s": "1"}'), called("", "now")]
    chats = [
        {"messages": [user]},
        {"messages": [system, user], "tools": []},
        {"messages": [user], "tools": [read_file]},
        {"messages": [system, user, {"role": "assistant", "content": "It says:\n"}, user], "tools": [read_file, bare]},
        {"messages": [system, user, {"role": "assistant", "content": None, "tool_calls": calls}, result("a\nb"), result([{"type": "text", "text": "x"}, {"type": "text", "text": "y"}]), {"role": "assistant", "content": " Done. "}], "tools": [read_file]},
        {"messages": [user, {"role": "assistant", "content": " I look. ", "tool_calls": calls[:1]}, result("1"), result("2"), user, {"role": "assistant", "content": "", "tool_calls": calls[1:]}, result(None)]},
        {"messages": [system, result("nobody asked"), {"role": "developer", "content": "hm"}, {"role": "system", "content": "Be long."}, user]},
        {"messages": [result("first"), {"role": "assistant", "content": [{"type": "text", "text": "<|im_end|>\n<tool_call>"}], "tool_calls": []}], "tools": [undescribed]},
        {"messages": [user, {"role": "assistant", "content": "", "tool_calls": [called("{")]}]},
        {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:,"}}]}]},
    ]  # fmt: skip
    return [{"model": "m", **chat} for chat in chats]
