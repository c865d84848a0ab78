#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Asks a real Flink again: runs every case of tests/diff/*.jsonl on Flink 2.3 and compares its answers with those that are kept.

usage: tests/diff/ask_flink.py [--deps DIR] [--only REGEX] [--update]

Flink comes from PyPI (apache-flink-libraries, about 300 MB, checked against its SHA-256) and is kept in DIR (build/deps). It needs a JDK 17 or
later. All cases run in one process, about a second each. --update writes Flink's answers into the files.
"""
import argparse
import json
import pathlib
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from decimal import Decimal

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / 'system'))
from test_flink import canonical, close, dumps, events, job, load, materialize  # noqa: E402
from cases import write  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
NAME, VERSION = 'apache-flink-libraries', '2.3.0'
SHA256 = '570bf8831d3c1336311e924e97119e52d8842e5485a4a7709ff9a92db709b006'
OPENS = 'java.lang java.lang.reflect java.net java.nio java.text java.time java.util java.util.concurrent'.split()


def flink(deps):
    home = deps / f'flink-{VERSION}'
    if not home.exists():
        deps.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=deps) as work:
            (pathlib.Path(work) / 'lock').write_text(f'{NAME}=={VERSION} --hash=sha256:{SHA256}\n')
            subprocess.run([sys.executable, '-m', 'pip', 'download', '-q', '--no-deps', '--no-binary', ':all:', '--require-hashes',
                            '-r', f'{work}/lock', '-d', work], check=True)
            archive = next(pathlib.Path(work).glob('*.tar.gz'))
            with tarfile.open(archive) as t:
                t.extractall(work, [m for m in t.getmembers() if '/deps/lib/' in m.name])
            shutil.move(next(pathlib.Path(work).glob('*/deps/lib')), home)
    return home


def run(home, jobs, jars=()):
    quiet = home / 'log4j.properties'
    quiet.write_text('rootLogger.level = OFF\n')
    command = ['java', '-Xmx2g', '-XX:TieredStopAtLevel=1', f'-Dlog4j.configurationFile=file:{quiet}', *[f'--add-opens=java.base/{p}=ALL-UNNAMED' for p in OPENS],
               '-cp', ':'.join([f'{home}/*', *map(str, jars)]), str(ROOT / 'tests/diff/FlinkRun.java'), *map(str, jobs)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def prepare(case, directory):
    directory.mkdir()
    for table, t in case['inputs'].items():
        (directory / f'{table}.ndjson').write_text(''.join(dumps(e) + '\n' for e in events(t)))
    file = directory / 'job.sql'
    if case['sink']:
        text = job(case, case['mode'])
    else:
        text = ''.join(s + ';\n' for s in [f"SET 'execution.runtime-mode' = '{case['mode']}'", *case['setup'], f"SINK {{dir}}/sink.ndjson {case['query']}"])
    file.write_text(text.replace('{dir}', str(directory)))
    return file


def sink_of(file):
    columns, types = zip(*(line.split('\t') for line in pathlib.Path(f'{file}.sink').read_text().splitlines()))
    return {'table': 'sink', 'columns': columns, 'types': types, 'key': None}


def answer(case, directory):
    """Flink's changelog: it writes a directory of files under the sink's path."""
    sink, changes = case['sink'], []
    files = [f for f in sorted((directory / f"{sink['table']}.ndjson").rglob('*')) if f.is_file() and f.name[0] not in '._']
    for e in (json.loads(line, parse_float=Decimal) for f in files for line in f.read_text().splitlines()):
        if 'op' not in e:
            changes.append(['+I', [e.get(c) for c in sink['columns']]])
            continue
        if e['before'] is not None:
            changes.append(['-D', [e['before'].get(c) for c in sink['columns']]])
        if e['after'] is not None:
            changes.append(['+I', [e['after'].get(c) for c in sink['columns']]])
    return changes


def final(changes, sink):
    """The rows that are left, one +I each, in the order they came; None where Flink takes back what never came."""
    rows = []
    for kind, row in changes:
        key = tuple(canonical(v, t) for v, t in zip(row, sink['types']))
        at = len(rows) if kind == '+I' else next((i for i, (k, _) in enumerate(rows) if k == key), None)
        if at is None:
            return None
        rows[at:at + (kind != '+I')] = [(key, row)] if kind == '+I' else []
    return [['+I', row] for _, row in rows]


def main():
    a = argparse.ArgumentParser()
    a.add_argument('--deps', type=pathlib.Path, default=ROOT / 'build/deps')
    a.add_argument('--only', default='')
    a.add_argument('--update', action='store_true')
    a = a.parse_args()
    home = flink(a.deps.absolute())
    cases = [(f, c) for f in sorted((ROOT / 'tests/diff').glob('*.jsonl')) for c in load(f)]
    chosen = [n for n, (_, c) in enumerate(cases) if re.search(a.only, c['name'])]
    work = pathlib.Path(tempfile.mkdtemp(prefix='flink-'))
    jobs = {n: prepare(cases[n][1], work / f'{n:04}') for n in chosen}
    run(home, jobs.values())
    failed = 0
    for n in chosen:
        case, status = cases[n][1], pathlib.Path(f'{jobs[n]}.rc').read_text()
        if not status.startswith('0\n'):
            failed += 1
            print(f"{case['name']}: Flink refuses it: {status[:300]}")
            continue
        case['sink'] = case['sink'] or sink_of(jobs[n])
        got = answer(case, jobs[n].parent)
        if case['expected'] is None:
            case['expected'] = final(got, case['sink'])
            failed += not a.update
            print(f"{case['name']}: " + ('it takes back rows that never came' if case['expected'] is None else f"{len(case['expected'])} rows"))
            continue
        x, y = materialize(got, case['sink']), materialize(case['expected'], case['sink'])
        if len(x) != len(y) or not all(len(p) == len(q) and all(map(close, p, q)) for p, q in zip(x, y)):
            failed += not a.update
            print(f"{case['name']}: Flink's answer is not the one that is kept\n  only Flink's {[r for r in x if r not in y][:3]}\n  only ours    {[r for r in y if r not in x][:3]}")
            case['expected'] = final(got, case['sink'])
    if a.update:
        for file in {cases[n][0] for n in chosen}:
            write(file, [c for f, c in cases if f == file])
    shutil.rmtree(work)
    print(f'{len(chosen) - failed} passed, {failed} failed')
    return failed != 0


if __name__ == '__main__':
    sys.exit(main())
