# SPDX-License-Identifier: Apache-2.0
"""What the tests with kills share: services that are killed too, a feeder, and a job that is started again and again.

Nothing here knows what a job computes. Times are short because the jobs are small: a kill comes about every second.
"""
import collections
import os
import pathlib
import signal
import subprocess
import sys
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / 'tests/system'))
from harness import BUILD  # noqa: E402
from kafka_broker import PRODUCE, Broker  # noqa: E402,F401
from mariadb import USER, Server  # noqa: E402,F401

ENGINE = pathlib.Path(os.environ.get('SQLUICE_FAULTS', BUILD / 'faults/sqluice')).resolve()      # or build/asan/sqluice, which has fault points too


class Feed:
    """Sends records to topics at a rate, each topic through a producer of its own; keeps what was sent.

    `make(i)` gives the i-th records as [(topic, text)], `last(i)` those behind all others as [(topic, partition, text)]. The producers are idempotent and wait long, so a broker that is killed costs nothing."""

    def __init__(self, broker, make, rate, partitions, last=None):
        self.broker, self.last = broker, last
        self.make, self.rate, self.sent, self.n = make, rate, collections.defaultdict(list), 0
        self.stopping = threading.Event()
        self.producers = {}
        for topic, count in partitions.items():
            broker.create(topic, count)
            self.producers[topic] = subprocess.Popen(
                [PRODUCE, broker.servers, 'send', topic, '-X', 'enable.idempotence=true', '-X', 'message.timeout.ms=600000'],
                stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.thread = threading.Thread(target=self.run, daemon=True)

    def start(self):
        self.thread.start()

    def send(self, count):
        for _ in range(count):
            for topic, text in self.make(self.n):
                self.sent[topic].append(text)
                self.producers[topic].stdin.write(text + '\n')
            self.n += 1
        for p in self.producers.values():
            p.stdin.flush()

    def run(self):
        begin = time.time()
        first = self.n
        try:
            while not self.stopping.wait(0.05):
                self.send(max(0, int((time.time() - begin) * self.rate) - (self.n - first)))
        except BrokenPipeError:
            pass                                      # stop() says why

    def stop(self):
        """Ends the feed and waits until the broker has all of it."""
        self.stopping.set()
        if self.thread.is_alive():
            self.thread.join()
        for topic, p in self.producers.items():
            try:
                p.stdin.close()
            except BrokenPipeError:
                pass
            error = p.stderr.read()
            if p.wait(300):
                raise AssertionError(f'the feeder of {topic} ended with {p.returncode}: {error}')
        for topic, partition, text in self.last(self.n) if self.last else ():
            self.sent[topic].append(text)
            self.broker.send_fields(topic, (partition, None, None, None, text))


class Job:
    """A job file in a folder, started with what is to kill it, and started again."""

    def __init__(self, directory, sql, name):
        self.dir, self.name, self.p = pathlib.Path(directory), name, None
        self.dir.mkdir(parents=True, exist_ok=True)
        self.sql, self.starts, self.kills, self.own_exits = sql, 0, collections.Counter(), []
        self.at_points = collections.Counter()
        self.parallelism = 1

    def start(self, parallelism=1, fault=None, counts=None):
        """`fault`: 'point:count'."""
        self.parallelism = parallelism
        (self.dir / 'job.sql').write_text(f"SET 'parallelism.default' = '{parallelism}';\n" + self.sql)
        env = {**os.environ}
        for key in ('SQLUICE_FAULT', 'SQLUICE_FAIL', 'SQLUICE_FAIL_COUNT'):
            env.pop(key, None)
        if fault:
            env['SQLUICE_FAULT'] = fault
        if counts:
            env['SQLUICE_FAIL_COUNT'] = str(counts)
        self.starts += 1
        with open(self.dir / 'log', 'a') as log:
            log.write(f'--- start {self.starts}, parallelism {parallelism}{", " + fault if fault else ""}\n')
            log.flush()
            self.p = subprocess.Popen([ENGINE, 'job.sql'], cwd=self.dir, env=env, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def wait(self, seconds):
        """True: it has ended."""
        try:
            self.p.wait(max(0.001, seconds))
            return True
        except subprocess.TimeoutExpired:
            return False

    def kill(self, why='at random'):
        """kill -9, and how it had ended if it had."""
        if self.p.poll() is None:
            self.p.send_signal(signal.SIGKILL)
            self.p.wait()
        self.ended(why)

    def ended(self, why):
        """Counts how it ended; what ended by itself is kept for the caller to judge."""
        code = self.p.returncode
        if code == -signal.SIGKILL:
            self.kills[self.parallelism] += 1
            if why != 'at random':
                self.at_points[why] += 1
        else:
            self.own_exits.append((time.time(), code, self.tail(1500)))

    def stop(self, seconds=60):
        """SIGTERM: commits and exits with 0."""
        self.p.send_signal(signal.SIGTERM)
        if not self.wait(seconds):
            self.p.kill()
            self.p.wait()
            raise AssertionError(f'{self.name}: SIGTERM did not end it\n{self.tail()}')
        if self.p.returncode != 0:
            raise AssertionError(f'{self.name}: after SIGTERM its exit status is {self.p.returncode}\n{self.tail()}')

    def tail(self, n=3000):
        return (self.dir / 'log').read_text(errors='replace')[-n:]

    def points(self, checkpoints, seconds=1.5):
        """The fault points that it passes in a run of so long behind its first checkpoint, ended by SIGTERM: {name: count}; those of 0 passings too."""
        counts, deadline = self.dir / 'counts', time.time() + 60
        self.start(counts=counts)
        while not list(checkpoints.glob('*/chk-*.db')) and time.time() < deadline and not self.wait(0.1):
            pass
        if self.wait(seconds):
            raise AssertionError(f'{self.name}: it ended by itself with {self.p.returncode}\n{self.tail()}')
        self.stop()
        return {name: int(n) for what, name, n in map(str.split, counts.read_text().splitlines()) if what == 'point'}


class Outages:
    """When services were down: an exit of a job with an error then, or soon after, is as it should be."""

    def __init__(self):
        self.spans, self.lock = [], threading.Lock()

    def during(self, begin, end):
        with self.lock:
            self.spans.append((begin, end))

    def excuse(self, at, slack=20):
        with self.lock:
            return any(begin <= at <= end + slack for begin, end in self.spans)
