#!/usr/bin/env python3
"""A provider's session from greeting to removal (docs/protocol.md, sections 2, 3, 5 and 6)."""

import json
import os
import time

from network import Buyer, Provider, main, wait_until
from raw_websocket import BINARY, PING, PONG, TEXT, RawWebSocket, Refused


def lives_from_hello_to_removal(coordinator):
    provider = Provider(coordinator, "m4", max_concurrency=2)
    greeting = provider.acknowledgement
    assert greeting["coordinator_version"] == 1 and greeting["tier"] == "provisional", greeting
    assert greeting["heartbeat_interval_s"] > 0, greeting
    entry = coordinator.entry("m4")
    assert entry["assigned_id"] == provider.assigned_id, entry
    assert (entry["state"], entry["slots_free"], entry["slots_total"]) == ("ready", 2, 2), entry
    assert entry["inference_path"] == "ws_tunneled" and entry["routing_eligible"], entry

    provider.heartbeat("busy", slots_free=0)
    coordinator.wait_for_state("m4", "busy")
    Buyer(coordinator).error(503, "no_provider_available")
    provider.update_state("ready")
    coordinator.wait_for_state("m4", "ready")
    asked = Buyer(coordinator, prompt="Wie geht’s? 🙂")
    request = provider.receive("inference_request")
    assert request["body"] == asked.body, "the body is the buyer's, byte for byte"
    assert coordinator.entry("m4")["active_requests"] == 1
    provider.answer(request, "Gut", ", ", "danke 🙂")
    assert asked.text() == "Gut, danke 🙂"
    assert asked.provider() == "m4" and asked.head().getheader("X-MacProvider-Route") == provider.assigned_id

    provider.send("drain_status", phase="starting", inflight_requests=0, estimated_drain_seconds=0)
    coordinator.wait_for_state("m4", "draining")
    Buyer(coordinator).error(503, "no_provider_available")
    provider.send("drain_status", phase="complete", inflight_requests=0, estimated_drain_seconds=0)
    provider.receive_close(1000, "drained")
    # One that drained is not waited for.
    wait_until("m4's removal", lambda: coordinator.entry("m4") is None)


def is_refused_with_the_right_code(coordinator):
    def refused(code, reason, first=None, **fields):
        provider = Provider(coordinator, "m4", registers=False)
        if first is None:
            provider.send("hello", **{**provider.hello, **fields})
        else:
            provider.link.send(TEXT, first)
        provider.receive_close(code, reason)
        provider.cut()

    refused(4000, "unrecognized auth message", first=b'{"type":"heartbeat"}')
    refused(4001, "invalid_hello: provider_id", provider_id="a/b")
    refused(4001, "invalid_hello: max_concurrency", max_concurrency=0)
    refused(4001, "invalid_hello: ram_gb", ram_gb=-1)
    refused(4003, "tier_unsupported: tier 2 not supported", tier=2)
    refused(4004, "version_unsupported: protocol version 3", version=3)
    refused(4004, "version_unsupported: binary_version 1.1.9 below required 1.2.0", binary_version="1.1.9")
    assert coordinator.health()["pool_size"] == 0


def answers_each_ping(coordinator):
    provider = Provider(coordinator, "m4")
    payloads = [str(number).encode() for number in range(300)]
    for payload in payloads:
        provider.link.send(PING, payload)
    assert [provider.link.receive() for _ in payloads] == [(PONG, payload) for payload in payloads]
    # In the middle of an answer to be relayed, too.
    asked = Buyer(coordinator)
    request = provider.receive("inference_request")
    provider.chunk(request, 0, "one ")
    provider.link.send(PING, b"between")
    assert provider.link.receive() == (PONG, b"between")
    provider.chunk(request, 1, "two")
    provider.end(request)
    assert asked.text() == "one two"


def is_replaced_by_its_newer_session(coordinator):
    older = Provider(coordinator, "m4")
    asked = Buyer(coordinator)
    older.chunk(older.receive("inference_request"), 0, "half")
    assert json.loads(asked.next_event())
    newer = Provider(coordinator, "m4")
    older.receive_close(1008, "replaced by a newer session")
    assert asked.broken_text() == ""
    entries = coordinator.get("/poolz")["pool"]
    assert [entry["assigned_id"] for entry in entries] == [newer.assigned_id], entries
    asked = Buyer(coordinator)
    newer.answer(newer.receive("inference_request"), "whole")
    assert asked.text() == "whole"


def comes_back_within_the_grace_period(coordinator):
    provider = Provider(coordinator, "m4")
    provider.cut()
    coordinator.wait_for_state("m4", "unavailable")
    Buyer(coordinator).error(503, "no_provider_available")
    again = Provider(coordinator, "m4")
    assert again.assigned_id != provider.assigned_id
    assert coordinator.health()["pool_size"] == 1 and coordinator.state("m4") == "ready"
    # A buyer that insists on the session that is gone hears so.
    Buyer(coordinator, headers={"X-MacProvider-Session": provider.assigned_id}).error(503, "session_ended")


def is_removed_after_the_grace_period(coordinator):
    provider = Provider(coordinator, "m4")
    provider.cut()
    coordinator.wait_for_state("m4", "unavailable")
    wait_until("m4's removal", lambda: coordinator.entry("m4") is None)
    # The model has been seen in this process, so this is no 404.
    Buyer(coordinator).error(503, "no_provider_available")
    Buyer(coordinator, model="never-seen").error(404, "model_not_found")


def recovers_after_a_failure(coordinator):
    provider = Provider(coordinator, "m4")
    asked = Buyer(coordinator)
    provider.end(provider.receive("inference_request"), "error_internal", error="a secret of the engine")
    assert "secret" not in json.dumps(asked.error(502, "provider_error"))
    coordinator.wait_for_state("m4", "degraded")
    # What its heartbeats say meanwhile is what they said before it failed.
    provider.heartbeat("ready")
    probe = provider.receive("preflight")
    assert probe["request_id"].startswith("recovery-probe-") and probe["estimated_tokens"] == 128, probe
    assert coordinator.state("m4") == "degraded"
    provider.send("preflight_ack", request_id=probe["request_id"], accepted=True, estimated_wait_ms=0)
    coordinator.wait_for_state("m4", "ready")
    asked = Buyer(coordinator)
    provider.answer(provider.receive("inference_request"), "back")
    assert asked.text() == "back"


def is_given_up_after_failed_probes(coordinator):
    provider = Provider(coordinator, "m4")
    asked = Buyer(coordinator)
    provider.end(provider.receive("inference_request"), "error_internal")
    asked.error(502, "provider_error")
    for _ in range(2):  # pool.degraded_max_retries of this test
        probe = provider.receive("preflight")
        answer = {"accepted": False, "reason": "unhealthy", "estimated_wait_ms": None}
        provider.send("preflight_ack", request_id=probe["request_id"], **answer)
    coordinator.wait_for_state("m4", "unavailable")
    # It may say itself that it is well again.
    provider.update_state("ready")
    coordinator.wait_for_state("m4", "ready")


def sleep_and_wake(provider):
    """Sends nothing for longer than pool.wake_gap_threshold_s of this test (2)."""
    time.sleep(2.2)
    provider.heartbeat()
    provider.receive("warm_up")


def warms_up_after_a_sleep(coordinator):
    provider = Provider(coordinator, "m4")
    sleep_and_wake(provider)
    coordinator.wait_for_state("m4", "degraded")
    Buyer(coordinator).error(503, "no_provider_available")
    provider.update_state("ready")
    coordinator.wait_for_state("m4", "ready")


def is_trusted_again_when_it_says_nothing(coordinator):
    provider = Provider(coordinator, "m4")
    sleep_and_wake(provider)
    coordinator.wait_for_state("m4", "ready")


def is_cut_when_it_is_silent(coordinator):
    """With PINGs every two seconds: who answers them lives, who does not is cut."""
    silent = Provider(coordinator, "silent")
    listening = Provider(coordinator, "listening")
    assert silent.link.receive() == (PING, b"")
    pings = 0
    while coordinator.state("silent") == "ready":
        opcode, payload = listening.link.receive()
        assert opcode == PING, opcode
        listening.link.send(PONG, payload)
        pings += 1
    assert pings >= 1
    assert silent.link.is_at_end()
    assert coordinator.state("listening") == "ready"


def waits_behind_a_full_handshake_queue(coordinator):
    """ws.max_unauthenticated_conns of this test is 2; ws.handshake_timeout_s is 2."""
    waiting = [Provider(coordinator, f"m{number}", registers=False) for number in range(2)]
    try:
        Provider(coordinator, "m4")
    except Refused as refusal:
        assert refusal.status == 503, refusal
    else:
        raise AssertionError("one too many was let in")
    # Those that say nothing are thrown out, a PING does not help, and there is room again.
    for provider in waiting:
        provider.link.send(PING, b"still here")
        assert provider.link.receive() == (PONG, b"still here")
    for provider in waiting:
        provider.receive_close(1008, "handshake timed out")
    Provider(coordinator, "m4")


def hears_the_shutdown(coordinator):
    """The test sends SIGTERM when it reads “streaming”."""
    provider = Provider(coordinator, "m4", max_concurrency=3)
    asked = [Buyer(coordinator, prompt=f"{number}") for number in range(3)]
    requests = [provider.receive("inference_request") for _ in asked]
    for request in requests:
        provider.chunk(request, 0, "before ")
    for buyer in asked:
        assert json.loads(buyer.next_event())
    print("streaming", flush=True)
    provider.receive("drain")
    provider.send("drain_status", phase="starting", inflight_requests=3, estimated_drain_seconds=1)
    for request in requests:
        for seq in range(1, 200):
            provider.chunk(request, seq, f"{seq} ")
        provider.end(request, chunks_sent=200)
    for buyer in asked:
        assert buyer.text() == "".join(f"{seq} " for seq in range(1, 200))
    provider.receive_close(1001)
    coordinator.has_ended = True


def breaks_the_framing(coordinator):
    """Each of them costs the sender its connection, and nobody else anything."""

    def refused(code, *frames):
        provider = Provider(coordinator, f"rude-{os.urandom(3).hex()}")
        asked = Buyer(coordinator)
        provider.chunk(provider.receive("inference_request"), 0, "half")
        assert json.loads(asked.next_event())
        for frame in frames:
            provider.link.send(**frame)
        provider.receive_close(code)
        assert asked.broken_text() == ""

    refused(1002, {"opcode": TEXT, "payload": b"{}", "masked": False})
    refused(1002, {"opcode": TEXT, "payload": b"{}", "first_byte": 0xC1})
    refused(1002, {"opcode": 3, "payload": b""})
    refused(1002, {"opcode": PING, "payload": b"", "first_byte": 0x09})
    refused(1002, {"opcode": PING, "payload": b"x" * 126})
    refused(1002, {"opcode": 0, "payload": b"no message to continue"})
    refused(1007, {"opcode": TEXT, "payload": b"\xff\xfe"})
    refused(1009, {"opcode": TEXT, "payload": b"x" * 70_000})  # ws.max_frame_bytes of this test is 65,536
    # This costs nothing at all.
    provider = Provider(coordinator, "polite")
    provider.link.send(BINARY, b"\x00\x01")
    asked = Buyer(coordinator)
    provider.answer(provider.receive("inference_request"), "fine")
    assert asked.text() == "fine"


if __name__ == "__main__":
    main(globals())
