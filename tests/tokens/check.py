"""Compares the program's counts with the reference's, document by document.

    check.py BINARY           counts of texts and, where the templates' sources are beside the checkout, of chat requests
    check.py --golden FILE    writes chats with what the templates make of them, for the tests of crates/tokens
"""

import json
import subprocess
import sys

import documents
import reference

TEXTS = 2_800
REQUESTS = 1_000
SHOWN = 5


def main():
    if sys.argv[1] == "--golden":
        return golden(sys.argv[2])
    tokenizer = reference.tokenizer()
    texts = list(documents.texts(TEXTS))
    expected = [{"tokens": count(tokenizer, text)} for text in texts]
    outcomes = [compare("texts", texts, expected, asked(sys.argv[1], texts))]
    for name in reference.TEMPLATES:
        template = reference.template(name)
        if template is None:
            print(f"{name}: skipped, its source is not beside the checkout")
            continue
        requests = list(documents.requests(REQUESTS))
        prompts = [reference.render(template, request) for request in requests]
        assert sum(prompt is None for prompt in prompts) < REQUESTS / 3, "most requests are good ones"
        expected = [{"tokens": count(tokenizer, prompt), "prompt": prompt} for prompt in prompts]
        answers = asked(sys.argv[1], requests, "--show", "--template", name)
        outcomes.append(compare(name, requests, expected, answers))
    failed = sum(failed for _, failed in outcomes)
    print(f"tokens: {sum(passed for passed, _ in outcomes)} passed, {failed} failed")
    return 1 if failed else 0


def count(tokenizer, text):
    return None if text is None else len(tokenizer.encode(text, add_special_tokens=False).ids)


def asked(binary, documents, *options):
    """What the program says of each, in one process."""
    lines = "".join(json.dumps(document, ensure_ascii=False) + "\n" for document in documents)
    process = subprocess.run([binary, "count", "--lines", *options], input=lines.encode(), stdout=subprocess.PIPE, check=True)
    answers = [json.loads(line) for line in process.stdout.splitlines()]
    assert len(answers) == len(documents), (len(answers), len(documents))
    return answers


def compare(what, documents, expected, answers):
    failures = 0
    for document, wanted, answer in zip(documents, expected, answers):
        got = {name: answer.get(name) for name in wanted}
        if got != wanted:
            failures += 1
            if failures <= SHOWN:
                print(f"{what}: {json.dumps(document)[:2000]}\n  expected {json.dumps(wanted)[:2000]}\n  got      {json.dumps(got)[:2000]}")
    print(f"{what}: {len(documents)} compared, {failures} different")
    return len(documents) - failures, failures


def golden(file):
    tokenizer = reference.tokenizer()
    chats = []
    for request in documents.golden():
        chat = {"request": request, "rendered": {}}
        for name in reference.TEMPLATES:
            prompt = reference.render(reference.template(name), request)
            chat["rendered"][name] = prompt and {"prompt": prompt, "tokens": count(tokenizer, prompt)}
        chats.append(chat)
    with open(file, "w") as out:
        out.writelines(json.dumps(chat, ensure_ascii=False) + "\n" for chat in chats)
    return 0


sys.exit(main())
