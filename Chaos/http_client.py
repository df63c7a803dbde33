"""One HTTP/1.1 connection that takes nothing on trust: lengths, chunk sizes and line ends are checked, and a connection
that ends too early is told from an answer that ends."""

import asyncio
import contextlib
import json
import socket
import struct
import time


class Cut(Exception):
    """The connection ended before the answer did; the argument says after how many bytes of it."""


class Malformed(Exception):
    pass


def reset_when_closed(writer):
    """From here on closing sends RST, as a process that died with unread data does."""
    # It may be closed already.
    with contextlib.suppress(OSError):
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


class HTTPConnection:
    def __init__(self, reader, writer):
        self.reader = reader
        self.writer = writer
        self.byte_count = 0
        self.use_count = 0
        # Whether the answer may end in the middle, since its provider means it to.
        self.may_be_cut = False
        # The life of the coordinator that it leads to, where that matters.
        self.life = None
        # What was asked last, for reports.
        self.what = None

    @classmethod
    async def open(cls, port, receive_buffer=None):
        link = socket.socket()
        link.setblocking(False)
        if receive_buffer:
            link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        try:
            await asyncio.get_running_loop().sock_connect(link, ("127.0.0.1", port))
            return cls(*await asyncio.open_connection(sock=link, limit=4096 if receive_buffer else 65_536))
        except BaseException:
            link.close()
            raise

    def send(self, method, path, body=None, fields=()):
        head = f"{method} {path} HTTP/1.1\r\nHost: soak\r\n" + "".join(f"{n}: {v}\r\n" for n, v in fields)
        data = b""
        if body is not None:
            data = body.encode()
            head += f"Content-Type: application/json\r\nContent-Length: {len(data)}\r\n"
        self.byte_count = 0
        self.use_count += 1
        self.asked_at = time.monotonic()
        self.writer.write(head.encode() + b"\r\n" + data)

    async def head(self):
        """(status, fields)."""
        line = await self._line()
        parts = line.split(" ", 2)
        if len(parts) < 2 or parts[0] != "HTTP/1.1" or not parts[1].isdigit():
            raise Malformed(f"a status line: {line[:120]}")
        fields = {}
        while (line := await self._line()) != "":
            name, colon, value = line.partition(":")
            if not colon or name.lower() in fields:
                raise Malformed(f"a field: {line[:120]}")
            fields[name.lower()] = value.strip()
        return int(parts[1]), fields

    async def pieces(self, fields):
        """The body, piece by piece, to its framed end."""
        if "content-length" in fields:
            left = int(fields["content-length"])
            while left:
                data = await self._some(min(left, 65_536))
                left -= len(data)
                yield data
        elif fields.get("transfer-encoding") == "chunked":
            while True:
                line = await self._line()
                try:
                    left = int(line, 16)
                except ValueError:
                    raise Malformed(f"a chunk size: {line[:120]}") from None
                last = left == 0
                while left:
                    data = await self._some(left)
                    left -= len(data)
                    yield data
                if await self._line() != "":
                    raise Malformed("no line end behind a chunk")
                if last:
                    return
        else:
            raise Malformed(f"a body without framing: {fields}")

    async def _line(self):
        try:
            line = await self.reader.readuntil(b"\r\n")
        except asyncio.IncompleteReadError as error:
            raise Cut(self.byte_count + len(error.partial)) from None
        except asyncio.LimitOverrunError:
            raise Malformed("a line without an end") from None
        except OSError:
            raise Cut(self.byte_count) from None
        self.byte_count += len(line)
        return line[:-2].decode("latin-1")

    async def _some(self, limit):
        try:
            data = await self.reader.read(limit)
        except OSError:
            data = b""
        if data == b"":
            raise Cut(self.byte_count)
        self.byte_count += len(data)
        return data

    def close(self):
        self.writer.close()

    def reset(self):
        reset_when_closed(self.writer)
        self.writer.transport.abort()


async def fetch(port, path, key=None, timeout=20):
    """(status, text), over a connection of its own."""

    async def exchange():
        connection = await HTTPConnection.open(port)
        try:
            fields = [("Connection", "close")] + ([("Authorization", f"Bearer {key}")] if key else [])
            connection.send("GET", path, fields=fields)
            status, fields = await connection.head()
            return status, b"".join([piece async for piece in connection.pieces(fields)]).decode()
        finally:
            connection.close()

    return await asyncio.wait_for(exchange(), timeout)


async def fetch_json(port, path, key=None, timeout=20):
    _, text = await fetch(port, path, key, timeout)
    return json.loads(text)
