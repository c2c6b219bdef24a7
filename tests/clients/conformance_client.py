"""The vendors' own clients, over conversations from a file. It knows of no provider: that is a
matter of the configuration behind its base URL.

Usage: conformance_client.py DIALECT BASE_URL FILE, where FILE holds a JSON object of bodies by name
"""

import inspect
import json
import sys

import common

DIALECT, BASE, FILE = sys.argv[1:]


def call(method, body):
    """Calls by the client's own parameters; what it does not know goes beside them."""
    known = inspect.signature(method).parameters
    params = {name: value for name, value in body.items() if name in known}
    extra = {name: value for name, value in body.items() if name not in known}
    return method(**params, extra_body=extra or None)


def run(method, usage, body):
    answer = call(method, body)
    if not body.get("stream"):
        return common.lasting(answer.to_dict()) | {"usage": usage(answer)}
    events = [event.to_dict() for event in answer]
    # Where the usage of a stream stands is the provider's matter: in a chunk of its own, or not.
    told = [event for event in events if event.get("choices") != []]
    return {"events": common.lasting(told), "usage": usage(events)}


def last(events, find):
    found = [find(event) for event in events]
    return next((counts for counts in reversed(found) if counts), None)


def messages_usage(answer):
    """Input in the three kinds that stand beside each other, and output."""
    if isinstance(answer, list):
        counts = last(answer, lambda event: event.get("usage"))
    else:
        counts = answer.to_dict()["usage"]
    kinds = ["input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens"]
    return {"input": sum(counts.get(kind) or 0 for kind in kinds), "output": counts["output_tokens"]}


def openai_usage(answer):
    """Input that counts what was cached within it, and output."""
    if isinstance(answer, list):
        counts = last(answer, lambda event: event.get("usage") or (event.get("response") or {}).get("usage"))
    else:
        counts = answer.to_dict()["usage"]
    if counts is None:
        return None
    names = ["prompt_tokens", "completion_tokens", "input_tokens", "output_tokens", "total_tokens"]
    return {name: counts[name] for name in names if name in counts}


if DIALECT == "messages":
    import anthropic

    client = anthropic.Anthropic(api_key="sk-ant-test", base_url=BASE, max_retries=0)
    method, usage = client.messages.create, messages_usage
else:
    import openai

    client = openai.OpenAI(api_key="sk-test", base_url=f"{BASE}/v1", max_retries=0)
    method = client.chat.completions.create if DIALECT == "chat" else client.responses.create
    usage = openai_usage



def unspelled(said):
    """An error without the spelling of the model at the end of its words."""
    if isinstance(said, dict):
        return {name: unspelled(value) for name, value in said.items()}
    return said.split(" tokens for ")[0] if isinstance(said, str) else said


common.FLEETING = common.FLEETING | {"model"}
seen = {}
with open(FILE, encoding="utf-8") as file:
    for name, body in json.load(file).items():
        common.step(seen, name, lambda: run(method, usage, body))
        if "said" in seen[name]:
            seen[name] = unspelled(seen[name])
common.report(seen, [])
