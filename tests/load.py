#!/usr/bin/env python3
"""Minutes of load on `viral serve`, by wrk, while files are exchanged under it and other clients misbehave.

    python3 tests/load.py VIRAL [--model FOLDER] [--seconds 600] [--json FILE]

VIRAL is the built program. FOLDER has a model that takes new items; without it a small one is trained. wrk asks for known users,
for newcomers and for similar items on 32 connections. Meanwhile

- the model's file is exchanged, is broken now and then, and items and interactions are added and removed over HTTP;
- bodies and heads are malformed or too large, clients are slow, break off, or read nothing of a large answer;
- one answer is asked for again and again, and must stay what it was.

At the end requests are half sent when SIGTERM comes. Fails if an answer is an error that was not provoked, a provoked one is not
what it should be, memory grows, or the end takes over two seconds or loses an answer. Where wrk is not installed it says so.
"""

import argparse
import http.client
import json
import os
import random
import select
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path
from urllib.parse import quote

LUA = """
local paths = {}
for line in io.lines(os.getenv("LOAD_PATHS")) do paths[#paths + 1] = line end
local at = 0
function setup(thread) thread:set("at", math.random(1, 1000000)) end
function request()
  at = at + 1
  local line = paths[at % #paths + 1]
  local body = line:match("^POST (.*)$")
  if body then return wrk.format("POST", "/recommend", nil, body) end
  return wrk.format("GET", line)
end
function done(summary, latency)
  local e = summary.errors
  io.write(string.format('RESULT {"requests": %d, "microseconds": %d, "p50_us": %d, "p99_us": %d, "max_us": %d, "status": %d, "connect": %d, "read": %d, "write": %d, "timeout": %d}\\n',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99), latency.max, e.status, e.connect, e.read, e.write, e.timeout))
end
"""
CONNECTIONS = 32
# Seconds that a request may take to come.
TIMEOUT = 3.0
# Bytes of a body, of `--most-bytes`.
LARGEST = 1 << 20


class Service:
    """`viral serve` on a port of its own."""

    def __init__(self, viral, model):
        command = [viral, "serve", "--model", model, "--bind", "127.0.0.1:0", "--timeout", str(TIMEOUT)]
        command += ["--most-bytes", str(LARGEST)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.url = self.process.stdout.readline().strip()
        host, port = self.url.removeprefix("http://").strip("/").split(":")
        self.address = (host, int(port))

    def connect(self, seconds=20.0):
        return socket.create_connection(self.address, timeout=seconds)

    def ask(self, method, path, body=None):
        """Status and JSON of an answer."""
        connection = http.client.HTTPConnection(*self.address, timeout=20)
        try:
            connection.request(method, path, body=None if body is None else json.dumps(body))
            answer = connection.getresponse()
            text = answer.read()
            is_json = "json" in (answer.getheader("content-type") or "")
            return answer.status, json.loads(text) if is_json else text.decode()
        finally:
            connection.close()

    def raw(self, data, seconds=20.0):
        """Status and body of the answer to some bytes; 0 where the connection was closed without one."""
        with self.connect(seconds) as stream:
            try:
                stream.sendall(data)
            except OSError:
                pass  # refused before all of it was sent
            return read_answer(stream)

    def memory(self):
        """Resident megabytes."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return next(int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("VmRSS"))


def read_answer(stream):
    data = b""
    try:
        while part := stream.recv(1 << 16):
            data += part
    except OSError:
        pass
    head, _, body = data.partition(b"\r\n\r\n")
    return (int(head.split()[1]), body) if head.startswith(b"HTTP/") else (0, b"")


class Watch:
    """What went wrong, and how often each thing was done."""

    def __init__(self, seconds):
        self.end = time.monotonic() + seconds
        self.done, self.faults, self.lock = Counter(), [], threading.Lock()

    def goes_on(self):
        return time.monotonic() < self.end

    def count(self, what):
        with self.lock:
            self.done[what] += 1

    def fault(self, text):
        with self.lock:
            self.faults.append(text[:300])

    def expect(self, what, status, answer, expected):
        """An error is one of `expected`, and has a sentence."""
        self.count(what)
        if status not in expected:
            self.fault(f"{what}: status {status}, not {expected}: {answer}")
        elif isinstance(answer, bytes) and status >= 400 and answer[:1] == b"{" and not json.loads(answer).get("message"):
            self.fault(f"{what}: status {status} without a sentence")


def head(method, path, *lines):
    return "\r\n".join([f"{method} {path} HTTP/1.1", "host: shop", "connection: close", *lines, "", ""]).encode()


def post(path, body):
    return head("POST", path, f"content-length: {len(body)}") + body


def malformed(service, watch):
    """Requests that are wrong, each with what it must be answered."""
    large = b'{"liked": ["' + b"x" * LARGEST + b'"]}'
    chunk = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
    cases = [
        ("no JSON", post("/recommend", b"{]"), [400]),
        ("deep JSON", post("/recommend", b"[" * 100_000), [400]),
        ("no UTF-8", post("/recommend", b'{"user": "\xff\xfe"}'), [400]),
        ("wrong type", post("/recommend", b'{"user": 7}'), [400]),
        ("unknown field", post("/recommend", b'{"user": "a", "kk": 3}'), [400]),
        ("weight beyond numbers", post("/recommend", b'{"liked": ["a"], "weights": {"text": 1e999}}'), [400]),
        ("unknown user", head("GET", "/recommend?user=nobody-has-this-id"), [404]),
        ("unknown item", head("GET", "/similar?item=nobody-has-this-id"), [404]),
        ("k of 0", head("GET", "/recommend?user=a&k=0"), [400]),
        ("k beyond numbers", head("GET", "/recommend?user=a&k=99999999999999999999999"), [400]),
        ("broken escape", head("GET", "/similar?item=%FF%FE%"), [400, 404]),
        ("no such path", head("GET", "/nothing"), [404]),
        ("no such method", head("PUT", "/recommend"), [405]),
        # While the file is broken, nothing can be changed.
        ("features of another width", post("/items", b'{"items": [{"id": "w", "features": {"text": [1]}}]}'), [400, 503]),
        ("too large a body", post("/recommend", large), [413, 0]),
        ("too large a body in chunks", head("POST", "/recommend", "transfer-encoding: chunked") + chunk * 20, [413, 0]),
        ("a length that lies", head("POST", "/recommend", "content-length: 99999999999999"), [413, 400]),
        ("too long a path", head("GET", "/similar?item=" + "x" * 200_000), [414, 431, 400, 0]),
        ("too many headers", head("GET", "/health", *[f"x-{i}: {i}" for i in range(500)]), [431, 400, 0]),
        ("no HTTP", b"\x16\x03\x01\x02\x00 hello\r\n\r\n", [400, 0]),
    ]
    while watch.goes_on():
        for what, data, expected in cases:
            watch.expect(what, *service.raw(data), expected)
        time.sleep(0.2)


def slow(service, watch):
    """Clients that take their time: the head, or the body, comes byte by byte."""
    request = post("/recommend", b'{"liked": ["a"], "k": 3}')
    first = request.index(b"\r\n\r\n") + 4
    while watch.goes_on():
        for what, at_once in [("a slow head", 10), ("a slow body", first)]:
            start = time.monotonic()
            with service.connect() as stream:
                try:
                    stream.sendall(request[:at_once])
                    for byte in request[at_once:]:
                        stream.sendall(bytes([byte]))
                        if select.select([stream], [], [], 0.25)[0]:
                            break  # answered, or closed
                except OSError:
                    pass
                watch.expect(what, *read_answer(stream), [408, 0])
            if time.monotonic() - start > 2 * TIMEOUT + 2:
                watch.fault(f"{what} was waited for {time.monotonic() - start:.1f} s")


def broken(service, watch, users):
    """Clients that go away: before, within and after a request, in an orderly way or not, or without reading."""
    complete = head("GET", f"/recommend?user={quote(users[0])}&k=5000")
    while watch.goes_on():
        for what, data in [("connects and goes", b""), ("breaks off", complete[:20]), ("does not read", complete)]:
            stream = service.connect()
            try:
                stream.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                if random.random() < 0.5:  # a reset instead of an end
                    stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                stream.sendall(data)
                time.sleep(0.05)
            except OSError:
                pass
            stream.close()
            watch.count(what)


def change(service, watch, folder, new_item, users, items):
    """Exchanges the file, breaks it now and then, and changes the catalogue over HTTP."""
    file = folder / "model.safetensors"
    good, n = file.read_bytes(), 0
    while watch.goes_on():
        n += 1
        is_broken = n % 5 == 0
        whole = folder / "next"
        whole.write_bytes(good[: len(good) // 2] if is_broken else good)
        os.replace(whole, file)
        service.process.send_signal(signal.SIGHUP)
        watch.count("a broken file" if is_broken else "an exchanged file")
        time.sleep(1.5)
        if not is_broken:
            for what, method, path, body in [
                ("an item added", "POST", "/items", {"items": [new_item]}),
                ("interactions added", "POST", "/interactions", {"interactions": [{"user": "eve", "item": items[n % len(items)]}]}),
                ("an item removed", "DELETE", f"/items?item={quote(new_item['id'])}", None),
            ]:
                watch.expect(what, *service.ask(method, path, body), [200])
        time.sleep(1.0)


def compare(service, watch, users):
    """What was answered once is answered again, by whichever model is loaded."""
    path = f"/recommend?user={quote(users[0])}&k=10"
    expected = None
    while watch.goes_on():
        status, answer = service.ask("GET", path)
        if status != 200:
            watch.fault(f"{path}: status {status}")
        else:
            found = [(item["item"], item["score"]) for item in answer["items"] if item["item"] != NEW]
            found, expected = found[:9], expected or found[:9]
            if found != expected:
                watch.fault(f"{path}: {found}, and before {expected}")
        watch.count("the same answer")
        time.sleep(0.1)


NEW = "an item of the load test"


def ended(service, watch, liked):
    """SIGTERM while requests are half sent: each is answered, and the process ends within two seconds."""
    body = json.dumps({"liked": liked, "k": 200}).encode()
    request = post("/recommend", body)
    half = len(request) - len(body) // 2
    streams = [service.connect() for _ in range(CONNECTIONS)]
    for stream in streams:
        stream.sendall(request[:half])
    time.sleep(0.2)
    start = time.monotonic()
    service.process.terminate()
    time.sleep(0.2)
    for stream in streams:
        try:
            stream.sendall(request[half:])
        except OSError:
            pass
    answers = Counter(read_answer(stream)[0] for stream in streams)
    for stream in streams:
        stream.close()
    service.process.wait(timeout=30)
    seconds = time.monotonic() - start
    if answers != {200: CONNECTIONS}:
        watch.fault(f"answers under way at SIGTERM: {dict(answers)}")
    if seconds > 2 or service.process.returncode != 0:
        watch.fault(f"the end took {seconds:.2f} s, with status {service.process.returncode}")
    return round(seconds, 2)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("viral")
    parser.add_argument("--model", type=Path)
    parser.add_argument("--seconds", type=int, default=600)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    if shutil.which("wrk") is None:
        print("skipped: the service was not tested under load: wrk is not installed")
        return 0
    with tempfile.TemporaryDirectory() as work:
        folder = Path(work) / "model"
        if arguments.model:
            folder.mkdir()
            shutil.copy(arguments.model / "model.safetensors", folder)
        else:
            train = [arguments.viral, "train", "--epochs", "1", "--out", str(folder)]
            subprocess.run(train, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        service = Service(arguments.viral, str(folder))
        try:
            return load(service, arguments, folder)
        finally:
            service.process.kill()


def load(service, arguments, folder):
    work, seconds = folder.parent, arguments.seconds
    users = service.ask("GET", "/users?n=200")[1]
    items = [item["item"] for item in service.ask("GET", "/items?n=200")[1]]
    users = [user for user in users if service.ask("GET", f"/recommend?user={quote(user)}")[1].get("basis") == "user"]
    # The widths of the features are told by what refuses none of them.
    features = {}
    while True:
        new_item = {"id": NEW, "features": features}
        status, answer = service.ask("POST", "/items", {"items": [new_item]})
        if status == 200:
            break
        words = answer["message"].split()
        modality, width = words[words.index("features,") - 1], int(words[-1])
        features[modality] = [random.uniform(-1, 1) for _ in range(width)]
    service.ask("DELETE", f"/items?item={quote(NEW)}")
    paths = [f"/recommend?user={quote(user)}&k=10" for user in users]
    paths += ["POST " + json.dumps({"liked": random.sample(items, 3), "k": 10}) for _ in range(100)]
    paths += [f"/similar?item={quote(item)}&k=10" for item in items]
    random.shuffle(paths)
    (work / "paths").write_text("\n".join(paths))
    (work / "load.lua").write_text(LUA)

    watch = Watch(seconds)
    wrk = ["wrk", "-t2", f"-c{CONNECTIONS}", f"-d{seconds}s", "--timeout", "5s", "-s", str(work / "load.lua"), service.url]
    environment = {**os.environ, "LOAD_PATHS": str(work / "paths")}
    load = subprocess.Popen(wrk, env=environment, stdout=subprocess.PIPE, text=True)
    others = [
        (malformed, (service, watch)),
        (slow, (service, watch)),
        (broken, (service, watch, users)),
        (change, (service, watch, folder, new_item, users, items)),
        (compare, (service, watch, users)),
    ]

    def run(work, given):
        try:
            work(*given)
        except Exception as e:  # of the service, or of this script: both fail
            watch.fault(f"{work.__name__}: {type(e).__name__}: {e}")

    threads = [threading.Thread(target=run, args=other) for other in others]
    for thread in threads:
        thread.start()
    memory = []
    while watch.goes_on():
        memory.append(service.memory())
        time.sleep(min(1.0, seconds / 20))
    for thread in threads:
        thread.join()
    shown = load.communicate()[0]
    found = json.loads(next(line for line in shown.splitlines() if line.startswith("RESULT ")).removeprefix("RESULT "))
    errors = {name: found[name] for name in ("status", "connect", "read", "write", "timeout")}
    if any(errors.values()):
        watch.fault(f"wrk had errors: {errors}")
    tenth = max(1, len(memory) // 10)
    early, late = max(memory[tenth : 3 * tenth]), max(memory[-2 * tenth :])
    if late > 1.1 * early + 8:
        watch.fault(f"memory grew from {early:.0f} to {late:.0f} MB")
    report = {
        "seconds": seconds,
        "requests_per_second": round(found["requests"] / (found["microseconds"] / 1e6)),
        "p50_ms": found["p50_us"] / 1e3,
        "p99_ms": found["p99_us"] / 1e3,
        "largest_ms": found["max_us"] / 1e3,
        "errors_of_wrk": errors,
        "megabytes_early": round(early, 1),
        "megabytes_late": round(late, 1),
        "others": dict(sorted(watch.done.items())),
        "seconds_to_end": ended(service, watch, items[:3]),
        "faults": watch.faults,
    }
    text = json.dumps(report, indent=2)
    print(text)
    if arguments.json:
        arguments.json.write_text(text + "\n")
    return 1 if watch.faults else 0


if __name__ == "__main__":
    sys.exit(main())
