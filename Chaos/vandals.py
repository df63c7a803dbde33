"""Those who only want to be in the way: garbage on both listeners, requests that never end, connections that idle."""

import asyncio
import json
import os

from http_client import HTTPConnection
from providers import HELLO
from websocket import WebSocket, frame


def _garbage(random):
    post = b"POST /v1/chat/completions HTTP/1.1\r\nHost: soak\r\n"
    upgrade = (
        b"GET /ws/provider HTTP/1.1\r\nHost: soak\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    return random.choice(
        [
            os.urandom(random.randint(1, 5_000)),
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(40),
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + os.urandom(200),
            b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 5_000,
            b"GET /" + b"a" * 40_000,
            post + b"Transfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFFF\r\n",
            post + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
            post + b"Content-Length: 99999999999999999999\r\n\r\n",
            post + b"Content-Length: 9\r\n\r\n{\"model\":",
            post + b"Content-Length: 60000\r\n\r\n" + b"[" * 60_000,
            b"GET /healthz HTTP/1.1\r\nHost: soak\r\n\r\n" * random.randint(1, 200),
            upgrade,
            upgrade + frame(1, os.urandom(100)),
            upgrade + frame(1, b'{"type":"hello","version":1e999}'),
            upgrade + frame(2, os.urandom(300)) + frame(9, bytes(126)),
            upgrade + frame(1, b"x", first_byte=0x01) + frame(9, b"between") + frame(1, b"y", first_byte=0x81),
            upgrade + b"\x81\xff\xff\xff\xff\xff\xff\xff\xff\xff",
        ]
    )


async def vandalise(coordinator, ledger, random):
    port = random.choice([coordinator.buyer_port, coordinator.provider_port])
    ledger.fault("garbage: buyer port" if port == coordinator.buyer_port else "garbage: provider port")
    connection = None
    try:
        connection = await HTTPConnection.open(port)
        data = _garbage(random)
        if random.random() < 0.3:
            for index in range(0, min(len(data), 40)):
                connection.writer.write(data[index : index + 1])
                await asyncio.sleep(0.02)
        else:
            connection.writer.write(data)
        if random.random() < 0.5:
            await asyncio.wait_for(connection.reader.read(100_000), random.uniform(0.1, 4))
    except (OSError, asyncio.TimeoutError):
        pass
    finally:
        if connection:
            connection.reset() if random.random() < 0.5 else connection.close()


async def impersonate(coordinator, ledger, provider):
    """A second session with the id of a living provider: the older one must go."""
    ledger.fault("provider: taken over by a second session")
    link = None
    try:
        link = await asyncio.wait_for(WebSocket.open(coordinator.provider_port), 5)
        link.send(1, json.dumps({**HELLO, "provider_id": provider.name}).encode())
        await asyncio.wait_for(link.reader.read(1), 3)
    except Exception:
        pass
    finally:
        if link:
            link.reset()


async def hoard(coordinator, count):
    """Opens connections that say nothing. Answers those that came about."""
    held = []
    for index in range(count):
        try:
            port = coordinator.buyer_port if index % 2 else coordinator.provider_port
            held.append(await asyncio.wait_for(HTTPConnection.open(port), 2))
        except (OSError, asyncio.TimeoutError):
            break
    return held
