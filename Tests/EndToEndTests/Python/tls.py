#!/usr/bin/env python3
"""Asks over TLS and checks whose certificate is shown: tls.py BASE_URL COMMON_NAME."""

import http.client
import json
import ssl
import sys
import urllib.parse

address = urllib.parse.urlsplit(sys.argv[1])
shown = ssl.get_server_certificate((address.hostname, address.port))

# The certificate vouches for itself: trust it alone, and check the name as any client would.
context = ssl.create_default_context(cadata=shown)
connection = http.client.HTTPSConnection(address.hostname, address.port, context=context, timeout=30)
connection.request("GET", "/v1/models")
answer = connection.getresponse()
assert answer.status == 200, answer.status
assert json.load(answer)["data"], "no model"
subject = dict(pair[0] for pair in connection.sock.getpeercert()["subject"])
assert subject["commonName"] == sys.argv[2], subject
