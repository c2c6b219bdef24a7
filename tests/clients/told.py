"""What an official SDK makes of given answers.

Reads a list of answers from the standard input, serves them one after another on a port of its own,
and prints what the SDK's exceptions say of each, or what it made of a stream.
"""

import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

PACKAGE = sys.argv[1]
ANSWERS = json.load(sys.stdin)


class Handler(BaseHTTPRequestHandler):
    """Answers with what comes next."""

    ahead = iter(ANSWERS)

    def do_POST(self):  # noqa: N802
        self.rfile.read(int(self.headers.get("content-length", 0)))
        answer = next(Handler.ahead)
        body = answer["body"].encode()
        self.send_response(answer["status"])
        self.send_header("content-type", answer["type"])
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def main():
    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    base = f"http://127.0.0.1:{server.server_address[1]}"
    messages = [{"role": "user", "content": "hi"}]
    if PACKAGE == "anthropic":
        import anthropic

        client = anthropic.Anthropic(api_key="k", base_url=base, max_retries=0)
        call = {"model": "m", "max_tokens": 9, "messages": messages}

        def plain():
            return client.messages.create(**call)

        def streamed():
            with client.messages.stream(**call) as stream:
                message = stream.get_final_message()
            text = "".join(block.text for block in message.content)
            return {"text": text, "usage": message.usage.to_dict()}

    else:
        import openai

        client = openai.OpenAI(api_key="k", base_url=base, max_retries=0)

        def plain():
            return client.chat.completions.create(model="m", messages=messages)

        streamed = plain

    saw = []
    for answer in ANSWERS:
        try:
            saw.append(streamed() if answer["status"] == 200 else plain())
        except Exception as error:  # noqa: BLE001
            body = error.body or {}
            inner = body.get("error", body)
            saw.append(
                {
                    "class": type(error).__name__,
                    "status": error.status_code,
                    "kind": inner.get("type"),
                    "code": inner.get("code"),
                    "message": inner.get("message"),
                }
            )
    json.dump(saw, sys.stdout)


main()
