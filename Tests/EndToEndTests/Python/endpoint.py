#!/usr/bin/env python3
"""The HTTP endpoint of a provider: endpoint.py. Prints where it listens.

The `user` field of a request says what it gets; GET /seen says what became of the requests.
"""

import http.server
import json
import threading
import time

from network import completion, event

seen = {"requests": 0, "whole": 0, "broken_off": 0}
lock = threading.Lock()


def count(name):
    with lock:
        seen[name] += 1


class Endpoint(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.answer(200, seen)

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        assert self.path == "/v1/chat/completions", self.path
        count("requests")
        wish = body.get("user", "")
        if wish.isdigit():
            return self.answer(int(wish), {"error": {"message": "a secret of the engine"}})
        if wish == "gone":
            self.close_connection = True
            return None
        texts = ["over ", "plain ", "HTTP"]
        if not body["stream"]:
            return self.answer(200, completion("".join(texts)))
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        try:
            while wish == "endless":
                self.piece(event("on and on "))
                time.sleep(0.01)
            for text in texts:
                self.piece(event(text))
            if wish == "breaks":
                self.close_connection = True
                return None
            self.piece("data: [DONE]\n\n")
            self.wfile.write(b"0\r\n\r\n")
            count("whole")
        except ConnectionError:
            count("broken_off")
            self.close_connection = True

    def piece(self, text):
        data = text.encode()
        self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
        self.wfile.flush()

    def answer(self, status, value):
        data = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_):
        pass


if __name__ == "__main__":
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Endpoint)
    print(f"listening http://127.0.0.1:{server.server_port}", flush=True)
    server.serve_forever()
