"""Buyers that check every byte, and buyers that are no good: too slow, gone, silent."""

import asyncio
import json
import time

from http_client import Cut, HTTPConnection, Malformed
from numbered import DemoJudge, Judge, Plan
from providers import MODEL

# Seconds in which a request and the end of its connection can miss each other, on a busy machine.
CROSSING = 0.3

ENDINGS = ["complete"] * 50 + ["internal", "full", "cancelled", "silent", "gap"]
ENDINGS += ["late", "doubled", "disorder", "disorder"]


class Buyers:
    """All buyers of a run."""

    def __init__(self, ledger, random, limit):
        self.ledger = ledger
        self.random = random
        # Seconds within which every request must have ended.
        self.limit = limit
        self.number = 0
        self.waiting = 0

    def plan(self, **fixed):
        self.number += 1
        # Never as much as may wait for one buyer, or this program would have to be quick to be served.
        large = self.random.random() < 0.05
        fields = {
            "count": self.random.randint(1, 60),
            "size": self.random.randint(0, 6_000 if large else 900),
            "pace": self.random.choice([0, 0, 0.001, 0.005, 0.02]),
            "stream": self.random.random() < 0.8,
            "ending": self.random.choice(ENDINGS),
            **fixed,
        }
        return Plan(number=self.number, **fields)

    def body(self, plan):
        request = {"model": MODEL, "messages": [{"role": "user", "content": plan.prompt()}], "stream": plan.stream}
        if self.random.random() < 0.02:
            request["padding"] = "x" * self.random.randint(1_000, 400_000)
        return json.dumps(request)

    async def shop(self, coordinator, until, steady=False):
        """One buyer after another's life: a request, its judgement, the next, mostly on the same connection."""
        connection = None
        while not until.is_set():
            if self.random.random() < 0.3 and connection:
                connection.close()
                connection = None
            kind = "keeps" if steady else self.random.choices(["keeps", "leaves"], [12, 1])[0]
            demo = self.random.random() < 0.15
            began = time.monotonic()
            connection, outcome = await self._request(coordinator, connection, demo, kind == "leaves")
            self.ledger.outcomes[outcome] += 1
            self.ledger.latencies.append(time.monotonic() - began)
            pause = 0.2 if outcome.startswith(("refused", "cut", "503")) else 0.0
            await asyncio.sleep(pause + self.random.choice([0, 0, 0.01, 0.1]))
        if connection:
            connection.close()

    async def _request(self, coordinator, connection, demo, leaves, plan=None):
        life = coordinator.life
        self.ledger.request_count += 1
        self.waiting += 1
        try:
            if connection is None:
                connection = await asyncio.wait_for(HTTPConnection.open(coordinator.buyer_port), self.limit)
                connection.life = life
            # One that was kept may be of a coordinator that is no more.
            life = connection.life
            exchange = self._exchange(connection, demo, leaves, plan)
            outcome, keeps = await asyncio.wait_for(exchange, self.limit)
            if not keeps:
                connection.close()
                connection = None
            return connection, outcome
        except asyncio.TimeoutError:
            self.ledger.violate("hung request", f"nothing more within {self.limit} s of life {life}")
            outcome = "HUNG"
        except Malformed as problem:
            self.ledger.violate("malformed answer", str(problem))
            outcome = "MALFORMED"
        except (Cut, OSError) as error:
            outcome = self._cut(coordinator, life, connection, error)
        finally:
            self.waiting -= 1
        if connection:
            connection.reset()
        return None, outcome

    def _cut(self, coordinator, life, connection, error):
        bytes_before = error.args[0] if isinstance(error, Cut) else 0
        if coordinator.life != life or coordinator.is_killed:
            return "cut: coordinator killed"
        if connection is None:
            if not (coordinator.is_starved or coordinator.is_draining):
                self.ledger.violate("connection refused", repr(error))
            return "refused: no descriptors left" if coordinator.is_starved else "refused: coordinator down"
        if connection.may_be_cut:
            return "cut: provider cancelled"
        # A request may cross the coordinator's goodbye on the wire; one that it has had for a while has been taken.
        waited = time.monotonic() - connection.asked_at
        if coordinator.is_draining and bytes_before == 0 and waited < CROSSING:
            return "cut: request crossed the shutdown"
        if coordinator.is_starved and bytes_before == 0 and connection.use_count == 1:
            return "cut: no descriptors left"
        detail = f"{error!r} after {waited:.2f} s, use {connection.use_count}, {connection.what}"
        self.ledger.violate("cut connection", detail)
        return "CUT"

    async def _exchange(self, connection, demo, leaves, plan):
        if demo:
            seed = self.random.randint(0, 7)
            message = {"role": "user", "content": "Say something."}
            fields = {"stream": True, "seed": seed, "max_tokens": 40 + seed, "temperature": 0.7}
            body = json.dumps({"model": "trunkline-demo", "messages": [message], **fields})
            judge = DemoJudge(seed)
        else:
            plan = plan or self.plan()
            body = self.body(plan)
            judge = Judge(plan)
        connection.what = plan or judge
        connection.may_be_cut = plan is not None and plan.ending == "cancelled"
        connection.send("POST", "/v1/chat/completions", body)
        if leaves:
            return await self._leave(connection)
        status, fields = await connection.head()
        if status != 200:
            return await self._error(connection, status, fields)
        if plan is None or plan.stream:
            outcome, problem = await self._stream(connection, fields, judge)
        else:
            whole = b"".join([piece async for piece in connection.pieces(fields)])
            self.ledger.checked_bytes += len(whole)
            outcome = "200, complete"
            problem = None if whole == plan.whole().encode() else f"another body: {whole[:160]}"
        if problem:
            self.ledger.violate("mixed or torn answer", problem)
        return outcome, fields.get("connection", "").lower() != "close"

    async def _stream(self, connection, fields, judge):
        try:
            async for piece in connection.pieces(fields):
                self.ledger.checked_bytes += len(piece)
                judge.take(piece)
        except Cut:
            # Whatever came before must be the beginning of the right answer.
            if judge.problem:
                self.ledger.violate("mixed or torn answer", judge.problem)
            raise
        return judge.finish()

    async def _error(self, connection, status, fields):
        text = b"".join([piece async for piece in connection.pieces(fields)])
        try:
            error = json.loads(text)["error"]
            assert error["message"] and error["type"]
            code = error["code"]
        except (ValueError, KeyError, AssertionError, TypeError):
            self.ledger.violate("malformed answer", f"{status}: {text[:160]}")
            code = "?"
        return f"{status} {code}", fields.get("connection", "").lower() != "close"

    async def _leave(self, connection):
        """Goes away: at once, before the answer, or in the middle of it; with a FIN or a RST."""
        stage = self.random.choice(["at once", "soon", "mid answer"])
        try:
            if stage == "soon":
                await asyncio.sleep(self.random.uniform(0, 0.2))
            elif stage == "mid answer":
                await asyncio.wait_for(connection.reader.read(self.random.randint(1, 4_000)), 3)
        except (asyncio.TimeoutError, OSError):
            pass
        if self.random.random() < 0.5:
            self.ledger.fault("buyer: RST")
            connection.reset()
        else:
            self.ledger.fault("buyer: FIN")
        return "left by the buyer", False

    async def crawl(self, coordinator, until):
        """Asks for much and reads a byte a second."""
        connection = None
        self.ledger.fault("buyer: reads 1 byte/s")
        try:
            connection = await HTTPConnection.open(coordinator.buyer_port, 2_048)
            plan = self.plan(count=400, size=20_000, pace=0, stream=True, ending="complete")
            connection.send("POST", "/v1/chat/completions", self.body(plan))
            while not until.is_set():
                if await connection.reader.read(1) == b"":
                    break
                await asyncio.sleep(1)
        except OSError:
            pass
        finally:
            if connection:
                connection.reset()

    async def probe(self, coordinator):
        """After the faults: a request that nothing disturbs must be answered whole."""
        plan = self.plan(count=20, size=200, pace=0, stream=True, ending="complete")
        connection, outcome = await self._request(coordinator, None, False, False, plan)
        if connection:
            connection.close()
        return outcome
