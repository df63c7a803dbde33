#!/usr/bin/env python3
"""Sends the HTTP cases to a running coordinator: Conformance/http_cases.py [--binary FILE] [direct] [nginx] [haproxy]

direct   Tests/HTTPCodecTests/Resources/http-cases.json to both listeners: every case gets the answer that the decoder's
         test expects, and no more answers than requests.
nginx, haproxy
         the same cases and a set of smuggling attempts through that proxy, which keeps its connections to the coordinator
         open and shares them. A tap between the two counts the coordinator's answers: never more than the client got, and
         the next client's question is always answered by its own answer. Skipped where the proxy is not installed.

Without names: all three. Standard library only.
"""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time

ROOT = os.path.realpath(os.path.join(os.path.dirname(__file__), ".."))
CASES = os.path.join(ROOT, "Tests", "HTTPCodecTests", "Resources", "http-cases.json")
QUIET = 0.12


def load_cases():
    with open(CASES) as file:
        cases = json.load(file)["cases"]
    for case in cases:
        pieces = case["input"] if isinstance(case["input"], list) else [case["input"]]
        text = "".join(piece if isinstance(piece, str) else piece["repeat"] * piece["count"] for piece in pieces)
        case["bytes"] = text.encode("latin-1")
    return cases


def smuggled():
    """Requests that two readers might cut at different places; what would be smuggled asks for /v1/models."""
    inner = b"GET /v1/models HTTP/1.1\r\nHost: smuggled\r\n\r\n"
    head = b"POST /livez HTTP/1.1\r\nHost: x\r\n"
    length = b"Content-Length: %d\r\n" % (len(inner) + 5)
    fields = {
        "CL and TE": length + b"Transfer-Encoding: chunked\r\n",
        "TE and CL": b"Transfer-Encoding: chunked\r\n" + length,
        "CL 0 and TE": b"Content-Length: 0\r\nTransfer-Encoding: chunked\r\n",
        "two CL, first short": b"Content-Length: 0\r\n" + length,
        "two CL, last short": length + b"Content-Length: 0\r\n",
        "CL list": b"Content-Length: 0, %d\r\n" % (len(inner) + 5),
        "CL with plus": b"Content-Length: +0\r\n",
        "CL with space inside": b"Content-Length: 0 0\r\n",
        "CL hexadecimal": b"Content-Length: 0x0\r\n",
        "TE twice": b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
        "TE list": b"Transfer-Encoding: identity, chunked\r\n",
        "TE chunked not last": b"Transfer-Encoding: chunked, gzip\r\n",
        "TE unknown": b"Transfer-Encoding: xchunked\r\n" + length,
        "TE with tab": b"Transfer-Encoding:\tchunked\r\n" + length,
        "TE with vertical tab": b"Transfer-Encoding: \x0bchunked\r\n" + length,
        "TE space before colon": b"Transfer-Encoding : chunked\r\n" + length,
        "TE folded": b"Transfer-Encoding:\r\n chunked\r\n" + length,
        "TE behind bare LF": b"X: a\nTransfer-Encoding: chunked\r\n" + length,
        "TE behind bare CR": b"X: a\rTransfer-Encoding: chunked\r\n" + length,
        "TE in quotes": b"Transfer-Encoding: \"chunked\"\r\n" + length,
        "TE with NUL": b"Transfer-Encoding: chunked\x00\r\n" + length,
        "TE in capitals": b"TRANSFER-ENCODING: CHUNKED\r\n" + length,
        "TE with underscore": b"Transfer_Encoding: chunked\r\n" + length,
        "CL named by Connection": b"Connection: Content-Length\r\n" + length,
        "TE named by Connection": b"Connection: Transfer-Encoding\r\nTransfer-Encoding: chunked\r\n" + length,
        "Expect and CL": b"Expect: 100-continue\r\n" + length,
        "Upgrade": b"Connection: Upgrade\r\nUpgrade: websocket\r\n" + length,
        "h2c": b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n" + length,
    }
    attempts = [(f"smuggling: {name}", head + field + b"\r\n0\r\n\r\n" + inner) for name, field in fields.items()]
    chunks = {
        "chunk size with plus": b"+0\r\n\r\n",
        "chunk size 0x0": b"0x0\r\n\r\n",
        "chunk size too large": b"10000000000000000\r\n\r\n",
        "bare LF behind the size": b"0\n\r\n",
        "bare LF behind the last chunk": b"0\r\n\n",
        "extension with LF": b"0;a\n;b\r\n\r\n",
        "extension with CR": b"0;a\r;b\r\n\r\n",
        "trailer with CL": b"0\r\nContent-Length: 40\r\n\r\n",
        "chunk longer than said": b"1\r\nab\r\n0\r\n\r\n",
        "negative size": b"-1\r\n\r\n",
        "space before the size": b" 0\r\n\r\n",
    }
    attempts += [
        (f"smuggling: {name}", head + b"Transfer-Encoding: chunked\r\n\r\n" + body + inner) for name, body in chunks.items()]
    attempts += [
        ("smuggling: GET with a body", b"GET /livez HTTP/1.1\r\nHost: x\r\n" + b"Content-Length: %d\r\n\r\n" % len(inner) + inner),
        ("smuggling: HEAD with a body", b"HEAD /livez HTTP/1.1\r\nHost: x\r\n" + b"Content-Length: %d\r\n\r\n" % len(inner) + inner),
        ("smuggling: HTTP/1.0 with TE", b"POST /livez HTTP/1.0\r\nTransfer-Encoding: chunked\r\n" + length + b"\r\n0\r\n\r\n" + inner),
        ("smuggling: LF in the target", b"GET /livez\nX: y HTTP/1.1\r\nHost: x\r\n\r\n"),
        ("smuggling: HTTP/0.9", b"GET /v1/models\r\n\r\n"),
    ]
    return attempts


# MARK: reading answers


class Answers:
    """The answers in a stream of bytes; 1xx ones are left out. Knows no requests but HEAD's place."""

    def __init__(self, methods=()):
        self.methods = list(methods)
        self.data = b""
        self.items = []
        self.broken = None
        # To another protocol, after a 101.
        self.switched = False

    def feed(self, data):
        self.data += data
        while self.broken is None and self.step():
            pass

    def step(self):
        end = self.data.find(b"\r\n\r\n")
        if end < 0:
            return False
        head = self.data[:end].decode("latin-1")
        match = re.match(r"HTTP/1\.[01] (\d{3})", head)
        if not match:
            self.broken = head[:60]
            return False
        status = int(match.group(1))
        rest = self.data[end + 4:]
        if 100 <= status < 200:
            self.switched = status == 101
            self.data = rest
            return True
        method = self.methods[len(self.items)] if len(self.items) < len(self.methods) else "GET"
        length = re.search(r"(?im)^content-length: *(\d+)", head)
        if re.search(r"(?im)^transfer-encoding: *chunked", head) and method != "HEAD":
            stop = rest.find(b"0\r\n\r\n")
            if stop < 0:
                return False
            size = stop + 5
        else:
            size = int(length.group(1)) if length and method != "HEAD" else 0
        if len(rest) < size:
            return False
        self.items.append((status, rest[:size]))
        self.data = rest[size:]
        return True


def ask(port, data, methods=(), half_close=False, patience=5.0, quiet=QUIET):
    """Sends `data`; the answers until the other side closes, or is quiet."""
    answers = Answers(methods)
    with socket.create_connection(("127.0.0.1", port), timeout=patience) as connection:
        def send():
            try:
                connection.sendall(data)
                if half_close:
                    connection.shutdown(socket.SHUT_WR)
            except OSError:
                pass

        sender = threading.Thread(target=send)
        sender.start()
        deadline = time.monotonic() + patience
        closed = False
        while time.monotonic() < deadline:
            connection.settimeout(patience if half_close else quiet if answers.items else 4 * quiet)
            try:
                piece = connection.recv(65536)
            except (TimeoutError, socket.timeout):
                break
            except OSError:
                closed = True
                break
            if not piece:
                closed = True
                break
            answers.feed(piece)
        sender.join(patience)
    return answers, closed


# MARK: the coordinator


class Coordinator:
    def __init__(self, binary):
        self.folder = tempfile.TemporaryDirectory()
        environment = dict(os.environ, TRUNKLINE_OPERATOR_KEY="operator-key")
        self.process = subprocess.Popen(
            [binary, "serve", "--buyer-listen", "127.0.0.1:0", "--provider-listen", "127.0.0.1:0"],
            cwd=self.folder.name, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        lines = [self.process.stdout.readline() for _ in range(2)]
        self.buyer, self.provider = (int(re.search(r":(\d+)/", line).group(1)) for line in lines)

    def close(self):
        died = self.process.poll()
        self.process.terminate()
        self.process.wait(20)
        self.folder.cleanup()
        return died


# MARK: direct


def check_direct(case, port, post_path):
    """What is wrong with the coordinator's answers, or None. `post_path`: where this listener takes bodies, if it does."""
    # Paths that the listener has: a request for another one is refused by its head, and nothing behind it is read.
    data = case["bytes"]
    # A head that fits exactly would not any more.
    if len(data) < 8192:
        data = data.replace(b"GET / HTTP/1.1\r\n", b"GET /livez HTTP/1.1\r\n")
    if post_path:
        data = data.replace(b"POST / HTTP/1.", b"POST " + post_path + b" HTTP/1.", 1)
    expected = case["expect"]
    requests = expected["requests"]
    answers, closed = ask(port, data, [request["method"] for request in requests], half_close=True)
    statuses = [status for status, _ in answers.items]
    refusals = [status for status, body in answers.items if b'"bad_request"' in body]
    # Otherwise a head is refused for its path before a fault in the body comes, or its end is missed.
    is_read = post_path or not data.startswith(b"POST / ")
    if answers.switched or (not is_read and statuses == [404]):
        return None
    if answers.broken or answers.data:
        return f"an answer is broken: {answers.broken or answers.data[:60]}"
    if not closed:
        return f"the connection stays open; answers {statuses}"
    limit = len(requests) + (1 if "status" in expected else 0)
    if len(statuses) > limit:
        return f"{limit} answers expected, got {statuses}"
    if not requests and "status" in expected and statuses != [expected["status"]]:
        return f"expected {expected['status']}, got {statuses}"
    if requests and not statuses:
        return "no answer"
    if refusals and "status" not in expected:
        return f"refused with {refusals}"
    livez = all(r["method"] == "GET" and r["target"] == "/" for r in requests) and b" /livez " in data
    if livez and requests and "status" in expected and statuses[-1] != expected["status"]:
        return f"the last answer should be {expected['status']}, got {statuses}"
    if livez and statuses[:len(requests)] != [200] * len(requests):
        return f"{len(requests)} times 200 expected, got {statuses}"
    return None


def direct(coordinator, cases):
    failures = []
    listeners = (("buyer", coordinator.buyer, b"/v1/chat/completions"), ("provider", coordinator.provider, None))
    for listener, port, post_path in listeners:
        for case in cases:
            problem = check_direct(case, port, post_path)
            if problem:
                failures.append(f"{listener}: {case['name']}: {problem}")
    return 2 * len(cases), failures


# MARK: behind a proxy


class Tap:
    """Passes bytes between proxy and coordinator, and counts the coordinator's answers."""

    def __init__(self, target):
        self.target = target
        self.count = 0
        self.paths = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            near, _ = self.listener.accept()
            far = socket.create_connection(("127.0.0.1", self.target))
            threading.Thread(target=self.pump, args=(near, far, None), daemon=True).start()
            threading.Thread(target=self.pump, args=(far, near, Answers()), daemon=True).start()

    def pump(self, source, target, answers):
        try:
            while piece := source.recv(65536):
                if answers:
                    # Heads alone are counted: whether one answers a HEAD cannot be known here.
                    self.count += len(re.findall(rb"HTTP/1\.1 (?!1\d\d)\d{3} [A-Z]", piece))
                target.sendall(piece)
            target.shutdown(socket.SHUT_WR)
        except OSError:
            for side in (source, target):
                try:
                    side.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def start_proxy(name, upstream, folder):
    port = free_port()
    path = os.path.join(folder, f"{name}.conf")
    if name == "nginx":
        text = f"""
            daemon off; master_process off; pid {folder}/nginx.pid; error_log {folder}/error.log;
            events {{ worker_connections 256; }}
            http {{
                access_log off; client_body_temp_path {folder}/b; proxy_temp_path {folder}/p;
                fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
                upstream coordinator {{ server 127.0.0.1:{upstream}; keepalive 4; }}
                server {{
                    listen 127.0.0.1:{port};
                    location / {{
                        proxy_pass http://coordinator; proxy_http_version 1.1; proxy_set_header Connection "";
                        proxy_request_buffering off; proxy_buffering off; proxy_next_upstream off;
                    }}
                }}
            }}"""
        command = ["nginx", "-e", f"{folder}/error.log", "-p", folder, "-c", path]
    else:
        text = f"""
global
    maxconn 256
defaults
    mode http
    timeout connect 5s
    timeout client 10s
    timeout server 10s
    http-reuse always
frontend front
    bind 127.0.0.1:{port}
    default_backend coordinator
backend coordinator
    server only 127.0.0.1:{upstream} pool-max-conn 4
"""
        command = ["haproxy", "-f", path]
    with open(path, "w") as file:
        file.write(text)
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    for _ in range(100):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return process, port
        time.sleep(0.05)
    process.kill()
    sys.exit(f"{name} did not start")


def behind(name, coordinator, cases):
    failures = []
    attempts = [(case["name"], case["bytes"].replace(b"GET / HTTP", b"GET /livez HTTP")) for case in cases] + smuggled()
    with tempfile.TemporaryDirectory() as folder:
        tap = Tap(coordinator.buyer)
        process, port = start_proxy(name, tap.port, folder)
        try:
            for label, data in attempts:
                before = tap.count
                method = data.split(b" ", 1)[0].decode("latin-1")
                answers, _ = ask(port, data, [method], patience=1.5)
                # An answer that is not whole counts, and so does one without a head, as HTTP/0.9 has it.
                got = len(answers.items) + (1 if answers.data else 0)
                if tap.count - before > got:
                    failures.append(f"{name}: {label}: {got} answers to the client, {tap.count - before} of the coordinator")
                if any(b"model" in body and b"list" in body for _, body in answers.items) and label.startswith("smuggling"):
                    # A proxy may see two requests too; then both answers reach the client, in order, which is pipelining.
                    if len(answers.items) < 2:
                        failures.append(f"{name}: {label}: the smuggled request was answered")
                probe, _ = ask(port, b"GET /livez?probe HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", patience=3.0)
                if [item for item in probe.items] != [(200, b'{"status":"ok"}')]:
                    failures.append(f"{name}: {label}: the next client got {probe.items}")
        finally:
            process.terminate()
            process.wait(10)
    return len(attempts), failures


def main():
    arguments = sys.argv[1:]
    binary = os.path.join(ROOT, ".build", "release", "trunkline")
    if "--binary" in arguments:
        place = arguments.index("--binary")
        binary = os.path.realpath(arguments[place + 1])
        del arguments[place:place + 2]
    wanted = arguments or ["direct", "nginx", "haproxy"]
    cases = load_cases()
    coordinator = Coordinator(binary)
    results = {}

    def run(name):
        if name == "direct":
            results[name] = direct(coordinator, cases)
        elif shutil.which(name, path=os.environ["PATH"] + ":/usr/sbin"):
            results[name] = behind(name, coordinator, cases)
        else:
            print(f"{name}: not installed, skipped")

    threads = [threading.Thread(target=run, args=(name,)) for name in wanted]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    died = coordinator.close()
    failed = died is not None
    if failed:
        print(f"the coordinator ended by itself: {died}")
    for name, (count, failures) in results.items():
        print(f"{name}: {count} exchanges, {len(failures)} wrong")
        for failure in failures:
            print(f"  {failure}")
        failed = failed or bool(failures)
    if failed or len(results) == 0:
        sys.exit(1)


if __name__ == "__main__":
    main()
