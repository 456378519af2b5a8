#!/usr/bin/env python3
"""Keeps every event of the feed in a SQLite file, each once, however often it is stopped or killed.

Needs nothing but Python's standard library:

    python3 examples/feed-consumer/consumer.py events.sqlite [query]

`query` is what GET /v1/events takes, such as types=com.tierline.ticket.escalated.v1. API_URL and TIERLINE_KEY say where and with which key.
"""

import json
import os
import sqlite3
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

API = os.environ.get("API_URL", "http://127.0.0.1:3000")
KEY = os.environ.get("TIERLINE_KEY", "")


def messages(response):
    """Server-sent events, as the standard has them: (id, data) of each."""
    last, data = None, []
    for raw in response:
        line = raw.decode("utf-8").rstrip("\n")
        if line.startswith("id: "):
            last = line[4:]
        elif line.startswith("data: "):
            data.append(line[6:])
        elif line == "":
            if last is not None:
                yield last, "\n".join(data) or None
            last, data = None, []


def follow(store, query):
    row = store.execute("SELECT place FROM progress").fetchone()
    headers = {"Authorization": f"Bearer {KEY}", "Accept": "text/event-stream"}
    if row is not None:
        headers["Last-Event-ID"] = row[0]
    request = urllib.request.Request(f"{API}/v1/events?{query}", headers=headers)
    # A line that says nothing for a minute, although there is a heartbeat every 15 seconds, is dead.
    with urllib.request.urlopen(request, timeout=60) as response:
        for place, data in messages(response):
            # The event and the place in one transaction: after a crash either both are there or neither.
            with store:
                if data is not None:
                    event = json.loads(data)
                    store.execute("INSERT INTO events (id, type, subject, data) VALUES (?, ?, ?, ?)", (event["id"], event["type"], event["subject"], data))
                store.execute("INSERT OR REPLACE INTO progress (one, place) VALUES (1, ?)", (place,))


def main():
    store = sqlite3.connect(sys.argv[1] if len(sys.argv) > 1 else "events.sqlite")
    query = sys.argv[2] if len(sys.argv) > 2 else ""
    with store:
        store.execute("CREATE TABLE IF NOT EXISTS events (number INTEGER PRIMARY KEY, id TEXT UNIQUE, type TEXT, subject TEXT, data TEXT)")
        store.execute("CREATE TABLE IF NOT EXISTS progress (one INTEGER PRIMARY KEY, place TEXT)")
    while True:
        try:
            follow(store, query)
        except urllib.error.HTTPError as error:
            # What will not be otherwise next time: a key that is not valid, a query that is wrong, another log.
            if error.code < 500 and error.code != 429:
                sys.exit(f"{error.code}: {error.read().decode('utf-8')}")
        except OSError:
            pass
        time.sleep(1)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        pass
