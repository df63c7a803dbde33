#!/usr/bin/env python3
"""The proxies of deploy/ in front of a coordinator: their files, with nothing changed but addresses and certificates.

Arguments: the proxy's program, the folder deploy/, and a directory for what the proxy writes.
"""

import http.client
import json
import os
import re
import socket
import subprocess

from network import Buyer, Coordinator, Provider, main, wait_until
from raw_websocket import PING, PONG


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def is_listening(port):
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
        return True
    except OSError:
        return False


def serves_through(coordinator, command, directory, ports):
    """Runs the proxy and plays all that must pass through it unhurt."""
    pipes = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, cwd=directory, env={**os.environ, "HOME": directory}, **pipes) as proxy:
        try:
            for port in ports:
                wait_until(f"the proxy; {command}", lambda: is_listening(port) or proxy.poll() is not None)
            assert proxy.poll() is None, proxy.stderr.read()
            play(coordinator, *(f"http://127.0.0.1:{port}" for port in ports))
        finally:
            proxy.terminate()


def play(coordinator, buyer_url, provider_url):
    outside = Coordinator(buyer_url, provider_url, coordinator.key)
    provider = Provider(outside, "m4")
    for number in range(3):
        asked = Buyer(outside, prompt="x" * 150_000 if number == 1 else "Hello")
        request = provider.receive("inference_request")
        assert request["body"] == asked.body
        # Each token must have come out before the next one goes in: a proxy that buffers stops here.
        for seq in range(50):
            provider.chunk(request, seq, f"{seq} ")
            assert json.loads(asked.next_event())["choices"][0]["delta"]["content"] == f"{seq} "
        provider.end(request)
        assert list(asked.events()) == ["[DONE]"]
    provider.link.send(PING, b"through and back")
    assert provider.link.receive() == (PONG, b"through and back")
    asked = Buyer(outside, stream=False)
    provider.answer(provider.receive("inference_request"), "in one piece")
    assert asked.text() == "in one piece" and asked.provider() == "m4"
    # A buyer that leaves is noticed behind the proxy, too.
    asked = Buyer(outside)
    request = provider.receive("inference_request")
    provider.chunk(request, 0, "half")
    assert json.loads(asked.next_event())
    asked.leave()
    assert provider.receive("cancel_request")["reason"] == "buyer_disconnected"
    provider.end(request, "cancelled")

    assert outside.call("GET", "/healthz")[0] == 200
    for path in ("/poolz", "/metrics", "/admin/provisional"):
        assert outside.call("GET", path)[0] == 404, f"{path} is public"
    public = http.client.HTTPConnection(outside.buyer, timeout=20)
    public.request("GET", "/healthz")
    assert public.getresponse().status == 404
    provider.leave()


def nginx(coordinator, program, deploy, directory):
    ports = [free_port(), free_port()]
    names = iter(ports)
    with open(os.path.join(deploy, "nginx.conf")) as file:
        text = file.read()
    text = re.sub(r"listen 443 ssl;", lambda _: f"listen 127.0.0.1:{next(names)};", text)
    text = re.sub(r" *ssl_certificate.*;\n", "", text)
    text = text.replace("127.0.0.1:8443", coordinator.buyer).replace("127.0.0.1:8444", coordinator.operator)
    paths = "".join(
        f"{name}_temp_path {directory}/{name};\n" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    whole = f"""
        daemon off;
        {"user root;" if os.geteuid() == 0 else ""}
        pid {directory}/pid;
        error_log stderr;
        events {{}}
        http {{
            access_log off;
            {paths}
            {text}
        }}
        """
    path = os.path.join(directory, "nginx.conf")
    with open(path, "w") as file:
        file.write(whole)
    serves_through(coordinator, [program, "-e", "stderr", "-c", path], directory, ports)


def caddy(coordinator, program, deploy, directory):
    ports = [free_port(), free_port()]
    with open(os.path.join(deploy, "Caddyfile")) as file:
        text = file.read()
    for name, port in zip(("llm.example.com", "providers.example.com"), ports):
        text = re.sub(rf"^{name} {{", f"http://127.0.0.1:{port} {{", text, flags=re.M)
    text = text.replace("127.0.0.1:8443", coordinator.buyer).replace("127.0.0.1:8444", coordinator.operator)
    path = os.path.join(directory, "Caddyfile")
    with open(path, "w") as file:
        file.write("{\n\tadmin off\n}\n" + text)
    serves_through(coordinator, [program, "run", "--adapter", "caddyfile", "--config", path], directory, ports)


if __name__ == "__main__":
    main(globals())
