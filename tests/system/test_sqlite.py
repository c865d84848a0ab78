#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Random relational queries over random tables, with SQLite as the judge: joins of every kind, retractions through several levels, grouping,
DISTINCT, UNION ALL, NULLs everywhere. Each query runs in streaming and in batch mode at a random batch size. SEED=n repeats one; QUERIES=n
sets how many (60)."""
import collections
import json
import os
import random
import sqlite3
import sys

from harness import main, test

SEED = int(os.environ.get('SEED', random.randrange(1 << 30)))
QUERIES = int(os.environ.get('QUERIES', '60'))
TABLES = {'t': ('id', 'k', 'v', 's'), 'u': ('id', 'k', 'v', 's')}
TYPES = {'id': 'INT', 'k': 'STRING', 'v': 'BIGINT', 's': 'STRING'}


class Maker:
    """Makes queries that mean the same to both engines: no division, no overflow, no implicit text to number."""

    def __init__(self, r):
        self.r, self.n = r, 0
        self.global_aggregate = False   # over no rows it gives a row in batch mode and, as in Flink, none in streaming mode

    def alias(self):
        self.n += 1
        return f'q{self.n}'

    def number(self, cols, depth=0):
        r, nums = self.r, [c for c, t in cols if t == 'n']
        kind = r.random()
        if kind < 0.5 or depth > 1:
            return r.choice(nums) if nums and r.random() < 0.8 else str(r.randrange(10))
        if kind < 0.75:
            return f"({self.number(cols, depth + 1)} {r.choice('+-*')} {self.number(cols, depth + 1)})"
        if kind < 0.85:
            return f'COALESCE({self.number(cols, depth + 1)}, {r.randrange(10)})'
        return f'CASE WHEN {self.predicate(cols, depth + 1)} THEN {self.number(cols, depth + 1)} ELSE {self.number(cols, depth + 1)} END'

    def text(self, cols):
        r, texts = self.r, [c for c, t in cols if t == 's']
        pick = r.choice(texts) if texts else "'x'"
        return r.choice([pick, pick, f'COALESCE({pick}, {self.quote()})', f"({pick} || '-')"])

    def quote(self):
        return "'" + self.r.choice(['a', 'b', 'c', 'A', '', 'é']) + "'"

    def predicate(self, cols, depth=0):
        r = self.r
        kind = r.random()
        if kind < 0.2 and depth < 2:
            return f"({self.predicate(cols, depth + 1)} {r.choice(['AND', 'OR'])} {self.predicate(cols, depth + 1)})"
        if kind < 0.27 and depth < 2:
            return f'NOT ({self.predicate(cols, depth + 1)})'
        if kind < 0.37:
            return f"{r.choice(cols)[0]} IS {r.choice(['', 'NOT '])}NULL"
        if kind < 0.5:
            return f'{self.text(cols)} {r.choice(["=", "<>", "<", ">="])} {self.quote()}'
        if kind < 0.58:
            return f"{self.number(cols, 2)} {r.choice(['', 'NOT '])}IN ({', '.join(str(r.randrange(8)) for _ in range(r.randrange(1, 5)))})"
        if kind < 0.66:
            a = r.randrange(6)
            return f"{self.number(cols, 2)} {r.choice(['', 'NOT '])}BETWEEN {a} AND {a + r.randrange(4)}"
        return f"{self.number(cols, depth + 1)} {r.choice(['=', '<>', '<', '<=', '>', '>='])} {self.number(cols, depth + 1)}"

    def source(self, depth):
        """(text, columns as (qualified name, kind))"""
        if depth <= 0 or self.r.random() < 0.45:
            name, a = self.r.choice(sorted(TABLES)), self.alias()
            return f'{name} AS {a}', [(f'{a}.{c}', 's' if TYPES[c] == 'STRING' else 'n') for c in TABLES[name]]
        if self.r.random() < 0.5:
            return self.join(depth)
        q, cols = self.query(depth - 1)
        a = self.alias()
        return f'({q}) AS {a}', [(f'{a}.{c}', t) for c, t in cols]

    def join(self, depth):
        r = self.r
        (left, lc), (right, rc) = self.source(depth - 1), self.source(depth - 1)
        kind = r.choice(['JOIN', 'LEFT JOIN', 'RIGHT JOIN', 'FULL JOIN'])
        pairs = [(a, b) for a, t in lc for b, u in rc if t == u]
        r.shuffle(pairs)
        on = ' AND '.join(f'{a} = {b}' for a, b in pairs[:r.randrange(1, 3)])
        if r.random() < 0.4:
            on += f' AND {self.predicate(lc + rc, 1)}'
        return f'{left} {kind} {right} ON {on}', lc + rc

    def query(self, depth):
        """(text, columns by output name)"""
        r = self.r
        if depth > 0 and r.random() < 0.12:
            return self.union(depth)
        source, cols = self.source(depth)
        where = f' WHERE {self.predicate(cols)}' if r.random() < 0.5 else ''
        if r.random() < 0.5:
            return self.grouped(source, cols, where)
        items = [(self.text(cols), 's') if r.random() < 0.3 else (self.number(cols), 'n') for _ in range(r.randrange(1, 4))]
        names = [(f'c{i}', t) for i, (_, t) in enumerate(items)]
        chosen = ', '.join(f'{e} AS c{i}' for i, (e, _) in enumerate(items))
        return f"SELECT {'DISTINCT ' if r.random() < 0.25 else ''}{chosen} FROM {source}{where}", names

    def grouped(self, source, cols, where):
        r = self.r
        keys = [(self.text(cols), 's') if r.random() < 0.5 else (self.number(cols, 1), 'n') for _ in range(r.randrange(0, 3))]
        keys = [(k, t) for k, t in keys if any(c in k for c, _ in cols)]   # a constant key is an ordinal to SQLite
        aggs = []
        for _ in range(r.randrange(1, 4)):
            arg = self.number(cols, 1)
            aggs.append(r.choice(['COUNT(*)', f'COUNT({arg})', f'SUM({arg})', f'MIN({arg})', f'MAX({arg})', f'COUNT(DISTINCT {arg})', f'SUM(DISTINCT {arg})',
                                  f'SUM({arg}) FILTER (WHERE {self.predicate(cols, 2)})', f'COUNT(*) FILTER (WHERE {self.predicate(cols, 2)})']))
        self.global_aggregate |= not keys
        items = [*keys, *[(a, 'n') for a in aggs]]
        chosen = ', '.join(f'{e} AS c{i}' for i, (e, _) in enumerate(items))
        text = f'SELECT {chosen} FROM {source}{where}'
        if keys:
            text += ' GROUP BY ' + ', '.join(k for k, _ in keys)
            if r.random() < 0.3:
                text += f" HAVING {r.choice(['COUNT(*)', aggs[-1]])} {r.choice(['>', '<=', '<>'])} {r.randrange(4)}"
        return text, [(f'c{i}', t) for i, (_, t) in enumerate(items)]

    def union(self, depth):
        a, cols = self.query(depth - 1)
        for _ in range(20):
            b, other = self.query(depth - 1)
            if [t for _, t in cols] == [t for _, t in other]:
                return f"SELECT * FROM ({a}) AS {self.alias()} {self.r.choice(['UNION ALL', 'UNION'])} SELECT * FROM ({b}) AS {self.alias()}", cols
        return a, cols


def random_table(r, rows):
    def maybe(v):
        return None if r.random() < 0.15 else v
    return [(i, maybe(r.choice('abcA')), maybe(r.randrange(8)), maybe(r.choice(['a', 'b', '', 'é', 'a long string of text']))) for i in range(rows)]


def bag(rows):
    return collections.Counter(tuple(int(v) if isinstance(v, bool) else v for v in row) for row in rows)


@test
def random_queries(case):
    """the same bag of rows as SQLite"""
    setup, db = '', sqlite3.connect(':memory:')
    r = random.Random(SEED)
    for name, cols in TABLES.items():
        rows = random_table(r, 40)
        case.write(f'{name}.ndjson', ''.join(json.dumps(dict(zip(cols, row))) + '\n' for row in rows))
        setup += f"CREATE TABLE {name} ({', '.join(f'{c} {TYPES[c]}' for c in cols)}) WITH ('connector' = 'filesystem', 'path' = '{name}.ndjson', 'format' = 'json');\n"
        db.execute(f"CREATE TABLE {name} ({', '.join(c + (' TEXT' if TYPES[c] == 'STRING' else ' INTEGER') for c in cols)})")
        db.executemany(f"INSERT INTO {name} VALUES ({', '.join('?' * len(cols))})", rows)
    wrong = []
    for n in range(QUERIES):
        r = random.Random(SEED * 1000003 + n)
        maker = Maker(r)
        text, _ = maker.query(3)
        try:
            expected = bag(db.execute(text))
        except sqlite3.OperationalError as e:   # an integer overflow, too deep a query
            continue
        for mode in ('batch',) if maker.global_aggregate else ('streaming', 'batch'):
            sql = f"SET 'execution.runtime-mode' = '{mode}';\n{setup}{text};\n"
            p = case.run('--quiet', '--mode', 'json', '--batch-rows', str(r.choice([1, 7, 2048])), sql=sql, expect=None)
            got = bag(tuple(json.loads(line).values()) for line in p.stdout.splitlines()) if p.returncode == 0 else None
            if got != expected:
                why = p.stderr[-600:] if got is None else f'extra {list((got - expected).items())[:3]}\nmissing {list((expected - got).items())[:3]}'
                wrong.append(f'SEED={SEED} query {n}, {mode}: {text}\n{why}')
                break
    if wrong:
        raise AssertionError(f'{len(wrong)} of {QUERIES} queries differ\n' + '\n\n'.join(wrong[:4]))


if __name__ == '__main__':
    print(f'SEED={SEED}', file=sys.stderr)
    main()
