# SPDX-License-Identifier: Apache-2.0
"""A MariaDB server for a test module: started at first use in a folder of its own, on a free port, and removed at the end."""
import atexit
import os
import pathlib
import shutil
import socket
import subprocess
import tempfile

from harness import ROOT

SCRIPT = ROOT / 'tests/services/mariadb'
USER, PASSWORD = 'root', "p'ass word\\-äß"


def free_port():
    with socket.socket() as s:
        s.bind(('127.0.0.1', 0))
        return s.getsockname()[1]


class Server:
    def __init__(self, *options, port=None, password=PASSWORD):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix='sqluice-mariadb-'))
        self.port, self.password, self.options = port or free_port(), password, options
        self.log = []
        atexit.register(self.remove)
        self.start()

    def script(self, *args, **kwargs):
        return subprocess.run([SCRIPT, *map(str, args)], capture_output=True, text=True, timeout=180, **kwargs)

    def start(self, *options):
        p = self.script('start', self.dir / 'd', self.port, USER, self.password, *self.options, *options)
        if p.returncode:
            raise AssertionError(f'the server did not start: {p.stdout}{p.stderr}')

    def stop(self):
        self.script('stop', self.dir / 'd')

    def kill(self):
        self.script('kill', self.dir / 'd')

    def remove(self):
        if os.path.exists(self.dir):
            self.script('remove', self.dir / 'd')
            shutil.rmtree(self.dir, ignore_errors=True)

    def sql(self, text, database='test', check=True):
        """Runs statements; rows as lists of texts."""
        p = self.script('sql', self.dir / 'd', *([database] if database else []), input=text)
        if check and p.returncode:
            raise AssertionError(f'{p.stderr}\n{text[:2000]}')
        return [line.split('\t') for line in p.stdout.splitlines()] if check else p.stderr

    def session(self, database='test'):
        """A client whose statements are written one by one: a connection that holds locks."""
        return Session(subprocess.Popen([SCRIPT, 'sql', self.dir / 'd', '--unbuffered', database], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True))


class Session:
    def __init__(self, process):
        self.p = process

    def run(self, text):
        """Runs statements without rows, and waits for them."""
        self.send(text)
        return self.wait()

    def send(self, text):
        self.p.stdin.write(f"{text};\nSELECT 'done';\n")
        self.p.stdin.flush()

    def wait(self):
        for line in self.p.stdout:
            if line.strip() == 'done':
                return
        raise AssertionError('the session ended')

    def close(self):
        self.p.stdin.close()
        self.p.stdout.close()
        self.p.wait(30)
