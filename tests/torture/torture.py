#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Fails the n-th allocation, read, write, fsync, rename … of small jobs, for every n.

    tests/torture/torture.py [--seconds N] [--seed N] [--threads N] [--job NAME] [--fail KIND:N[+]]

A run whose call fails ends well with the right result, or with exit status 1 and a message: it does not crash, leaks nothing (ASan), leaves no half-made
files and no damaged database. Then the job runs once more with nothing failing, and its result is right. "KIND:N+": every call from the n-th on fails.

With --seconds each kind gets a share of the time, and its numbers are drawn by the seed; else every one is tried. --job and --fail repeat one run and show it.
"""
import argparse
import collections
import concurrent.futures
import os
import pathlib
import random
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from jobs import JOBS  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BUILD = pathlib.Path(os.environ.get('SQLUICE_BUILD', ROOT / 'build'))
ENGINE = BUILD / 'torture/sqluice'
# kinds whose failure for good is another case than its failing once; and what must not matter at all
FOR_GOOD = {'alloc', 'open', 'read', 'write', 'fsync', 'rename', 'unlink', 'mkdir', 'stat', 'list', 'db-open', 'db-read', 'db-write', 'db-sync', 'db-delete', 'db-lock'}
SCRATCH = '/dev/shm' if os.access('/dev/shm', os.W_OK) else None      # some 100,000 runs, each with an fsync or many
HARMLESS = {'short'}
UNTIDY = {'unlink', 'db-delete'}     # what cannot be removed stays; a journal that cannot be read back stays too, for the next who opens the database


def run(job, directory, fail=None):
    env = {**os.environ, 'SQLUICE_FAIL_COUNT': str(directory / 'counts'), 'ASAN_OPTIONS': 'detect_leaks=1:exitcode=99:abort_on_error=0',
           'UBSAN_OPTIONS': 'print_stacktrace=1:exitcode=99', 'HOME': str(directory)}
    env.pop('SQLUICE_FAULT', None)
    env.pop('SQLUICE_FAIL', None)
    if fail:
        env['SQLUICE_FAIL'] = fail
    return subprocess.run([ENGINE, '--quiet', 'job.sql'], cwd=directory, env=env, capture_output=True, text=True, errors='replace', timeout=90)


def counts(directory):
    found = {}
    for line in (directory / 'counts').read_text().splitlines():
        what, name, n = line.split()
        if what == 'call':
            found[name] = int(n)
    return found


def check_databases(job, directory):
    for path in job.databases(directory):
        db = sqlite3.connect(path)
        try:
            said = db.execute('PRAGMA integrity_check').fetchall()
        except sqlite3.DatabaseError as e:
            said = str(e)
        finally:
            db.close()
        if said != [('ok',)]:
            raise AssertionError(f'{path.name} is damaged: {said}')


def how_it_ended(job, p, kind, right, got):
    """Whether it ended as it may."""
    if p.returncode not in (0, 1):
        raise AssertionError(f'exit status {p.returncode}')
    if 'Sanitizer' in p.stderr or 'runtime error' in p.stderr:
        raise AssertionError('a sanitizer reported')
    if p.returncode == 0 and got != right:
        raise AssertionError(f'exit status 0, but the result is {got}\nand not {right}')
    if p.returncode == 1 and not p.stderr.strip():
        raise AssertionError('it failed without a message')
    if p.returncode == 1 and kind in HARMLESS:
        raise AssertionError('a call that did only a part of its work made it fail')


def rerun(job, directory, right, before):
    p = run(job, directory)
    if p.returncode != 0:
        raise AssertionError(f'the rerun ended with {p.returncode}: {p.stderr[-1500:]}')
    got = job.result(directory)
    doubled = job.append and not job.exact      # rows that were there before are there twice
    if not all(g == r or (doubled and b and g == sorted(r + b)) for g, r, b in zip(got, right, before)):
        raise AssertionError(f'after the rerun the result is {got}\nand not {right}')


def attempt(job, fail, right, empty, verbose=False):
    """One run with a failing call. Returns None, or what is wrong with it."""
    directory = pathlib.Path(tempfile.mkdtemp(prefix='sqluice-torture-', dir=SCRATCH))
    kind, p = fail.split(':')[0], None
    try:
        job.setup(directory)
        p = run(job, directory, fail)
        if verbose:
            print(f'exit status {p.returncode}\n{p.stdout}{p.stderr}')
        check_databases(job, directory)
        before = job.result(directory)
        how_it_ended(job, p, kind, right, before)
        if p.returncode == 1:
            for output, got, want, none in zip(job.outputs, before, right, empty):
                if not job.exact and output[0] != 'db' and got not in (want, none):      # without epochs a database gets rows as they come
                    raise AssertionError(f'a part of the result is there: {got}')
            if kind not in UNTIDY and not kind.startswith('db-') and not job.exact and job.strays(directory):
                raise AssertionError(f'left behind: {job.strays(directory)}')
            rerun(job, directory, right, before)
        if kind not in UNTIDY and job.strays(directory):
            raise AssertionError(f'left behind at the end: {job.strays(directory)}')
        return None
    except subprocess.TimeoutExpired:
        return 'it does not end'
    except Exception as e:
        return f'{type(e).__name__}: {e}\n{p.stderr[-3000:] if p else ""}'
    finally:
        if not verbose:
            shutil.rmtree(directory, ignore_errors=True)
        else:
            print(f'kept: {directory}')


class Undisturbed:
    """A run with nothing failing: the right result, and how many calls of each kind there are."""

    def __init__(self, job):
        self.job = job
        directory = pathlib.Path(tempfile.mkdtemp(prefix='sqluice-torture-', dir=SCRATCH))
        job.setup(directory)
        self.empty = job.result(directory)
        begin = time.time()
        p = run(job, directory)
        self.seconds = time.time() - begin
        if p.returncode:
            raise AssertionError(f'{job.name}: fails by itself\n{p.stderr}')
        self.calls, self.right = counts(directory), job.result(directory)
        if not all(self.right):
            raise AssertionError(f'{job.name}: has no result')
        if job.strays(directory):
            raise AssertionError(f'{job.name}: left behind: {job.strays(directory)}')
        shutil.rmtree(directory)

    def cases(self):
        """All there are: (job, 'kind:n')."""
        return [(self, f'{kind}:{n}{more}') for kind, count in self.calls.items() for more in ('', '+') if not more or kind in FOR_GOOD
                for n in range(1, count + 1)]


def choose(cases, seconds, seed, threads, each):
    """As many as the time allows, of each job and kind in turn."""
    by_kind = collections.defaultdict(list)
    for case in cases:
        by_kind[case[0].job.name, case[1].split(':')[0]].append(case)
    draw = random.Random(seed)
    for group in by_kind.values():
        draw.shuffle(group)
    room, chosen = int(seconds * threads / each), []
    groups = list(by_kind.values())
    while room > len(chosen) and any(groups):
        for group in groups:
            if group and len(chosen) < room:
                chosen.append(group.pop())
    return chosen


def main():
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument('--seconds', type=float)
    ask.add_argument('--seed', type=int, default=int(time.time()))
    ask.add_argument('--threads', type=int, default=os.cpu_count())
    ask.add_argument('--job')
    ask.add_argument('--fail')
    args = ask.parse_args()
    jobs = [j for j in JOBS if not args.job or j.name == args.job]
    if args.fail:
        u = Undisturbed(jobs[0])
        wrong = attempt(jobs[0], args.fail, u.right, u.empty, verbose=True)
        print(wrong or 'as it should be')
        sys.exit(bool(wrong))
    if b'SQLUICE_FAULT' in (BUILD / 'sqluice').read_bytes():
        sys.exit('the ordinary build has fault points')
    begin = time.time()
    with concurrent.futures.ThreadPoolExecutor(args.threads) as pool:
        undisturbed = list(pool.map(Undisturbed, jobs))
        cases = [case for u in undisturbed for case in u.cases()]
        total = len(cases)
        if args.seconds:
            each = 1.2 * max(u.seconds for u in undisturbed)
            cases = choose(cases, args.seconds - (time.time() - begin), args.seed, args.threads, each)
        failed, done = [], collections.Counter()
        deadline = begin + args.seconds if args.seconds else None

        def one(case):
            u, fail = case
            if deadline and time.time() > deadline:
                return
            wrong = attempt(u.job, fail, u.right, u.empty)
            done[fail.split(':')[0]] += 1
            if wrong:
                failed.append((u.job.name, fail))
                print(f'FAILED {u.job.name}, {fail}: {wrong}\n  again: tests/torture/torture.py --job "{u.job.name}" --fail {fail}', flush=True)

        list(pool.map(one, cases))
    ran = sum(done.values())
    print(f'seed {args.seed}: {ran} of {total} cases in {time.time() - begin:.0f} s: ' + ', '.join(f'{k} {n}' for k, n in sorted(done.items())))
    print(f'{ran - len(failed)} passed, {len(failed)} failed')
    sys.exit(bool(failed))


if __name__ == '__main__':
    main()
