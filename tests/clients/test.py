#!/usr/bin/env python3
"""Holds docs/api.md and its client to what a pool of real processes does. Run by scripts/clients.sh.

    test.py SEGUE FILM SCRATCH
"""

import contextlib
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import textwrap
import threading

ROOT = pathlib.Path(__file__).resolve().parents[2]
DOCUMENT = ROOT / "docs/api.md"
CLIENT = ROOT / "docs/examples/client.py"
# Far longer than anything here takes.
LONG = 120
UNKNOWN = "ab" * 32


def check(right, words):
    if not right:
        raise AssertionError(words)


def heading(words):
    print(f"==> {words}", flush=True)


class Daemon:
    """A scheduler or a worker, and all that it said."""

    def __init__(self, *command):
        self.said = ""
        self.changed = threading.Condition()
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
        self.process = subprocess.Popen(
            [*map(str, command)], stdin=subprocess.DEVNULL, text=True, **pipes
        )
        threading.Thread(target=self.listen, daemon=True).start()

    def listen(self):
        for line in self.process.stdout:
            with self.changed:
                self.said += line
                self.changed.notify_all()

    def until(self, pattern, times=1):
        """Waits until it has said that; gives what the pattern's group is."""
        with self.changed:
            there = self.changed.wait_for(
                lambda: len(re.findall(pattern, self.said)) >= times, LONG
            )
            check(there, f"'{pattern}' was not said {times} times, but:\n{self.said}")
            return re.findall(pattern, self.said)[-1]

    def end(self, number=signal.SIGTERM):
        """Ends it, and waits for that; gives its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(LONG)


class Pool:
    """A scheduler and two workers."""

    def __init__(self, segue, scratch):
        self.segue, self.scratch, self.store = segue, scratch, scratch / "store"
        # One that nobody has now: a scheduler that is started again needs the same.
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.address = f"127.0.0.1:{free.getsockname()[1]}"
        self.start_scheduler()
        self.workers = [self.start_worker(name) for name in ("w1", "w2")]
        for worker in self.workers:
            worker.until("the scheduler answers")

    def start_scheduler(self):
        where = "--listen", self.address, "--ledger", self.scratch / "ledger.db"
        self.scheduler = Daemon(self.segue, "scheduler", *where, "--store", self.store)
        self.scheduler.until("listening on")

    def start_worker(self, name):
        whose = "--scheduler", f"http://{self.address}", "--store", self.store
        return Daemon(self.segue, "worker", *whose, "--name", name, "--cores", "1")

    def addresses(self):
        return [worker.until(r"listening on (\S+)") for worker in self.workers]

    def end(self):
        for daemon in (*self.workers, self.scheduler):
            daemon.end()


def blocks_of(text):
    """Every fenced block with its language and line, and the answer that follows it, if one does."""
    found = []
    for match in re.finditer(r"^```(\w+)\n(.*?)^```$", text, re.M | re.S):
        line = text.count("\n", 0, match.start()) + 1
        # Nothing but an empty line between a command and its answer, which may be introduced by words
        # that end with a colon.
        between = text[found[-1]["end"] : match.start()] if found else "none"
        is_answer = match[1] in ("json", "text") and not re.search(r"[^:\n]\n\n$|^#", between, re.M)
        if is_answer and found[-1]["language"] == "sh":
            found[-1]["answer"] = (match[1], match[2])
            found[-1]["end"] = match.end()
            continue
        found.append(
            {"language": match[1], "text": match[2], "line": line, "end": match.end(), "answer": None}
        )
    return found


def last_json(text):
    """The last of several JSON values."""
    decoder, value = json.JSONDecoder(), None
    while text := text.lstrip():
        value, end = decoder.raw_decode(text)
        text = text[end:]
    return value


def fits(wanted, got):
    """Whether an answer is as the document says, which writes … for what varies."""
    if isinstance(wanted, str) and isinstance(got, str):
        pattern = ".*".join(re.escape(part) for part in wanted.split("…"))
        return re.fullmatch(pattern, got, re.S) is not None
    if isinstance(wanted, list) and isinstance(got, list):
        return len(wanted) == len(got) and all(map(fits, wanted, got))
    if isinstance(wanted, dict) and isinstance(got, dict):
        names = {name for name in wanted if name != "…"}
        if names - got.keys() or ("…" not in wanted and got.keys() - names):
            return False
        return all(fits(wanted[name], got[name]) for name in names)
    return wanted == got


class Document:
    """Runs what the document shows, in its order."""

    def __init__(self, pool, film, scratch):
        self.pool, self.scratch = pool, scratch
        self.blocks = blocks_of(DOCUMENT.read_text())
        self.there = {"127.0.0.1:7700": pool.address, "/films/film.mkv": str(film)}
        self.environment = {**os.environ, "WORKER": pool.addresses()[0], "PYTHONPATH": str(scratch)}
        bins = scratch / "bin"
        bins.mkdir(exist_ok=True)
        self.environment["PATH"] = f"{bins}:{pathlib.Path(sys.executable).parent}:{os.environ['PATH']}"
        if shutil.which("grpcurl"):
            print("grpcurl is installed: its commands are run by it")
        else:
            print("grpcurl is not installed: its commands are run by tests/clients/grpcurl.py")
            stand_in = bins / "grpcurl"
            stand_in.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{ROOT}/tests/clients/grpcurl.py" "$@"\n')
            stand_in.chmod(0o755)

    def here(self, text):
        for theirs, ours in self.there.items():
            text = text.replace(theirs, ours)
        return text

    def check_pieces(self):
        """What is shown of the client is in it, line by line."""
        lines = [line.strip() for line in CLIENT.read_text().splitlines()]
        pieces = 0
        for block in self.blocks:
            if block["language"] != "python" or block["text"].startswith("# first.py"):
                continue
            piece = [line.strip() for line in textwrap.dedent(block["text"]).splitlines()]
            at = range(len(lines) - len(piece) + 1)
            is_there = any(lines[start : start + len(piece)] == piece for start in at)
            check(is_there, f"{DOCUMENT}:{block['line']}: this is not in {CLIENT.name}")
            pieces += 1
        check(pieces >= 5, f"only {pieces} pieces of the client were found")
        print(f"{pieces} pieces of {CLIENT.name}")

    def make_stubs(self):
        """By the document's own command; what it installs is there already."""
        for name in ("proto", "docs"):
            (self.scratch / name).symlink_to(ROOT / name)
        command = next(b["text"] for b in self.blocks if "grpc_tools.protoc" in b["text"])
        installing, making = command.strip().splitlines()
        listed = installing.split()[-1]
        check(installing.startswith("pip install -r") and (ROOT / listed).is_file(), installing)
        self.run(making)

    def run(self, command, code=0):
        ran = subprocess.run(
            ["bash", "-uc", self.here(command)],
            cwd=self.scratch, env=self.environment, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=LONG,
        )
        check((ran.returncode == 0) == (code == 0), f"{command}ended {ran.returncode}:\n{ran.stdout}")
        return ran.stdout

    def run_first(self):
        block = next(b for b in self.blocks if b["text"].startswith("# first.py"))
        (self.scratch / "first.py").write_text(self.here(block["text"]))
        said = self.run("python first.py").splitlines()
        check(said[-2] == "JOB_STATE_FINISHED 6 of 6", "\n".join(said))
        return said[-1]

    def run_commands(self):
        commands = [b for b in self.blocks if b["language"] == "sh" and "pip install" not in b["text"]]
        for block in commands:
            kind, answer = block["answer"] or ("none", "")
            is_error = answer.startswith("ERROR")
            output = self.run(block["text"], code=1 if is_error else 0)
            where = f"{DOCUMENT}:{block['line']}"
            if kind == "json":
                got, wanted = last_json(output), json.loads(self.here(answer))
                check(fits(wanted, got), f"{where}: what came back is\n{output}")
            elif kind == "text":
                got, wanted = " ".join(output.split()), " ".join(answer.split())
                check(fits(wanted, got), f"{where}: what came back is\n{output}")
            if "Jobs/Submit" in block["text"] and not is_error:
                self.environment["JOB"] = last_json(output)["job"]
        answered = sum(1 for block in commands if block["answer"])
        check(len(commands) >= 14 and answered >= 13, f"{len(commands)} commands, {answered} answers")
        print(f"{len(commands)} commands, {answered} of them with the answers that are shown")


class Client:
    """docs/examples/client.py, as a program."""

    def __init__(self, pool, film, scratch, environment):
        self.pool, self.film, self.scratch, self.environment = pool, film, scratch, environment

    def command(self, *words, film=None):
        words = [str(film or self.film) if word == "FILM" else str(word) for word in words]
        return [sys.executable, str(CLIENT), "--scheduler", self.pool.address, *words]

    def run(self, *words, code=0, film=None):
        ran = subprocess.run(
            self.command(*words, film=film), env=self.environment, capture_output=True, text=True,
            timeout=LONG,
        )
        check(ran.returncode == code, f"client.py {words} ended {ran.returncode}:\n{ran.stdout}{ran.stderr}")
        return ran.stdout if code == 0 else ran.stderr

    def start(self, *words):
        os.environ["PYTHONPATH"] = self.environment["PYTHONPATH"]
        return Daemon(*self.command(*words))


def verify(pool, playlist):
    verified = subprocess.run(
        [pool.segue, "verify", playlist.removeprefix("file://")], capture_output=True, text=True, timeout=LONG
    )
    check(verified.returncode == 0, f"segue verify {playlist}:\n{verified.stdout}{verified.stderr}")


def stored(pool, job, rendition):
    folder = pool.store / "jobs" / job / rendition
    return {path.name: path.read_bytes() for path in sorted(folder.glob("*.ts"))}


def test_make(client, pool):
    said = [client.run("make", "FILM", "--rendition", "480p", "--claim", "twice") for _ in range(2)]
    job, other = (re.search(r"job (\w{64})", words)[1] for words in said)
    check(job == other, f"submitted twice, {job} and {other}")
    playlists = [words.splitlines()[-1] for words in said]
    check(playlists[0] == playlists[1] and job in playlists[0], said)
    check("finished 6/6" in said[0], said[0])
    verify(pool, playlists[0])


def test_cancel(client, jobs, pb):
    running = client.start("make", "FILM", "--rendition", "700p", "--claim", "not for long")
    job = running.until(r"job (\w{64})")
    running.until("running")
    claims = jobs.Get(pb.GetRequest(job=job)).job.claims
    check([claim.claim for claim in claims] == ["not for long"], claims)
    check(running.end(signal.SIGINT) == 130, running.said)
    info = jobs.Get(pb.GetRequest(job=job)).job
    check(not info.claims and info.progress.state != pb.JOB_STATE_FINISHED, info)
    last = list(jobs.Watch(pb.WatchRequest(job=job), timeout=LONG))
    check(len(last) == 1, "nobody claims it: one answer")


def test_play(client, pool, example, segments_pb2, segments_pb2_grpc, grpc):
    to = client.scratch / "played"
    words = "--rendition", "240p", "--store", pool.store, "--start", "2", "--to", to
    said = client.run("play", "FILM", *words)
    job = re.search(r"job (\w{64})", said)[1]
    order = re.findall(r"^segment (\d+): \d+ bytes from the (\w+)", said, re.M)
    check([int(index) for index, _ in order] == [2, 3, 4, 5], said)
    there = stored(pool, job, "240p")
    for path in to.iterdir():
        check(there.get(path.name) == path.read_bytes(), f"{path.name} is not what is stored")
    check("00000.ts" not in there, "what nobody needed was made")
    print("segments came from", ", ".join(where for _, where in order))
    # Its maker holds a segment a little longer, for those who are on their way to it.
    held = []
    for address in pool.addresses():
        stub = segments_pb2_grpc.SegmentsStub(grpc.insecure_channel(address))
        for index in range(2, 6):
            request = segments_pb2.ReadRequest(job=job, rendition=0, index=index)
            try:
                data = b"".join(piece.data for piece in stub.Read(request, timeout=10))
            except grpc.RpcError as error:
                check(error.code() == grpc.StatusCode.NOT_FOUND, error)
                continue
            check(data == there[f"{index:05}.ts"], f"{address} holds another segment {index}")
            held.append(index)
    check(set(held) == {2, 3, 4, 5}, held)


def test_errors(client, jobs, pb, example, grpc):
    def refused(call, code):
        try:
            list(call()) if call.__name__ == "stream" else call()
        except grpc.RpcError as error:
            check(error.code() == code, error)
            return error
        raise AssertionError(f"{code} was to come")

    invalid = grpc.StatusCode.INVALID_ARGUMENT
    source = client.film.as_uri()
    for wish, field in [
        (pb.SubmitRequest(source="film.mkv"), "source"),
        (pb.SubmitRequest(source=f"{source}.not"), "source"),
        (pb.SubmitRequest(source=source, request=pb.Request(renditions=["9p", "big"])), None),
        (pb.SubmitRequest(source=source, request=pb.Request(renditions=["2160p"])), "request"),
        (pb.SubmitRequest(source=source, request=pb.Request(crf=99)), "request"),
    ]:
        error = refused(lambda: jobs.Submit(wish, timeout=40), invalid)
        fields = example.wrong_fields(error)
        check(fields and (field is None or field in fields), f"{wish}: {fields}, {error}")
    words = client.run("make", "FILM", "--rendition", "big", code=2)
    check(words.startswith("client: request.renditions[0] "), words)

    missing = grpc.StatusCode.NOT_FOUND
    refused(lambda: jobs.Get(pb.GetRequest(job=UNKNOWN)), missing)
    refused(lambda: jobs.Cancel(pb.CancelRequest(job=UNKNOWN)), missing)

    def stream():
        return jobs.Watch(pb.WatchRequest(job=UNKNOWN))

    refused(stream, missing)

    def stream():
        return jobs.Demand(iter([pb.DemandRequest(viewers=[pb.Viewer(job="no id")])]))

    fields = example.wrong_fields(refused(stream, invalid))
    check(list(fields) == ["viewers[0].job"], fields)


def test_lost_jobs(jobs, pb):
    closing = threading.Event()

    def says():
        yield pb.DemandRequest(viewers=[pb.Viewer(viewer="lost", job=UNKNOWN, renditions=[0])])
        closing.wait(LONG)

    answer = next(iter(jobs.Demand(says(), timeout=LONG)))
    closing.set()
    check(list(answer.lost_jobs) == [UNKNOWN], answer)


def test_restart(client, pool):
    making = client.start("make", "FILM", "--rendition", "600p")
    to = client.scratch / "played over a restart"
    playing = client.start(
        "play", "FILM", "--rendition", "560p", "--store", pool.store, "--to", to
    )
    making.until("running")
    playing.until("segment 0")
    # Without a word; the next one with.
    for number in (signal.SIGKILL, signal.SIGTERM):
        pool.scheduler.end(number)
        pool.start_scheduler()
        pool.scheduler.until("a worker is there", times=2)
    check(making.process.wait(LONG) == 0, making.said)
    playlist = making.until(r"(file://\S+)\n")
    verify(pool, playlist)
    check(playing.process.wait(LONG) == 0, playing.said)
    order = re.findall(r"^segment (\d+):", playing.said, re.M)
    check(order == [*map(str, range(6))], playing.said)


def test_killed_worker(client, pool):
    to = client.scratch / "played over a death"
    playing = client.start(
        "play", "FILM", "--rendition", "620p", "--store", pool.store, "--to", to
    )
    job = playing.until(r"job (\w{64})")
    playing.until("segment 0")
    pool.workers[0].end(signal.SIGKILL)
    check(playing.process.wait(LONG) == 0, playing.said)
    order = re.findall(r"^segment (\d+):", playing.said, re.M)
    check(order == [*map(str, range(6))], playing.said)
    # What only the dead worker had, and was played, nobody needs in the store.
    there = stored(pool, job, "620p")
    played = {path.name for path in to.iterdir()}
    check(len(played) == 6 and there.keys() <= played, (played, there.keys()))


def test_nobody(segue, film, scratch, example, pb, pb_grpc, grpc, found):
    """A scheduler without workers; takes half a minute, beside the others."""
    store = scratch / "nobody"
    where = "--listen", "127.0.0.1:0", "--ledger", scratch / "nobody.db", "--store", store
    alone = Daemon(segue, "scheduler", *where)
    try:
        address = alone.until(r"listening on (\S+)")
        jobs = pb_grpc.JobsStub(grpc.insecure_channel(address))
        jobs.Submit(pb.SubmitRequest(source=film.as_uri()), timeout=60)
        found.append("a job without a worker")
    except grpc.RpcError as error:
        found.append((error.code().name, example.details(error).keys(), example.retry_after(error)))
    finally:
        alone.end()


def test_reflection_and_health(pool, grpc):
    """By the libraries that Python's users have for it."""
    from grpc_health.v1 import health_pb2, health_pb2_grpc
    from grpc_reflection.v1alpha.proto_reflection_descriptor_database import (
        ProtoReflectionDescriptorDatabase,
    )

    ours = {"segue.v1.Admin", "segue.v1.Commands", "segue.v1.Jobs", "segue.v1.Workers"}
    theirs = {"segue.v1.Commands", "segue.v1.Segments"}
    for address, served in [(pool.address, ours), (pool.addresses()[0], theirs)]:
        with grpc.insecure_channel(address) as channel:
            listed = set(ProtoReflectionDescriptorDatabase(channel).get_services())
            check(listed == served | {"grpc.health.v1.Health"}, listed)
            health = health_pb2_grpc.HealthStub(channel)
            for name in ("", *served):
                status = health.Check(health_pb2.HealthCheckRequest(service=name)).status
                check(status == health_pb2.HealthCheckResponse.SERVING, f"{address} {name}: {status}")


def main():
    segue, film, scratch = (pathlib.Path(word).resolve() for word in sys.argv[1:])
    with contextlib.ExitStack() as stack:
        heading("a scheduler and two workers")
        pool = Pool(segue, scratch)
        stack.callback(pool.end)
        document = Document(pool, film, scratch)
        heading("what docs/api.md shows")
        document.check_pieces()
        document.make_stubs()

        sys.path[:0] = [str(scratch), str(CLIENT.parent)]
        import client as example
        import grpc
        from segue.v1 import jobs_pb2, jobs_pb2_grpc, segments_pb2, segments_pb2_grpc

        found = []
        nobody = threading.Thread(
            target=test_nobody,
            args=(segue, film, scratch, example, jobs_pb2, jobs_pb2_grpc, grpc, found),
        )
        nobody.start()
        stack.callback(nobody.join)

        verify(pool, document.run_first())
        document.run_commands()
        jobs = jobs_pb2_grpc.JobsStub(example.connect(pool.address))
        client = Client(pool, film, scratch, document.environment)
        heading("docs/examples/client.py: making, twice")
        test_make(client, pool)
        check(client.run("workers").splitlines() == ["w1: 0 spans", "w2: 0 spans"], "workers")
        heading("cancelling by Ctrl-C")
        test_cancel(client, jobs, jobs_pb2)
        heading("playing")
        test_play(client, pool, example, segments_pb2, segments_pb2_grpc, grpc)
        heading("errors")
        test_errors(client, jobs, jobs_pb2, example, grpc)
        test_lost_jobs(jobs, jobs_pb2)
        heading("reflection and health")
        test_reflection_and_health(pool, grpc)
        heading("a scheduler that is killed, and one that is ended")
        test_restart(client, pool)
        heading("a worker that is killed")
        test_killed_worker(client, pool)
        heading("a pool without workers")
        nobody.join(LONG)
        code, kinds, pause = found[0]
        check((code, [*kinds], pause) == ("UNAVAILABLE", ["RetryInfo"], 5.0), found)


if __name__ == "__main__":
    main()
