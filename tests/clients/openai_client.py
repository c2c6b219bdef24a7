"""OpenAI's own client, given a base URL. Usage: openai_client.py BASE_URL"""

import sys

import common
import openai

MODEL = "gpt-5.6"
FUNCTION = {"name": "weather", "description": "The weather.", "parameters": common.SCHEMA}
DATA = f"data:image/png;base64,{common.PNG}"

client = openai.OpenAI(api_key="sk-test", base_url=f"{sys.argv[1]}/v1", max_retries=0)
seen, reads = {}, []


def usage(counts):
    """All tokens, without how the input was billed; notes what was read."""
    if counts is None:
        return None
    details = getattr(counts, "prompt_tokens_details", None)
    details = details or getattr(counts, "input_tokens_details", None)
    reads.append((details and details.cached_tokens) or 0)
    names = ["prompt_tokens", "completion_tokens", "input_tokens", "output_tokens", "total_tokens"]
    return {name: getattr(counts, name) for name in names if hasattr(counts, name)}


def document(answer):
    return common.lasting(answer.to_dict()) | {"usage": usage(answer.usage)}


def chat(content, **more):
    turns = content if isinstance(content, list) and "role" in content[0] else None
    turns = turns or [{"role": "user", "content": content}]
    return {
        "model": MODEL,
        "max_completion_tokens": 40,
        "messages": [{"role": "system", "content": common.LONG}, *turns],
        **more,
    }


def create(content, **more):
    return document(client.chat.completions.create(**chat(content, **more)))


def chunks(content, **more):
    stream = client.chat.completions.create(**chat(content, stream=True, **more))
    return [common.lasting(chunk.to_dict()) | {"usage": usage(chunk.usage)} for chunk in stream]


def helper(content, **more):
    with client.chat.completions.stream(**chat(content, **more)) as stream:
        kinds = [event.type for event in stream]
        return {"events": kinds, "final": document(stream.get_final_completion())}


def tool_loop():
    tools = [{"type": "function", "function": FUNCTION}]
    question = [{"role": "user", "content": "Please use the tool."}]
    called = client.chat.completions.create(**chat(question, tools=tools))
    message = called.choices[0].message
    results = [
        {"role": "tool", "tool_call_id": call.id, "content": "sunny"} for call in message.tool_calls
    ]
    turns = [*question, message.to_dict(), *results]
    return [document(called), create(turns, tools=tools)]


def response(content, **more):
    return {
        "model": MODEL,
        "instructions": common.LONG,
        "max_output_tokens": 40,
        "input": content,
        **more,
    }


def respond(content, **more):
    return document(client.responses.create(**response(content, **more)))


def events(content, **more):
    stream = client.responses.create(**response(content, stream=True, **more))
    return [common.lasting(event.to_dict()) for event in stream]


def response_helper(content, **more):
    with client.responses.stream(**response(content, **more)) as stream:
        kinds = [event.type for event in stream]
        return {"events": kinds, "final": document(stream.get_final_response())}


def response_tool_loop():
    tools = [{"type": "function", **FUNCTION}]
    question = [{"role": "user", "content": "Please use the tool."}]
    called = client.responses.create(**response(question, tools=tools))
    calls = [item for item in called.output if item.type == "function_call"]
    results = [
        {"type": "function_call_output", "call_id": call.call_id, "output": "sunny"} for call in calls
    ]
    turns = question + [item.to_dict() for item in called.output] + results
    return [document(called), respond(turns, tools=tools)]


def left_early():
    stream = client.chat.completions.create(**chat("What stands on shelf nine?", stream=True))
    first = next(iter(stream)).object
    stream.close()
    return first


tools = [{"type": "function", "function": FUNCTION}]
flat = [{"type": "function", **FUNCTION}]
seen_image = [{"type": "image_url", "image_url": {"url": DATA}}, {"type": "text", "text": "What is this?"}]
input_image = [
    {"type": "input_image", "image_url": DATA, "detail": "auto"},
    {"type": "input_text", "text": "What is this?"},
]
# The helpers take an answer that was cut for a failure.
whole = {"max_completion_tokens": 400}
with_usage = {"stream_options": {"include_usage": True}}
steps = {
    "create": lambda: create("What stands on shelf one?"),
    "create again": lambda: create("What stands on shelf two?"),
    "chunks": lambda: chunks("What stands on shelf three?"),
    "chunks with usage": lambda: chunks("What stands on shelf four?", **with_usage),
    "helper": lambda: helper("What stands on shelf five?", **with_usage, **whole),
    "tools": tool_loop,
    "tool chunks": lambda: chunks("Please use the tool.", tools=tools),
    "image": lambda: create(seen_image),
    "respond": lambda: respond("What stands on shelf one?"),
    "respond again": lambda: respond("What stands on shelf two?"),
    "events": lambda: events("What stands on shelf three?"),
    "response helper": lambda: response_helper("What stands on shelf four?", max_output_tokens=400),
    "response tools": response_tool_loop,
    "tool events": lambda: events("Please use the tool.", tools=flat),
    "response image": lambda: respond([{"role": "user", "content": input_image}]),
    "raw": lambda: client.chat.completions.with_raw_response.create(**chat("Raw?")).headers[
        "content-type"
    ],
    "left early": left_early,
    "refused": lambda: client.chat.completions.create(model=MODEL, messages=[]).to_dict(),
    "unknown place": lambda: client.embeddings.create(model="text-embedding-3-small", input="a"),
}
for name, action in steps.items():
    common.step(seen, name, action)
common.report(seen, reads)
