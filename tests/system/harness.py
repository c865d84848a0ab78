# SPDX-License-Identifier: Apache-2.0
"""What the system tests share: running the command on a job in a folder of its own, and the closing line."""
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
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
