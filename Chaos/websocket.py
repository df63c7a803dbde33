"""The client's side of RFC 6455 with a suspicious reader: a frame that a coordinator may not send is reported."""

import asyncio
import base64
import os
import struct

from http_client import Cut, HTTPConnection

TEXT, CLOSE, PING, PONG = 1, 8, 9, 10


class Refused(Exception):
    pass


class Ended(Exception):
    """The link is over; `code` is of the Close, None without one."""

    def __init__(self, code, reason=""):
        super().__init__(f"{code} {reason}")
        self.code = code
        self.reason = reason


class Torn(Exception):
    """A frame that is none."""


def frame(opcode, payload, first_byte=None):
    head = bytes([0x80 | opcode if first_byte is None else first_byte])
    count = len(payload)
    if count < 126:
        head += bytes([0x80 | count])
    elif count < 65_536:
        head += struct.pack("!BH", 0x80 | 126, count)
    else:
        head += struct.pack("!BQ", 0x80 | 127, count)
    mask = os.urandom(4)
    stream = (mask * (count // 4 + 1))[:count]
    masked = int.from_bytes(payload, "big") ^ int.from_bytes(stream, "big")
    return head + mask + masked.to_bytes(count, "big")


class WebSocket:
    def __init__(self, connection):
        self.connection = connection
        self.reader = connection.reader
        self.writer = connection.writer

    @classmethod
    async def open(cls, port, receive_buffer=None):
        connection = await HTTPConnection.open(port, receive_buffer)
        try:
            key = base64.b64encode(os.urandom(16)).decode()
            fields = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13"}
            connection.send("GET", "/ws/provider", fields=[*fields.items(), ("Sec-WebSocket-Key", key)])
            status, fields = await connection.head()
            if status != 101:
                raise Refused(status)
            return cls(connection)
        except BaseException as error:
            connection.reset()
            if isinstance(error, Cut):
                raise Ended(None) from None
            raise

    def send(self, opcode, payload, first_byte=None):
        self.writer.write(frame(opcode, payload, first_byte))

    async def receive(self):
        """(opcode, payload) of the next frame; a Close raises, and so does what follows no rule."""
        try:
            first, second = await self.reader.readexactly(2)
            if first & 0x70 or not first & 0x80 or second & 0x80 or first & 0x0F not in (TEXT, CLOSE, PING, PONG):
                raise Torn(f"a frame that starts with {first:#x} {second:#x}")
            count = second
            if first & 0x0F >= CLOSE and count > 125:
                raise Torn("a long control frame")
            if count == 126:
                (count,) = struct.unpack("!H", await self.reader.readexactly(2))
            elif count == 127:
                (count,) = struct.unpack("!Q", await self.reader.readexactly(8))
            if count > 16 * 1024 * 1024:
                raise Torn(f"a frame of {count} bytes")
            payload = await self.reader.readexactly(count)
        except (asyncio.IncompleteReadError, OSError):
            # A peer that is cut is cut anywhere; whole frames are owed only by one that closes in order.
            raise Ended(None) from None
        if first & 0x0F == CLOSE:
            code = struct.unpack("!H", payload[:2])[0] if payload else 1005
            self.send(CLOSE, payload[:2])
            raise Ended(code, payload[2:].decode())
        return first & 0x0F, payload

    def close(self):
        self.writer.close()

    def reset(self):
        self.connection.reset()
