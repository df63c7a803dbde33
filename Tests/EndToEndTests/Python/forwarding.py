#!/usr/bin/env python3
"""A pinned provider with an endpoint is served over HTTP (docs/protocol.md, section 6). Argument: the endpoint."""

import json
import urllib.request

from network import Buyer, Provider, main, wait_until


def seen(endpoint):
    with urllib.request.urlopen(endpoint + "/seen", timeout=20) as response:
        return json.load(response)


def serves_over_http(coordinator, endpoint):
    Provider(coordinator, "m4", endpoint_url=endpoint)
    assert coordinator.entry("m4")["inference_path"] == "http_forwarding"
    for number in range(3):
        assert Buyer(coordinator).text() == "over plain HTTP"
        assert Buyer(coordinator, stream=False).text() == "over plain HTTP"
    assert seen(endpoint)["requests"] == 6
    assert coordinator.metric("trunkline_requests_forwarded_total") == 6


def answers_for_an_endpoint_that_fails(coordinator, endpoint):
    """pool.degraded_backoff_s of this test is 1."""
    provider = Provider(coordinator, "m4", endpoint_url=endpoint)
    for wish, status, code in [("504", 504, "provider_timeout"), ("503", 503, "no_provider_available")]:
        assert "secret" not in json.dumps(Buyer(coordinator, user=wish).error(status, code))
    assert coordinator.state("m4") == "ready", "one time-out is no failure"
    for wish, code in [("500", "provider_error"), ("502", "provider_error"), ("gone", "provider_error")]:
        assert "secret" not in json.dumps(Buyer(coordinator, user=wish, stream=False).error(502, code))
        coordinator.wait_for_state("m4", "degraded")
        probe = provider.receive("preflight")
        provider.send("preflight_ack", request_id=probe["request_id"], accepted=True, estimated_wait_ms=0)
        coordinator.wait_for_state("m4", "ready")
    assert Buyer(coordinator, user="breaks").broken_text() == "over plain HTTP"


def stops_when_the_buyer_leaves(coordinator, endpoint):
    Provider(coordinator, "m4", endpoint_url=endpoint)
    asked = Buyer(coordinator, user="endless")
    assert json.loads(asked.next_event())
    asked.leave()
    wait_until("the endpoint noticing", lambda: seen(endpoint)["broken_off"] == 1)
    wait_until("a free slot", lambda: coordinator.entry("m4")["active_requests"] == 0)


def is_for_listed_providers_only(coordinator, endpoint):
    stranger = Provider(coordinator, "stranger", endpoint_url=endpoint)
    assert coordinator.entry("stranger")["inference_path"] == "ws_tunneled"
    asked = Buyer(coordinator)
    stranger.answer(stranger.receive("inference_request"), "over the WebSocket")
    assert asked.text() == "over the WebSocket"
    assert seen(endpoint)["requests"] == 0


if __name__ == "__main__":
    main(globals())
