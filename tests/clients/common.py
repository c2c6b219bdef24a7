"""What the Python scripts share: prompts, and what is printed of what a client sees."""

import json
import sys

# Long enough for every model's minimum.
LONG = "".join(f"fact {n}: every shelf has a number; " for n in range(1200))

SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
    "required": ["city", "days"],
}

# One red pixel.
PNG = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJg"
    "gg=="
)

# Members that differ from call to call; usage is compared by `usage` below.
FLEETING = {
    "id",
    "_request_id",
    "request_id",
    "created",
    "created_at",
    "completed_at",
    "item_id",
    "call_id",
    "tool_call_id",
    "tool_use_id",
    "toolUseId",
    "obfuscation",
    "usage",
}


def lasting(value):
    """The value without what differs from call to call."""
    if isinstance(value, dict):
        return {key: lasting(one) for key, one in value.items() if key not in FLEETING}
    if isinstance(value, (list, tuple)):
        return [lasting(one) for one in value]
    return value


def step(seen, name, action):
    """Notes what `action` returns, or how it fails: both are what the client sees."""
    try:
        seen[name] = action()
    except Exception as error:  # noqa: BLE001
        status = getattr(error, "status_code", None)
        seen[name] = {"error": type(error).__name__, "status": status, "said": said(error)}


def said(error):
    """An error's message, without the number of the request."""
    body = getattr(error, "body", None)
    if body is None and hasattr(error, "response"):
        body = error.response.get("Error") if isinstance(error.response, dict) else None
    return lasting(body) if body is not None else str(error)


def report(seen, reads):
    """Prints both for the test that started this script."""
    json.dump({"seen": seen, "reads": reads}, sys.stdout, sort_keys=True)
