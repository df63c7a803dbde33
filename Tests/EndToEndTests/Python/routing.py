#!/usr/bin/env python3
"""Who takes a request (docs/protocol.md, sections 6 and 8)."""

from network import Buyer, Provider, main


def follows_the_preference(coordinator):
    providers = {
        "large": Provider(coordinator, "large", model_params_b=70, throughput_tps_estimate=10, max_concurrency=4),
        "narrow": Provider(coordinator, "narrow", model_params_b=7, throughput_tps_estimate=20, max_concurrency=1),
        "quick": Provider(coordinator, "quick", model_params_b=3, throughput_tps_estimate=90, max_concurrency=2),
    }

    def ask(headers):
        return Buyer(coordinator, headers=headers)

    def served_by(name, headers):
        asked = ask(headers)
        providers[name].answer(providers[name].receive("inference_request"), "here")
        assert asked.text() == "here" and asked.provider() == name

    served_by("large", {"X-MacProvider-Pref": "accurate"})
    served_by("quick", {"X-MacProvider-Pref": "fast"})
    served_by("narrow", {})  # pack: the fewest free slots first
    # A target beats every preference.
    served_by("large", {"X-MacProvider-Provider": "large", "X-MacProvider-Pref": "fast"})
    served_by("quick", {"X-MacProvider-Session": providers["quick"].assigned_id, "X-MacProvider-Provider": "large"})

    # The next free slot is that of the next in order; a target has no fall-back.
    held = ask({})
    request = providers["narrow"].receive("inference_request")
    served_by("quick", {})
    ask({"X-MacProvider-Provider": "narrow"}).error(503, "no_provider_available")
    ask({"X-MacProvider-Provider": "nobody"}).error(503, "no_provider_available")
    providers["narrow"].answer(request, "late")
    assert held.text() == "late"
    # The names of models are compared without regard to case.
    asked = Buyer(coordinator, model="MODEL")
    providers["narrow"].answer(providers["narrow"].receive("inference_request"), "any case")
    assert asked.text() == "any case"


def weighs_pinned_providers_more(coordinator):
    """“pinned” is in this test's configuration: 40 tokens a second beat 90 at the provisional weight of 0.3."""
    pinned = Provider(coordinator, "pinned", throughput_tps_estimate=40)
    Provider(coordinator, "quick", throughput_tps_estimate=90)
    asked = Buyer(coordinator, headers={"X-MacProvider-Pref": "fast"})
    pinned.answer(pinned.receive("inference_request"), "here")
    assert asked.text() == "here"


def keeps_to_the_quota(coordinator):
    """admission.provisional_request_quota_per_hour of this test is 2."""
    provider = Provider(coordinator, "m4")
    for _ in range(2):
        asked = Buyer(coordinator)
        provider.answer(provider.receive("inference_request"), "here")
        assert asked.text() == "here"
    asked = Buyer(coordinator)
    asked.error(429, "provisional_quota_exceeded")
    assert 1 <= int(asked.head().getheader("Retry-After")) <= 120


if __name__ == "__main__":
    main(globals())
