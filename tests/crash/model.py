# SPDX-License-Identifier: Apache-2.0
"""The inputs of the crash test, made from a seed, and what the queries give for them, computed in Python.

orders(id, cust, amount, at) and customers(cust, region). A customer comes somewhere among the orders, so a join waits now on one side and now on the other. Every
order has a number of its own: each line of the join is there once, or something is lost or doubled.
"""
import collections
import json
import random

CUSTOMERS = 40
PARTITIONS = {'orders': 3, 'customers': 2}
STEP_MS, WINDOW_S = 100, 10         # of event time from order to order; of a window
FAR_S = 1_000_000_000               # orders of that time close all windows


class Model:
    def __init__(self, seed, spread=600):
        draw = random.Random(seed)
        self.seed = seed
        self.first = collections.defaultdict(list)
        for cust in range(CUSTOMERS):
            self.first[draw.randrange(spread)].append(cust)

    def make(self, i):
        h = random.Random(self.seed * 1000003 + i)
        order = {'id': i, 'cust': h.randrange(CUSTOMERS), 'amount': h.randrange(-500, 1000), 'at': i * STEP_MS}
        return [('customers', json.dumps({'cust': c, 'region': f'region {c % 5}'})) for c in self.first.get(i, [])] + [('orders', json.dumps(order))]

    def last(self, i):
        """Orders for each partition that close the windows: (topic, partition, text)."""
        return [('orders', p, json.dumps({'id': i + p, 'cust': p, 'amount': 1, 'at': FAR_S * 1000})) for p in range(PARTITIONS['orders'])]


def expected(sent):
    """What totals, lines, busy and windows hold once all of this was read: sets of tuples, in the order of the tables' columns."""
    region = {c['cust']: c['region'] for c in map(json.loads, sent['customers'])}
    orders = [json.loads(o) for o in sent['orders']]
    lines = [(o['id'], o['cust'], o['amount'], region[o['cust']]) for o in orders if o['cust'] in region]
    totals = {}
    for id_, cust, amount, where in lines:
        n, total, last = totals.get((cust, where), (0, 0, -1))
        totals[cust, where] = (n + 1, total + amount, max(last, id_))
    per_customer = collections.Counter(o['cust'] for o in orders)
    busy = collections.Counter(per_customer.values())
    windows = collections.defaultdict(lambda: [0, 0, 0])
    for o in orders:
        if o['at'] < FAR_S * 1000:
            w = windows[o['at'] // 1000 // WINDOW_S * WINDOW_S, o['cust']]
            w[:] = w[0] + 1, w[1] + o['amount'], w[2] + (o['amount'] > 500)
    return {'lines': sorted(lines), 'totals': sorted((*k, *v) for k, v in totals.items()), 'busy': sorted(busy.items()),
            'windows': sorted((*k, *v) for k, v in windows.items())}


COLUMNS = {
    'lines': ('id BIGINT, cust INT, amount BIGINT, region STRING', None),
    'totals': ('cust INT, region STRING, n BIGINT, amount BIGINT, last_id BIGINT', 'cust, region'),
    'busy': ('n BIGINT, customers BIGINT', 'n'),
    'windows': ('w INT, cust INT, n BIGINT, amount BIGINT, high BIGINT', 'w, cust'),
}
WINDOW = ("SELECT window_start, window_end, cust, COUNT(*) AS n, SUM(amount) AS amount FROM TABLE(TUMBLE(TABLE orders, DESCRIPTOR(ts), INTERVAL '{}' SECOND)){} "
          'GROUP BY window_start, window_end, cust')
QUERIES = {
    'lines': 'SELECT o.id, o.cust, o.amount, c.region FROM orders AS o JOIN customers AS c ON o.cust = c.cust',
    'totals': 'SELECT o.cust, c.region, COUNT(*), SUM(o.amount), MAX(o.id) FROM orders AS o JOIN customers AS c ON o.cust = c.cust GROUP BY o.cust, c.region',
    'busy': 'SELECT n, COUNT(*) FROM (SELECT cust, COUNT(*) AS n FROM orders GROUP BY cust) GROUP BY n',
    'windows': ("SELECT TIMESTAMPDIFF(SECOND, TIMESTAMP '1970-01-01 00:00:00', a.window_start), a.cust, a.n, a.amount, COALESCE(b.n, 0) "
                f"FROM ({WINDOW.format(WINDOW_S, '')}) AS a LEFT JOIN ({WINDOW.format(WINDOW_S, ' WHERE amount > 500')}) AS b "
                'ON a.cust = b.cust AND a.window_start = b.window_start AND a.window_end = b.window_end '
                "WHERE a.window_start < TIMESTAMP '2001-01-01 00:00:00'"),
}


def difference(got, want, what, most=5):
    """None, or what of the rows is missing, doubled or wrong."""
    got, want = collections.Counter(map(tuple, got)), collections.Counter(map(tuple, want))
    if got == want:
        return None
    lost, extra = want - got, got - want
    doubled = {r: n for r, n in extra.items() if r in want}
    other = {r: n for r, n in extra.items() if r not in want}
    parts = [f'{sum(d.values())} {name}, as {list(d)[:most]}' for name, d in (('lost', lost), ('doubled', doubled), ('not right', other)) if d]
    return f'{what}: {sum(want.values())} rows are right, {sum(got.values())} are there: ' + '; '.join(parts)


def replay(changes, fields, key=None):
    """The rows that a changelog leaves. `changes`: (before, after) as dicts or None. A row that goes must be there; with a key one that comes must not be."""
    rows = collections.Counter()
    keys = collections.Counter()
    for before, after in changes:
        if before is not None:
            row = tuple(before[f] for f in fields)
            if rows[row] <= 0:
                raise AssertionError(f'a row goes that is not there (a change is lost or doubled): {row}')
            rows[row] -= 1
            keys[tuple(before[k] for k in key or ())] -= 1
        if after is not None:
            row = tuple(after[f] for f in fields)
            rows[row] += 1
            keys[tuple(after[k] for k in key or ())] += 1
            if key and keys[tuple(after[k] for k in key)] > 1:
                raise AssertionError(f'two rows of one key (a change is lost or doubled): {row}')
    return sorted(rows.elements())


def self_test():
    """The checks find what they are there for."""
    m = Model(7)
    sent = collections.defaultdict(list)
    for i in range(1000):
        for topic, text in m.make(i):
            sent[topic].append(text)
    want = expected(sent)
    assert len(sent['customers']) == CUSTOMERS and len(want['lines']) == 1000 and len(want['totals']) == CUSTOMERS
    assert sum(t[2] for t in want['totals']) == 1000 and sum(n * c for n, c in want['busy']) == 1000
    assert difference(want['lines'], want['lines'], 'x') is None
    assert '1 lost' in difference(want['lines'][1:], want['lines'], 'x')
    assert '1 doubled' in difference(want['lines'] + want['lines'][:1], want['lines'], 'x')
    assert '1 not right' in difference([(0,)], [(1,)], 'x')
    up, down = (None, {'k': 1, 'v': 1}), ({'k': 1, 'v': 1}, None)
    assert replay([up, down, up], ['k', 'v'], ['k']) == [(1, 1)]
    for wrong in ([up, down, down], [up, up], [down]):
        try:
            replay(wrong, ['k', 'v'], ['k'])
        except AssertionError:
            continue
        raise AssertionError('a changelog that is wrong was not found')
