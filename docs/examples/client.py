#!/usr/bin/env python3
"""A client of Segue's gRPC API: submits a film and watches it being made, or plays it meanwhile.

    client.py make FILM [--rendition 720p]... [--claim TEXT]
    client.py play FILM --to DIRECTORY [--rendition 720p] [--start SEGMENT]
    client.py workers

docs/api.md explains it, and says how to make the stubs that it imports. Ctrl-C takes back what it
asked for. Exit codes: 0 done, 1 failed, 2 not possible as asked, 130 interrupted.
"""

import argparse
import pathlib
import queue
import signal
import sys
import threading
import time
import uuid

import grpc
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from segue.v1 import admin_pb2, admin_pb2_grpc, jobs_pb2, jobs_pb2_grpc
from segue.v1 import segments_pb2, segments_pb2_grpc

# A scheduler that is started again is back within seconds.
PATIENCE = 60
# A segment that nobody makes within this is given up; making one takes seconds.
SEGMENT_PATIENCE = 60


OVER = jobs_pb2.JOB_STATE_FINISHED, jobs_pb2.JOB_STATE_FAILED


class Failed(Exception):
    """What was asked for will not come."""


def connect(address):
    # Notices a scheduler whose machine is gone; asks every few seconds for one that is not there.
    options = [
        ("grpc.keepalive_time_ms", 10_000),
        ("grpc.keepalive_timeout_ms", 5_000),
        ("grpc.http2.max_pings_without_data", 0),
        ("grpc.max_reconnect_backoff_ms", 2_000),
    ]
    return grpc.insecure_channel(address, options=options)


def details(error):
    """The google.rpc details of an error, by the name of their type."""
    status = rpc_status.from_call(error)
    found = {}
    for detail in status.details if status else []:
        for kind in (error_details_pb2.BadRequest, error_details_pb2.RetryInfo):
            if detail.Is(kind.DESCRIPTOR):
                found[kind.DESCRIPTOR.name] = kind.FromString(detail.value)
    return found


def wrong_fields(error):
    """Which fields of a request were wrong, and why."""
    bad = details(error).get("BadRequest")
    return {wrong.field: wrong.description for wrong in bad.field_violations} if bad else {}


def retry_after(error):
    """In how many seconds to try again; None: it would not help."""
    if error.code() != grpc.StatusCode.UNAVAILABLE:
        return None
    # Without the detail it is gRPC that speaks: nobody answers at that address.
    info = details(error).get("RetryInfo")
    return info.retry_delay.ToTimedelta().total_seconds() if info else 1.0


def patiently(ask, patience=PATIENCE):
    """Asks until there is an answer. All of Segue's calls may be said twice."""
    give_up = time.monotonic() + patience
    while True:
        try:
            return ask()
        except grpc.RpcError as error:
            pause = retry_after(error)
            if pause is None or time.monotonic() + pause > give_up:
                raise
            say(f"{error.details()}; trying again in {pause:.0f} s")
            time.sleep(pause)


def submit(jobs, source, renditions, claim, batch):
    request = jobs_pb2.Request(renditions=renditions)
    wish = jobs_pb2.SubmitRequest(source=source, request=request, claim=claim, batch=batch)
    # Looking at the film may take 30 seconds.
    return patiently(lambda: jobs.Submit(wish, timeout=40))


def watch(jobs, job):
    """What is known of a job, again and again until it is over; outlives a restart of the scheduler."""
    silent_since = time.monotonic()
    while True:
        try:
            for answer in jobs.Watch(jobs_pb2.WatchRequest(job=job)):
                silent_since = time.monotonic()
                yield answer.job
                progress = answer.job.progress
            if progress.state in OVER or not answer.job.claims:
                return
        except grpc.RpcError as error:
            pause = retry_after(error)
            if pause is None or time.monotonic() - silent_since > PATIENCE:
                raise
            time.sleep(pause)


def make(jobs, source, renditions, claim):
    """Has all of a film made; gives the URL of its playlist in the store."""
    submitted = submit(jobs, source, renditions, claim, batch=True)
    say(f"job {submitted.job}")
    try:
        for info in watch(jobs, submitted.job):
            progress = info.progress
            workers = sorted({span.worker for span in progress.spans})
            say(f"{state(progress)} {progress.published}/{progress.total} {' '.join(workers)}")
    except KeyboardInterrupt:
        # Others may want the job too: this drops what we wanted of it, and nothing else.
        jobs.Cancel(jobs_pb2.CancelRequest(job=submitted.job, claim=claim), timeout=10)
        raise
    if progress.state == jobs_pb2.JOB_STATE_FINISHED:
        return info.playlist
    if progress.state == jobs_pb2.JOB_STATE_FAILED:
        raise Failed(f"{progress.failure.message} (segment {progress.failure.segment})")
    raise Failed("somebody else cancelled it")


class Player:
    """One viewer of one rendition: says where it is, and gets segments from wherever they are.

    A media server has one stream of Demand for all its viewers; each message then lists them all.
    """

    def __init__(self, jobs, info, rendition, store):
        self.jobs, self.info, self.rendition, self.store = jobs, info, rendition, store
        self.changed = threading.Condition()
        self.where = {}
        self.need = None
        self.error = None
        self.closed = False
        self.requests = queue.SimpleQueue()
        self.channels = {}
        # Where bytes came from; for whoever wants to know.
        self.sources = []
        self.thread = threading.Thread(target=self.speak, daemon=True)
        self.thread.start()

    def speak(self):
        """Keeps a stream open. What the scheduler told is told anew on each."""
        silent_since = time.monotonic()
        while not self.closed:
            with self.changed:
                self.where.clear()
                self.requests = requests = queue.SimpleQueue()
                if self.need:
                    requests.put(self.need)
            try:
                for answer in self.jobs.Demand(iter(requests.get, None)):
                    silent_since = time.monotonic()
                    with self.changed:
                        for segment in answer.segments:
                            self.where[segment.index] = segment
                        if self.info.job in answer.lost_jobs:
                            self.error = Failed("the job failed, or is gone: Get says why")
                        self.changed.notify_all()
                        if self.error:
                            return
            except grpc.RpcError as error:
                pause = retry_after(error)
                with self.changed:
                    if pause is None or time.monotonic() - silent_since > PATIENCE:
                        self.error = error
                        self.changed.notify_all()
                        return
                time.sleep(pause)
            finally:
                # Lets gRPC's own thread go that waits for what we say next.
                requests.put(None)

    def segment(self, index, buffered):
        """The bytes of a segment; `buffered` is how many seconds can be played without it."""
        viewer = jobs_pb2.Viewer(
            viewer="living room",
            job=self.info.job,
            renditions=[self.rendition],
            segment=index,
            due_in_ms=int(buffered * 1000),
        )
        with self.changed:
            self.need = jobs_pb2.DemandRequest(viewers=[viewer])
            self.requests.put(self.need)
        give_up = time.monotonic() + SEGMENT_PATIENCE
        while True:
            with self.changed:
                there = self.changed.wait_for(
                    lambda: self.error or self.is_there(index), give_up - time.monotonic()
                )
                if self.error:
                    raise self.error
                if not there:
                    raise Failed(f"segment {index} was not made within {SEGMENT_PATIENCE} s")
                place = self.where[index]
            data = self.fetch(place)
            if data is not None:
                return data
            # The worker died before it was stored. It is made again, and then said again.
            with self.changed:
                if self.where.get(index) is place:
                    del self.where[index]

    def is_there(self, index):
        place = self.where.get(index)
        return place is not None and (place.published or place.worker_address != "")

    def fetch(self, place):
        """From the store once it is there, from the memory of the worker that made it until then."""
        if not place.published:
            data = self.read_from_worker(place.worker_address, place.index)
            if data is not None:
                self.sources.append("worker")
                return data
        # A worker that does not hold it any more has stored it, or died.
        path = self.store / "jobs" / self.info.job / self.name() / f"{place.index:05}.ts"
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            return None
        self.sources.append("store")
        return data

    def read_from_worker(self, address, index):
        if address not in self.channels:
            self.channels[address] = connect(address)
        segments = segments_pb2_grpc.SegmentsStub(self.channels[address])
        request = segments_pb2.ReadRequest(
            job=self.info.job, rendition=self.rendition, index=index
        )
        try:
            return b"".join(piece.data for piece in segments.Read(request, timeout=10))
        except grpc.RpcError:
            return None

    def name(self):
        return self.info.renditions[self.rendition]

    def close(self):
        """The viewer leaves. A message without it says so at once; a broken stream takes ten seconds."""
        self.closed = True
        with self.changed:
            self.requests.put(jobs_pb2.DemandRequest())
            self.requests.put(None)
        self.thread.join(10)
        for channel in self.channels.values():
            channel.close()


def play(jobs, source, renditions, store, start, to):
    """Plays a film from some segment on, while it is made; gives how many segments it got."""
    # Not a batch: only what is played is made.
    submitted = submit(jobs, source, renditions, claim="", batch=False)
    info = jobs.Get(jobs_pb2.GetRequest(job=submitted.job), timeout=10).job
    say(f"job {info.job}: {info.segments} segments, {info.duration_ms / 1000:.1f} s")
    player = Player(jobs, info, 0, store)
    to.mkdir(parents=True, exist_ok=True)
    buffered = 0.0
    try:
        for index in range(start, info.segments):
            data = player.segment(index, buffered)
            (to / f"{index:05}.ts").write_bytes(data)
            say(f"segment {index}: {len(data)} bytes from the {player.sources[-1]}")
            buffered += 2.0
    finally:
        player.close()
    return info.segments - start


def state(progress):
    return jobs_pb2.JobState.Name(progress.state).removeprefix("JOB_STATE_").lower()


def say(words):
    print(words, flush=True)


def words_of(error):
    """One line for a person."""
    fields = [f"{field} {reason}" for field, reason in wrong_fields(error).items()]
    return "; ".join(fields) or f"{error.details()} ({error.code().name})"


def run(arguments):
    channel = connect(arguments.scheduler)
    if arguments.command == "workers":
        admin = admin_pb2_grpc.AdminStub(channel)
        for worker in admin.ListWorkers(admin_pb2.ListWorkersRequest(), timeout=10).workers:
            spans = sum(device.spans for device in worker.devices)
            away = "" if worker.connected else ", not connected"
            say(f"{worker.name}: {spans} spans{', draining' if worker.draining else ''}{away}")
        return
    jobs = jobs_pb2_grpc.JobsStub(channel)
    # As the workers see it, with blanks and such percent-encoded.
    source = arguments.film
    if "://" not in source:
        source = pathlib.Path(source).resolve().as_uri()
    if arguments.command == "make":
        claim = arguments.claim or f"client.py {uuid.uuid4()}"
        say(make(jobs, source, arguments.rendition, claim))
    else:
        store = pathlib.Path(arguments.store)
        played = play(jobs, source, arguments.rendition, store, arguments.start, arguments.to)
        say(f"played {played} segments")


def main():
    parser = argparse.ArgumentParser(description="A client of Segue's gRPC API.")
    parser.add_argument("--scheduler", default="127.0.0.1:7700", metavar="HOST:PORT")
    commands = parser.add_subparsers(dest="command", required=True)
    film = argparse.ArgumentParser(add_help=False)
    film.add_argument("film", help="a path as the workers see it, file:/// or s3://")
    film.add_argument("--rendition", action="append", default=[], metavar="720p@3M")
    making = commands.add_parser("make", parents=[film], help="have all of a film made")
    making.add_argument("--claim", help="names who wants it; said again, it is the same claim")
    playing = commands.add_parser("play", parents=[film], help="play it while it is made")
    playing.add_argument("--store", required=True, help="the pool's store, a directory")
    playing.add_argument("--start", type=int, default=0, metavar="SEGMENT")
    playing.add_argument("--to", type=pathlib.Path, required=True, help="where segments go")
    commands.add_parser("workers", help="who is in the pool")
    arguments = parser.parse_args()
    # A supervisor's SIGTERM is as good as Ctrl-C.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        run(arguments)
    except KeyboardInterrupt:
        return 130
    except Failed as failed:
        print(f"client: {failed}", file=sys.stderr)
        return 1
    except grpc.RpcError as error:
        print(f"client: {words_of(error)}", file=sys.stderr)
        codes = grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.NOT_FOUND
        return 2 if error.code() in codes else 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
