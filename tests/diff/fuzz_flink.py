#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Asks a real Flink and this engine random queries, put together from all that streaming SQL has, and prints where they differ. What it finds and is worth keeping goes into scenario_cases.py.

usage: tests/diff/fuzz_flink.py [--deps DIR] [--seed N] [--count N] [--keep DIR]
"""
import argparse
import pathlib
import random
import re
import shutil
import sys
import tempfile

import ask_flink
from cases import NAMES, changes, rows
from scenario_cases import Table, TEN

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / 'system'))
import test_flink  # noqa: E402
from harness import Case  # noqa: E402

KINDS = dict(zip(NAMES, ('int', 'string', 'int', 'bigint', 'decimal', 'ts')))
WINDOWS = ["TUMBLE(TABLE {}, DESCRIPTOR(ts), INTERVAL '{n}' SECOND)", "TUMBLE(TABLE {}, DESCRIPTOR(ts), INTERVAL '{n}' SECOND, INTERVAL '1' SECOND)", "HOP(TABLE {}, DESCRIPTOR(ts), INTERVAL '{n}' SECOND, INTERVAL '{m}' SECOND)",
           "CUMULATE(TABLE {}, DESCRIPTOR(ts), INTERVAL '{n}' SECOND, INTERVAL '{m}' SECOND)", "SESSION(TABLE {} PARTITION BY k, DESCRIPTOR(ts), INTERVAL '{n}' SECOND)"]


class Query:
    """A SELECT and the kinds of its columns."""

    def __init__(self, sql, columns):
        self.sql, self.columns = sql, columns


class Maker:
    def __init__(self, r, append):
        self.r, self.append, self.count, self.views = r, append, 0, []

    def alias(self):
        self.count += 1
        return f'q{self.count}'

    def of(self, columns, *kinds):
        return [c for c, k in columns.items() if k in kinds]

    def literal(self, kind):
        return {'int': lambda: str(self.r.randint(0, 9)), 'bigint': lambda: str(self.r.randint(1, 4)), 'string': lambda: self.r.choice(["'x'", "'y'", "'Q'"]), 'decimal': lambda: self.r.choice(['0', '10.5', '-20']),
                'ts': lambda: "TIMESTAMP '2024-02-28 23:59:59'", 'double': lambda: '2.5', 'bool': lambda: 'TRUE'}[kind]()

    def test(self, columns, a=''):
        r, c = self.r, self.r.choice([c for c in columns if columns[c] != 'bool'])
        p = r.random()
        if p < 0.12:
            return f'{a}{c} IS {r.choice(["", "NOT "])}NULL'
        if p < 0.2 and columns[c] in ('int', 'bigint'):
            return f'{a}{c} {r.choice(["IN", "NOT IN"])} (1, 3, 5)'
        if p < 0.3:
            return f'({self.test(columns, a)} {r.choice(["AND", "OR"])} {self.test(columns, a)})'
        if p < 0.35:
            return f'NOT ({self.test(columns, a)})'
        return f"{a}{c} {r.choice(['=', '<>', '<', '<=', '>', '>='])} {self.literal(columns[c])}"

    def value(self, columns, a=''):
        r = self.r
        c = r.choice(list(columns))
        k, p = columns[c], r.random()
        if p < 0.6:
            return f'{a}{c}', k
        if k in ('int', 'bigint'):
            return r.choice([(f'{a}{c} + 1', k), (f'{a}{c} * 2', k), (f'MOD({a}{c}, 3)', k), (f'CAST({a}{c} AS STRING)', 'string'), (f'COALESCE({a}{c}, 7)', k), (f'ABS({a}{c})', k), (f'CASE WHEN {a}{c} > 4 THEN 1 ELSE 0 END', 'int')])
        if k == 'string':
            return r.choice([(f'UPPER({a}{c})', k), (f"COALESCE({a}{c}, 'none')", k), (f'CHAR_LENGTH({a}{c})', 'int'), (f"{a}{c} || '!'", k), (f"CASE {a}{c} WHEN 'x' THEN 'y' END", k), (f"NULLIF({a}{c}, 'y')", k)])
        if k == 'decimal':
            return r.choice([(f'ROUND({a}{c}, 1)', k), (f'FLOOR({a}{c})', k), (f'{a}{c} - 1', k), (f'CAST({a}{c} AS INT)', 'int')])
        if k == 'ts':
            return r.choice([(f'FLOOR({a}{c} TO MINUTE)', k), (f'EXTRACT(SECOND FROM {a}{c})', 'bigint'), (f"DATE_FORMAT({a}{c}, 'HH:mm')", 'string'), (f"CAST({a}{c} AS TIMESTAMP(3)) + INTERVAL '1' DAY", k)])
        return f'{a}{c}', k

    def aggregate(self, columns):
        r = self.r
        options = [('COUNT(*)', 'bigint')]
        for c in columns:
            k = columns[c]
            options += [(f'COUNT({c})', 'bigint'), (f'COUNT(DISTINCT {c})', 'bigint')]
            if k in ('int', 'bigint', 'decimal'):
                options += [(f'SUM({c})', k), (f'AVG({c})', k), (f'MIN({c})', k), (f'MAX({c})', k), (f'SUM(DISTINCT {c})', k)]
            if k in ('int', 'bigint'):
                options += [(f'STDDEV_POP(CAST({c} AS DOUBLE))', 'double'), (f'VAR_SAMP(CAST({c} AS DOUBLE))', 'double'), (f'SUM(CASE WHEN {c} IS NULL THEN 1 ELSE 0 END)', 'int')]
            if k in ('string', 'ts'):
                options += [(f'MIN({c})', k), (f'MAX({c})', k)]
        text, kind = r.choice(options)
        if r.random() < 0.15:
            text += f' FILTER (WHERE {self.test(columns)})'
        return text, kind

    def name(self, items):
        """SELECT list with names of its own."""
        self.count += 1
        return ', '.join(f'{t} AS c{self.count}_{i}' for i, (t, _) in enumerate(items)), {f'c{self.count}_{i}': k for i, (_, k) in enumerate(items)}

    def base(self):
        name = self.r.choice(['events', 'others'])
        where = f' WHERE {self.test(KINDS)}' if self.r.random() < 0.3 else ''
        return Query(f'SELECT id, k, v, w, d, ts FROM {name}{where}', dict(KINDS))

    def plain(self, depth):
        """Without time attributes that the query around it would trip over."""
        q = self.query(depth)
        return q

    def query(self, depth):
        if depth == 0:
            return self.base()
        ways = [self.project, self.group, self.group, self.sets, self.join, self.join, self.semi, self.set_op, self.distinct, self.top, self.window, self.window, self.window_join, self.window_top, self.interval, self.over, self.old_window, self.limit, self.scalar]
        return self.r.choice(ways)(depth)

    def project(self, depth):
        q, a = self.query(depth - 1), self.alias()
        items, columns = self.name([self.value(q.columns, f'{a}.') for _ in range(self.r.randint(2, 4))])
        return Query(f'SELECT {items} FROM ({q.sql}) {a}' + (f' WHERE {self.test(q.columns, a + ".")}' if self.r.random() < 0.5 else ''), columns)

    def keys(self, columns):
        able = self.of(columns, 'int', 'bigint', 'string', 'decimal')
        return self.r.sample(able, min(len(able), self.r.randint(1, 2)))

    def group(self, depth):
        q = self.query(depth - 1)
        keys = self.keys(q.columns)
        items, columns = self.name([(k, q.columns[k]) for k in keys] + [self.aggregate(q.columns) for _ in range(self.r.randint(1, 3))])
        having = self.r.choice(['', '', ' HAVING COUNT(*) > 1'])
        return Query(f"SELECT {items} FROM ({q.sql}) {self.alias()}" + (f" GROUP BY {', '.join(keys)}{having}" if keys else ''), columns)

    def sets(self, depth):
        q = self.query(depth - 1)
        able = self.of(q.columns, 'int', 'bigint', 'string', 'decimal')
        if len(able) < 2:
            return self.group(depth)
        a, b = self.r.sample(able, 2)
        items, columns = self.name([(a, q.columns[a]), (b, q.columns[b]), (f'GROUPING({a})', 'bigint')] + [self.aggregate({c: k for c, k in q.columns.items() if c not in (a, b)} or q.columns) for _ in range(2)])
        return Query(f"SELECT {items} FROM ({q.sql}) {self.alias()} GROUP BY {self.r.choice(['ROLLUP ({}, {})', 'CUBE ({}, {})', 'GROUPING SETS (({}, {}), ())', 'GROUPING SETS (({}), ({}))']).format(a, b)}", columns)

    def pair(self, a, b):
        fits = [(x, y) for x, k in a.columns.items() for y, j in b.columns.items() if k == j and k in ('int', 'bigint', 'string') or {k, j} == {'int', 'bigint'}]
        return self.r.choice(fits) if fits else None

    def join(self, depth):
        l, o = self.query(depth - 1), self.query(self.r.randint(0, depth - 1))
        on = self.pair(l, o)
        if not on:
            return self.project(depth)
        x, y = self.alias(), self.alias()
        items, columns = self.name([self.value(l.columns, f'{x}.') for _ in range(2)] + [self.value(o.columns, f'{y}.') for _ in range(2)])
        kind = self.r.choice(['JOIN', 'LEFT JOIN', 'RIGHT JOIN', 'FULL JOIN'])
        more = ''
        if self.r.random() < 0.4:
            second = self.pair(l, o)
            more = f" AND {x}.{second[0]} {self.r.choice(['<', '=', '<>', '>='])} {y}.{second[1]}"
        return Query(f'SELECT {items} FROM ({l.sql}) {x} {kind} ({o.sql}) {y} ON {x}.{on[0]} = {y}.{on[1]}{more}', columns)

    def semi(self, depth):
        l, o = self.query(depth - 1), self.query(self.r.randint(0, depth - 1))
        on = self.pair(l, o)
        if not on:
            return self.project(depth)
        x, y = self.alias(), self.alias()
        where = self.r.choice([f'{x}.{on[0]} IN (SELECT {on[1]} FROM ({o.sql}) {y})', f'{x}.{on[0]} NOT IN (SELECT {on[1]} FROM ({o.sql}) {y} WHERE {on[1]} IS NOT NULL)', f'{x}.{on[0]} NOT IN (SELECT {on[1]} FROM ({o.sql}) {y})',
                               f'EXISTS (SELECT 1 FROM ({o.sql}) {y} WHERE {y}.{on[1]} = {x}.{on[0]})', f'NOT EXISTS (SELECT 1 FROM ({o.sql}) {y} WHERE {y}.{on[1]} = {x}.{on[0]} AND {self.test(o.columns, y + ".")})'])
        items, columns = self.name([(f'{x}.{c}', k) for c, k in l.columns.items()][:4])
        return Query(f'SELECT {items} FROM ({l.sql}) {x} WHERE {where}', columns)

    def scalar(self, depth):
        l, o = self.query(depth - 1), self.query(self.r.randint(0, depth - 1))
        on, x, y = self.pair(l, o), self.alias(), self.alias()
        able = self.of(o.columns, 'int', 'bigint')
        if not on or not able:
            return self.project(depth)
        agg = self.r.choice(['MAX', 'MIN', 'COUNT', 'SUM']) + f'({y}.{able[0]})'
        where = f' WHERE {y}.{on[1]} = {x}.{on[0]}' if self.r.random() < 0.6 else ''
        items, columns = self.name([self.value(l.columns, f'{x}.'), (f'{x}.{on[0]}', l.columns[on[0]]), (f'(SELECT {agg} FROM ({o.sql}) {y}{where})', 'bigint')])
        return Query(f'SELECT {items} FROM ({l.sql}) {x}', columns)

    def set_op(self, depth):
        l, o = self.query(depth - 1), self.query(self.r.randint(0, depth - 1))
        first, second = self.pair(l, o), self.pair(l, o)
        if not first:
            return self.distinct(depth)
        pairs = [first] + ([second] if second != first else [])
        a, columns = self.name([(p[0], l.columns[p[0]]) for p in pairs])
        b, _ = self.name([(p[1], o.columns[p[1]]) for p in pairs])
        op = self.r.choice(['UNION', 'UNION ALL', 'INTERSECT', 'INTERSECT ALL', 'EXCEPT', 'EXCEPT ALL'])
        return Query(f'SELECT {a} FROM ({l.sql}) {self.alias()} {op} SELECT {b} FROM ({o.sql}) {self.alias()}', columns)

    def distinct(self, depth):
        q = self.query(depth - 1)
        keys = self.keys(q.columns)
        if not keys:
            return self.project(depth)
        items, columns = self.name([(k, q.columns[k]) for k in keys])
        return Query(f'SELECT DISTINCT {items} FROM ({q.sql}) {self.alias()}', columns)

    def top(self, depth):
        q = self.query(depth - 1)
        by = [c for c, k in q.columns.items() if k not in ('double', 'bool')]
        part = self.keys(q.columns)
        if not by or not part:
            return self.project(depth)
        self.r.shuffle(by)
        order = ', '.join(c + self.r.choice(['', ' DESC']) for c in by)
        items, columns = self.name([(c, q.columns[c]) for c in by])
        return Query(f"SELECT {items} FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY {part[0]} ORDER BY {order}) AS n FROM ({q.sql}) {self.alias()}) {self.alias()} WHERE n <= {self.r.randint(2, 4)}", columns)

    def limit(self, depth):
        q = self.query(depth - 1)
        by = [c for c, k in q.columns.items() if k not in ('double', 'bool')]
        if not by:
            return self.project(depth)
        self.r.shuffle(by)
        items, columns = self.name([(c, q.columns[c]) for c in by])
        return Query(f"SELECT {items} FROM ({q.sql}) {self.alias()} ORDER BY {', '.join(by)} LIMIT {self.r.randint(3, 9)}", columns)

    def tvf(self, name, sessions=True):
        w, n = self.r.choice(WINDOWS if sessions else WINDOWS[:4]), self.r.choice([2, 5, 10])
        return w.format(name, n=n, m=n * self.r.randint(2, 4))

    def window(self, depth):
        keys = self.r.sample(['k', 'w'], self.r.randint(0, 2))
        tvf = self.tvf(self.r.choice(['events', 'others']))
        if 'SESSION' in tvf:
            keys = ['k']
        rest = {c: k for c, k in KINDS.items() if c not in keys}
        used = [('window_start', 'ts')] + ([('window_end', 'ts')] if self.r.random() < 0.5 else []) + [(k, KINDS[k]) for k in keys]
        items, columns = self.name(used + [self.aggregate(rest) for _ in range(self.r.randint(1, 3))])
        group = ', '.join(['window_start', 'window_end', *keys])
        if len(keys) == 2 and self.r.random() < 0.4:
            group = f"window_start, window_end, {self.r.choice(['ROLLUP (k, w)', 'CUBE (k, w)', 'GROUPING SETS ((k), (w), ())'])}"
        return Query(f"SELECT {items} FROM TABLE({tvf}){' WHERE ' + self.test(KINDS) if self.r.random() < 0.4 else ''} GROUP BY {group}{self.r.choice(['', '', ' HAVING COUNT(*) > 1'])}", columns)

    def window_join(self, depth):
        t, (x, y) = self.tvf('{}', False), (self.alias(), self.alias())
        on = f'{x}.window_start = {y}.window_start AND {x}.window_end = {y}.window_end' + self.r.choice(['', f' AND {x}.k = {y}.k', f' AND {x}.w = {y}.w AND {x}.k = {y}.k', f' AND {x}.v = {y}.v', f' AND {x}.k = {y}.k AND {x}.v < {y}.v'])
        kind = self.r.choice(['JOIN', 'LEFT JOIN', 'RIGHT JOIN', 'FULL JOIN', 'IN', 'NOT IN', 'EXISTS'])
        if kind in ('IN', 'NOT IN', 'EXISTS'):
            items, columns = self.name([(f'{x}.window_start', 'ts'), (f'{x}.id', 'int'), (f'{x}.k', 'string')])
            inner = f"SELECT {y}.w FROM (SELECT * FROM TABLE({t.format('others')})) {y} WHERE {on}"
            return Query(f"SELECT {items} FROM (SELECT * FROM TABLE({t.format('events')})) {x} WHERE {'EXISTS' if kind == 'EXISTS' else f'{x}.w {kind}'} ({inner})", columns)
        items, columns = self.name([(f'{x}.window_start', 'ts'), (f'{y}.window_end', 'ts'), (f'{x}.id', 'int'), (f'{y}.id', 'int'), (f'{y}.k', 'string')])
        return Query(f"SELECT {items} FROM (SELECT * FROM TABLE({t.format('events')})) {x} {kind} (SELECT * FROM TABLE({t.format('others')})) {y} ON {on}", columns)

    def window_top(self, depth):
        t = self.tvf(self.r.choice(['events', 'others']), False)
        items, columns = self.name([('window_start', 'ts'), ('id', 'int'), ('k', 'string'), ('v', 'int')])
        part = self.r.choice(['', ', k', ', w'])
        order = self.r.choice(['v, id', 'd DESC, id', 'w DESC, v, id DESC', 'k, id'])
        return Query(f'SELECT {items} FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY window_start, window_end{part} ORDER BY {order}) AS n FROM TABLE({t})) {self.alias()} WHERE n <= {self.r.randint(1, 3)}', columns)

    def interval(self, depth):
        x, y = self.alias(), self.alias()
        low, high = sorted(self.r.randint(-10, 10) for _ in range(2))
        sign = lambda n: f"{'-' if n < 0 else '+'} INTERVAL '{abs(n)}' SECOND"    # noqa: E731
        items, columns = self.name([(f'{x}.id', 'int'), (f'{y}.id', 'int'), (f'{x}.v', 'int'), (f'{y}.k', 'string'), (f'CAST({x}.ts AS TIMESTAMP(3))', 'ts')])
        more = self.r.choice(['', f' AND {x}.w = {y}.w', f' AND {x}.v < {y}.v', f' AND {self.test(KINDS, x + ".")}', f' AND {self.test(KINDS, y + ".")}'])
        return Query(f"SELECT {items} FROM events {x} {self.r.choice(['JOIN', 'LEFT JOIN', 'RIGHT JOIN', 'FULL JOIN'])} others {y} ON {x}.k = {y}.k AND {x}.ts BETWEEN {y}.ts {sign(low)} AND {y}.ts {sign(high)}{more}", columns)

    def over(self, depth):
        frame = self.r.choice(['ROWS BETWEEN 2 PRECEDING AND CURRENT ROW', "RANGE BETWEEN INTERVAL '5' SECOND PRECEDING AND CURRENT ROW", 'ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW', 'RANGE BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW'])
        aggs = [a for a in (self.aggregate(KINDS) for _ in range(6)) if 'FILTER' not in a[0] and 'DISTINCT' not in a[0] and 'STDDEV' not in a[0] and 'VAR_' not in a[0]][:2] or [('COUNT(*)', 'bigint')]
        items, columns = self.name([('id', 'int'), ('k', 'string')] + [(f'{t} OVER w1', k) for t, k in aggs])
        return Query(f"SELECT {items} FROM {self.r.choice(['events', 'others'])} WINDOW w1 AS ({self.r.choice(['PARTITION BY k ', 'PARTITION BY w, k ', ''])}ORDER BY ts {frame})", columns)

    def old_window(self, depth):
        n = self.r.choice([2, 5])
        w, name = self.r.choice([(f"TUMBLE(ts, INTERVAL '{n}' SECOND)", 'TUMBLE'), (f"HOP(ts, INTERVAL '{n}' SECOND, INTERVAL '{n * 2 + 1}' SECOND)", 'HOP'), (f"SESSION(ts, INTERVAL '{n}' SECOND)", 'SESSION')])
        args = w[len(name):]
        items, columns = self.name([('k', 'string'), (f'{name}_START{args}', 'ts'), (f'{name}_END{args}', 'ts')] + [self.aggregate({c: k for c, k in KINDS.items() if c != 'k'}) for _ in range(2)])
        return Query(f"SELECT {items} FROM {self.r.choice(['events', 'others'])} GROUP BY k, {w}", columns)


def make(seed):
    r = random.Random(seed)
    changelog = r.random() < 0.25
    maker = Maker(r, not changelog)
    while True:
        q = maker.query(r.choice([1, 1, 2, 2, 3]))
        if len(q.sql) < 3000 and not (changelog and re.search(r'DESCRIPTOR|ORDER BY ts|INTERVAL', q.sql)):
            break
    tables = {}
    for name, n in (('events', 40), ('others', 25)):
        if changelog:
            tables[name] = Table(TEN, changes(r, n), '')
            tables[name].format = 'debezium-json'
        else:
            tables[name] = Table(TEN, rows(r, n, step=r.choice([1, 2, 4])))
    return {'name': f'fuzz/{seed}', 'mode': 'streaming', 'inputs': {n: {'columns': t.columns, 'format': t.format, 'rows': t.rows} for n, t in tables.items()}, 'setup': ["SET 'table.local-time-zone' = 'UTC'", *[t.create(n) for n, t in tables.items()]],
            'query': q.sql, 'sink': None, 'expected': None}


def compare(c, directory):
    directory.mkdir()
    case = Case(directory)
    for table, t in c['inputs'].items():
        case.write(f'{table}.ndjson', ''.join(test_flink.dumps(e) + '\n' for e in test_flink.events(t)))
    for rows_, workers in (('2048', '1'), ('7', '2'), ('1', '1')):
        try:
            found = test_flink.check(case, c, ('--batch-rows', rows_, '--parallelism', workers), 'streaming')
        except Exception as e:
            found = f'{c["name"]}: {e}\n{c["query"]}'
        if found:
            return found
    return None


def main():
    a = argparse.ArgumentParser()
    a.add_argument('--deps', type=pathlib.Path, default=ask_flink.ROOT / 'build/deps')
    a.add_argument('--seed', type=int, default=random.randrange(1 << 30))
    a.add_argument('--count', type=int, default=200)
    a.add_argument('--keep', type=pathlib.Path)
    a = a.parse_args()
    home, work = ask_flink.flink(a.deps.absolute()), a.keep or pathlib.Path(tempfile.mkdtemp(prefix='fuzz-'))
    work.mkdir(exist_ok=True)
    cases = [make(seed) for seed in range(a.seed, a.seed + a.count)]
    jobs = [ask_flink.prepare(c, work / f'{n:04}') for n, c in enumerate(cases)]
    ask_flink.run(home, jobs)
    asked = failed = refused = 0
    for n, (c, job) in enumerate(zip(cases, jobs)):
        status = pathlib.Path(f'{job}.rc').read_text()
        if not status.startswith('0\n'):
            refused += 1
            (work / 'refused').open('a').write(f"{c['name']}: {status[:300]}\n{c['query']}\n\n")
            continue
        c['sink'] = ask_flink.sink_of(job)
        c['expected'] = ask_flink.final(ask_flink.answer(c, job.parent), c['sink'])
        if c['expected'] is None:
            print(f"{c['name']}: Flink takes back what never came\n{c['query']}\n")
            continue
        asked += 1
        found = compare(c, work / f'{n:04}-ours')
        failed += bool(found)
        if found:
            print(found + '\n', flush=True)
    if not a.keep:
        shutil.rmtree(work)
    print(f'{refused} refused by Flink\n{asked - failed} passed, {failed} failed')
    return failed != 0


if __name__ == '__main__':
    sys.exit(main())
