"""A TCP proxy that loses what passes through it, as a router does that forgets a connection: nothing is closed, nothing
arrives any more. And one that hands on a few bytes at a time."""

import asyncio
import random


class LossyProxy:
    def __init__(self, port, seed):
        self.target = port
        self.random = random.Random(seed)
        self.links = []
        self.server = None

    async def start(self):
        self.server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = self.server.sockets[0].getsockname()[1]
        return self

    def stop(self):
        self.server.close()
        for link in self.links:
            link.close()

    def lose_one(self):
        """Picks a connection and loses all that it carries from now on. Answers whether there was one."""
        live = [link for link in self.links if not link.is_lost]
        if not live:
            return False
        self.random.choice(live).is_lost = True
        return True

    async def _accept(self, reader, writer):
        try:
            onward = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            writer.close()
            return
        link = _Link((reader, writer), onward, random.Random(self.random.random()))
        self.links.append(link)
        try:
            await link.run()
        finally:
            link.close()
            self.links.remove(link)


class _Link:
    def __init__(self, near, far, source):
        self.near = near
        self.far = far
        self.random = source
        self.is_lost = False
        self.shreds = source.random() < 0.3

    async def run(self):
        tasks = [
            asyncio.create_task(self._pump(self.near[0], self.far[1])),
            asyncio.create_task(self._pump(self.far[0], self.near[1])),
        ]
        # Once lost, a link ends only when both ends have given it up, each by itself.
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        if self.is_lost:
            await asyncio.wait(tasks, timeout=30)
        for task in tasks:
            task.cancel()

    async def _pump(self, reader, writer):
        try:
            while (data := await reader.read(65_536)) != b"":
                if self.is_lost:
                    continue
                if self.shreds and len(data) < 2_000:
                    start = 0
                    while start < len(data):
                        end = start + self.random.randint(1, 97)
                        writer.write(data[start:end])
                        await asyncio.sleep(0)
                        start = end
                else:
                    writer.write(data)
                await writer.drain()
        except OSError:
            pass

    def close(self):
        self.near[1].close()
        self.far[1].close()
