#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Random relational queries over random tables, with SQLite as the judge: joins of every kind, retractions through several levels, grouping,
DISTINCT, UNION, INTERSECT, EXCEPT (also ALL), EXISTS, IN, ANY, ALL, queries as values, WITH, views, NULLs everywhere, columns of many types, inputs that are rows and inputs that are changes. Each query runs in streaming
and (over rows) in batch mode at a random batch size, as a result or through a sink of changes. SEED=n repeats one; QUERIES=n sets how many (60).

Decimals and doubles are multiples of a quarter, so that SQLite's sums of them are exact; averages of them are 'x': shown, and not computed with."""
import collections
import json
import os
import random
import re
import sqlite3
import sys

from harness import main, test

SEED = int(os.environ.get('SEED', random.randrange(1 << 30)))
QUERIES = int(os.environ.get('QUERIES', '60'))
COLUMNS = ('id', 'k', 'v', 's', 'd', 'f', 'ts')
CHANGES = ('tc', 'uc')                  # these are read from debezium-json
TABLES = ('t', 'u', *CHANGES)
TYPES = {'id': 'INT', 'k': 'STRING', 'v': 'BIGINT', 's': 'STRING', 'd': 'DECIMAL(10, 2)', 'f': 'DOUBLE', 'ts': 'TIMESTAMP(3)'}
KINDS = {'id': 'n', 'k': 's', 'v': 'n', 's': 's', 'd': 'd', 'f': 'd', 'ts': 't'}


def ours(engine, judge):
    """text that the two engines get in words of their own; may be nested"""
    return f'\ue000{engine}\ue001{judge}\ue002'


def words_of(text, judge):
    one = re.compile('\ue000([^\ue000-\ue002]*)\ue001([^\ue000-\ue002]*)\ue002')
    while '\ue000' in text:
        text = one.sub(r'\2' if judge else r'\1', text)
    return text.replace('TIMESTAMP ', '') if judge else text.replace('AVGI(', 'AVG(').replace('AVGD(', 'AVG(')


class Maker:
    """Makes queries that mean the same to both engines: no division, no overflow, no implicit text to number."""

    def __init__(self, r):
        self.r, self.n = r, 0
        self.changes = False            # reads a table of changes: streaming mode only
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
            op, a, b = r.choice('+-*'), self.number(cols, depth + 1), self.number(cols, depth + 1)
            if op == '*' and any(c.partition('.')[2] not in COLUMNS for c in nums):   # products of products are too large
                b = str(r.randrange(4))
            return f'({a} {op} {b})'
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
        if kind < 0.47:
            return f'{self.text(cols)} {r.choice(["=", "<>", "<", ">="])} {self.quote()}'
        if kind < 0.5:
            a, b = self.number(cols, 2), self.number(cols, 2)
            return f"{a} IS {r.choice(['', 'NOT '])}DISTINCT FROM {b}"
        if kind < 0.56 and any(t == 'd' for _, t in cols):
            return f"{self.quarters(cols)} {r.choice(['=', '<>', '<', '>='])} {self.quarters(cols)}"
        if kind < 0.62 and any(t == 't' for _, t in cols):
            return f"{self.moment(cols)} {r.choice(['=', '<>', '<', '>='])} {r.choice([self.moment(cols), 'TIMESTAMP ' + repr(moment(r))])}"
        if kind < 0.58:
            return f"{self.number(cols, 2)} {r.choice(['', 'NOT '])}IN ({', '.join(str(r.randrange(8)) for _ in range(r.randrange(1, 5)))})"
        if kind < 0.66:
            a = r.randrange(6)
            return f"{self.number(cols, 2)} {r.choice(['', 'NOT '])}BETWEEN {a} AND {a + r.randrange(4)}"
        return f"{self.number(cols, depth + 1)} {r.choice(['=', '<>', '<', '<=', '>', '>='])} {self.number(cols, depth + 1)}"

    def quarters(self, cols, depth=0):
        """a decimal or a double"""
        r, own = self.r, [c for c, t in cols if t == 'd']
        if not own or r.random() < 0.1:
            return r.choice(['0.25', '1.50', '-2.75', '3'])
        if depth > 1 or r.random() < 0.5:
            return r.choice(own)
        return r.choice([f'({self.quarters(cols, depth + 1)} {r.choice("+-")} {self.quarters(cols, depth + 1)})', f'({r.choice(own)} * 2)',
                         f'({r.choice(own)} + {self.number(cols, 2)})', f'COALESCE({r.choice(own)}, 0.75)', f'ABS({r.choice(own)})'])

    def moment(self, cols):
        own = [c for c, t in cols if t == 't']
        return self.r.choice(own) if own else f'TIMESTAMP {moment(self.r)!r}'

    def item(self, cols):
        """an expression of some kind, and the kind"""
        kind = self.r.choice('nnnsdt')
        if kind == 'd' and not any(t == 'd' for _, t in cols) or kind == 't' and not any(t == 't' for _, t in cols):
            kind = 'n'
        return {'n': self.number, 's': self.text, 'd': self.quarters, 't': self.moment}[kind](cols), kind

    def source(self, depth):
        """(text, columns as (qualified name, kind))"""
        if depth <= 0 or self.r.random() < 0.45:
            name, a = self.r.choice(TABLES), self.alias()
            self.changes |= name in CHANGES
            return f'{name} AS {a}', [(f'{a}.{c}', KINDS[c]) for c in COLUMNS]
        if self.r.random() < 0.5:
            return self.join(depth)
        q, cols = self.query(depth - 1)
        a = self.alias()
        return f'({q}) AS {a}', [(f'{a}.{c}', t) for c, t in cols]

    def join(self, depth):
        r = self.r
        (left, lc), (right, rc) = self.source(depth - 1), self.source(depth - 1)
        kind = r.choice(['JOIN', 'LEFT JOIN', 'RIGHT JOIN', 'FULL JOIN'])
        if len({c.partition('.')[0] for c, _ in rc}) > 1:   # a join itself
            right = f'({right})'
        pairs = [(a, b) for a, t in lc for b, u in rc if t == u != 'x']
        r.shuffle(pairs)
        if r.random() < 0.08:
            return f'{left} CROSS JOIN {right}', lc + rc
        if r.random() < 0.1:
            return f'{left} {kind} {right} ON {self.predicate(lc + rc, 1)}', lc + rc
        if not pairs:
            return left, lc
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
        where = self.where(cols, depth)
        if r.random() < 0.5:
            return self.grouped(source, cols, where)
        items = [self.told(cols, depth - 1) if depth > 0 and r.random() < 0.12 else self.item(cols) for _ in range(r.randrange(1, 4))]
        names = [(f'c{i}', t) for i, (_, t) in enumerate(items)]
        chosen = ', '.join(f'{e} AS c{i}' for i, (e, _) in enumerate(items))
        return f"SELECT {'DISTINCT ' if r.random() < 0.25 else ''}{chosen} FROM {source}{where}", names

    def where(self, cols, depth):
        r = self.r
        parts = [self.predicate(cols)] if r.random() < 0.5 else []
        while depth > 0 and r.random() < 0.25 and len(parts) < 3:
            parts.append(r.choice([self.exists, self.within, self.within, self.quantified, self.compared, self.either])(cols, depth - 1))
        r.shuffle(parts)
        return ' WHERE ' + ' AND '.join(parts) if parts else ''

    def inner(self, outer, depth, equal_only=False):
        """FROM and WHERE of a query that may name columns of `outer`, its own columns"""
        r = self.r
        source, cols = self.source(min(depth, 1))
        pairs = [(a, b) for a, t in cols for b, u in outer if t == u != 'x']
        parts = [f'{a} = {b}' if r.random() < 0.5 else f'{b} = {a}' for a, b in r.sample(pairs, min(len(pairs), r.choice([0, 1, 1, 2])))]
        correlated = bool(parts)
        if r.random() < 0.3 and not equal_only:
            parts.append(self.predicate(cols + outer, 1))
        if r.random() < 0.4:
            parts.append(self.predicate(cols, 1))
        if r.random() < 0.2 and not equal_only and depth > 0:   # queries within queries
            parts.append(self.exists(cols, depth - 1))
        return source + (' WHERE ' + ' AND '.join(parts) if parts else ''), cols, correlated

    def exists(self, outer, depth):
        source, cols, _ = self.inner(outer, depth)
        return f"{self.r.choice(['', 'NOT '])}EXISTS (SELECT {self.r.choice(['1', '*', cols[0][0]])} FROM {source})"

    def within(self, outer, depth):
        r = self.r
        if r.random() < 0.3:            # a query of any kind
            text, cols = self.query(min(depth, 1))
            if cols[0][1] != 'x':
                own = [c for c, t in outer if t == cols[0][1]]
                if own:
                    return f"{r.choice(own)} {r.choice(['', 'NOT '])}IN (SELECT c0 FROM ({text}) AS {self.alias()})"
        source, cols, _ = self.inner(outer, depth)
        pairs = [(a, b) for a, t in outer for b, u in cols if t == u != 'x']
        some = r.sample(pairs, min(len(pairs), r.choice([1, 1, 1, 2])))
        if not some:
            return self.exists(outer, depth)
        left, right = ', '.join(a for a, _ in some), ', '.join(b for _, b in some)
        left = f'({left})' if len(some) > 1 else left
        if r.random() < 0.2:
            return f'NOT ({left} IN (SELECT {right} FROM {source}))'
        return f"{left} {r.choice(['', 'NOT '])}IN (SELECT {right} FROM {source})"

    def quantified(self, outer, depth):
        """SQLite has no ANY and ALL: it is asked for EXISTS"""
        r = self.r
        source, cols, _ = self.inner(outer, depth)
        pairs = [(a, b) for a, t in outer for b, u in cols if t == u != 'x']
        if not pairs:
            return self.exists(outer, depth)
        a, b = r.choice(pairs)
        op, negated, every = r.choice(['=', '<>', '<', '<=', '>', '>=']), r.random() < 0.3, r.random() < 0.5
        test = f"({a} {op} {b}) IS NOT {'TRUE' if every else 'FALSE'}" if every != negated else f"({a} {op} {b}) IS {'FALSE' if every else 'TRUE'}"
        judge = f"{'NOT ' if every != negated else ''}EXISTS (SELECT 1 FROM (SELECT {test} AS hit FROM {source}) WHERE hit)"
        return ours(f"{'NOT ' if negated else ''}{a} {op} {'ALL' if every else r.choice(['ANY', 'SOME'])} (SELECT {b} FROM {source})", judge)

    def marked(self, outer, depth):
        """EXISTS or IN that can stand anywhere"""
        r = self.r
        source, cols, _ = self.inner(outer, depth, True)
        pairs = [(a, b) for a, t in outer for b, u in cols if t == u != 'x']
        if not pairs or r.random() < 0.4:
            return f"{r.choice(['', 'NOT '])}EXISTS (SELECT 1 FROM {source})"
        a, b = r.choice(pairs)
        if r.random() < 0.2:
            every = r.random() < 0.5
            return ours(f"{a} {'<> ALL' if every else '= ANY'} (SELECT {b} FROM {source})", f"{a} {'NOT ' if every else ''}IN (SELECT {b} FROM {source})")
        return f"{a} {r.choice(['', 'NOT '])}IN (SELECT {b} FROM {source})"

    def either(self, outer, depth):
        r = self.r
        test = f'({self.marked(outer, depth)} OR {self.predicate(outer, 1)})'
        return r.choice([test, f'NOT {test}', f'({self.marked(outer, depth)}) IS {r.choice(["", "NOT "])}NULL'])

    def told(self, outer, depth):
        """an item of SELECT that a query tells"""
        if self.r.random() < 0.5:
            return self.value(outer, depth)
        test = self.marked(outer, depth)
        return f'CASE WHEN {test} THEN 1 WHEN NOT ({test}) THEN 2 END', 'n'

    def value(self, outer, depth):
        """a query as a value, and its kind; COUNT over nothing is 0 where it is correlated (else, as in Flink, there is nothing in streaming mode)"""
        r = self.r
        source, cols, correlated = self.inner(outer, depth, True)
        arg, kind = r.choice([c for c in cols if c[1] in 'nsdt'] or [('1', 'n')])
        name = r.choice(['MIN', 'MAX', *(['SUM'] if kind in 'nd' else []), *(['COUNT'] if correlated else [])])
        distinct = 'DISTINCT ' if r.random() < 0.2 else ''
        return f'(SELECT {name}({distinct}{arg}) FROM {source})', 'n' if name == 'COUNT' else kind

    def compared(self, outer, depth):
        r = self.r
        value, kind = self.value(outer, depth)
        own = {'n': self.number, 's': self.text, 'd': self.quarters, 't': self.moment}[kind](outer)
        if r.random() < 0.2:
            return f"{value} IS {r.choice(['', 'NOT '])}NULL"
        test = f"{own} {r.choice(['=', '<>', '<', '<=', '>', '>='])} {value}"
        return f'({test} OR {self.predicate(outer, 1)})' if r.random() < 0.2 else test

    def grouped(self, source, cols, where):
        r = self.r
        keys = [self.item(cols) for _ in range(r.randrange(0, 3))]
        keys = [(k, t) for k, t in keys if any(c in k for c, _ in cols)]   # a constant key is an ordinal to SQLite
        chosen = [self.aggregate(cols) for _ in range(r.randrange(1, 4))]
        aggs = [a for a, t in chosen if t == 'n'] or ['COUNT(*)']
        self.global_aggregate |= not keys
        items = [*keys, *chosen]
        chosen = ', '.join(f'{e} AS c{i}' for i, (e, _) in enumerate(items))
        text = f'SELECT {chosen} FROM {source}{where}'
        if keys:
            text += ' GROUP BY ' + ', '.join(k for k, _ in keys)
            if r.random() < 0.3:
                text += f" HAVING {r.choice(['COUNT(*)', aggs[-1]])} {r.choice(['>', '<=', '<>'])} {r.randrange(4)}"
        return text, [(f'c{i}', t) for i, (_, t) in enumerate(items)]

    def keyed(self, depth):
        """a query with a key: (text, columns, names of the key); text columns are never averages, whose digits a database writes in its own way"""
        r = self.r
        source, cols = self.source(depth)
        key, kind = r.choice([c for c in cols if c[1] in 'ns'] or [cols[0]])
        if kind not in 'ns':
            key, kind = '1', 'n'
        aggs = [self.aggregate(cols) for _ in range(r.randrange(1, 4))]
        aggs = [(a, t) for a, t in aggs if t != 'x'] or [('COUNT(*)', 'n')]
        where = f' WHERE {self.predicate(cols)}' if r.random() < 0.5 else ''
        having = f" HAVING {r.choice(['COUNT(*) > 1', 'COUNT(*) <> 2', 'COUNT(*) <= 3'])}" if r.random() < 0.4 else ''
        text = f"SELECT {key} AS c0, {', '.join(f'{a} AS c{i + 1}' for i, (a, _) in enumerate(aggs))} FROM {source}{where} GROUP BY {key}{having}"
        names = [('c0', kind), *((f'c{i + 1}', t) for i, (_, t) in enumerate(aggs))]
        if depth < 2 or key == '1':
            return text, names if key != '1' else [], ['c0']
        how = r.random()
        if how < 0.4:
            return text, names, ['c0']
        if how < 0.6:   # a projection and a filter behind it
            return f"SELECT a.c0 AS c0, a.c1 AS c1 FROM ({text}) AS a WHERE {self.predicate([(f'a.{c}', t) for c, t in names])}", names[:2], ['c0']
        other, theirs, _ = self.keyed(depth - 1)
        if not theirs or theirs[0][1] != kind:
            return text, names, ['c0']
        chosen = ', '.join([*(f'a.{c} AS {c}' for c, _ in names), *(f'b.{c} AS d{i}' for i, (c, _) in enumerate(theirs[1:]))])
        kinds = [*names, *((f'd{i}', t) for i, (_, t) in enumerate(theirs[1:]))]
        return f"SELECT {chosen} FROM ({text}) AS a {r.choice(['JOIN', 'LEFT JOIN'])} ({other}) AS b ON a.c0 = b.c0", kinds, ['c0']

    def aggregate(self, cols):
        r = self.r
        arg, kind = self.item(cols)
        distinct = 'DISTINCT ' if r.random() < 0.25 else ''
        how = f' FILTER (WHERE {self.predicate(cols, 2)})' if r.random() < 0.25 else ''
        name = r.choice(['COUNT', 'MIN', 'MAX', *(['SUM', 'SUM', 'AVG'] if kind in 'nd' else [])])
        if name == 'COUNT' and r.random() < 0.5:
            return f'COUNT(*){how}', 'n'
        if name == 'AVG':   # AVGI and AVGD: AVG, as SQLite is told to compute it here
            return f"AVG{'I' if kind == 'n' else 'D'}({distinct}{arg}){how}", 'n' if kind == 'n' else 'x'
        return f'{name}({distinct}{arg}){how}', 'n' if name == 'COUNT' else kind

    def union(self, depth):
        r = self.r
        a, cols = self.query(depth - 1)
        for _ in range(20):
            b, other = self.query(depth - 1)
            if [t for _, t in cols] == [t for _, t in other]:
                a, b = f'SELECT * FROM ({a}) AS {self.alias()}', f'SELECT * FROM ({b}) AS {self.alias()}'
                op = r.choice(['UNION ALL', 'UNION', 'INTERSECT', 'EXCEPT', 'INTERSECT ALL', 'EXCEPT ALL'])
                if any(t == 'x' for _, t in cols) and 'UNION' not in op:   # averages have digits of their own
                    op = 'UNION ALL'
                if op in ('INTERSECT ALL', 'EXCEPT ALL'):   # SQLite has them not: rows are numbered
                    names = ', '.join(c for c, _ in cols)
                    sides = [f'SELECT {names}, ROW_NUMBER() OVER (PARTITION BY {names}) FROM ({x})' for x in (a, b)]
                    return ours(f'{a} {op} {b}', f"SELECT {names} FROM ({sides[0]} {op.partition(' ')[0]} {sides[1]})"), cols
                return f'{a} {op} {b}', cols
        return a, cols


def moment(r):
    return f'2024-02-29 {r.choice([0, 23]):02}:{r.randrange(3):02}:00.{r.randrange(1, 4):03}'


def random_row(r, i):
    def maybe(v):
        return None if r.random() < 0.15 else v
    return (i, maybe(r.choice('abcA')), maybe(r.randrange(8)), maybe(r.choice(['a', 'b', '', 'é', 'a long string of text'])),
            maybe(r.randrange(-16, 17) / 4), maybe(r.randrange(-8, 9) / 4), maybe(moment(r)))


def random_changes(r, rows):
    """rows at the end, and the changes that led to them"""
    def shown(row):
        return None if row is None else dict(zip(COLUMNS, row))
    now, lines = [], []
    for i in range(rows * 2):
        kind = r.random()
        before = after = None
        if kind < 0.4 and now:
            before = now.pop(r.randrange(len(now)))
        if before is None or kind < 0.25:
            after = random_row(r, before[0] if before and r.random() < 0.7 else i)
            now.append(after)
        lines.append(json.dumps({'op': 'd' if after is None else 'u' if before else r.choice('cr'), 'before': shown(before), 'after': shown(after)}) + '\n')
    return now, ''.join(lines)


class Average:
    """AVG of integers truncates; that of decimals has six digits, and of doubles all of them"""
    def __init__(self, finish):
        self.values, self.finish = [], finish

    def step(self, v):
        if v is not None:
            self.values.append(v)

    def finalize(self):
        return self.finish(sum(self.values), len(self.values)) if self.values else None


def bag(rows):
    return collections.Counter(tuple(round(v, 5) + 0.0 if isinstance(v, float) else int(v) if isinstance(v, bool) else v for v in row) for row in rows)


def materialized(text, columns):
    """the rows left of a file of changes"""
    left = collections.Counter()
    for line in text.splitlines():
        change = json.loads(line, parse_float=float)
        for side, sign in (('before', -1), ('after', 1)):
            if change.get(side) is not None:
                left.update({next(iter(bag([tuple(change[side][c] for c in columns)]))): sign})
    if any(n < 0 for n in left.values()):
        raise AssertionError(f'taken back and never given: {[row for row, n in left.items() if n < 0][:3]}')
    return +left


def run_query(case, maker, setup, text, cols, mode, r):
    """the rows that the engine gives, or its complaint"""
    setup = f"SET 'execution.runtime-mode' = '{mode}';\n{setup}"
    args = ['--quiet', '--batch-rows', str(r.choice([1, 7, 2048])), '--parallelism', r.choice('1124')]
    if r.random() < 0.3:
        setup += f'CREATE VIEW the_view AS {text};\n'
        text = 'SELECT * FROM the_view'
    if r.random() < 0.5:
        p = case.run(*args, '--mode', 'json', sql=f'{setup}{text};\n', expect=None)
        return bag(tuple(json.loads(line).values()) for line in p.stdout.splitlines()) if p.returncode == 0 else p.stderr[-600:]
    setup += f"CREATE TABLE out_rows WITH ('connector' = 'filesystem', 'path' = 'out.ndjson', 'format' = 'debezium-json') AS {text};\n"
    (case.dir / 'out.ndjson').unlink(missing_ok=True)
    p = case.run(*args, sql=setup, expect=None)
    return materialized(case.read('out.ndjson'), [c for c, _ in cols]) if p.returncode == 0 else p.stderr[-600:]


def random_tables(case):
    """the statements that make them, and SQLite with the same rows"""
    setup, db = '', sqlite3.connect(':memory:')
    db.create_aggregate('AVGI', 1, lambda: Average(lambda s, n: abs(s) // n * (1 if s >= 0 else -1)))
    db.create_aggregate('AVGD', 1, lambda: Average(lambda s, n: s / n))
    r = random.Random(SEED)
    for name in TABLES:
        rows = [random_row(r, i) for i in range(40)]
        lines = ''.join(json.dumps(dict(zip(COLUMNS, row))) + '\n' for row in rows)
        if name in CHANGES:
            rows, lines = random_changes(r, 40)
        case.write(f'{name}.ndjson', lines)
        setup += (f"CREATE TABLE {name} ({', '.join(f'{c} {TYPES[c]}' for c in COLUMNS)}) "
                  f"WITH ('connector' = 'filesystem', 'path' = '{name}.ndjson', 'format' = '{'debezium-json' if name in CHANGES else 'json'}');\n")
        db.execute(f"CREATE TABLE {name} ({', '.join(c + {'n': ' INTEGER', 'd': ' REAL'}.get(KINDS[c], ' TEXT') for c in COLUMNS)})")
        db.executemany(f"INSERT INTO {name} VALUES ({', '.join('?' * len(COLUMNS))})", rows)
    return setup, db


@test
def random_queries(case):
    """the same bag of rows as SQLite"""
    setup, db = random_tables(case)
    wrong = []
    for n in range(QUERIES):
        r = random.Random(SEED * 1000003 + n)
        maker = Maker(r)
        text, cols = maker.query(3)
        try:
            expected = bag(db.execute(words_of(text, True)))
        except sqlite3.OperationalError as e:   # an integer overflow, too deep a query
            if 'overflow' not in str(e) and 'at most 64' not in str(e):
                raise AssertionError(f'{e}: {text}') from e
            continue
        if sum(expected.values()) > 20000:
            continue
        flink = words_of(text, False)
        for mode in ('streaming',) if maker.changes else ('batch',) if maker.global_aggregate else ('streaming', 'batch'):
            if maker.changes and maker.global_aggregate:
                break
            got = run_query(case, maker, setup, flink, cols, mode, r)
            if got != expected:
                why = got if isinstance(got, str) else f'extra {list((got - expected).items())[:3]}\nmissing {list((expected - got).items())[:3]}'
                wrong.append(f'SEED={SEED} query {n}, {mode}: {flink}\n{why}')
                break
    if wrong:
        raise AssertionError(f'{len(wrong)} of {QUERIES} queries differ\n' + '\n\n'.join(wrong[:4]))


@test
def random_upserts(case):
    """a query with a key, written to a database by that key, is there at the end; rows whose key has a NULL are left out"""
    setup, db = random_tables(case)
    wrong = []
    for n in range(QUERIES // 3):
        r = random.Random(SEED * 1000003 + n)
        maker = Maker(r)
        text, cols, keys = maker.keyed(2)
        if len(cols) < 2 or maker.global_aggregate:
            continue
        columns = ', '.join(c for c, _ in cols)
        try:
            expected = bag(db.execute(f"SELECT * FROM ({words_of(text, True)}) WHERE {' AND '.join(f'{k} IS NOT NULL' for k in keys)}"))
        except sqlite3.OperationalError as e:
            if 'overflow' not in str(e):
                raise AssertionError(f'{e}: {text}') from e
            continue
        flink = words_of(text, False)
        (case.dir / 'out.db').unlink(missing_ok=True)
        sql = (f"SET 'table.exec.sink.not-null-enforcer' = 'DROP';\nSET 'execution.runtime-mode' = '{r.choice(['streaming', 'streaming' if maker.changes else 'batch'])}';\n"
               f"{setup}CREATE TABLE o WITH ('connector' = 'jdbc', 'url' = 'jdbc:sqlite:out.db', 'table-name' = 'o', 'sink.buffer-flush.max-rows' = "
               f"'{r.choice([1, 3, 100])}') AS {flink};\n")
        p = case.run('--quiet', '--batch-rows', str(r.choice([1, 7, 2048])), sql=sql, expect=None)
        got = p.stderr[-600:]
        if p.returncode == 0:
            got = bag(tuple(float(v) if t == 'd' and v is not None else v for v, (_, t) in zip(row, cols))
                      for row in sqlite3.connect(case.dir / 'out.db').execute(f'SELECT {columns} FROM o'))
            expected = bag(tuple(float(v) if t == 'd' and v is not None else v for v, (_, t) in zip(row, cols)) for row in expected.elements())
        if got != expected:
            why = got if isinstance(got, str) else f'extra {list((got - expected).items())[:3]}\nmissing {list((expected - got).items())[:3]}'
            wrong.append(f'SEED={SEED} query {n}: {flink}\n{why}')
    if wrong:
        raise AssertionError(f'{len(wrong)} of {QUERIES // 3} queries differ\n' + '\n\n'.join(wrong[:4]))


if __name__ == '__main__':
    print(f'SEED={SEED}', file=sys.stderr)
    main()
