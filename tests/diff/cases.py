# SPDX-License-Identifier: Apache-2.0
"""What the makers of cases share: seeded rows, changelogs, and the file of cases in which Flink's answers stay where nothing else has changed."""
import datetime
import json
import pathlib
import sys
from decimal import Decimal

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / 'system'))
from test_flink import dumps, load  # noqa: E402

COLUMNS = [('id', 'INT'), ('k', 'STRING'), ('v', 'INT'), ('w', 'BIGINT'), ('d', 'DECIMAL(8, 2)'), ('ts', 'TIMESTAMP(3)')]
NAMES = [c for c, _ in COLUMNS]


def rows(r, n, start='2024-02-28 23:59:30', step=4, jitter=3):
    t = datetime.datetime.fromisoformat(start)
    out = []
    for i in range(n):
        t += datetime.timedelta(milliseconds=r.choice((1, 500, 1000, 2000)) * r.randint(0, step) + (r.randint(5, 40) * 1000 if r.random() < 0.08 else 0))
        at = t + datetime.timedelta(milliseconds=r.randint(0, jitter * 1000 - 1)) if r.random() < 0.3 else t
        out.append(['+I', i, r.choice(['x', 'y', 'z', None] if r.random() < 0.2 else ['x', 'y', 'z']), None if r.random() < 0.12 else r.randint(0, 9), r.randint(1, 3),
                    r.choice((None, r.randint(-5000, 5000) / 100)) if r.random() < 0.2 else r.randint(-5000, 5000) / 100, at.isoformat(sep=' ', timespec='milliseconds')])
    return out


def changes(r, n):
    """Rows that are updated and deleted later."""
    live, out = [], []
    for kind, *row in rows(r, n):
        p = r.random()
        if live and p < 0.2:
            out.append(['-D', *live.pop(r.randrange(len(live)))])
        elif live and p < 0.45:
            old = live.pop(r.randrange(len(live)))
            new = [old[0], old[1], r.randint(0, 9), *old[3:]]
            out += [['-U', *old], ['+U', *new]]
            live.append(new)
        live.append(row)
        out.append(['+I', *row])
    return out


def write(path, cases):
    """A table with the rows of an earlier case's table names that one."""
    seen, lines = {}, []
    for c in cases:
        inputs = {}
        for name, table in c['inputs'].items():
            text = dumps(table)
            inputs[name] = seen.get(text, table)
            seen.setdefault(text, f"{c['name']} {name}")
        lines.append(dumps({**c, 'inputs': inputs}) + '\n')
    path.write_text(''.join(lines))


def save(name, cases):
    """A case without a sink gets it from Flink, which knows the query's types, when its answer is asked for."""
    path = pathlib.Path(__file__).resolve().parent / name
    kept = {c['name']: c for c in load(path)} if path.exists() else {}
    for c in cases:
        old = kept.get(c['name'])
        asked = json.loads(json.dumps(c), parse_float=Decimal)
        if old and all(old[k] == asked[k] or k == 'sink' and asked[k] is None for k in asked if k != 'expected'):
            c.update(sink=old['sink'], expected=old['expected'])
    if len({c['name'] for c in cases}) < len(cases):
        raise SystemExit('two cases have one name')
    write(path, cases)
    print(f"{len(cases)} cases in {path.name}, {sum(c['expected'] is None for c in cases)} of them without an answer")
