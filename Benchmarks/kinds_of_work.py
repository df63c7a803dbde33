"""The kinds of work that a profile is split into, and their table."""

from __future__ import annotations

import re

# The first that fits. A symbol of Swift begins with `$s`, the length of its module's name, and the name.
KINDS = (
    ("kernel: sockets, epoll, scheduling", r"\[kernel|\[vdso", ""),
    ("JSON", "simdjson", ""),
    ("JSON", "", r"^\$s4JSON|csimdjson|simdjson"),
    ("encryption, base64", "libcrypto|libssl", ""),
    ("encryption, base64", "", r"^\$s6Crypto|EncryptedLeg|FrameOpener|FrameSealer|AdditionalData"),
    ("request log (SQLite)", "libsqlite", ""),
    ("request log (SQLite)", "", r"^\$s5Store"),
    ("reference counts", "", r"swift_(retain|release|unowned|bridgeObject|dealloc)|RefCount|_swift_release"),
    ("exclusivity checks", "", r"swift_(begin|end)Access|AccessSet|SwiftTLSContext"),
    ("allocation", "", r"malloc|free|memalign|swift_(slow)?[aA]lloc|swift_slowDealloc|unlink_chunk|_int_"),
    ("codecs: HTTP, WebSocket, messages", "", r"^\$s(9HTTPCodec|14WebSocketCodec|16ProviderProtocol)"),
    ("relay, pool, metrics", "", r"^\$s(11Coordinator|4Pool|10Primitives|11Environment|9trunkline)"),
    ("event loop", "libuv", ""),
    ("event loop", "", r"^\$s9Transport|^uv_"),
)
OTHER = "the rest: libc, strings, hashing"


def kind_of(library: str, symbol: str) -> str:
    for name, in_library, in_symbol in KINDS:
        if in_library and re.search(in_library, library) or in_symbol and re.search(in_symbol, symbol):
            return name
    return OTHER


def table(profiles: dict[str, dict[str, float]]) -> list[list[str]]:
    """A row for each kind of work, a column for each profile; the last row is the sum."""
    kinds = [kind for kind in dict.fromkeys([name for name, _, _ in KINDS] + [OTHER])
             if any(kind in one for one in profiles.values())]
    digits = [2 if sum(one.values()) < 10 else 1 for one in profiles.values()]
    rows = [[kind, *(f"{one[kind]:.{places}f}" if one.get(kind, 0) >= 0.5 * 10 ** -places else ""
                     for one, places in zip(profiles.values(), digits))] for kind in kinds]
    return [*rows, ["all", *(f"{sum(one.values()):.{places}f}" for one, places in zip(profiles.values(), digits))]]
