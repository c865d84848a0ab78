# SPDX-License-Identifier: Apache-2.0
"""What the system tests share: running the command on a job in a folder of its own, and the closing line."""
import os
import pathlib
import pty
import re
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BUILD = pathlib.Path(os.environ.get('SQLUICE_BUILD', ROOT / 'build'))
ENGINE = os.environ.get('SQLUICE', str(ROOT / 'sqluice'))
TESTS = []


def test(fn):
    TESTS.append(fn)
    return fn


class Case:
    """A folder for one test, and ways to run the command in it."""

    def __init__(self, directory):
        self.dir = pathlib.Path(directory)

    def write(self, name, data):
        path = self.dir / name
        path.write_bytes(data if isinstance(data, bytes) else data.encode())
        return path

    def read(self, name):
        return (self.dir / name).read_text()

    def run(self, *args, sql=None, stdin=None, expect=0, timeout=120, env=None, engine=None):
        """Runs the command; sql goes to job.sql first. Returns the finished process; fails when the exit status is not `expect`."""
        if sql is not None:
            self.write('job.sql', sql)
            args = (*args, 'job.sql')
        p = subprocess.run([engine or ENGINE, *map(str, args)], cwd=self.dir, input=stdin, capture_output=True, text=True, timeout=timeout,
                           env={**os.environ, **(env or {})}, errors='replace')
        if expect is not None and p.returncode != expect:
            raise AssertionError(f'exit status {p.returncode}, expected {expect}\n{p.stdout[-2000:]}\n{p.stderr[-2000:]}')
        return p


class Terminal:
    """The command on a pseudo terminal: send keys, wait for text."""

    def __init__(self, case, *args):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.chdir(case.dir)
            os.environ.update(TERM='xterm', HOME=str(case.dir), COLUMNS='100', LINES='30')
            os.execv(ENGINE, [ENGINE, *args])
        self.seen = ''

    def read(self, seconds):
        """Reads what comes next; False when nothing did."""
        if seconds <= 0 or not select.select([self.fd], [], [], seconds)[0]:
            return False
        try:
            more = os.read(self.fd, 65536)
        except OSError:
            more = b''
        self.seen += re.sub(r'\x1b\[[0-9;?]*[A-Za-z]', '', more.decode(errors='replace'))
        return bool(more)

    def wait(self, text, timeout=20):
        """Reads until `text` came behind what was waited for before; returns what came up to it."""
        end = time.time() + timeout
        while text not in self.seen:
            if not self.read(end - time.time()):
                raise AssertionError(f'{text!r} did not come, but {self.seen!r}')
        at = self.seen.index(text) + len(text)
        part, self.seen = self.seen[:at], self.seen[at:]
        return part

    def wait_for(self, pattern, timeout=20):
        """As wait, for a regular expression; returns the match."""
        end = time.time() + timeout
        while not re.search(pattern, self.seen):
            if not self.read(end - time.time()):
                raise AssertionError(f'{pattern!r} did not come, but {self.seen!r}')
        found = re.search(pattern, self.seen)
        self.seen = self.seen[found.end():]
        return found

    def type(self, line):
        self.keys(line + '\n')

    def keys(self, text):
        os.write(self.fd, text.encode())

    def close(self):
        """The exit status."""
        deadline = time.time() + 20
        while time.time() < deadline:
            try:
                while select.select([self.fd], [], [], 0)[0] and os.read(self.fd, 65536):
                    pass
            except OSError:
                pass
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                os.close(self.fd)
                return os.waitstatus_to_exitcode(status)
            time.sleep(0.02)
        os.kill(self.pid, signal.SIGKILL)
        raise AssertionError('the command did not end')


def equal(got, expected, what=''):
    if got != expected:
        raise AssertionError(f'{what}\n  got      {got!r}\n  expected {expected!r}')


def contains(text, *parts):
    for part in parts:
        if part not in text:
            raise AssertionError(f'missing {part!r} in\n{text}')


def main():
    wanted = sys.argv[1:]
    failed = 0
    chosen = [t for t in TESTS if not wanted or t.__name__ in wanted]
    for fn in chosen:
        directory = tempfile.mkdtemp(prefix='sqluice-test-')
        try:
            fn(Case(directory))
        except Exception:
            failed += 1
            print(f'FAILED {fn.__name__}: {(fn.__doc__ or "").splitlines()[0] if fn.__doc__ else ""}')
            traceback.print_exc(file=sys.stdout)
        finally:
            shutil.rmtree(directory, ignore_errors=True)
    print(f'{len(chosen) - failed} passed, {failed} failed')
    sys.exit(failed != 0)
