"""A WebSocket client (RFC 6455) small enough to read, and free to break the rules that it knows."""

import base64
import hashlib
import os
import socket
import struct
import urllib.parse

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10


class Refused(Exception):
    """The upgrade was answered by another status than 101."""

    def __init__(self, status, body):
        super().__init__(f"{status}: {body}")
        self.status = status
        self.body = body


class Closed(Exception):
    """The peer has sent a Close, or is gone without one (then the code is None)."""

    def __init__(self, code, reason):
        super().__init__(f"closed with {code} “{reason}”")
        self.code = code
        self.reason = reason


class RawWebSocket:
    def __init__(self, url, headers=None, timeout=20):
        address = urllib.parse.urlsplit(url)
        self.socket = socket.create_connection((address.hostname, address.port), timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.stream = self.socket.makefile("rb")
        key = base64.b64encode(os.urandom(16)).decode()
        lines = {
            "Host": address.netloc,
            "Upgrade": "websocket",
            "Connection": "Upgrade",
            "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": key,
            **(headers or {}),
        }
        head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        self.socket.sendall(f"GET {address.path} HTTP/1.1\r\n{head}\r\n".encode())
        status = int(self.stream.readline().split()[1])
        fields = {}
        while (line := self.stream.readline().strip()) != b"":
            name, value = line.decode().split(":", 1)
            fields[name.lower()] = value.strip()
        if status != 101:
            body = self.stream.read(int(fields["content-length"])).decode()
            self.cut()
            raise Refused(status, body)
        proof = hashlib.sha1((key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest()
        assert fields["sec-websocket-accept"] == base64.b64encode(proof).decode(), fields

    def send(self, opcode, payload, first_byte=None, masked=True):
        """Sends one frame. `first_byte` overrides FIN, the reserved bits and the opcode."""
        head = bytes([0x80 | opcode if first_byte is None else first_byte])
        mask_bit = 0x80 if masked else 0
        if len(payload) < 126:
            head += bytes([mask_bit | len(payload)])
        elif len(payload) < 65_536:
            head += struct.pack("!BH", mask_bit | 126, len(payload))
        else:
            head += struct.pack("!BQ", mask_bit | 127, len(payload))
        if masked:
            mask = os.urandom(4)
            repeated = (mask * (len(payload) // 4 + 1))[: len(payload)]
            payload = mask + (int.from_bytes(payload, "big") ^ int.from_bytes(repeated, "big")).to_bytes(
                len(payload), "big"
            )
        self.socket.sendall(head + payload)

    def receive(self):
        """The next frame as (opcode, payload). The coordinator never masks and never fragments."""
        try:
            first, second = self._exactly(2)
            assert first & 0x70 == 0 and first & 0x80 and second & 0x80 == 0, (first, second)
            count = second
            if count == 126:
                (count,) = struct.unpack("!H", self._exactly(2))
            elif count == 127:
                (count,) = struct.unpack("!Q", self._exactly(8))
            payload = self._exactly(count)
        except ConnectionError as error:
            raise Closed(None, str(error)) from None
        if first & 0x0F == CLOSE:
            code = struct.unpack("!H", payload[:2])[0] if payload else 1005
            raise Closed(code, payload[2:].decode())
        return first & 0x0F, payload

    def _exactly(self, count):
        data = self.stream.read(count)
        if len(data) < count:
            raise ConnectionError("the connection ended")
        return data

    def is_at_end(self):
        """Waits for the end of the connection; a frame before it is a failure."""
        try:
            return self.stream.read(1) == b""
        except ConnectionError:
            return True

    def cut(self):
        """Ends the connection without a Close, as a machine does that loses its network."""
        self.stream.close()
        self.socket.close()
