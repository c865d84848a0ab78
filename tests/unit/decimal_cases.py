#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# Makes decimal_cases.h: decimal arithmetic as Python's decimal module has it, rounded half up once at the end.
#   python3 tests/unit/decimal_cases.py > tests/unit/decimal_cases.h
import random
from decimal import Decimal, localcontext, ROUND_HALF_UP, ROUND_DOWN

random.seed(20240229)


def number():
    digits = random.choice([1, 2, 5, 9, 17, 18, 19, 20, 28, 37, 38])
    kind = random.random()
    if kind < 0.1:
        n = 10 ** digits - 1
    elif kind < 0.2:
        n = 10 ** (digits - 1)
    elif kind < 0.25:
        n = 0
    else:
        n = random.randrange(10 ** digits)
    return random.choice([n, -n]), random.choice([0, 0, 1, 2, 6, 10, 18, 37, 38])


def result(op, a, sa, b, sb, p, s):
    with localcontext() as c:
        c.prec = 400
        x, y = Decimal(a).scaleb(-sa), Decimal(b).scaleb(-sb)
        if op in '/%' and b == 0:
            return None
        if op == '+':
            v = x + y
        elif op == '*':
            v = x * y
        elif op == '/':
            n, d = abs(a) * 10 ** (sb + s), abs(b) * 10 ** sa    # exact: floor((2n + d) / 2d) is half up
            q = (2 * n + d) // (2 * d)
            q = -q if (a < 0) != (b < 0) else q
            return None if abs(q) >= 10 ** p else q
        else:
            v = x - y * (x / y).to_integral_value(ROUND_DOWN) if abs(x) >= abs(y) else x
            k = max(sa, sb)
            m = abs(a) * 10 ** (k - sa) % (abs(b) * 10 ** (k - sb))
            v = Decimal(-m if a < 0 else m).scaleb(-k)
        q = int(v.scaleb(s).to_integral_value(ROUND_HALF_UP))
        return None if abs(q) >= 10 ** p else q


print('/* SPDX-License-Identifier: Apache-2.0 */')
print('/* Made by decimal_cases.py: {operator, a, scale, b, scale, precision and scale of the result, the result or NULL}. */')
for op in '+*/%':
    for _ in range(150):
        a, sa = number()
        b, sb = number()
        p = random.choice([38, 38, 38, 38, 20, 10])
        s = random.choice([0, 2, 6, 10, max(sa, sb), 18, 37])
        s = min(s, p)
        r = result(op, a, sa, b, sb, p, s)
        print('{\'%s\', "%d", %d, "%d", %d, %d, %d, %s},' % (op, a, sa, b, sb, p, s, 'NULL' if r is None else '"%d"' % r))
