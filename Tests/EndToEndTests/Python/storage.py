#!/usr/bin/env python3
"""Tokens, and a database whose coordinator is killed (docs/protocol.md, sections 3 and 12)."""

import contextlib
import http.client
import sqlite3
import threading

from network import Buyer, Provider, main, wait_until
from raw_websocket import Closed, Refused

REFUSAL = '{"error":{"message":"Invalid or revoked provider token",'


def is_refused(coordinator, token):
    try:
        Provider(coordinator, "holder", token=token, registers=False).cut()
    except Refused as refusal:
        assert refusal.status == 401, refusal
        assert refusal.body.startswith(REFUSAL) and '"code":"invalid_token"' in refusal.body, refusal.body
        return True
    return False


def tokens_open_the_door(coordinator, token):
    """`token` has been issued to “holder”. The test revokes it when it reads “inside”."""
    wait_until("the token being known", lambda: not is_refused(coordinator, token))
    holder = Provider(coordinator, "holder", token=token)
    thief = Provider(coordinator, "thief", token=token, registers=False)
    thief.send("hello", **thief.hello)
    thief.receive_close(4005, "invalid_token")
    for wrong in ("0" * 64, token[:-1], token.upper() + "0", "x"):
        assert is_refused(coordinator, wrong), wrong
    print("inside", flush=True)
    wait_until("the token being refused", lambda: is_refused(coordinator, token))
    # What has joined with it lives on.
    asked = Buyer(coordinator)
    holder.answer(holder.receive("inference_request"), "still here")
    assert asked.text() == "still here"


def nobody_joins_without_a_token(coordinator, token):
    """auth.require_provider_token is set."""
    assert is_refused(coordinator, None)
    wait_until("the token being known", lambda: not is_refused(coordinator, token))
    Provider(coordinator, "holder", token=token)


def what_the_reference_decided_holds(coordinator, token):
    """The database is one of the reference coordinator: a token, a ban and a promotion."""
    holder = Provider(coordinator, "holder", token=token)
    outcast = Provider(coordinator, "outcast", registers=False)
    outcast.send("hello", **outcast.hello)
    outcast.receive_close(4009)
    assert Provider(coordinator, "chosen", model_id="another").acknowledgement["tier"] == "pinned"
    listed = next(p for p in coordinator.get("/admin/provisional")["provisional"] if p["provider_id"] == "chosen")
    assert listed["total_requests_served"] == 7 and listed["currently_connected"], listed
    asked = Buyer(coordinator)
    holder.answer(holder.receive("inference_request"), "as before")
    assert asked.text() == "as before"
    assert coordinator.health()["storage"] == "ok"


def row_count(database):
    try:
        with contextlib.closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
            return connection.execute("SELECT count(*) FROM request_log").fetchone()[0]
    except sqlite3.OperationalError:
        return 0


def requests_are_written_until_the_end(coordinator, database):
    """Asks until the coordinator is killed, which the test does when it reads “written”."""
    provider = Provider(coordinator, "m4", max_concurrency=8)

    def serve():
        with contextlib.suppress(Closed, OSError):
            while True:
                provider.answer(provider.receive("inference_request"), "yes")

    failures = []

    def ask():
        try:
            while True:
                assert Buyer(coordinator, stream=False).text() == "yes"
        except (OSError, http.client.HTTPException):
            pass  # killed
        except AssertionError as error:
            failures.append(error)

    threads = [threading.Thread(target=work) for work in (serve, ask, ask, ask)]
    for thread in threads:
        thread.start()
    wait_until("some hundred rows", lambda: row_count(database) >= 300)
    print(f"written {row_count(database)}", flush=True)
    for thread in threads:
        thread.join()
    coordinator.has_ended = True
    # Whoever had been promised an answer hears that it broke off; nobody hears nonsense.
    assert not failures or all("502" in str(failure) for failure in failures), failures


if __name__ == "__main__":
    main(globals())
