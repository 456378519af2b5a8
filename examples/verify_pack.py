#!/usr/bin/env python3
"""Verifies a Tierline proof pack. It has nothing in common with Tierline but docs/proof-packs.md.

    python3 examples/verify_pack.py PACK [--key KEY]... [--heads FILE] [--json]

Needs Python 3.9 or later and the package `cryptography` (Debian: python3-cryptography) for Ed25519. Exit code: 0 when the pack holds, 1 when not.
"""
import argparse
import base64
import binascii
import hashlib
import json
import math
import re
import struct
import sys
import unicodedata
from decimal import Decimal

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

COMPLETENESS = {"truncated", "count-mismatch", "events-missing", "scope-missing"}
ORDER = {"manifest": 0, "key": 1, "head": 2, "definition": 3, "neighbour": 4, "stream": 5, "event": 5, "end": 6}
LARGEST = 2**53 - 1


# Canonical JSON (RFC 8785)


def number_text(value):
    """A number as ECMAScript writes it."""
    value = float(value)
    if not math.isfinite(value):
        raise ValueError("no JSON number")
    if value == 0:
        return "0"
    sign, digits, exponent = Decimal(repr(value)).normalize().as_tuple()
    digits = "".join(map(str, digits))
    point = len(digits) + exponent
    if 0 < point <= 21:
        text = digits.ljust(point, "0") if len(digits) <= point else digits[:point] + "." + digits[point:]
    elif -6 < point <= 0:
        text = "0." + "0" * -point + digits
    else:
        power = point - 1
        text = digits[0] + ("." + digits[1:] if len(digits) > 1 else "") + "e" + ("+" if power > 0 else "-") + str(abs(power))
    return ("-" if sign else "") + text


def string_text(value):
    # A lone surrogate, which is no UTF-8, is written as its escape.
    return re.sub("[\ud800-\udfff]", lambda match: "\\u%04x" % ord(match.group()), json.dumps(value, ensure_ascii=False))


def canonical(value):
    if value is None:
        return "null"
    if value is True or value is False:
        return "true" if value else "false"
    if isinstance(value, str):
        return string_text(value)
    if isinstance(value, (int, float)):
        return number_text(value)
    if isinstance(value, list):
        return "[" + ",".join(map(canonical, value)) + "]"
    keys = sorted(value, key=lambda key: key.encode("utf-16-be", "surrogatepass"))
    return "{" + ",".join(string_text(key) + ":" + canonical(value[key]) for key in keys) + "}"


def unique_fields(pairs):
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise ValueError("a field twice")
    return fields


def no_constant(name):
    raise ValueError(name)


# Hashes and the tree (RFC 6962, RFC 9162)


def sha256(data):
    return hashlib.sha256(data).digest()


def leaf_hash(leaf):
    return sha256(b"\0" + leaf)


def node_hash(left, right):
    return sha256(b"\1" + left + right)


EMPTY_ROOT = sha256(b"")


def decoded(text):
    """The bytes of standard, padded base64; None where the text is not exactly that."""
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
    return data if base64.b64encode(data).decode() == text else None


def hashes(proof):
    return [decoded(text) or b"" for text in proof]


def is_included(leaf, index, size, root, proof):
    if index >= size:
        return False
    node, last, result = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            return False
        if node & 1 or node == last:
            result = node_hash(sibling, result)
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            result = node_hash(result, sibling)
        node, last = node >> 1, last >> 1
    return last == 0 and result == root


def is_consistent(first, first_root, second, second_root, proof):
    if first > second:
        return False
    if first == 0:
        return not proof and first_root == EMPTY_ROOT
    if first == second:
        return not proof and first_root == second_root
    path = [first_root, *proof] if first & (first - 1) == 0 else list(proof)
    if not path:
        return False
    node, last = first - 1, second - 1
    while node & 1:
        node, last = node >> 1, last >> 1
    old = new = path[0]
    for sibling in path[1:]:
        if last == 0:
            return False
        if node & 1 or node == last:
            old, new = node_hash(sibling, old), node_hash(sibling, new)
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            new = node_hash(new, sibling)
        node, last = node >> 1, last >> 1
    return last == 0 and old == first_root and new == second_root


# Signed notes


class Key:
    """A public key: `<name>+<key hash>+<base64 of algorithm and key>`."""

    def __init__(self, text):
        name, key_hash, encoded = text.strip().split("+", 2)
        data = decoded(encoded)
        if not is_name(name) or data is None or len(data) != 33 or data[0] not in (1, 4):
            raise ValueError("no key")
        self.name, self.algorithm, self.public = name, data[0], data[1:]
        self.hash = sha256(name.encode() + b"\n" + data)[:4]
        if self.hash.hex() != key_hash:
            raise ValueError("not the hash of the key")
        self.text = f"{name}+{key_hash}+{encoded}"

    def has_signed(self, text, signature):
        message = text.encode("utf-8", "surrogatepass")
        if self.algorithm == 4:
            if len(signature) != 72:
                return False
            message = b"cosignature/v1\ntime %d\n" % struct.unpack(">Q", signature[:8]) + message
            signature = signature[8:]
        try:
            Ed25519PublicKey.from_public_bytes(self.public).verify(signature, message)
            return True
        except (InvalidSignature, ValueError):
            return False


def is_name(name):
    return re.fullmatch(r"[^\s+]+", name) is not None and not any(unicodedata.category(sign)[0] == "C" for sign in name)


class Note:
    def __init__(self, note):
        end = note.rfind("\n\n")
        if end < 0 or not note.endswith("\n"):
            raise ValueError("no note")
        self.text, self.signatures = note[: end + 1], []
        for line in note[end + 2 :].split("\n")[:-1]:
            match = re.fullmatch(r"— (\S+) (\S+)", line)
            data = match and decoded(match.group(2))
            if not match or not is_name(match.group(1)) or not data or len(data) < 5:
                raise ValueError("no signature")
            self.signatures.append((match.group(1), data[:4], data[4:]))
        if not self.signatures:
            raise ValueError("no signature")

    def signers(self, keys):
        """Those of the keys that have signed it; none where one of them has not signed what is signed in its name."""
        signers = []
        for name, key_hash, signature in self.signatures:
            key = next((key for key in keys if (key.name, key.hash) == (name, key_hash)), None)
            if key is None:
                continue
            if not key.has_signed(self.text, signature):
                return []
            if key not in signers:
                signers.append(key)
        return signers


def parsed(kind, text):
    try:
        return kind(text)
    except ValueError:
        return None


class Head:
    def __init__(self, text):
        match = re.fullmatch(
            r"([^\s]+)\n(0|[1-9][0-9]{0,15})\n(\S+)\nstreams (0|[1-9][0-9]{0,15}) (\S+)\n"
            r"at ([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z)\n",
            text,
        )
        if not match:
            raise ValueError("no tree head")
        self.origin, size, root, streams, streams_root, self.at = match.groups()
        self.size, self.streams = int(size), int(streams)
        self.root, self.streams_root = decoded(root), decoded(streams_root)
        if not self.root or not self.streams_root or len(self.root) != 32 or len(self.streams_root) != 32:
            raise ValueError("no roots")


# The lines of a pack


def is_text(value):
    return isinstance(value, str)


def is_count(value):
    return not isinstance(value, bool) and isinstance(value, (int, float)) and value == int(value) and 0 <= value <= LARGEST


def is_proof(value):
    return isinstance(value, list) and all(map(is_text, value))


def is_hash_or_null(value):
    return value is None or (is_text(value) and re.fullmatch("[0-9a-f]{64}", value) is not None)


def is_object(value):
    return isinstance(value, dict)


def anything(_):
    return True


def fields(**checks):
    return lambda value: is_object(value) and set(value) == set(checks) and all(check(value[name]) for name, check in checks.items())


def exactly(text):
    return lambda value: value == text


def is_scope(value):
    return any(
        check(value)
        for check in (
            fields(kind=exactly("ticket"), ticket=is_text, stream=is_text),
            fields(kind=exactly("client"), client=is_text),
            fields(**{"kind": exactly("period"), "from": is_text, "to": is_text, "fromSize": is_count, "toSize": is_count}),
        )
    )


COUNTS = ("keys", "heads", "definitions", "streams", "events")
CHECKS = {
    "manifest": fields(kind=is_text, format=exactly("tierline-proof-pack/1"), origin=is_text, createdAt=is_text, scope=is_scope),
    "key": fields(kind=is_text, note=is_text),
    "head": fields(kind=is_text, note=is_text, proof=is_proof),
    "definition": fields(kind=is_text, name=is_text, value=anything),
    "neighbour": fields(
        kind=is_text, index=is_count, end=fields(client=is_text, stream=is_text, events=is_count, last=is_text), proof=is_proof
    ),
    "stream": fields(
        **{
            "kind": is_text,
            "stream": is_text,
            "client": is_text,
            "index": is_count,
            "events": is_count,
            "last": is_text,
            "proof": is_proof,
            "from": is_count,
            "previous": is_hash_or_null,
        }
    ),
    "event": fields(
        kind=is_text,
        leaf=is_count,
        proof=is_proof,
        event=fields(id=is_text, stream=is_text, revision=is_count, type=is_text, data=anything, metadata=is_object),
    ),
    "end": fields(kind=is_text, lines=is_count, counts=fields(**{what: is_count for what in COUNTS}), sha256=is_text, note=is_text),
}


def parse_line(data):
    """A line of a pack; None where it is none. Only canonical JSON is: one text for each content."""
    try:
        text = data.decode("utf-8")
        line = json.loads(text, object_pairs_hook=unique_fields, parse_constant=no_constant, parse_int=float)
        if not is_object(line) or not is_text(line.get("kind")) or line["kind"] not in CHECKS:
            return None
        if not CHECKS[line["kind"]](line) or canonical(line) != text:
            return None
        return line
    except (ValueError, OverflowError, RecursionError):
        return None


def without_hash(metadata):
    return {name: value for name, value in metadata.items() if name != "hash"}


def digest_of_name(name):
    return sha256(name.encode("utf-8", "surrogatepass")).hex()


def leaf_of_stream(client, stream, events, last):
    return leaf_hash(canonical({"client": client, "stream": stream, "events": events, "last": last}).encode("utf-8", "surrogatepass"))


class Verifier:
    def __init__(self, pack, trusted=(), published=()):
        self.pack, self.failures, self.number = pack, [], 0
        self.counts = dict.fromkeys(COUNTS, 0)
        self.manifest, self.keys, self.heads = None, [], []
        self.stream, self.ended = None, False
        self.stream_index, self.client_indexes, self.neighbours = -1, [], []
        self.leaves, self.from_start = [], set()
        self.read()
        self.judge(trusted, published)

    def fail(self, code, event=None):
        failure = {"code": code, "line": self.number}
        if event is not None:
            failure["event"] = f"{event['stream']}@{int(event['revision'])}"
        failure["verdict"] = "completeness" if code in COMPLETENESS else "integrity"
        self.failures.append(failure)

    def read(self):
        at = order = 0
        while at < len(self.pack):
            end = self.pack.find(b"\n", at)
            self.number += 1
            if end < 0 or self.ended:
                return self.fail("truncated" if end < 0 else "malformed")
            line = parse_line(self.pack[at:end])
            if line is None or ORDER[line["kind"]] < order or (self.number == 1) != (line["kind"] == "manifest"):
                return self.fail("malformed")
            order = ORDER[line["kind"]]
            self.before = self.pack[:at]
            getattr(self, "on_" + line["kind"])(line)
            at = end + 1

    @property
    def origin(self):
        return self.manifest["origin"]

    @property
    def last(self):
        return self.heads[-1] if self.heads else None

    def on_manifest(self, line):
        self.manifest = line

    def on_key(self, line):
        self.counts["keys"] += 1
        note = parsed(Note, line["note"])
        match = note and re.fullmatch(r"(\S+)\nkey (\S+)\n", note.text)
        key = match and parsed(Key, match.group(2))
        if not key or match.group(1) != self.origin or key.text != match.group(2):
            return self.fail("key-not-introduced")
        expected = [key, *self.keys[-1:]]
        if len(note.signers(expected)) != len(expected):
            return self.fail("key-not-introduced")
        self.keys.append(key)

    def on_head(self, line):
        self.counts["heads"] += 1
        note = parsed(Note, line["note"])
        head = note and parsed(Head, note.text)
        if not head or head.origin != self.origin or not note.signers(self.keys):
            return self.fail("head-not-signed")
        last = self.last
        if last is None:
            if line["proof"]:
                return self.fail("head-inconsistent")
        else:
            if head.size == last.size and head.root != last.root:
                return self.fail("split-view")
            if head.size == last.size or head.at < last.at or not is_consistent(last.size, last.root, head.size, head.root, hashes(line["proof"])):
                return self.fail("head-inconsistent")
        self.heads.append(head)

    def on_definition(self, line):
        self.counts["definitions"] += 1

    def is_stream(self, leaf, line):
        last = self.last
        return last is not None and is_included(leaf, int(line["index"]), last.streams, last.streams_root, hashes(line["proof"]))

    def on_neighbour(self, line):
        end = line["end"]
        if not self.is_stream(leaf_of_stream(end["client"], end["stream"], end["events"], end["last"]), line):
            return self.fail("stream-not-in-tree")
        if self.neighbours and line["index"] <= self.neighbours[-1][0]:
            return self.fail("stream-misplaced")
        self.neighbours.append((int(line["index"]), end["client"]))

    def end_stream(self):
        stream = self.stream
        if stream is None or self.manifest["scope"]["kind"] == "period":
            return
        if self.revision != stream["events"] - 1 or self.last_leaf != stream["last"]:
            self.fail("events-missing")
        elif stream["from"] == 0:
            self.from_start.add(stream["stream"])

    def on_stream(self, line):
        self.end_stream()
        self.counts["streams"] += 1
        self.stream, self.revision, self.leaf_index, self.last_leaf = line, int(line["from"]) - 1, -1, ""
        # The hash so far, and whether an event has carried its own; unknown where a chain was left.
        self.chain, self.begun = line["previous"], False
        self.is_chain_known = True
        if not self.is_stream(leaf_of_stream(digest_of_name(line["client"]), digest_of_name(line["stream"]), line["events"], line["last"]), line):
            self.fail("stream-not-in-tree")
        index = int(line["index"])
        if index <= self.stream_index:
            self.fail("stream-misplaced")
        self.stream_index = index
        scope = self.manifest["scope"]
        if scope["kind"] == "client" and scope["client"] == line["client"]:
            self.client_indexes.append(index)

    def on_event(self, line):
        self.counts["events"] += 1
        event, leaf, last = line["event"], int(line["leaf"]), self.last
        if self.stream is None or event["stream"] != self.stream["stream"] or leaf <= self.leaf_index or event["revision"] <= self.revision:
            return self.fail("event-misplaced", event)
        self.leaf_index = leaf
        self.leaves.append(leaf)
        metadata = event["metadata"]
        bare = {**event, "metadata": without_hash(metadata)}
        leaf_text = canonical({**bare, "hash": metadata.get("hash")})
        hashed = leaf_hash(leaf_text.encode("utf-8", "surrogatepass"))
        self.last_leaf = base64.b64encode(hashed).decode()
        if last is None or not is_included(hashed, leaf, last.size, last.root, hashes(line["proof"])):
            self.fail("event-not-in-tree", event)
        if event["revision"] != self.revision + 1:
            self.fail("events-missing", event)
            # What its hash links to is not here: the chain is taken up at the next event.
            stored = metadata.get("hash")
            self.is_chain_known = isinstance(stored, str)
            self.chain, self.begun = stored, True
        elif self.is_chain_known:
            chain = sha256(canonical({**bare, "previous": self.chain}).encode("utf-8", "surrogatepass")).hex()
            if "hash" in metadata:
                holds, begun = metadata["hash"] == chain, True
            else:
                holds, begun = not self.begun, False
            if not holds:
                self.fail("chain-broken", event)
            self.is_chain_known, self.chain, self.begun = holds, chain, begun
        self.revision = int(event["revision"])

    def on_end(self, line):
        self.end_stream()
        self.stream, self.ended = None, True
        if line["counts"] != self.counts:
            self.fail("count-mismatch")
        note = parsed(Note, line["note"])
        if (
            line["lines"] != self.number
            or line["sha256"] != sha256(self.before).hex()
            or note is None
            or note.text != f"{self.origin}\npack {line['sha256']}\n"
            or not self.keys
            or not note.signers(self.keys[-1:])
        ):
            self.fail("pack-altered")

    def judge(self, trusted, published):
        self.number = max(self.number, 1)
        if not self.ended and not any(failure["code"] in ("truncated", "malformed") for failure in self.failures):
            self.fail("truncated")
        if trusted and not {key.text for key in trusted} & {key.text for key in self.keys}:
            self.fail("key-not-trusted")
        for text in published:
            note = parsed(Note, text)
            head = note and parsed(Head, note.text)
            if not head or not note.signers(self.keys):
                self.fail("head-not-signed")
            elif any(other.origin == head.origin and other.size == head.size and other.root != head.root for other in self.heads):
                self.fail("split-view")
        if self.manifest is not None and not self.is_whole(self.manifest["scope"]):
            self.fail("scope-missing")
        self.failures.sort(key=lambda failure: failure["line"])

    def is_whole(self, scope):
        last = self.last
        if last is None:
            return False
        if scope["kind"] == "ticket":
            return scope["stream"] == "ticket-" + scope["ticket"] and scope["stream"] in self.from_start
        if scope["kind"] == "client":
            indexes = self.client_indexes

            def is_other(index):
                return not 0 <= index < last.streams or any(
                    at == index and client != digest_of_name(scope["client"]) for at, client in self.neighbours
                )

            return bool(indexes) and indexes[-1] - indexes[0] == len(indexes) - 1 and is_other(indexes[0] - 1) and is_other(indexes[-1] + 1)
        first, end = int(scope["fromSize"]), int(scope["toSize"])
        start_head = next((head for head in self.heads if head.size == first), None)
        end_head = next((head for head in self.heads if head.size == end), None)
        return (
            sorted(self.leaves) == list(range(first, end))
            and (first == 0 or (start_head is not None and start_head.at <= scope["from"]))
            and end_head is not None
            and (end_head.at >= scope["to"] or end_head is last)
        )

    def verdict(self):
        codes = {failure["code"] for failure in self.failures}
        verdicts = {failure["verdict"] for failure in self.failures}
        result = {
            "integrity": "integrity" not in verdicts,
            "completeness": "completeness" not in verdicts and "malformed" not in codes,
            "failures": self.failures,
            "events": self.counts["events"],
            "streams": self.counts["streams"],
            "keys": [key.text for key in self.keys],
        }
        if self.heads:
            first, last = self.heads[0], self.heads[-1]
            root = base64.b64encode(last.root).decode()
            result["head"] = {"origin": last.origin, "size": last.size, "root": root, "at": last.at}
            result["provenFrom"] = {"size": first.size, "at": first.at}
        return result


def read_heads(path):
    heads = []
    with open(path, encoding="utf-8") as file:
        for line in file:
            try:
                note = json.loads(line)
            except ValueError:
                continue
            if isinstance(note, str) and parsed(Note, note):
                heads.append(note)
    return heads


def main():
    parser = argparse.ArgumentParser(description="Verifies Tierline proof packs.")
    parser.add_argument("packs", nargs="+", metavar="PACK")
    parser.add_argument("--key", action="append", default=[], type=Key, help="a key of the log that you had from elsewhere")
    parser.add_argument("--heads", help="a file of tree heads that you had from elsewhere")
    parser.add_argument("--json", action="store_true", help="the verdict as JSON, a line for each pack")
    options = parser.parse_args()
    published = read_heads(options.heads) if options.heads else []
    holds = True
    for path in options.packs:
        with open(path, "rb") as file:
            verdict = Verifier(file.read(), options.key, published).verdict()
        holds = holds and verdict["integrity"] and verdict["completeness"]
        if options.json:
            print(json.dumps(verdict))
            continue
        print(f"integrity     {'holds' if verdict['integrity'] else 'FAILS'}")
        print(f"completeness  {'holds' if verdict['completeness'] else 'FAILS'}")
        for failure in verdict["failures"][:20]:
            print(f"line {failure['line']}: {failure['code']} {failure.get('event', '')} ({failure['verdict']})")
    return 0 if holds else 1


if __name__ == "__main__":
    sys.exit(main())
