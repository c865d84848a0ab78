#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Queries over random rows with the final result that a real Flink gives (tests/diff/*.jsonl), in streaming and in batch mode, at batch
sizes 1, 7 and 2,048. Integers and decimals are compared exactly, doubles to 1e-9, timestamps whatever their spelling."""
import collections
import json
import math
import random
import re
from decimal import Decimal

from harness import ROOT, main, test


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
        text = str(value).replace('T', ' ').removesuffix('Z')
        return text.rstrip('0').rstrip('.') if '.' in text else text
    return json.dumps(value, ensure_ascii=False) if isinstance(value, (list, dict)) else str(value)


def close(a, b):
    return a == b or isinstance(a, float) and isinstance(b, float) and math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-12)


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


def check(case, c, flags, mode):
    for table, t in c['inputs'].items():
        case.write(f'{table}.ndjson', ''.join(dumps(e) + '\n' for e in events(t)))
    sink = c['sink']
    path = case.dir / f"{sink['table']}.ndjson"
    path.unlink(missing_ok=True)
    sql = ''.join(s + ';\n' for s in [f"SET 'execution.runtime-mode' = '{mode}'", *c['setup'], c['query']])
    case.run('--quiet', *flags, sql=sql.replace('{dir}', str(case.dir)))
    got = materialize([(k, [o.get(n) for n in sink['columns']]) for k, o in output(path)], sink)
    want = materialize([(k, row) for k, row in c['expected']], sink)
    if len(got) != len(want) or not all(len(a) == len(b) and all(map(close, a, b)) for a, b in zip(got, want)):
        extra, missing = [r for r in got if r not in want][:3], [r for r in want if r not in got][:3]
        raise AssertionError(f"{c['name']} ({mode} {' '.join(flags)})\n{c['query']}\nmissing {missing}\nextra {extra}")


def add(c):
    def run(case):
        for rows in ('2048', '7', '1'):
            for mode in ('streaming', 'batch') if not any(t['format'] != 'json' for t in c['inputs'].values()) else ('streaming',):
                check(case, c, ('--batch-rows', rows, '--parallelism', random.choice('1124')), mode)
    run.__name__, run.__doc__ = c['name'].replace('/', '_'), c['query']
    test(run)


for file in sorted((ROOT / 'tests/diff').glob('*.jsonl')):
    for line in open(file):
        add(json.loads(line, parse_float=Decimal))

if __name__ == '__main__':
    main()
