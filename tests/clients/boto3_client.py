"""AWS's own client for Bedrock, given an endpoint. Usage: boto3_client.py ENDPOINT [HOST | KEY]

It signs for ENDPOINT; with a HOST for that host; with a KEY, a Bedrock API key, it does not sign.
"""

import base64
import json
import sys

import boto3
import common
from botocore import UNSIGNED
from botocore.config import Config

MODEL = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
NOVA = "us.amazon.nova-lite-v1:0"
TOOLS = {
    "tools": [
        {
            "toolSpec": {
                "name": "weather",
                "description": "The weather.",
                "inputSchema": {"json": common.SCHEMA},
            }
        }
    ]
}
IMAGE = {"image": {"format": "png", "source": {"bytes": base64.b64decode(common.PNG)}}}

how = sys.argv[2] if len(sys.argv) > 2 else None
key = how if how and how.startswith("ABSK") else None
client = boto3.client(
    "bedrock-runtime",
    region_name="us-east-1",
    endpoint_url=sys.argv[1],
    config=Config(retries={"max_attempts": 1}, signature_version=UNSIGNED if key else None),
)


def sign_for_upstream(request, **_):
    request.headers["Host"] = how


# boto3 shows a key of its own accord (AWS_BEARER_TOKEN_BEDROCK) over TLS only.
def show_key(params, **_):
    params["headers"]["Authorization"] = f"Bearer {key}"


events = client.meta.events
if key:
    events.register("before-call.bedrock-runtime", show_key)
elif how:
    events.register("before-sign.bedrock-runtime", sign_for_upstream)
seen, reads = {}, []


def usage(counts):
    """All input tokens, however they were billed, and the output; notes what was read."""
    read, written = counts.get("cacheReadInputTokens", 0), counts.get("cacheWriteInputTokens", 0)
    reads.append(read)
    total = counts["inputTokens"] + read + written
    return {"input": total, "output": counts["outputTokens"], "total": counts["totalTokens"]}


def ask(content, model=MODEL, **more):
    content = [{"text": content}] if isinstance(content, str) else content
    turns = content if "role" in content[0] else [{"role": "user", "content": content}]
    return {
        "modelId": model,
        "system": [{"text": common.LONG}],
        "messages": turns,
        "inferenceConfig": {"maxTokens": 40},
        **more,
    }


def document(answer):
    kept = {key: answer[key] for key in ("output", "stopReason")}
    return common.lasting(kept) | {"usage": usage(answer["usage"])}


def converse(content, **more):
    return document(client.converse(**ask(content, **more)))


def stream(content, **more):
    noted = []
    for event in client.converse_stream(**ask(content, **more))["stream"]:
        if "metadata" in event:
            noted.append({"metadata": usage(event["metadata"]["usage"])})
        else:
            noted.append(common.lasting(event))
    return noted


def tool_loop():
    question = [{"role": "user", "content": [{"text": "Please use the tool."}]}]
    called = client.converse(**ask(question, toolConfig=TOOLS))
    message = called["output"]["message"]
    calls = [block["toolUse"] for block in message["content"] if "toolUse" in block]
    results = [
        {"toolResult": {"toolUseId": call["toolUseId"], "content": [{"text": "sunny"}]}}
        for call in calls
    ]
    turns = [*question, message, {"role": "user", "content": results}]
    return [document(called), converse(turns, toolConfig=TOOLS)]


def invocation(text):
    body = {
        "anthropic_version": "bedrock-2023-05-31",
        "max_tokens": 40,
        "system": common.LONG,
        "messages": [{"role": "user", "content": text}],
    }
    return {"modelId": MODEL, "body": json.dumps(body)}


def claude(counts):
    names = ["input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens"]
    reads.append(counts[names[2]])
    return {"input": sum(counts[name] for name in names), "output": counts["output_tokens"]}


def invoke(text):
    answer = client.invoke_model(**invocation(text))
    message = json.loads(answer["body"].read())
    return common.lasting(message) | {"usage": claude(message["usage"])}


def invoke_stream(text):
    answer = client.invoke_model_with_response_stream(**invocation(text))
    chunks = [json.loads(event["chunk"]["bytes"]) for event in answer["body"]]
    reads.append(chunks[-1].pop("amazon-bedrock-invocationMetrics")["cacheReadInputTokenCount"])
    return common.lasting(chunks)


def left_early():
    stream = client.converse_stream(**ask("What stands on shelf nine?"))["stream"]
    first = next(iter(stream))
    stream.close()
    return first


steps = {
    "converse": lambda: converse("What stands on shelf one?"),
    "converse again": lambda: converse("What stands on shelf two?"),
    "stream": lambda: stream("What stands on shelf three?"),
    "tools": tool_loop,
    "tool stream": lambda: stream("Please use the tool.", toolConfig=TOOLS),
    "image": lambda: converse([IMAGE, {"text": "What is this?"}]),
    "nova": lambda: converse("What stands on shelf one?", model=NOVA),
    "nova again": lambda: converse("What stands on shelf two?", model=NOVA),
    "invoke": lambda: invoke("What stands on shelf one?"),
    "invoke again": lambda: invoke("What stands on shelf two?"),
    "invoke stream": lambda: invoke_stream("What stands on shelf three?"),
    "left early": left_early,
    "refused": lambda: client.converse(modelId=MODEL, messages=[]),
}
for name, action in steps.items():
    common.step(seen, name, action)
common.report(seen, reads)
