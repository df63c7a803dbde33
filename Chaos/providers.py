"""Providers that know what every byte of their answers must be, and that break off, lie, stall and come back."""

import asyncio
import collections
import json
import os
import random

from numbered import plan_of
from websocket import PING, PONG, TEXT, Ended, Refused, Torn, WebSocket

MODEL = "numbered"
SLOTS = 6
HELLO = {
    "type": "hello",
    "version": 1,
    "tier": 1,
    "hostname": "soak.local",
    "model_id": MODEL,
    "model_params_b": 7.0,
    "ram_gb": 16,
    "max_context_tokens": 100_000,
    "max_concurrency": SLOTS,
    "throughput_tps_estimate": 50.0,
    "binary_version": "1.2.0",
    "attestation": None,
    "endpoint_url": None,
}


class Provider:
    def __init__(self, name, ports, ledger, seed):
        self.name = name
        # Where to dial: a function, since a coordinator's proxy may be another after its restart.
        self.ports = ports
        self.ledger = ledger
        self.random = random.Random(seed)
        self.socket = None
        self.answers = {}
        self.pings = collections.deque()
        self.is_stalled = False
        self.task = asyncio.create_task(self._live())

    async def stop(self):
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)

    # What the driver does to it.

    def reset(self):
        if self.socket:
            self.socket.reset()
        return self.socket is not None

    async def stall(self, seconds):
        """Reads nothing for a while, and asks for a lot: longer than the write time-out, it must be cut."""
        if not self.socket or self.is_stalled:
            return
        self.is_stalled = True
        try:
            await asyncio.sleep(seconds)
        finally:
            self.is_stalled = False

    def tear(self):
        """Half a frame, then nothing more: the link must not take what follows for a message."""
        if self.socket:
            noise = bytearray(os.urandom(self.random.randint(2, 400)))
            # One in some hundred begins with a whole PING, which would rightly be answered.
            if noise[0] & 0x0F == PING:
                noise[0] ^= 1
            self.socket.writer.write(noise)
        return self.socket is not None

    def babble(self):
        """Well-framed nonsense: unknown types, no JSON, answers to requests that nobody asked."""
        for _ in range(self.random.randint(1, 20)):
            number = self.random.randint(0, 4)
            if number == 0:
                self._say("inference_response_chunk", request_id="req-nobody", seq=0, data="data: stray\n\n")
            elif number == 1:
                self._say("inference_response_end", request_id="req-nobody", status="complete", chunks_sent=1)
            elif number == 2 and self.socket:
                self.socket.send(TEXT, b'{"type":"inference_response_chunk","request_id":')
            elif number == 3:
                self._say("nak", in_reply_to="preflight", error={"code": "whatever", "message": "no"})
            else:
                self._say("a_type_of_next_year", anything=[1, 2, 3])
        return self.socket is not None

    # Its life.

    async def _live(self):
        while True:
            try:
                await self._session()
            except (Ended, Refused, OSError):
                pass
            except Torn as torn:
                self.ledger.violate("torn frame", f"{self.name}: {torn}")
            except Exception as error:
                self.ledger.violate("driver", f"{self.name}: {error!r}")
            finally:
                for answer in self.answers.values():
                    answer.cancel()
                self.answers.clear()
                self.pings.clear()
                if self.socket:
                    self.socket.reset()
                    self.socket = None
            await asyncio.sleep(self.random.uniform(0.05, 0.6))

    async def _session(self):
        # A small window in some, so that the coordinator's writer has to wait.
        window = self.random.choice([None, None, 4_096])
        link = await asyncio.wait_for(WebSocket.open(self.random.choice(self.ports()), window), 10)
        self.socket = link
        self._say(**{**HELLO, "provider_id": self.name})
        beat = asyncio.create_task(self._beat())
        try:
            while True:
                while self.is_stalled:
                    await asyncio.sleep(0.05)
                # Lost links end here: the coordinator is heard every second, since each PING is answered.
                opcode, payload = await asyncio.wait_for(link.receive(), 30)
                self.ledger.checked_frames += 1
                if opcode == PING:
                    link.send(PONG, payload)
                elif opcode == PONG:
                    expected = self.pings.popleft() if self.pings else None
                    self.ledger.checked_pongs += 1
                    self.ledger.require(payload == expected, "PONG", f"{self.name}: {payload!r} and not {expected!r}")
                else:
                    self._take(payload)
        except asyncio.TimeoutError:
            raise Ended(None) from None
        finally:
            beat.cancel()

    def _take(self, payload):
        try:
            message = json.loads(payload)
            kind = message["type"]
        except (ValueError, KeyError, TypeError):
            raise Torn(f"a text that is no message: {payload[:120]!r}") from None
        if kind == "inference_request":
            plan = plan_of(message["body"])
            name = message["request_id"]
            if name in self.answers or len(self.answers) >= SLOTS:
                self.ledger.violate("slots", f"{self.name}: {name} on top of {len(self.answers)}")
            self.answers[name] = asyncio.create_task(self._answer(name, plan))
        elif kind == "cancel_request":
            answer = self.answers.pop(message["request_id"], None)
            if answer:
                answer.cancel()
                self._end(message["request_id"], "cancelled")
        elif kind == "preflight":
            self._say("preflight_ack", request_id=message["request_id"], accepted=True, estimated_wait_ms=0)
        elif kind == "drain":
            self._say("drain_status", phase="starting", inflight_requests=0, estimated_drain_seconds=0)

    async def _beat(self):
        while True:
            await asyncio.sleep(self.random.uniform(0.1, 1))
            for _ in range(self.random.choice([0, 1, 1, 30])):
                payload = os.urandom(self.random.choice([0, 4, 125]))
                self.pings.append(payload)
                self.socket.send(PING, payload)
            names = "model_id model_params_b ram_gb max_context_tokens max_concurrency throughput_tps_estimate".split()
            free = SLOTS - len(self.answers)
            self._say(
                "heartbeat",
                status="ready",
                slots_free=free,
                slots_total=SLOTS,
                requests_served_since_last=0,
                avg_latency_ms_since_last=None,
                throughput_tps_since_last=None,
                **{name: HELLO[name] for name in names},
            )

    async def _answer(self, name, plan):
        try:
            count = await self._chunks(name, plan)
        except OSError:
            return
        finally:
            self.answers.pop(name, None)
        status = {"internal": "error_internal", "full": "error_queue_full", "cancelled": "cancelled"}
        self._end(name, status.get(plan.ending, "complete"), chunks_sent=count)
        if plan.ending == "late":
            self._chunk(name, count, plan.event(0))
            self._end(name, "complete", chunks_sent=count)

    async def _chunks(self, name, plan):
        if plan.ending == "full":
            return 0
        if plan.ending == "silent":
            await asyncio.sleep(60)
        if not plan.stream:
            await asyncio.sleep(plan.pace)
            if plan.ending in ("internal", "cancelled"):
                return 0
            self._chunk(name, 0, plan.whole())
            return 1
        order = list(range(plan.count))
        if plan.ending == "disorder":
            for index in range(0, plan.count - 1, 2):
                order[index], order[index + 1] = order[index + 1], order[index]
        if plan.ending in ("internal", "cancelled"):
            del order[plan.count // 2 :]
        for seq in order:
            if plan.pace:
                await asyncio.sleep(plan.pace)
            if plan.ending == "gap" and seq == plan.count // 2:
                continue
            self._chunk(name, seq, plan.event(seq))
            if plan.ending == "doubled":
                self._chunk(name, seq, plan.event(seq))
            if self.socket and seq % 16 == 15:
                await self.socket.writer.drain()
        if plan.ending == "gap":
            await asyncio.sleep(60)
        if plan.ending == "complete" and plan.number % 2:
            self._chunk(name, plan.count, "data: [DONE]\n\n")
            return plan.count + 1
        return len(order)

    def _chunk(self, name, seq, data):
        self._say("inference_response_chunk", request_id=name, seq=seq, data=data)

    def _end(self, name, status, **fields):
        self._say("inference_response_end", request_id=name, status=status, **fields)

    def _say(self, type, **fields):
        if self.socket:
            text = json.dumps({"type": type, **fields}, ensure_ascii=self.random.random() < 0.5)
            self.socket.send(TEXT, text.encode())
