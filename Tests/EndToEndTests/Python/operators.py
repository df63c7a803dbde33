#!/usr/bin/env python3
"""What operators see and order (docs/protocol.md, sections 6 and 10)."""

import http.client
import json
import re
import subprocess

from network import LIMIT, Buyer, Provider, main, wait_until


def need_their_key(coordinator):
    for method, path in [
        ("GET", "/poolz"),
        ("GET", "/metrics"),
        ("GET", "/admin/provisional"),
        ("POST", "/admin/blacklist"),
        ("POST", "/admin/promote/m4"),
        ("POST", "/admin/reject/m4"),
    ]:
        for key in ("", "wrong", coordinator.key[:-1], coordinator.key + "x"):
            status, text = coordinator.call(method, path, key=key)
            error = json.loads(text)["error"]
            assert status == 401, (method, path, status)
            assert (error["message"], error["code"]) == ("unauthorized", "invalid_operator_token"), error
    for path in ("/healthz", "/health", "/livez", "/readyz"):
        assert coordinator.call("GET", path, key="")[0] == 200, path
    names = "status uptime_s pool_size pool_ready pool_degraded pool_draining pool_unavailable requests_total"
    assert set((names + " requests_active version").split()) <= set(coordinator.health())


def send_a_provider_away_in_two_phases(coordinator):
    coordinator.order("/admin/blacklist", {"provider_id": "m4"}, status=404)
    provider = Provider(coordinator, "m4")
    asked = Buyer(coordinator)
    request = provider.receive("inference_request")
    provider.chunk(request, 0, "to the ")
    order = coordinator.order("/admin/blacklist", {"assigned_id": provider.assigned_id, "reason": "too warm"})
    assert order == {
        "status": "draining",
        "provider_id": "m4",
        "assigned_id": provider.assigned_id,
        "drain_sent": True,
    }, order
    provider.receive("drain")
    assert coordinator.state("m4") == "draining"
    Buyer(coordinator).error(503, "no_provider_available")
    # The work in hand is finished, and then it may go.
    provider.chunk(request, 1, "end")
    provider.end(request)
    assert asked.text() == "to the end"
    provider.send("drain_status", phase="complete", inflight_requests=0, estimated_drain_seconds=0)
    provider.receive_close(1000, "drained")
    wait_until("m4's removal", lambda: coordinator.entry("m4") is None)
    # It may come again: a ban is another order.
    Provider(coordinator, "m4")


def admit_ten_strangers_an_hour(coordinator):
    strangers = [Provider(coordinator, f"stranger-{number}") for number in range(10)]
    eleventh = Provider(coordinator, "stranger-10", registers=False)
    eleventh.send("hello", **eleventh.hello)
    eleventh.receive_close(4008, "provisional_rate_limited: max 10 admissions per hour")
    # One that is known is no stranger, and one that is listed never was.
    strangers[0].leave()
    Provider(coordinator, "stranger-0")
    assert Provider(coordinator, "witness").acknowledgement["tier"] == "pinned"


def admit_strangers_while_there_is_room(coordinator):
    """admission.max_provisional_providers of this test is 1."""
    Provider(coordinator, "first")
    second = Provider(coordinator, "second", registers=False)
    second.send("hello", **second.hello)
    second.receive_close(4007, "provisional_pool_full: max 1 provisional providers reached")


def promote_a_provider(coordinator):
    coordinator.order("/admin/promote/m4", status=404)
    provider = Provider(coordinator, "m4")
    assert provider.acknowledgement["tier"] == "provisional"
    listed = coordinator.get("/admin/provisional")
    assert "m4" in json.dumps(listed), listed
    answer = coordinator.order("/admin/promote/m4")
    assert (answer["provider_id"], answer["previous_tier"], answer["new_tier"]) == ("m4", "provisional", "pinned")
    assert answer["note"], answer
    assert coordinator.entry("m4")["tier"] == "pinned"
    coordinator.order("/admin/promote/m4", status=409)
    provider.leave()
    assert Provider(coordinator, "m4").acknowledgement["tier"] == "pinned"


def reject_a_provider(coordinator):
    provider = Provider(coordinator, "m4")
    asked = Buyer(coordinator)
    request = provider.receive("inference_request")
    provider.chunk(request, 0, "the last ")
    answer = coordinator.order("/admin/reject/m4", {"reason": "answers nonsense"})
    assert (answer["provider_id"], answer["status"], answer["drain_sent"]) == ("m4", "rejected", True), answer
    provider.receive("drain")
    provider.chunk(request, 1, "words")
    provider.end(request)
    assert asked.text() == "the last words"
    banned = "banned: provider m4 has been rejected by operator"
    provider.receive_close(4009, banned)
    again = Provider(coordinator, "m4", registers=False)
    again.send("hello", **again.hello)
    again.receive_close(4009, banned)
    # Also one that has never been seen.
    assert coordinator.order("/admin/reject/stranger")["drain_sent"] is False
    stranger = Provider(coordinator, "stranger", registers=False)
    stranger.send("hello", **stranger.hello)
    stranger.receive_close(4009)


def read_metrics_that_prometheus_understands(coordinator):
    """After all that can be counted has been counted at least once."""
    provider = Provider(coordinator, "m4", model_id='a "model" with \\ and \n in its name')
    for status in ("complete", "error_internal"):
        asked = Buyer(coordinator, model=provider.hello["model_id"])
        request = provider.receive("inference_request")
        provider.chunk(request, 0, "text")
        provider.end(request, status, usage={"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2})
        list(asked.events())
    provider.leave()
    status, page = coordinator.call("GET", "/metrics")
    assert status == 200
    check = subprocess.run(["promtool", "check", "metrics"], input=page, capture_output=True, text=True)
    assert check.returncode == 0, check.stdout + check.stderr


def list_the_metrics(coordinator):
    _, page = coordinator.call("GET", "/metrics")
    names = {line.split()[2] for line in page.splitlines() if line.startswith("# TYPE")}
    print("metrics " + " ".join(sorted(names)), flush=True)


def count_the_same_whoever_serves(coordinator):
    """A fixed traffic, then all that was counted and does not depend on the clock. Every request comes on a connection of
    its own, so that with several shards each of them has some."""
    provider = Provider(coordinator, "m4")
    for number in range(16):
        for path, status in (("/nowhere", 404), ("/v1/chat/completions", 405), ("/v1/models", 200)):
            connection = http.client.HTTPConnection(coordinator.buyer, timeout=LIMIT)
            connection.request("GET", path)
            response = connection.getresponse()
            response.read()
            assert response.status == status, (path, response.status)
            connection.close()
        Buyer(coordinator, model=7).error(400, "invalid_request")
        Buyer(coordinator, model="nobody's").error(404, "model_not_found")
        for stream in (False, True):
            asked = Buyer(coordinator, stream=stream)
            provider.answer(provider.receive("inference_request"), "one ", "two")
            assert asked.text() == "one two"
    _, page = coordinator.call("GET", "/metrics")
    counted = [
        f"{name}={value}"
        for name, value in (line.rsplit(" ", 1) for line in page.splitlines() if not line.startswith("#"))
        if re.match(r"trunkline_\w+_(total|seconds_count)\b", name) and not re.search("loop_turn|delayed|storage", name)
    ]
    assert len(counted) > 30, counted
    print("counted " + " ".join(name.replace(" ", "_") for name in counted), flush=True)


if __name__ == "__main__":
    main(globals())
