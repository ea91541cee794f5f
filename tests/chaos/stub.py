"""An engine without a model: a real child process on the real pipe, for proofs that need no torch.

`python -m tests.chaos.stub --fd N ...` takes the arguments of `farm.engine.process` and a few more.
Words in the prompt tell it what to do: a `kraken` kills this process in the middle of the job, what is
`veiled` does not pass the filter, what is `cracked` fails, and all else becomes a picture.
"""

import argparse
import contextlib
import ctypes
import hashlib
import json
import logging
import os
import signal
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path

from farm.engine.mailbox import Mailbox, Outbox, listen
from farm.engine.messages import (
    Drain,
    Drop,
    Expect,
    Failed,
    Finding,
    GivenBack,
    Inspect,
    Inspected,
    Picture,
    Ready,
    Render,
    Rendered,
    Report,
    Stepped,
    ToChild,
    ToParent,
)
from shared.catalog import read_catalog
from tests.chaos.points import Points
from tests.chaos.sketch import Album, Sketch

KRAKEN, VEILED, CRACKED = "kraken", "veiled", "cracked"
REST_S = 0.5  # a mailbox that stays empty: nothing else is to be looked after
PR_SET_PDEATHSIG = 1


class Stub:
    """The child's loop: messages, then a step of every sketch. `deaths` names those it died of."""

    def __init__(
        self, album: Album, points: Points, deaths: Path, *, checkpoint: str, step_s: float
    ) -> None:
        self.album, self.points, self.deaths = album, points, deaths
        self.step_s = step_s
        self.warm = [checkpoint]
        self.sketches: dict[str, Sketch] = {}
        self.leaving = False

    def run(self, mailbox: Mailbox, send: Callable[[ToParent], None]) -> None:
        send(Ready("cpu", "stub", self.warm))
        while not self.leaving:
            for message in mailbox.take(0 if self.sketches else REST_S):
                self.handle(message, send)
            self.step(send)
        for message in mailbox.take(0):  # what was on its way when we left
            self.handle(message, send)

    def handle(self, message: ToChild, send: Callable[[ToParent], None]) -> None:
        match message:
            case Render() if self.leaving:
                send(GivenBack(message.job_id, message.attempt, 0))
            case Render():
                self._begin(message)
            case Inspect():
                findings = [_finding(picture, message.job_id) for picture in message.pictures]
                send(Inspected(message.job_id, findings, filter_ms=1))
            case Drop():
                self.sketches.pop(message.job_id, None)
                if message.forget:
                    self.album.forget(message.job_id)
            case Expect():
                self.warm = list(dict.fromkeys([*self.warm, *message.checkpoints]))
                send(_report(self.warm))
            case Drain():
                self._give_back(send)

    def step(self, send: Callable[[ToParent], None]) -> None:
        if self.sketches:
            time.sleep(self.step_s)
        for sketch in list(self.sketches.values()):
            self._advance(sketch, send)

    def _begin(self, render: Render) -> None:
        sketch = Sketch.begin(render)
        self.album.resume(sketch)
        self.sketches[render.job_id] = sketch

    def _advance(self, sketch: Sketch, send: Callable[[ToParent], None]) -> None:
        if not sketch.done:
            sketch.advance()
            self._meet_trouble(sketch)
        rate = 1 / self.step_s if self.step_s else 0.0
        send(Stepped(sketch.job_id, sketch.step, sketch.steps, rate, sketch.resumed_from))
        if sketch.done:
            self._finish(sketch, send)
        elif sketch.step % sketch.every == 0:
            with contextlib.suppress(OSError):  # on a full disk it goes on, as the engine does
                self.album.save(sketch)
            self.points.passed("after_snapshot", victim=os.getppid())

    def _meet_trouble(self, sketch: Sketch) -> None:
        self.points.passed("mid_step")
        if KRAKEN in sketch.text and 2 * sketch.step >= sketch.steps:
            with self.deaths.open("a") as log:
                told = {"at": time.time(), "job": sketch.job_id, "with": list(self.sketches)}
                log.write(json.dumps(told) + "\n")
            os.kill(os.getpid(), signal.SIGKILL)

    def _finish(self, sketch: Sketch, send: Callable[[ToParent], None]) -> None:
        del self.sketches[sketch.job_id]
        if CRACKED in sketch.text:
            sentence = "This prompt cannot be drawn."
            send(Failed(sketch.job_id, sketch.attempt, "cracked", sentence, retryable=False))
            return
        pictures = sketch.pictures()
        send(
            Rendered(
                job_id=sketch.job_id,
                attempt=sketch.attempt,
                pictures=pictures,
                findings=[_finding(picture, sketch.text) for picture in pictures],
                gpu_ms=sketch.steps * len(pictures),
                load_ms=0,
                denoise_ms=sketch.steps,
                decode_ms=1,
                filter_ms=1,
                resumed_from=sketch.resumed_from,
            )
        )

    def _give_back(self, send: Callable[[ToParent], None]) -> None:
        self.leaving = True
        for sketch in self.sketches.values():
            self.album.save(sketch)
            send(GivenBack(sketch.job_id, sketch.attempt, sketch.step))
        self.sketches.clear()


def _finding(picture: Picture, text: str) -> Finding:
    """Recomputed from the bytes. What is veiled came out wrong: nobody gets a strike for it."""
    digest = hashlib.sha256(picture.rgb).hexdigest()
    if VEILED in text:
        return Finding(digest, "block", "out_of_world", 0.9, "stub_veiled", "stub-1")
    return Finding(digest, "allow", "none", 0.1, "", "stub-1")


def _report(checkpoints: list[str]) -> Report:
    nothing = dict.fromkeys(("forwards", "rows", "redrawn", "out_of_memory", "rung"), 0)
    nothing |= dict.fromkeys(("snapshots_failed", "hits", "warm_hits", "misses", "failures"), 0)
    return Report(checkpoints=checkpoints, snapshots_passed_over={}, loads={}, tiers={}, **nothing)


def main(argv: list[str] | None = None) -> None:
    options = _options(argv)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    logging.basicConfig(level=options.log_level)
    mailbox = Mailbox()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: mailbox.put(Drain()))
    pipe = socket.socket(fileno=options.fd)
    listen(pipe, mailbox)
    outbox = Outbox(pipe)
    stub = Stub(
        Album(options.snapshots),
        Points(options.orders, options.name),
        options.orders / "deaths.jsonl",
        checkpoint=read_catalog(options.catalog).default,
        step_s=options.step_ms / 1000,
    )
    stub.run(mailbox, outbox.send)
    outbox.close()
    os._exit(0)  # the reader's thread would wait for the parent


def _options(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fd", type=int, required=True)
    parser.add_argument("--snapshots", type=Path, required=True)
    parser.add_argument("--catalog", type=Path, required=True)
    parser.add_argument("--log-level", default="INFO")
    parser.add_argument("--orders", type=Path, required=True)
    parser.add_argument("--name", default="stub")
    parser.add_argument("--step-ms", type=float, default=2.0)
    options, _ = parser.parse_known_args(argv)  # what is about a device means nothing here
    return options


if __name__ == "__main__":
    main()
