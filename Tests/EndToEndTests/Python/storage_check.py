#!/usr/bin/env python3
"""What a coordinator has left behind that was killed: storage_check.py DATABASE LEAST_ROW_COUNT."""

import contextlib
import sqlite3
import sys


def check(database, least):
    with contextlib.closing(sqlite3.connect(database)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        count, distinct, broken = connection.execute(
            "SELECT count(*), count(DISTINCT request_id), sum(status <> 200 OR model <> 'model' OR total_tokens <> 4)"
            " FROM request_log"
        ).fetchone()
        assert count >= int(least) and distinct == count and broken == 0, (count, least, distinct, broken)
        tokens = connection.execute("SELECT token_hash FROM provider_tokens").fetchall()
        assert all(len(row[0]) == 64 for row in tokens)


if __name__ == "__main__":
    check(*sys.argv[1:])
    print("passed")
