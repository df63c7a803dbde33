#!/usr/bin/env python3
"""Compares what our decoders make of the fuzzers' inputs with h11 and wsproto: Fuzz/differential.py [FOLDER...]

Reads Fuzz/corpus, .build/fuzz/corpus (what fuzzing has found here), the HTTP cases, and FOLDERs that hold a HTTPCodec or
FrameDecoder folder. The rule: what we accept, the other reads the same. We may refuse more than the other does, never read
anything else; where we accept what the other refuses, the reason stands below in EXPECTED. Needs h11 and wsproto
(python3 -m venv, pip install h11 wsproto) and trunkline-echo (swift build -c release --product trunkline-echo).
"""

import json
import os
import subprocess
import sys

try:
    import h11
    from wsproto.frame_protocol import CloseReason, FrameProtocol, Opcode, ParseFailed
except ImportError:
    sys.exit("Needs h11 and wsproto: pip install h11 wsproto")

ROOT = os.path.realpath(os.path.join(os.path.dirname(__file__), ".."))
ECHO = os.path.join(ROOT, ".build", "release", "trunkline-echo")


def inputs(name, folders):
    found = set()
    for folder in folders:
        folder = os.path.join(folder, name)
        for file in os.listdir(folder) if os.path.isdir(folder) else []:
            with open(os.path.join(folder, file), "rb") as content:
                found.add(content.read())
    return sorted(data for data in found if len(data) > 1)


def ours(codec, data):
    lines = "".join(item.hex() + "\n" for item in data)
    output = subprocess.run([ECHO, "--events", codec], input=lines, capture_output=True, text=True, check=True).stdout
    answers = []
    for line in output.splitlines():
        answer = json.loads(line)
        events = [(kind, bytes.fromhex(content)) for kind, content in answer["events"]]
        answers.append((events, answer["error"]))
    assert len(answers) == len(data)
    return answers


def joined(events):
    """Pieces of one body made one."""
    result = []
    for kind, content in events:
        if kind == "body" and result and result[-1][0] == "body":
            result[-1] = ("body", result[-1][1] + content)
        elif kind != "body" or content:
            result.append((kind, content))
    return result


def h11_events(data):
    connection = h11.Connection(h11.SERVER, max_incomplete_event_size=64 * 1024)
    events = []
    try:
        connection.receive_data(data)
        while True:
            event = connection.next_event()
            if event is h11.NEED_DATA or isinstance(event, h11.ConnectionClosed):
                return events, None
            if event is h11.PAUSED:
                if connection.our_state is h11.SEND_RESPONSE:
                    connection.send(h11.Response(status_code=200, headers=[("Content-Length", "0")]))
                    connection.send(h11.EndOfMessage())
                if connection.their_state is not h11.DONE or connection.our_state is not h11.DONE:
                    return events, "stopped"
                connection.start_next_cycle()
            elif isinstance(event, h11.Request):
                events.append(("head", event.method + b" " + event.target))
            elif isinstance(event, h11.Data):
                events.append(("body", bytes(event.data)))
            elif isinstance(event, h11.EndOfMessage):
                events.append(("end", b""))
                if connection.our_state is h11.SEND_RESPONSE:
                    connection.send(h11.Response(status_code=200, headers=[("Content-Length", "0")]))
                    connection.send(h11.EndOfMessage())
                if connection.their_state is h11.DONE and connection.our_state is h11.DONE:
                    connection.start_next_cycle()
                else:
                    return events, "stopped"
    except h11.RemoteProtocolError as error:
        return events, f"refused: {error}"
    except h11.LocalProtocolError:
        return events, "stopped"


def wsproto_events(data, client):
    protocol = FrameProtocol(client=client, extensions=[])
    events, message, kind = [], b"", None
    try:
        protocol.receive_bytes(data)
        for frame in protocol.received_frames():
            if frame.opcode is Opcode.CLOSE:
                code, reason = frame.payload
                events.append(("close", f"{int(code)} {reason or ''}".encode()))
                return events, None
            if frame.opcode in (Opcode.PING, Opcode.PONG):
                events.append((frame.opcode.name.lower(), bytes(frame.payload)))
                continue
            piece = frame.payload.encode() if isinstance(frame.payload, str) else bytes(frame.payload)
            kind = frame.opcode.name.lower() if kind is None else kind
            message += piece
            if frame.message_finished:
                events.append((kind, message))
                message, kind = b"", None
        return events, None
    except ParseFailed as error:
        return events, f"refused: {error}"
    except UnicodeDecodeError as error:
        return events, f"refused: {error}"


# Why we accept what the other implementation refuses: part of its message, and the reason.
EXPECTED = {
    "HTTP": [
        ("stopped", "h11 stops behind an answer where it would close: Connection: close, Upgrade, CONNECT, HTTP/1.0"),
        ("no request line received", "an empty line between requests (RFC 9112 section 2.2)"),
        ("illegal request line", "we wait for the end of a line before we refuse it"),
        ("illegal chunk header", "white space around a chunk extension (RFC 9112 section 7.1.1)"),
    ],
    "WebSocket": [],
}


def compare(name, data, mine, theirs, verdicts):
    events, error = joined(mine[0]), mine[1]
    other, other_error = joined(theirs[0]), theirs[1]
    if events == other and (error is None) == (other_error is None):
        verdicts["same"] += 1
    elif error is not None and events == other[:len(events)]:
        verdicts["we refuse more"] += 1
    elif error is not None and other_error is None and events and events[:-1] == other[:len(events) - 1]:
        # A body that was cut short where we refused.
        verdicts["we refuse more"] += 1
    elif other_error is not None and any(text in other_error for text, _ in EXPECTED[name]) and other == events[:len(other)]:
        verdicts["expected"] += 1
    else:
        verdicts["different"] += 1
        print(f"{name}: {data!r}\n   we: {events} {error}\n   it: {other} {other_error}")


def main():
    folders = [os.path.join(ROOT, "Fuzz", "corpus"), os.path.join(ROOT, ".build", "fuzz", "corpus")] + sys.argv[1:]
    total = {}

    requests = [data[1:] for data in inputs("HTTPCodec", folders)]
    with open(os.path.join(ROOT, "Tests", "HTTPCodecTests", "Resources", "http-cases.json")) as file:
        for case in json.load(file)["cases"]:
            pieces = case["input"] if isinstance(case["input"], list) else [case["input"]]
            text = "".join(piece if isinstance(piece, str) else piece["repeat"] * piece["count"] for piece in pieces)
            requests.append(text.encode("latin-1"))
    verdicts = total["HTTP against h11"] = dict.fromkeys(["same", "we refuse more", "expected", "different"], 0)
    for data, mine in zip(requests, ours("http", requests)):
        # h11 takes no empty line before a request; RFC 9112 section 2.2 wants a server to.
        rest = data
        while rest.startswith(b"\r\n"):
            rest = rest[2:]
        compare("HTTP", data, mine, h11_events(rest), verdicts)

    frames = inputs("FrameDecoder", folders)
    verdicts = total["WebSocket against wsproto"] = dict.fromkeys(["same", "we refuse more", "expected", "different"], 0)
    for client, codec in ((False, "ws-server"), (True, "ws-client")):
        chosen = [data[1:] for data in frames if (data[0] & 0x80 != 0) == client]
        for data, mine in zip(chosen, ours(codec, chosen)):
            compare("WebSocket", data, mine, wsproto_events(data, client), verdicts)

    for name, verdicts in total.items():
        print(f"{name}: " + ", ".join(f"{count} {verdict}" for verdict, count in verdicts.items()))
    if any(verdicts["different"] for verdicts in total.values()):
        sys.exit(1)


if __name__ == "__main__":
    main()
