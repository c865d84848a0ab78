#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Queries over random rows with the final result that a real Flink gives (tests/diff/*.jsonl), in streaming and in batch mode, at batch
sizes 1, 7 and 2,048. Integers and decimals are compared exactly, doubles to 1e-9, timestamps whatever their spelling.

usage: tests/system/test_flink.py [REGEX of names]...
"""
import collections
import concurrent.futures
import json
import math
import random
import re
import sys
import tempfile
from decimal import Decimal

from harness import ROOT, Case, contains


def dumps(value):
    """JSON that keeps a Decimal's digits."""
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, dict):
        return '{' + ','.join(f'{json.dumps(k)}:{dumps(v)}' for k, v in value.items()) + '}'
    if isinstance(value, list):
        return '[' + ','.join(map(dumps, value)) + ']'
    return json.dumps(value, ensure_ascii=False)


def events(table):
    """The rows of an input table as the lines of its file: plain objects, or Debezium events for a changelog."""
    before = None
    for kind, *row in table['rows']:
        o = dict(zip(table['columns'], row))
        if table['format'] == 'json':
            yield o
        elif kind == '-U':
            before = o
        elif kind == '-D':
            yield {'before': o, 'after': None, 'op': 'd'}
        else:
            yield {'before': before if kind == '+U' else None, 'after': o, 'op': 'u' if kind == '+U' and before else 'c'}
            before = None


def canonical(value, type):
    if value is None or isinstance(value, bool):
        return value
    if re.match(r'FLOAT|DOUBLE', type):
        return float(value)
    if re.match(r'(TINY|SMALL|BIG)?INT|DECIMAL', type):
        return Decimal(str(value)).normalize()
    if type.startswith('TIME'):
        text = str(value).replace('T', ' ').removesuffix('Z').removeprefix('+')
        return text.rstrip('0').rstrip('.') if '.' in text else text
    return json.dumps(value, ensure_ascii=False, sort_keys=True, default=str) if isinstance(value, (list, dict)) else str(value)


def close(a, b):
    return a == b or isinstance(a, float) and isinstance(b, float) and (math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-12) or math.isnan(a) and math.isnan(b))


def materialize(changes, sink):
    """The rows that a changelog leaves: by the sink's key, or as a bag."""
    rows = collections.Counter()
    by_key = {}
    at = [sink['columns'].index(k) for k in sink['key'] or []]
    for kind, row in changes:
        row = tuple(canonical(v, t) for v, t in zip(row, sink['types']))
        if at:
            key = tuple(row[i] for i in at)
            if kind in ('+I', '+U'):
                by_key[key] = row
            elif kind == '-D':
                by_key.pop(key, None)
        else:
            rows[row] += 1 if kind in ('+I', '+U') else -1
    if at:
        return sorted(by_key.values(), key=repr)
    if any(n < 0 for n in rows.values()):
        raise AssertionError(f'a row was taken back that never came: {[r for r, n in rows.items() if n < 0][:3]}')
    return sorted(rows.elements(), key=repr)


def output(path):
    for line in path.read_text().splitlines() if path.exists() else []:
        e = json.loads(line, parse_float=Decimal)
        if 'op' not in e:
            yield '+I', e
            continue
        if e.get('before') is not None:
            yield ('-U' if e['op'] == 'u' else '-D'), e['before']
        if e.get('after') is not None:
            yield ('+U' if e['op'] == 'u' else '+I'), e['after']


def job(c, mode):
    """The job file of a case. One whose query has no INSERT gets its sink from what is known of it."""
    lines = [f"SET 'execution.runtime-mode' = '{mode}'", *c['setup']]
    if c['query'].startswith('INSERT'):
        lines.append(c['query'])
    else:
        columns = ', '.join(f'`{n}` {t}' for n, t in zip(c['sink']['columns'], c['sink']['types']))
        lines += [f"CREATE TABLE sink ({columns}) WITH ('connector' = 'filesystem', 'path' = '{{dir}}/sink.ndjson', 'format' = 'debezium-json')", 'INSERT INTO sink ' + c['query']]
    return ''.join(s + ';\n' for s in lines)


def load(file):
    """The cases of a file. Where a table has the rows of an earlier case's table, it says which: "case table"."""
    seen = {}
    for line in file.read_text().splitlines():
        c = json.loads(line, parse_float=Decimal)
        for name, t in c['inputs'].items():
            c['inputs'][name] = seen[t] if isinstance(t, str) else t
            seen[f"{c['name']} {name}"] = c['inputs'][name]
        yield c


def exceptions():
    """tests/diff/not_as_flink.txt: `case: refused: part of the message`, or `case: differs: the reason`."""
    lines = (line for line in (ROOT / 'tests/diff/not_as_flink.txt').read_text().splitlines() if line and line[0] != '#')
    return {name: (kind, text) for name, kind, text in (line.split(': ', 2) for line in lines)}


# What depends on the order of rows, which several workers do not keep.
ORDERED = re.compile('FIRST_VALUE|LAST_VALUE|LISTAGG|ARRAY_AGG|JSON_.*AGG')


def check(case, c, flags, mode):
    """None, or how the result differs from Flink's."""
    path = case.dir / f"{c['sink']['table']}.ndjson"
    path.unlink(missing_ok=True)
    case.run('--quiet', *flags, sql=job(c, mode).replace('{dir}', str(case.dir)))
    got = materialize([(k, [o.get(n) for n in c['sink']['columns']]) for k, o in output(path)], c['sink'])
    want = materialize([(k, row) for k, row in c['expected']], c['sink'])
    if len(got) == len(want) and all(len(a) == len(b) and all(map(close, a, b)) for a, b in zip(got, want)):
        return None
    extra, missing = [r for r in got if r not in want][:3], [r for r in want if r not in got][:3]
    return f"{c['name']} ({mode} {' '.join(flags)})\n{c['query']}\nmissing {missing}\nextra {extra}"


def refused(case, c, text):
    p = case.run('--quiet', sql=job(c, 'streaming').replace('{dir}', str(case.dir)), expect=None)
    if p.returncode == 0:
        raise AssertionError(f"{c['name']} is not refused any more: take it out of tests/diff/not_as_flink.txt")
    contains(p.stderr, text)


def run(case, c, exception):
    for table, t in c['inputs'].items():
        case.write(f'{table}.ndjson', ''.join(dumps(e) + '\n' for e in events(t)))
    kind, text = exception or ('', '')
    if kind == 'refused':
        return refused(case, c, text)
    modes = [('streaming', '2048'), ('streaming', '7'), ('streaming', '1')]
    if kind != 'streaming' and all(t['format'] == 'json' for t in c['inputs'].values()):
        modes += [('batch', '2048'), ('batch', '3')]
    for mode, rows in modes:
        difference = check(case, c, ('--batch-rows', rows, '--parallelism', '1' if ORDERED.search(c['query']) else random.choice('1124')), mode)
        if kind == 'differs' and not difference:
            raise AssertionError(f"{c['name']} is as in Flink now: take it out of tests/diff/not_as_flink.txt")
        if difference and kind != 'differs':
            raise AssertionError(difference)


def trial(c, exception):
    """What went wrong, or None."""
    with tempfile.TemporaryDirectory(prefix='sqluice-test-') as directory:
        try:
            run(Case(directory), c, exception)
        except Exception as e:
            return f"FAILED {c['name']}: {e}"
    return None


def main():
    known = exceptions()
    cases = [c for file in sorted((ROOT / 'tests/diff').glob('*.jsonl')) for c in load(file)]
    unknown = known.keys() - {c['name'] for c in cases}
    if unknown:
        sys.exit(f'not_as_flink.txt has cases that are not there: {sorted(unknown)}')
    chosen = [c for c in cases if not sys.argv[1:] or any(re.search(a, c['name']) for a in sys.argv[1:])]
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        ends = list(pool.map(lambda c: trial(c, known.get(c['name'])), chosen))
    failures = [e for e in ends if e]
    print(*failures, sep='\n', end='\n' if failures else '')
    others = [known.get(c['name'], [''])[0] in ('refused', 'differs') for c in chosen]
    print(f'{sum(others)} cases are not as in Flink and not counted: see tests/diff/not_as_flink.txt')
    print(f'{sum(not e and not o for e, o in zip(ends, others))} passed, {len(failures)} failed')
    return bool(failures)


if __name__ == '__main__':
    sys.exit(main())
