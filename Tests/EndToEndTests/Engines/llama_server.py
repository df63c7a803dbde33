#!/usr/bin/env python3
"""A real inference server for the tests: llama.cpp's own, out of a wheel, on any free port.

    pip install -r requirements.txt
    python llama_server.py tiny.gguf

Prints `listening URL` and serves until it is killed.
"""

import sys
import threading

import xllamacpp

parameters = xllamacpp.CommonParams()
parameters.model.path = sys.argv[1]
parameters.n_parallel = 2
parameters.n_ctx = 1024
parameters.port = 0

server = xllamacpp.Server(parameters)
print("listening", server.listening_address, flush=True)
threading.Event().wait()
