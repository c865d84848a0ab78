# SPDX-License-Identifier: Apache-2.0
"""A broker for the tests of this folder: started once by tests/services/kafka, on ports of its own, and gone when the process is."""
import atexit
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import time

from harness import BUILD, ENGINE, ROOT

SCRIPT = ROOT / 'tests/services/kafka'
PRODUCE, CONSUME = BUILD / 'tests/services/produce', BUILD / 'tests/services/consume'


def free_ports(count):
    """The first of `count` ports in a row that nobody listens on."""
    for first in range(20000 + os.getpid() % 5000 * 2, 40000, 10):
        try:
            for port in range(first, first + count):
                with socket.socket() as s:
                    s.bind(('127.0.0.1', port))
            return first
        except OSError:
            continue
    raise RuntimeError('no free ports')


class Broker:
    def __init__(self, secure=False, heap=None, port=None, properties=()):
        self.port = port or free_ports(5)
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix='sqluice-kafka-'))
        self.servers = f'127.0.0.1:{self.port}'
        self.env = {**os.environ, 'SQLUICE_BUILD': str(BUILD)}
        atexit.register(self.stop)
        self.script('start', self.dir, self.port, *(['--secure'] if secure else []), *(['--heap', heap] if heap else []),
                    *(word for p in properties for word in ('--set', p)), '--owner', os.getpid())

    def script(self, *args):
        subprocess.run([SCRIPT, *map(str, args)], check=True, env=self.env, timeout=300)

    def stop(self):
        if self.dir.exists():
            self.script('stop', self.dir)
        shutil.rmtree(self.dir, ignore_errors=True)

    def pause(self):
        self.script('pause', self.dir)

    def kill(self):
        self.script('kill', self.dir)

    def resume(self):
        self.script('resume', self.dir)

    def produce(self, *args, data=None):
        p = subprocess.run([PRODUCE, self.servers, *map(str, args)], input=data, capture_output=True, timeout=120,
                           text=not isinstance(data, bytes))
        if p.returncode:
            raise AssertionError(f'produce {args}: {p.stderr}')
        return p.stdout

    def consume(self, topic, *options):
        """The committed messages of a topic: (partition, offset, timestamp, key, value), of each partition in order."""
        p = subprocess.run([CONSUME, self.servers, topic, *options], capture_output=True, text=True, timeout=120)
        if p.returncode:
            raise AssertionError(f'consume {topic}: {p.stderr}')
        found = []
        for line in p.stdout.splitlines():
            partition, offset, ts, key, value = line.split('\t', 4)
            found.append((int(partition), int(offset), int(ts), *(None if f == '\\N' else f for f in (key, value))))
        return sorted(found)

    def create(self, topic, partitions=1, *config):
        self.produce('create', topic, partitions, *config)

    def send(self, topic, lines, *options):
        self.produce('send', topic, *options, data=''.join(line + '\n' for line in lines))

    def send_fields(self, topic, *messages):
        """Messages as (partition, timestamp, headers, key, value); None is NULL (or, for the first two, any)."""
        def text(m):
            return '\t'.join(['' if m[0] is None else str(m[0]), '' if m[1] is None else str(m[1]), m[2] or '', *('\\N' if f is None else f for f in m[3:])])
        self.send(topic, [text(m) for m in messages], '-f')

    def read(self, topic, uncommitted=False):
        """Every message as (partition, timestamp, headers, key, value); None is NULL. Without those of open and aborted transactions."""
        def message(line):
            m = [None if f == '\\N' else f for f in line.split('\t', 4)]
            return int(m[0]), int(m[1]), m[2], m[3], m[4]
        return [message(line) for line in self.produce('read', topic, *(['-u'] if uncommitted else [])).splitlines()]


class Job:
    """The command in the background; its lines are read as they come."""

    def __init__(self, case, sql, *args):
        case.write('live.sql', sql)
        self.out, self.err = open(case.dir / 'live.out', 'w+'), open(case.dir / 'live.err', 'w+')
        self.p = subprocess.Popen([ENGINE, *args, 'live.sql'], cwd=case.dir, stdout=self.out, stderr=self.err)
        self.case = case

    def wait_for(self, what, seconds=30):
        end = time.time() + seconds
        while time.time() < end:
            if what(self.text()):
                return
            if self.p.poll() is not None:
                break
            time.sleep(0.05)
        raise AssertionError(f'it did not come: {self.text()[-3000:]}')

    def text(self):
        return self.case.read('live.out') + self.case.read('live.err')

    def stop(self, sig=signal.SIGINT):
        if self.p.poll() is None:
            self.p.send_signal(sig)
        try:
            self.p.wait(20)
        except subprocess.TimeoutExpired:
            self.p.kill()
            self.p.wait()
            raise AssertionError(f'it did not stop: {self.text()[-2000:]}')
        self.out.close()
        self.err.close()
        return self.p.returncode
