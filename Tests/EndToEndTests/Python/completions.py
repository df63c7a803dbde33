#!/usr/bin/env python3
"""Requests with friendly, clumsy and hostile providers (docs/protocol.md, section 7)."""

import json
import random
import threading

from network import LIMIT, Buyer, Provider, main, wait_until
from raw_websocket import BINARY, CLOSE, TEXT, Closed


class Serving:
    """Providers that answer on threads until the scenario is over; `answer` is called with each request."""

    def __init__(self, coordinator, count, answer, **fields):
        self.failures = []
        self.served = {}
        # The first one fills up until the others have something too: all of them take part.
        self.everybody_works = threading.Barrier(count, timeout=LIMIT)
        self.providers = [Provider(coordinator, f"m{number}", **fields) for number in range(count)]
        self.threads = [threading.Thread(target=self.serve, args=(p, answer), daemon=True) for p in self.providers]
        for thread in self.threads:
            thread.start()

    def serve(self, provider, answer):
        try:
            while True:
                request = provider.receive("inference_request")
                if provider.id not in self.served:
                    self.everybody_works.wait()
                self.served[provider.id] = self.served.get(provider.id, 0) + 1
                answer(provider, request)
        except Closed as closed:
            if closed.code != 1000:
                self.failures.append(closed)
        except Exception as error:  # a thread's failure is the scenario's
            self.failures.append(error)

    def end(self):
        for provider in self.providers:
            provider.link.send(CLOSE, (1000).to_bytes(2, "big"))
        for thread in self.threads:
            thread.join()
        assert not self.failures, self.failures


def ask_in_parallel(coordinator, count, buyers, check):
    """`check(number)` asks and judges; `buyers` at a time."""
    numbers = iter(range(count))
    lock = threading.Lock()
    failures = []

    def work():
        while True:
            with lock:
                number = next(numbers, None)
            if number is None:
                return
            try:
                check(number)
            except Exception as error:
                failures.append((number, repr(error)))

    threads = [threading.Thread(target=work) for _ in range(buyers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures, failures[:3]


def words_for(request):
    """What a request is answered with: its own prompt, word by word."""
    prompt = json.loads(request["body"])["messages"][0]["content"]
    return [word + " " for word in prompt.split(" ")]


def batch(coordinator, answer, count=120):
    serving = Serving(coordinator, 2, answer, max_concurrency=4)

    def check(number):
        prompt = " ".join(f"{number}-{word}-🙂" for word in range(number % 12 + 2))
        asked = Buyer(coordinator, prompt=prompt, stream=number % 3 != 0)
        assert asked.text() == prompt + " "

    # Eight slots, eight buyers: nobody has to be turned away. Both providers are listed, so no quota ends it.
    ask_in_parallel(coordinator, count, 8, check)
    coordinator.wait_until_idle()
    assert sum(serving.served.values()) == count and len(serving.served) == 2, serving.served
    serving.end()


def are_answered_by_two_providers(coordinator):
    batch(coordinator, lambda provider, request: provider.answer(request, *words_for(request)))
    assert coordinator.metric("trunkline_chunk_count_mismatches_total") == 0
    assert coordinator.metric("trunkline_chunks_unknown_total") == 0


def are_answered_rightly_by_clumsy_providers(coordinator):
    """Everything that a provider may get wrong without breaking its own answer."""
    random_source = random.Random(20)
    over = []

    def answer(provider, request):
        words = words_for(request)
        unknown = {"request_id": "req-00000000-0000-4000-8000-000000000000"}
        noise = [
            lambda: provider.chunk(unknown, 0, "for nobody"),
            lambda: provider.end(unknown),
            lambda: provider.chunk({"request_id": "not an id at all"}, 0, "for nobody"),
            lambda: provider.link.send(TEXT, b"{not json"),
            lambda: provider.link.send(TEXT, b"[]"),
            lambda: provider.link.send(TEXT, b'{"type":7}'),
            lambda: provider.link.send(TEXT, b'{"no":"type"}'),
            lambda: provider.link.send(BINARY, b"\x00\xff"),
            lambda: provider.send("what_is_this", request_id=request["request_id"]),
            lambda: provider.send("inference_response_chunk", request_id=request["request_id"], seq="0", data="x"),
            lambda: provider.send("inference_response_chunk", request_id=request["request_id"], seq=-1, data="x"),
            lambda: provider.send("inference_response_chunk", request_id=request["request_id"], seq=1e30, data="x"),
            lambda: provider.send("inference_response_chunk", request_id=request["request_id"], seq=0),
            lambda: provider.send("inference_response_end", request_id=request["request_id"], status="splendid"),
            lambda: provider.send("heartbeat", status="confused"),
            lambda: provider.send("nak", in_reply_to="hello_ack", error={"code": "odd", "message": "?"}),
            lambda: provider.send("preflight_ack", request_id="recovery-probe-nobody", accepted=True),
        ]
        if over:
            # Belated: the request is long over.
            noise += [lambda: provider.chunk(over[-1], 0, "too late"), lambda: provider.end(over[-1])]
        if request["stream"]:
            chunks = list(enumerate(words))
            # Neighbours change places, some come twice: seq tells.
            for place in range(len(chunks) - 1):
                if random_source.random() < 0.3:
                    chunks[place], chunks[place + 1] = chunks[place + 1], chunks[place]
            for seq, word in chunks:
                random_source.choice(noise)()
                for _ in range(random_source.choice([1, 1, 2])):
                    provider.chunk(request, seq, word)
            provider.end(request, chunks_sent=random_source.choice([0, len(words), 10**9]))
            provider.end(request)
            provider.chunk(request, len(words), "after the end")
        else:
            random_source.choice(noise)()
            provider.answer(request, *words)
            provider.end(request, "error_internal")
        over.append(request)

    batch(coordinator, answer)
    for name in ("chunks_unknown", "messages_ignored", "chunk_count_mismatches", "chunks_ignored"):
        assert coordinator.metric(f"trunkline_{name}_total") > 0, name


def fail_cleanly_with_hostile_providers(coordinator):
    """The buyer gets the right bytes or a clean error, never anything else, and the next provider serves on."""
    attacks = {
        "gap": lambda p, r: [p.chunk(r, 0, "0 "), p.chunk(r, 2, "2 "), p.end(r)],
        "error": lambda p, r: [p.chunk(r, 0, "0 "), p.end(r, "error_internal", error="secret")],
        "cancelled": lambda p, r: [p.chunk(r, 0, "0 "), p.end(r, "cancelled")],
        "gone": lambda p, r: [p.chunk(r, 0, "0 "), p.cut()],
        "garbage": lambda p, r: [p.chunk(r, 0, "0 "), p.link.socket.sendall(b"\xff" * 4096)],
        "http": lambda p, r: [p.chunk(r, 0, "0 "), p.link.socket.sendall(b"GET / HTTP/1.1\r\n\r\n")],
    }
    for name, attack in attacks.items():
        hostile = Provider(coordinator, f"hostile-{name}")
        asked = Buyer(coordinator)
        attack(hostile, hostile.receive("inference_request"))
        if name == "cancelled":
            assert asked.is_cut_short()
        else:
            assert asked.broken_text() == "0 ", name
        if name in ("gap", "error", "cancelled"):
            hostile.leave()
        coordinator.prove_healthy()


def break_with_their_provider(coordinator):
    provider = Provider(coordinator, "m4")
    streaming = Buyer(coordinator, prompt="stream")
    waiting = Buyer(coordinator, prompt="wait", stream=False)
    provider.chunk(provider.receive_prompts(2)["stream"], 0, "half")
    assert json.loads(streaming.next_event())
    provider.cut()
    assert streaming.broken_text() == ""
    waiting.error(502, "provider_failed")


def ask_first_when_they_are_long(coordinator):
    """routing.preflight_threshold_tokens of this test is 100, routing.preflight_timeout_s is 2."""
    prompt = "x" * 800
    first = Provider(coordinator, "first", throughput_tps_estimate=100)
    second = Provider(coordinator, "second", throughput_tps_estimate=10)
    fast = {"X-MacProvider-Pref": "fast"}

    def reply(provider, **fields):
        preflight = provider.receive("preflight")
        assert preflight["estimated_tokens"] >= 200, preflight
        provider.send("preflight_ack", request_id=preflight["request_id"], **fields)
        return preflight["request_id"]

    asked = Buyer(coordinator, prompt=prompt, headers=fast)
    expected = reply(first, accepted=True, estimated_wait_ms=0)
    request = first.receive("inference_request")
    assert request["request_id"] == expected
    first.answer(request, "yes")
    assert asked.text() == "yes"

    refusal = {"accepted": False, "estimated_wait_ms": None, "reason": "queue_full"}
    asked = Buyer(coordinator, prompt=prompt, headers=fast)
    reply(first, **refusal)
    reply(second, accepted=True, estimated_wait_ms=0)
    second.answer(second.receive("inference_request"), "the other one")
    assert asked.text() == "the other one" and asked.provider() == "second"

    asked = Buyer(coordinator, prompt=prompt, headers=fast)
    first.receive("preflight")  # and no answer
    reply(second, **refusal)
    asked.error(503, "preflight_rejected")
    assert coordinator.state("first") == coordinator.state("second") == "ready", "neither is unhealthy"

    short = Buyer(coordinator, headers=fast)
    first.answer(first.receive("inference_request"), "at once")
    assert short.text() == "at once"


def go_on_to_the_next_provider_when_one_is_full(coordinator):
    providers = [Provider(coordinator, f"m{number}", throughput_tps_estimate=10 - number) for number in range(2)]
    asked = Buyer(coordinator, headers={"X-MacProvider-Pref": "fast"})
    providers[0].end(providers[0].receive("inference_request"), "error_queue_full")
    providers[1].answer(providers[1].receive("inference_request"), "room here")
    assert asked.text() == "room here"
    asked = Buyer(coordinator, headers={"X-MacProvider-Pref": "fast"})
    for provider in providers:
        provider.end(provider.receive("inference_request"), "error_queue_full")
    asked.error(503, "no_provider_available")


def map_the_ends_of_providers(coordinator):
    for status, code, name in [
        ("error_model_not_loaded", 503, "provider_error"),
        ("error_context_exceeded", 413, "context_length_exceeded"),
        ("error_internal", 502, "provider_error"),
    ]:
        provider = Provider(coordinator, status)
        asked = Buyer(coordinator, stream=False)
        provider.end(provider.receive("inference_request"), status, error="a secret of the engine")
        assert "secret" not in json.dumps(asked.error(code, name))
        provider.leave()


def reach_no_provider_that_cannot_take_them(coordinator):
    old = Provider(coordinator, "old")
    asked = Buyer(coordinator)
    old.receive("inference_request")
    error = {"code": "unknown_message_type", "message": "inference_request"}
    old.send("nak", in_reply_to="inference_request", error=error)
    asked.error(503, "no_provider_available")
    entry = coordinator.entry("old")
    assert entry["inference_path"] == "http_forwarding_only" and not entry["routing_eligible"], entry
    Buyer(coordinator).error(503, "no_provider_available")


def are_cancelled_when_the_buyer_leaves(coordinator):
    provider = Provider(coordinator, "m4", max_concurrency=1)
    for stream, has_begun in [(True, True), (True, False), (False, False)]:
        asked = Buyer(coordinator, stream=stream)
        request = provider.receive("inference_request")
        if has_begun:
            provider.chunk(request, 0, "half")
            assert json.loads(asked.next_event())
        asked.leave()
        cancel = provider.receive("cancel_request")
        assert cancel["request_id"] == request["request_id"] and cancel["reason"] == "buyer_disconnected", cancel
        # Its slot is taken until it says that it has stopped.
        Buyer(coordinator).error(503, "no_provider_available")
        provider.chunk(request, 1 if has_begun else 0, "for nobody")
        provider.end(request, "cancelled")
        wait_until("a free slot", lambda: coordinator.entry("m4")["slots_free"] == 1)
    asked = Buyer(coordinator)
    provider.answer(provider.receive("inference_request"), "whole")
    assert asked.text() == "whole"


def time_out(coordinator):
    """routing.request_timeout_s of this test is 2."""
    provider = Provider(coordinator, "m4")
    silent, stuck = Buyer(coordinator, prompt="silent"), Buyer(coordinator, prompt="stuck")
    requests = provider.receive_prompts(2)
    provider.chunk(requests["stuck"], 0, "half")
    assert json.loads(stuck.next_event())
    for _ in requests:
        cancel = provider.receive("cancel_request")
        assert cancel["reason"] == "timeout", cancel
        provider.end(cancel, "cancelled")
    silent.error(504, "provider_timeout")
    assert stuck.broken_text() == ""


def are_kept_from_slow_buyers(coordinator):
    """A buyer that does not read is cut beyond limits.max_buffered_bytes_per_request (65,536 here), and is not taken for
    one that left; another request of the same provider does not notice."""
    provider = Provider(coordinator, "m4")
    for number in range(1, 5):
        slow, quick = Buyer(coordinator, prompt="slow"), Buyer(coordinator, prompt="quick")
        requests = provider.receive_prompts(2)
        provider.chunk(requests["quick"], 0, "first ")
        seq = 0
        text = "x" * 30_000
        # The kernel's buffers come first; the coordinator says when it has had enough.
        while coordinator.metric("trunkline_slow_buyers_dropped_total") < number:
            for _ in range(20):
                provider.chunk(requests["slow"], seq, text)
                seq += 1
        assert provider.receive("cancel_request")["request_id"] == requests["slow"]["request_id"]
        provider.end(requests["slow"], "cancelled")
        provider.chunk(requests["quick"], 1, "second")
        provider.end(requests["quick"])
        assert quick.text() == "first second"
        slow.leave()
    coordinator.wait_until_idle()
    _, page = coordinator.call("GET", "/metrics")
    for status, count in ((200, 4), (502, 4)):
        assert f'trunkline_requests_total{{model="model",status="{status}"}} {count}\n' in page, page
    assert 'status="499"' not in page, page


def keep_their_secrets(coordinator, prompt, answer):
    """Every kind of end, with words that the test then looks for in the log."""
    provider = Provider(coordinator, "m4", token=None)
    data = json.dumps({"error": answer})
    for status in ("complete", "error_internal", "error_context_exceeded", "cancelled"):
        asked = Buyer(coordinator, prompt=prompt, user=prompt)
        request = provider.receive("inference_request")
        provider.chunk(request, 0, answer)
        provider.link.send(TEXT, f'{{"type":"inference_response_chunk","data":"{answer}"'.encode())
        provider.send("inference_response_chunk", request_id=request["request_id"], seq=answer, data=answer)
        provider.chunk({"request_id": "req-unknown"}, 0, answer)
        provider.end(request, status, chunks_sent=99, error=data)
        if status == "cancelled":
            assert asked.is_cut_short()
        else:
            list(asked.events())
        asked.leave()
        provider.leave()
        provider = Provider(coordinator, "m4")
    Buyer(coordinator, model="never-seen", prompt=prompt).error(404, "model_not_found")
    Buyer(coordinator, prompt=prompt, temperature=9).error(400, "invalid_request")
    assert coordinator.call("GET", "/poolz", key="not-the-key-" + prompt.replace(" ", "-"))[0] == 401


if __name__ == "__main__":
    main(globals())
