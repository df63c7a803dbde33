#!/usr/bin/env python3
"""Providers of protocol version 2 (docs/protocol.md, section 4): the encrypted leg once more, from the specification and
the package `cryptography`."""

import base64
import hashlib
import hmac
import json

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from network import Buyer, Provider, completion, event, main
from raw_websocket import TEXT

SUITE = "A256GCM"
NAMESPACE = "macprovider/spec008"


def encode(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def decode(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def compact(value):
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


class Keys:
    """Of one session between two rekeys: one per direction, with its nonce base and its next sequence number."""

    def __init__(self, private, coordinator_public, provider_id, assigned_id):
        self.identity = {"provider_id": provider_id, "assigned_id": assigned_id}
        self.public = private.public_key().public_bytes_raw()
        transcript = hashlib.sha256(
            f"{NAMESPACE}/pillar-b/transcript/v1{provider_id}{assigned_id}".encode()
            + self.public
            + coordinator_public
            + SUITE.encode()
        ).digest()
        shared = private.exchange(X25519PublicKey.from_public_bytes(coordinator_public))
        secret = hmac.digest(transcript, shared, "sha256")
        # One block of HKDF-Expand is as long as the longest output.
        self.keys, self.bases = (
            {
                direction: hmac.digest(secret, f"{NAMESPACE}/{direction}/{what}/v1".encode() + b"\x01", "sha256")[:count]
                for direction in ("c2p", "p2c")
            }
            for what, count in (("aead", 32), ("nonce", 4))
        )
        self.next = {"c2p": 0, "p2c": 0}
        self.id = encode(hashlib.sha256(transcript).digest()[:16])

    def additional(self, type, direction, request_id, stream, seq):
        head = {"type": type, "direction": direction, "request_id": request_id, "stream": stream}
        return compact({**head, **self.identity, "seq": seq}).encode()

    def seal(self, type, request_id, stream, plaintext):
        seq = self.next["p2c"]
        self.next["p2c"] += 1
        nonce = self.bases["p2c"] + seq.to_bytes(8, "big")
        additional = self.additional(type, "p2c", request_id, stream, seq)
        sealed = AESGCM(self.keys["p2c"]).encrypt(nonce, plaintext, additional)
        return {
            "alg": SUITE,
            "seq": seq,
            "nonce": encode(nonce),
            "aad": encode(additional),
            "ciphertext": encode(sealed[:-16]),
            "tag": encode(sealed[-16:]),
            "kid": self.id,
        }

    def open(self, type, request_id, stream, enc):
        seq = self.next["c2p"]
        self.next["c2p"] += 1
        assert (enc["alg"], enc["seq"], enc["kid"]) == (SUITE, seq, self.id), enc
        assert decode(enc["nonce"]) == self.bases["c2p"] + seq.to_bytes(8, "big"), enc
        additional = self.additional(type, "c2p", request_id, stream, seq)
        assert decode(enc["aad"]) == additional, decode(enc["aad"])
        sealed = decode(enc["ciphertext"]) + decode(enc["tag"])
        return AESGCM(self.keys["c2p"]).decrypt(decode(enc["nonce"]), sealed, additional)


class SealedProvider(Provider):
    def __init__(self, coordinator, provider_id, envelope=True, rekeys=True, completes=True, overrides=None):
        super().__init__(coordinator, provider_id, registers=False)
        self.private = X25519PrivateKey.generate()
        self.envelope = envelope
        description = {k: v for k, v in self.hello.items() if k not in ("tier", "attestation", "version")}
        capabilities = {
            "encrypted_leg": True,
            "attestation": False,
            "aead_suites": [SUITE],
            "response_chunk_plaintext_envelope": envelope,
            "in_band_aead_rekey_v1": rekeys,
        }
        self.initial = {
            **description,
            "version": 2,
            "stage": "initial",
            "provider_ecdh_public_key": encode(self.private.public_key().public_bytes_raw()),
            "tier2_capabilities": capabilities,
            **(overrides or {}),
        }
        self.send("auth_request", **self.initial)
        if completes:
            self.challenge = self.receive("auth_challenge")
            self.prove()
            self.accepted = self.receive("auth_response")
            assert self.accepted["status"] == "accepted", self.accepted

    def prove(self, **fields):
        challenge = self.challenge
        assert challenge["selected_aead"] == challenge["selected_aead_suite"] == SUITE, challenge
        self.assigned_id = challenge["assigned_id"]
        public = decode(challenge["coordinator_ecdh_public_key"])
        self.keys = Keys(self.private, public, self.id, self.assigned_id)
        assert challenge["key_id"] == self.keys.id, "the two do not come to the same keys"
        proof = {"auth_attempt_id": challenge["auth_attempt_id"], "provider_id": self.id, "attestation_token": None}
        self.send("auth_request", version=2, stage="proof", **{**proof, **fields})

    def receive_request(self):
        message = self.receive("inference_request")
        assert message["encrypted"] is True and "body" not in message, message
        plaintext = self.keys.open("inference_request", message["request_id"], message["stream"], message["enc"])
        plaintext = json.loads(plaintext)
        assert plaintext["type"] == "inference_request_plaintext", plaintext
        return {**message, "body": plaintext["body"]}

    def sealed_chunk(self, request, seq, data):
        if self.envelope:
            plaintext = compact({"type": "inference_response_chunk_plaintext", "seq": seq, "data": data})
        else:
            plaintext = data
        return self.keys.seal(
            "inference_response_chunk", request["request_id"], request["stream"], plaintext.encode()
        )

    def send_sealed(self, type, request, enc):
        self.send(type, request_id=request["request_id"], encrypted=True, enc=enc)

    def chunk(self, request, seq, text):
        self.send_sealed("inference_response_chunk", request, self.sealed_chunk(request, seq, event(text)))

    def end(self, request, status="complete", **fields):
        end = {"type": "inference_response_end", "request_id": request["request_id"], "status": status, **fields}
        enc = self.keys.seal(
            "inference_response_end", request["request_id"], request["stream"], compact(end).encode()
        )
        self.send_sealed("inference_response_end", request, enc)

    def answer(self, request, *texts):
        if request["stream"]:
            for seq, text in enumerate(texts):
                self.chunk(request, seq, text)
        else:
            data = json.dumps(completion("".join(texts)))
            self.send_sealed("inference_response_chunk", request, self.sealed_chunk(request, 0, data))
        self.end(request, chunks_sent=len(texts) if request["stream"] else 1)

    def change_keys(self):
        """The provider's part of a rekey in band."""
        ask = self.receive("aead_rekey_request")
        assert ask["version"] == 1 and ask["reason"] == "request_threshold", ask
        assert (ask["assigned_id"], ask["old_kid"]) == (self.assigned_id, self.keys.id), ask
        private = X25519PrivateKey.generate()
        new = Keys(private, decode(ask["coordinator_ecdh_public_key"]), self.id, self.assigned_id)
        names = {name: ask[name] for name in ("version", "rekey_id", "assigned_id", "old_kid")}
        self.send("aead_rekey_response", **names, new_kid=new.id, provider_ecdh_public_key=encode(new.public))
        commit = self.receive("aead_rekey_commit")
        assert commit["new_kid"] == new.id and commit["encrypted"] is True, commit
        proof = new.open("aead_rekey_commit", ask["rekey_id"], False, commit["enc"])
        expected = {
            "type": "aead_rekey_proof",
            "version": 1,
            "rekey_id": ask["rekey_id"],
            "provider_id": self.id,
            "assigned_id": self.assigned_id,
            "old_kid": self.keys.id,
            "new_kid": new.id,
            "provider_ecdh_public_key": encode(new.public),
            "coordinator_ecdh_public_key": ask["coordinator_ecdh_public_key"],
            "selected_aead": SUITE,
            "expires_at": ask["expires_at"],
        }
        assert proof.decode() == compact(expected), proof
        enc = new.seal("aead_rekey_committed", ask["rekey_id"], False, proof)
        self.send("aead_rekey_committed", **names, new_kid=new.id, encrypted=True, enc=enc)
        self.keys = new


def are_served_under_seal(coordinator):
    for envelope in (True, False):
        provider = SealedProvider(coordinator, f"sealed-{envelope}", envelope=envelope)
        leg = provider.accepted["tier2_session"]["encrypted_leg"]
        assert (leg["enabled"], leg["alg"], leg["kid"]) == (True, SUITE, provider.keys.id), leg
        assert leg["response_chunk_plaintext_envelope"] is envelope, leg
        seen = []
        receive = provider.link.receive
        provider.link.receive = lambda: seen.append(receive()) or seen[-1]
        for stream in (True, False, True):
            prompt = "Was niemand sonst liest 🔒"
            asked = Buyer(coordinator, prompt=prompt, stream=stream)
            request = provider.receive_request()
            assert request["body"] == asked.body
            provider.answer(request, "under ", "seal ", "🔑")
            assert asked.text() == "under seal 🔑"
        wire = b"".join(payload for _, payload in seen)
        assert wire.count(b'"inference_request"') == 3
        for word in (b"niemand", b"messages", b"content"):
            assert word not in wire, word
        provider.leave()


def change_their_keys(coordinator):
    """tier2.rekey_after_requests of this test is 2."""
    provider = SealedProvider(coordinator, "sealed")
    for _ in range(3):
        for _ in range(2):
            asked = Buyer(coordinator)
            provider.answer(provider.receive_request(), "with ", "new keys")
            assert asked.text() == "with new keys"
        provider.change_keys()
    assert coordinator.entry("sealed")["assigned_id"] == provider.assigned_id
    assert coordinator.metric("trunkline_rekeys_total") >= 2
    # One that cannot do it in band is asked to come again.
    provider.leave()
    other = SealedProvider(coordinator, "other", rekeys=False)
    for _ in range(2):
        asked = Buyer(coordinator)
        other.answer(other.receive_request(), "old ", "keys")
        assert asked.text() == "old keys"
    other.receive_close(1012)
    SealedProvider(coordinator, "other", rekeys=False)


def are_closed_when_a_frame_does_not_open(coordinator):
    def flip(enc, name, bit=0):
        data = bytearray(decode(enc[name]))
        data[bit // 8] ^= 1 << bit % 8
        return {**enc, name: encode(bytes(data))}

    faults = {
        "ciphertext": lambda enc: flip(enc, "ciphertext", 13),
        "tag": lambda enc: flip(enc, "tag", 127),
        "aad": lambda enc: flip(enc, "aad", 9),
        "nonce": lambda enc: flip(enc, "nonce", 95),
        "kid": lambda enc: flip(enc, "kid"),
        "seq": lambda enc: {**enc, "seq": enc["seq"] + 1},
        "spacing": lambda enc: {**enc, "aad": encode(decode(enc["aad"]).replace(b",", b", "))},
    }
    for name, fault in faults.items():
        for begun in (False, True):
            provider = SealedProvider(coordinator, f"faulty-{name}")
            asked = Buyer(coordinator)
            request = provider.receive_request()
            if begun:
                provider.chunk(request, 0, "half")
                assert json.loads(asked.next_event())
            enc = provider.sealed_chunk(request, 1 if begun else 0, event("never seen"))
            provider.send_sealed("inference_response_chunk", request, fault(enc))
            provider.receive_close(4013)
            if begun:
                assert asked.broken_text() == "", name
            else:
                asked.error(502, "provider_error")
    # Sent twice, and not sealed at all.
    provider = SealedProvider(coordinator, "twice")
    asked = Buyer(coordinator)
    request = provider.receive_request()
    enc = provider.sealed_chunk(request, 0, event("once"))
    for _ in range(2):
        provider.send_sealed("inference_response_chunk", request, enc)
    provider.receive_close(4013)
    assert asked.broken_text() == "once"
    provider = SealedProvider(coordinator, "open")
    asked = Buyer(coordinator)
    request = provider.receive_request()
    Provider.chunk(provider, request, 0, "in the clear")
    provider.receive_close(4013)
    assert asked.head().status == 502
    assert coordinator.metric("trunkline_sealed_frames_refused_total") == 2 * len(faults) + 2


def are_refused_with_the_right_code(coordinator):
    def capabilities(**fields):
        return {
            "encrypted_leg": True,
            "attestation": False,
            "aead_suites": [SUITE],
            "response_chunk_plaintext_envelope": True,
            "in_band_aead_rekey_v1": True,
            **fields,
        }

    for code, reason, fields in [
        (4001, "no_common_aead_suite", {"tier2_capabilities": capabilities(aead_suites=["ROT13"])}),
        (4001, "no_common_aead_suite", {"tier2_capabilities": capabilities(encrypted_leg=False)}),
        (4001, "invalid_auth_request: provider_id", {"provider_id": "a/b"}),
        (4013, None, {"provider_ecdh_public_key": encode(b"\x00" * 32)}),
        (4013, None, {"provider_ecdh_public_key": encode(b"short")}),
        (4004, "version_unsupported: protocol version 3", {"version": 3}),
    ]:
        SealedProvider(coordinator, "m4", completes=False, overrides=fields).receive_close(code, reason)
    for fields in ({"auth_attempt_id": "auth-00000000-0000-4000-8000-000000000000"}, {"provider_id": "another"}):
        provider = SealedProvider(coordinator, "m4", completes=False)
        provider.challenge = provider.receive("auth_challenge")
        provider.prove(**fields)
        assert provider.receive("auth_response")["status"] == "rejected"
        provider.receive_close(4012, "tier2_attestation_failed")
    assert coordinator.health()["pool_size"] == 0


if __name__ == "__main__":
    main(globals())
