"""The three parties that a scenario plays or watches: providers and buyers over real sockets, and the coordinator as
its operator sees it.

A scenario is a function that takes a Coordinator and asserts. No thread is needed for most of them: a buyer asks, the
provider answers, the buyer reads; what nobody has read yet waits in the kernel.
"""

import http.client
import json
import sys
import time
import urllib.parse

from raw_websocket import CLOSE, PING, PONG, TEXT, Closed, RawWebSocket

LIMIT = 20  # seconds; bounds a failure, asserts nothing


def wait_until(what, probe):
    """The first true result of `probe`, asked again and again."""
    deadline = time.monotonic() + LIMIT
    while True:
        result = probe()
        if result:
            return result
        assert time.monotonic() < deadline, f"gave up on: {what}"
        time.sleep(0.01)


class Coordinator:
    def __init__(self, buyer_url, operator_url, key):
        self.buyer = urllib.parse.urlsplit(buyer_url).netloc
        self.operator = urllib.parse.urlsplit(operator_url).netloc
        self.key = key
        # Set by scenarios that play on until it has.
        self.has_ended = False
        # What nothing refers to is closed at once, and a scenario that only wants a provider to be there has no name
        # for it.
        self.links = []

    def call(self, method, path, body=None, key=None):
        """An operator's call: (status, text)."""
        connection = http.client.HTTPConnection(self.operator, timeout=LIMIT)
        headers = {"Authorization": f"Bearer {self.key if key is None else key}"}
        connection.request(method, path, body=None if body is None else json.dumps(body), headers=headers)
        response = connection.getresponse()
        text = response.read().decode()
        connection.close()
        return response.status, text

    def order(self, path, body=None, status=200):
        actual, text = self.call("POST", path, body)
        assert actual == status, (actual, text)
        return json.loads(text)

    def get(self, path):
        status, text = self.call("GET", path)
        assert status == 200, (status, text)
        return json.loads(text)

    def health(self):
        return self.get("/healthz")

    def entry(self, provider_id):
        """The provider's entry in the pool, or None."""
        return next((e for e in self.get("/poolz")["pool"] if e["provider_id"] == provider_id), None)

    def state(self, provider_id):
        entry = self.entry(provider_id)
        return entry["state"] if entry else None

    def wait_for_state(self, provider_id, state):
        wait_until(f"{provider_id} being {state}", lambda: self.state(provider_id) == state)

    def metric(self, name):
        """The sum of all samples of that name."""
        _, page = self.call("GET", "/metrics")
        samples = [line for line in page.splitlines() if line.split("{")[0].split(" ")[0] == name]
        assert samples, f"no metric {name}"
        return sum(float(line.rsplit(" ", 1)[1]) for line in samples)

    def wait_until_idle(self):
        wait_until("a pool without requests", lambda: self.health()["requests_active"] == 0)

    def prove_healthy(self):
        """Whatever has been done to it, it forgets what is over and serves on."""
        self.wait_until_idle()
        witness = Provider(self, "witness", model_id="witness-model")
        asked = Buyer(self, model="witness-model")
        witness.answer(witness.receive("inference_request"), "all ", "is ", "well")
        assert asked.text() == "all is well"
        witness.leave()


class Provider:
    """A provider that does what the scenario says."""

    HELLO = {
        "version": 1,
        "tier": 1,
        "hostname": "machine.local",
        "model_id": "model",
        "model_params_b": 7.0,
        "ram_gb": 16,
        "max_context_tokens": 50_000,
        "max_concurrency": 2,
        "throughput_tps_estimate": 20.0,
        "binary_version": "1.2.0",
        "attestation": None,
        "endpoint_url": None,
    }

    def __init__(self, coordinator, provider_id, token=None, registers=True, **fields):
        self.id = provider_id
        self.hello = {**self.HELLO, "provider_id": provider_id, **fields}
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        self.link = RawWebSocket(f"ws://{coordinator.operator}/ws/provider", headers, timeout=LIMIT)
        coordinator.links.append(self.link)
        if registers:
            self.send("hello", **self.hello)
            self.acknowledgement = self.receive("hello_ack")
            self.assigned_id = self.acknowledgement["assigned_id"]

    def send(self, type, **fields):
        self.link.send(TEXT, json.dumps({"type": type, **fields}).encode())

    def receive(self, type):
        """The next message, which must be of that type. A PING on the way is answered, as any client does."""
        while True:
            opcode, payload = self.link.receive()
            if opcode == PING:
                self.link.send(PONG, payload)
            elif opcode == TEXT:
                message = json.loads(payload)
                assert message["type"] == type, f"{self.id}: not {type} but {message}"
                return message

    def receive_close(self, code, reason=None):
        """The next frame is a Close, and the last one."""
        try:
            message = self.link.receive()
        except Closed as closed:
            assert closed.code == code and (reason is None or closed.reason == reason), closed
        else:
            raise AssertionError(f"not a Close but {message}")
        if code is not None:
            self.link.send(CLOSE, code.to_bytes(2, "big"))
            assert self.link.is_at_end(), "something follows the Close"

    def heartbeat(self, status="ready", slots_free=None):
        names = "model_id model_params_b ram_gb max_context_tokens max_concurrency throughput_tps_estimate".split()
        slots = self.hello["max_concurrency"]
        self.send(
            "heartbeat",
            status=status,
            slots_free=slots if slots_free is None else slots_free,
            slots_total=slots,
            requests_served_since_last=0,
            avg_latency_ms_since_last=None,
            throughput_tps_since_last=None,
            **{name: self.hello[name] for name in names},
        )

    def update_state(self, state):
        slots = self.hello["max_concurrency"]
        snapshot = {"slots_free": slots, "slots_total": slots}
        self.send("state_update", state=state, reason="test", since="2026-01-01T00:00:00Z", metrics_snapshot=snapshot)

    def receive_prompts(self, count):
        """As many requests by their prompts: buyers that ask at the same time may come in any order."""
        requests = [self.receive("inference_request") for _ in range(count)]
        return {json.loads(request["body"])["messages"][0]["content"]: request for request in requests}

    def chunk(self, request, seq, text):
        self.send("inference_response_chunk", request_id=request["request_id"], seq=seq, data=event(text))

    def end(self, request, status="complete", chunks_sent=None, **fields):
        count = {} if chunks_sent is None else {"chunks_sent": chunks_sent}
        self.send("inference_response_end", request_id=request["request_id"], status=status, **count, **fields)

    def answer(self, request, *texts):
        """The whole answer, streamed or in one piece, as the request asks."""
        if request["stream"]:
            for seq, text in enumerate(texts):
                self.chunk(request, seq, text)
        else:
            data = json.dumps(completion("".join(texts)))
            self.send("inference_response_chunk", request_id=request["request_id"], seq=0, data=data)
        usage = {"prompt_tokens": 3, "completion_tokens": len(texts), "total_tokens": 3 + len(texts)}
        self.end(request, chunks_sent=len(texts) if request["stream"] else 1, usage=usage)

    def leave(self):
        """A Close of its own; the coordinator echoes it."""
        self.link.send(CLOSE, (1000).to_bytes(2, "big"))
        self.receive_close(1000)
        self.link.cut()

    def cut(self):
        self.link.cut()


def event(text):
    delta = {"object": "chat.completion.chunk", "choices": [{"index": 0, "delta": {"content": text}}]}
    return f"data: {json.dumps(delta)}\n\n"


def completion(text):
    message = {"role": "assistant", "content": text}
    return {"object": "chat.completion", "choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}


class Buyer:
    """One request. It has been sent when this returns; reading waits for the answer."""

    def __init__(self, coordinator, model="model", prompt="Hello", stream=True, headers=None, **fields):
        self.connection = http.client.HTTPConnection(coordinator.buyer, timeout=LIMIT)
        self.stream = stream
        self.body = json.dumps(
            {"model": model, "messages": [{"role": "user", "content": prompt}], "stream": stream, **fields}
        )
        headers = {"Content-Type": "application/json", **(headers or {})}
        self.connection.request("POST", "/v1/chat/completions", body=self.body, headers=headers)
        self.response = None
        self.unread = b""

    def head(self):
        if self.response is None:
            self.response = self.connection.getresponse()
        return self.response

    def provider(self):
        return self.head().getheader("X-MacProvider-Provider")

    def next_event(self):
        """The next event's data; None behind the last one. A stream that is cut short raises."""
        head = self.head()
        assert head.status == 200, (head.status, head.read())
        # read1, since readline hides it when the chunked body ends too soon.
        while b"\n\n" not in self.unread:
            piece = head.read1()
            if piece == b"":
                assert self.unread == b"", self.unread
                return None
            self.unread += piece
        data, self.unread = self.unread.split(b"\n\n", 1)
        assert data.startswith(b"data: ") and b"\n" not in data, data
        return data[len(b"data: ") :].decode()

    def events(self):
        while (data := self.next_event()) is not None:
            yield data

    def text(self):
        """The text of a whole and flawless answer."""
        if not self.stream:
            head = self.head()
            body = head.read()
            assert head.status == 200, (head.status, body)
            return json.loads(body)["choices"][0]["message"]["content"]
        text, events = "", list(self.events())
        assert events[-1] == "[DONE]" and events.count("[DONE]") == 1, events
        for data in events[:-1]:
            chunk = json.loads(data)
            assert "error" not in chunk, chunk
            text += chunk["choices"][0]["delta"]["content"]
        return text

    def broken_text(self):
        """The text of a stream that ends with the error event."""
        *events, error, done = list(self.events())
        assert done == "[DONE]", done
        error = json.loads(error)["error"]
        assert error["code"] == "provider_disconnect" and error["type"] == "server_error", error
        return "".join(json.loads(data)["choices"][0]["delta"]["content"] for data in events)

    def is_cut_short(self):
        """Whether the connection ends in the middle of the stream, so that no client takes it for whole."""
        try:
            list(self.events())
        except (http.client.IncompleteRead, ConnectionError):
            return True
        return False

    def error(self, status, code):
        head = self.head()
        body = head.read().decode()
        assert head.status == status, (head.status, body)
        error = json.loads(body)["error"]
        assert error["code"] == code and error["message"] and error["type"], error
        return error

    def leave(self):
        if self.response is not None:
            self.response.close()
        self.connection.close()


def main(scenarios):
    """SCRIPT SCENARIO BUYER_URL OPERATOR_URL OPERATOR_KEY [ARGUMENT …]. Whatever a scenario does to the coordinator, no
    request may be left over."""
    name, buyer_url, operator_url, key, *arguments = sys.argv[1:]
    coordinator = Coordinator(buyer_url, operator_url, key)
    scenarios[name](coordinator, *arguments)
    if not coordinator.has_ended:
        coordinator.wait_until_idle()
    print("passed", flush=True)
