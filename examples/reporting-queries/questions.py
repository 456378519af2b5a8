# Two questions to the reporting collection `ticket_facts`, with pymongo:   URL=mongodb://… python3 examples/reporting-queries/questions.py
# FROM and TO in the environment bound the first one: dates, the last year unless given.

import json
import os
from datetime import datetime, timedelta, timezone

from pymongo import MongoClient


def instant(text):
    parsed = datetime.fromisoformat(text.replace("Z", "+00:00"))
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=timezone.utc)


def shown(value):
    return value.strftime("%Y-%m-%dT%H:%M:%S.") + f"{value.microsecond // 1000:03d}Z"


to = instant(os.environ["TO"]) if "TO" in os.environ else datetime.now(timezone.utc)
since = instant(os.environ["FROM"]) if "FROM" in os.environ else to - timedelta(days=365)

with MongoClient(os.environ["URL"], tz_aware=True, serverSelectionTimeoutMS=5000) as client:
    facts = client.get_default_database()["ticket_facts"]

    # How many tickets each client opened in each month. Index: openedAt.
    opened = facts.aggregate([
        {"$match": {"openedAt": {"$gte": since, "$lt": to}}},
        {"$group": {
            "_id": {"client": "$client", "month": {"$dateToString": {"date": "$openedAt", "format": "%Y-%m"}}},
            "opened": {"$sum": 1},
        }},
        {"$project": {"_id": 0, "client": "$_id.client", "month": "$_id.month", "opened": 1}},
        {"$sort": {"client": 1, "month": 1}},
    ])
    for line in opened:
        print(json.dumps(line, separators=(",", ":"), ensure_ascii=False))

    # What each tier has in its backlog, and since when. Index: endedAt, openedAt.
    backlog = facts.aggregate([
        {"$match": {"endedAt": None}},
        {"$group": {"_id": "$tier", "backlog": {"$sum": 1}, "oldest": {"$min": "$openedAt"}}},
        {"$project": {"_id": 0, "tier": "$_id", "backlog": 1, "oldest": 1}},
        {"$sort": {"tier": 1}},
    ])
    for line in backlog:
        print(json.dumps(line, separators=(",", ":"), ensure_ascii=False, default=shown))
