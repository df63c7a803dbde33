#!/usr/bin/env python3
"""Makes leg-vectors.json: what an independent implementation of docs/protocol.md section 4 comes to.

Needs the package `cryptography`. Run it as `python3 leg-vectors.py > leg-vectors.json`.
"""
import base64
import hashlib
import hmac
import json

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

SUITE = "A256GCM"


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def compact(value):
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def expand(prk, info, count):
    output, block, counter = b"", b"", 1
    while len(output) < count:
        block = hmac.new(prk, block + info.encode() + bytes([counter]), hashlib.sha256).digest()
        output += block
        counter += 1
    return output[:count]


class Leg:
    def __init__(self, provider_id, assigned_id, provider_private, coordinator_private):
        self.provider_id, self.assigned_id = provider_id, assigned_id
        provider = X25519PrivateKey.from_private_bytes(provider_private)
        coordinator = X25519PrivateKey.from_private_bytes(coordinator_private)
        self.provider_public = provider.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        self.coordinator_public = coordinator.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        self.shared = provider.exchange(X25519PublicKey.from_public_bytes(self.coordinator_public))
        assert self.shared == coordinator.exchange(X25519PublicKey.from_public_bytes(self.provider_public))
        self.transcript = hashlib.sha256(
            b"macprovider/spec008/pillar-b/transcript/v1" + provider_id.encode() + assigned_id.encode()
            + self.provider_public + self.coordinator_public + SUITE.encode()).digest()
        prk = hmac.new(self.transcript, self.shared, hashlib.sha256).digest()
        self.key = {d: expand(prk, f"macprovider/spec008/{d}/aead/v1", 32) for d in ("c2p", "p2c")}
        self.nonce = {d: expand(prk, f"macprovider/spec008/{d}/nonce/v1", 4) for d in ("c2p", "p2c")}
        self.key_id = b64(hashlib.sha256(self.transcript).digest()[:16])

    def seal(self, type_, direction, request_id, stream, seq, plaintext):
        aad = compact({
            "type": type_, "direction": direction, "request_id": request_id, "stream": stream,
            "provider_id": self.provider_id, "assigned_id": self.assigned_id, "seq": seq}).encode()
        nonce = self.nonce[direction] + seq.to_bytes(8, "big")
        sealed = AESGCM(self.key[direction]).encrypt(nonce, plaintext.encode(), aad)
        return {
            "alg": SUITE, "seq": seq, "nonce": b64(nonce), "aad": b64(aad), "ciphertext": b64(sealed[:-16]),
            "tag": b64(sealed[-16:]), "kid": self.key_id}

    def describe(self):
        return {
            "provider_public_key": b64(self.provider_public), "coordinator_public_key": b64(self.coordinator_public),
            "key_id": self.key_id, "c2p_key": self.key["c2p"].hex(), "p2c_key": self.key["p2c"].hex(),
            "c2p_nonce": self.nonce["c2p"].hex(), "p2c_nonce": self.nonce["p2c"].hex()}


def private(label):
    return hashlib.sha256(label.encode()).digest()


def session(number, provider_id, assigned_id, envelope):
    secrets = {name: private(f"{name} {number}") for name in ("provider", "coordinator")}
    leg = Leg(provider_id, assigned_id, secrets["provider"], secrets["coordinator"])
    result = {
        "provider_id": provider_id, "assigned_id": assigned_id, "envelope": envelope,
        "provider_private_key": secrets["provider"].hex(), "coordinator_private_key": secrets["coordinator"].hex(),
        **leg.describe(), "requests": [], "chunks": [], "ends": []}
    texts = ["", "x", "{\"a\":\"b\\\\n\"}", "Grüße, 世界 🌍", "data: {\"x\":\"" + "y" * 300 + "\"}\n\n"]
    request_ids = ["req-00000000-0000-4000-8000-000000000001", "req-\"odd\"\\id"]
    c2p = p2c = 0
    for request_id in request_ids:
        for stream in (True, False):
            for text in texts:
                plaintext = compact({"type": "inference_request_plaintext", "body": text})
                result["requests"].append({
                    "request_id": request_id, "stream": stream, "body": text,
                    "message": compact({
                        "type": "inference_request", "request_id": request_id, "stream": stream, "encrypted": True,
                        "enc": leg.seal("inference_request", "c2p", request_id, stream, c2p, plaintext)})})
                c2p += 1
            for seq, text in enumerate(texts):
                plaintext = text
                if envelope:
                    plaintext = compact({"type": "inference_response_chunk_plaintext", "seq": seq, "data": text})
                result["chunks"].append({
                    "request_id": request_id, "stream": stream, "seq": seq, "data": text,
                    "message": compact({
                        "type": "inference_response_chunk", "request_id": request_id, "encrypted": True,
                        "enc": leg.seal("inference_response_chunk", "p2c", request_id, stream, p2c, plaintext)})})
                p2c += 1
            plaintext = compact({
                "type": "inference_response_end", "request_id": request_id, "status": "complete",
                "chunks_sent": len(texts)})
            result["ends"].append({
                "request_id": request_id, "stream": stream, "chunks_sent": len(texts),
                "message": compact({
                    "type": "inference_response_end", "request_id": request_id, "encrypted": True,
                    "enc": leg.seal("inference_response_end", "p2c", request_id, stream, p2c, plaintext)})})
            p2c += 1

    new_secrets = {name: private(f"{name} {number} again") for name in ("provider", "coordinator")}
    new = Leg(provider_id, assigned_id, new_secrets["provider"], new_secrets["coordinator"])
    rekey_id, expires_at = "00000000-0000-4000-8000-00000000000a", "2030-01-02T03:04:05.000Z"
    common = {"version": 1, "rekey_id": rekey_id, "assigned_id": assigned_id, "old_kid": leg.key_id}
    proof = compact({
        "type": "aead_rekey_proof", "version": 1, "rekey_id": rekey_id, "provider_id": provider_id,
        "assigned_id": assigned_id, "old_kid": leg.key_id, "new_kid": new.key_id,
        "provider_ecdh_public_key": b64(new.provider_public),
        "coordinator_ecdh_public_key": b64(new.coordinator_public), "selected_aead": SUITE, "expires_at": expires_at})
    result["rekey"] = {
        "provider_private_key": new_secrets["provider"].hex(),
        "coordinator_private_key": new_secrets["coordinator"].hex(), **new.describe(), "rekey_id": rekey_id,
        "expires_at": expires_at, "proof": proof,
        "request": compact({
            "type": "aead_rekey_request", **common, "reason": "age_threshold",
            "coordinator_ecdh_public_key": b64(new.coordinator_public), "selected_aead": SUITE,
            "expires_at": expires_at, "response_chunk_plaintext_envelope": envelope}),
        "response": compact({
            "type": "aead_rekey_response", **common, "new_kid": new.key_id,
            "provider_ecdh_public_key": b64(new.provider_public)}),
        "commit": compact({
            "type": "aead_rekey_commit", **common, "new_kid": new.key_id, "encrypted": True,
            "enc": new.seal("aead_rekey_commit", "c2p", rekey_id, False, 0, proof)}),
        "committed": compact({
            "type": "aead_rekey_committed", **common, "new_kid": new.key_id, "encrypted": True,
            "enc": new.seal("aead_rekey_committed", "p2c", rekey_id, False, 0, proof)}),
        "next_chunk": compact({
            "type": "inference_response_chunk", "request_id": request_ids[0], "encrypted": True,
            "enc": new.seal("inference_response_chunk", "p2c", request_ids[0], True, 1,
                            compact({"type": "inference_response_chunk_plaintext", "seq": 0, "data": "after"})
                            if envelope else "after")})}
    return result


print(json.dumps({"sessions": [
    session(1, "m4-anon", "11111111-2222-4333-8444-555555555555", True),
    session(2, "a", "11111111-2222-4333-8444-666666666666", False),
    session(3, "Mac_Studio.2-b", "11111111-2222-4333-8444-777777777777", True),
]}, indent=1, ensure_ascii=False))
