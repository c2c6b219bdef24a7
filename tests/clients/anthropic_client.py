"""Anthropic's own client, given a base URL. Usage: anthropic_client.py BASE_URL"""

import asyncio
import sys

import anthropic
import common

MODEL = "claude-sonnet-5"
TOOLS = [{"name": "weather", "description": "The weather.", "input_schema": common.SCHEMA}]
IMAGE = {
    "type": "image",
    "source": {"type": "base64", "media_type": "image/png", "data": common.PNG},
}

options = {"api_key": "sk-ant-test", "base_url": sys.argv[1], "max_retries": 0}
client = anthropic.Anthropic(**options)
seen, reads = {}, []


def ask(content, **more):
    turns = content if isinstance(content, list) and "role" in content[0] else None
    return {
        "model": MODEL,
        "max_tokens": 40,
        "system": common.LONG,
        "messages": turns or [{"role": "user", "content": content}],
        **more,
    }


def usage(counts):
    """All input tokens, however they were billed, and the output; notes what was read."""
    reads.append(counts.cache_read_input_tokens or 0)
    billed = [counts.input_tokens, counts.cache_creation_input_tokens, counts.cache_read_input_tokens]
    return {"input": sum(count or 0 for count in billed), "output": counts.output_tokens}


def document(message):
    return common.lasting(message.to_dict()) | {"usage": usage(message.usage)}


def create(content, **more):
    return document(client.messages.create(**ask(content, **more)))


def events(content, **more):
    stream = client.messages.create(**ask(content, stream=True, **more))
    return [common.lasting(event.to_dict()) for event in stream]


def helper(content, **more):
    with client.messages.stream(**ask(content, **more)) as stream:
        kinds = [event.type for event in stream]
        return {"events": kinds, "final": document(stream.get_final_message())}


def text():
    with client.messages.stream(**ask("What stands on shelf three?")) as stream:
        return list(stream.text_stream)


def tool_loop():
    question = [{"role": "user", "content": "Please use the tool."}]
    called = client.messages.create(**ask(question, tools=TOOLS))
    calls = [block for block in called.content if block.type == "tool_use"]
    results = [
        {"type": "tool_result", "tool_use_id": call.id, "content": [{"type": "text", "text": "sunny"}, IMAGE]}
        for call in calls
    ]
    turns = question + [
        {"role": "assistant", "content": [block.to_dict() for block in called.content]},
        {"role": "user", "content": results},
    ]
    return [document(called), create(turns, tools=TOOLS)]


def left_early():
    stream = client.messages.create(**ask("What stands on shelf nine?", stream=True))
    first = next(iter(stream)).type
    stream.close()
    return first


async def together():
    async with anthropic.AsyncAnthropic(**options) as many:
        questions = [f"What stands on shelf {number}?" for number in range(8)]
        answers = await asyncio.gather(*(many.messages.create(**ask(one)) for one in questions))
        return [document(answer) for answer in answers]


steps = {
    "create": lambda: create("What stands on shelf one?"),
    "create again": lambda: create("What stands on shelf two?"),
    "events": lambda: events("What stands on shelf three?"),
    "helper": lambda: helper("What stands on shelf four?"),
    "text": text,
    "tools": tool_loop,
    "tool events": lambda: events("Please use the tool.", tools=TOOLS),
    "tool helper": lambda: helper("Please use the tool.", tools=TOOLS),
    "image": lambda: create([IMAGE, {"type": "text", "text": "What is this?"}]),
    "count": lambda: client.messages.count_tokens(
        model=MODEL, system=common.LONG, messages=[{"role": "user", "content": "hi"}]
    ).to_dict(),
    "raw": lambda: client.messages.with_raw_response.create(**ask("Raw?")).headers["content-type"],
    "left early": left_early,
    "together": lambda: asyncio.run(together()),
    "refused": lambda: client.messages.create(model=MODEL, max_tokens=9, messages=[]).to_dict(),
    "unknown place": lambda: client.post("/v1/nowhere", body={"a": 1}, cast_to=object),
}
for name, action in steps.items():
    common.step(seen, name, action)
common.report(seen, reads)
