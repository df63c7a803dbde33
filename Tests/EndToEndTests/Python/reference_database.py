#!/usr/bin/env python3
"""A database as the reference coordinator leaves it: reference_database.py FILE TOKEN. No schema number, and without the
column that came last."""

import contextlib
import hashlib
import sqlite3
import sys

TABLES = """
CREATE TABLE provider_tokens (id INTEGER PRIMARY KEY AUTOINCREMENT, token_hash TEXT NOT NULL UNIQUE,
    token_prefix TEXT NOT NULL, provider_name TEXT NOT NULL, created_at TEXT NOT NULL, revoked_at TEXT,
    last_used_at TEXT);
CREATE TABLE provisional_providers (provider_id TEXT PRIMARY KEY, first_seen_at TEXT NOT NULL,
    last_seen_at TEXT NOT NULL, hostname TEXT, model_id TEXT, binary_version TEXT,
    total_requests_served INTEGER NOT NULL DEFAULT 0, total_tokens_served INTEGER NOT NULL DEFAULT 0,
    promoted_at TEXT, notes TEXT);
CREATE TABLE rejected_providers (provider_id TEXT PRIMARY KEY, rejected_at TEXT NOT NULL, reason TEXT,
    rejected_by TEXT NOT NULL);
CREATE TABLE request_log (id INTEGER PRIMARY KEY AUTOINCREMENT, ts_utc TEXT NOT NULL, request_id TEXT NOT NULL,
    model TEXT NOT NULL, provider_assigned_id TEXT, prompt_tokens INTEGER, completion_tokens INTEGER,
    total_tokens INTEGER, latency_ms REAL NOT NULL, routing_ms REAL NOT NULL, status INTEGER NOT NULL,
    stream INTEGER NOT NULL, buyer_ip TEXT NOT NULL, error TEXT, pref_header TEXT, provider_header TEXT);
"""
NOW = "2026-01-02T03:04:05Z"


def make(path, token):
    with contextlib.closing(sqlite3.connect(path)) as database:
        database.executescript("PRAGMA journal_mode = WAL;" + TABLES)
        digest = hashlib.sha256(token.encode()).hexdigest()
        database.execute(
            "INSERT INTO provider_tokens (token_hash, token_prefix, provider_name, created_at) VALUES (?, ?, ?, ?)",
            (digest, token[:6], "holder", NOW),
        )
        database.execute("INSERT INTO rejected_providers VALUES ('outcast', ?, 'wrong answers', 'operator')", (NOW,))
        database.execute(
            "INSERT INTO provisional_providers VALUES ('chosen', ?, ?, 'h', 'model', '1.2.0', 7, 9, ?, NULL)",
            (NOW, NOW, NOW),
        )
        database.commit()


if __name__ == "__main__":
    make(*sys.argv[1:])
