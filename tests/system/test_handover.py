#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Files → micro-batch job → topic → continuous job → topic → batch job → SQLite, with every job killed: the job files of sql/ as they stand, but for the broker's
port and the folder. Nothing is lost and nothing doubled over all of them. SEED=n repeats a schedule."""
import collections
import json
import os
import random
import signal
import sqlite3
import subprocess
import threading
import time

from harness import ENGINE, ROOT, equal, main, test
from kafka_broker import Broker

SEED = int(os.environ.get('SEED', time.time())) % 1000000
DAYS, DAY = 12, 400      # files, and readings of each
broker = None


def services():
    global broker
    broker = broker or Broker()


class Chain:
    """The three jobs in a folder of their own, over topics of their own."""

    def __init__(self, case):
        services()
        self.dir, self.case = case.dir, case
        (self.dir / 'in').mkdir()
        for topic in ('handover_readings', 'handover_judged'):
            broker.create(topic, 2)
        for job in ('1_load', '2_judge', '3_report'):
            text = (ROOT / f'sql/handover_{job}.sql').read_text()
            text = text.replace('build/handover/', f'{self.dir}/').replace('localhost:9092', broker.servers).replace("'1000'", "'40'")
            case.write(f'{job}.sql', text)

    def start(self, job):
        log = open(self.dir / f'{job}.log', 'a')
        return subprocess.Popen([ENGINE, f'{job}.sql'], cwd=self.dir, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def drop(self, name, readings):
        """A file that is there at once."""
        self.case.write('coming', ''.join(json.dumps(r) + '\n' for r in readings)).rename(self.dir / 'in' / name)

    def lived(self, job, p, seconds):
        """Kills it after so long; True: it had ended before, and well."""
        try:
            p.wait(seconds)
        except subprocess.TimeoutExpired:
            p.send_signal(signal.SIGKILL)
            p.wait()
            return False
        if p.returncode != 0:
            raise AssertionError(f'{job} ended with {p.returncode}\n{self.case.read(f"{job}.log")[-3000:]}')
        return True

    def topic(self, name):
        return [json.loads(m[4]) for m in broker.consume(name)]

    def report(self):
        db = sqlite3.connect(self.dir / 'report.db')
        try:
            return sorted(db.execute('SELECT meter, readings, kwh, high FROM report'))
        finally:
            db.close()


def right_report(readings):
    rows = collections.defaultdict(lambda: [0, 0.0, 0])
    for r in readings:
        if r['kwh'] >= 0:
            row = rows[r['meter']]
            row[0] += 1
            row[1] += r['kwh']
            row[2] += r['kwh'] >= 8
    return sorted((m, *row) for m, row in rows.items())


def once(got, want, what):
    ids = collections.Counter(r['id'] for r in got)
    doubled, lost = [i for i, n in ids.items() if n > 1], set(r['id'] for r in want) - set(ids)
    if doubled or lost or len(got) != len(want):
        raise AssertionError(f'{what}: doubled {sorted(doubled)[:9]}, lost {sorted(lost)[:9]}; seed {SEED}')
    equal(sorted(got, key=lambda r: r['id']), sorted(want, key=lambda r: r['id']), what)


def judged(readings):
    return [{**r, 'verdict': 'high' if r['kwh'] >= 8 else 'normal'} for r in readings if r['kwh'] >= 0]


@test
def files_topic_topic_database(case):
    """Each job is killed again and again; at the end every reading is there once."""
    print(f'seed {SEED}', flush=True)
    draw = random.Random(SEED)
    chain = Chain(case)
    readings = [{'id': i, 'meter': f'meter {draw.randrange(9)}', 'kwh': draw.randrange(-4, 48) / 4} for i in range(DAYS * DAY)]
    kills = collections.Counter()
    done = threading.Event()
    trouble = []

    def until_done(job, least, most, seed):
        """A job that never ends by itself, killed at drawn moments."""
        mine = random.Random(seed)
        try:
            while not done.is_set() or kills[job] < 6:
                p = chain.start(job)
                if chain.lived(job, p, mine.uniform(least, most)):
                    raise AssertionError(f'{job} ended by itself\n{case.read(f"{job}.log")[-3000:]}')
                kills[job] += 1
        except Exception as e:
            trouble.append(e)

    judge = threading.Thread(target=until_done, args=('2_judge', 0.1, 1.2, draw.random()))
    judge.start()
    try:
        for day in range(DAYS):
            chain.drop(f'day-{day:02d}.ndjson', readings[day * DAY:(day + 1) * DAY])
            tries = 0
            # up to three kills for each file, some early enough for the quickest machine; then it may run to its end
            while not chain.lived('1_load', chain.start('1_load'), draw.uniform(0.01, draw.choice((0.06, 0.25))) if tries < 3 else 60):
                tries += 1
                kills['1_load'] += 1
    finally:
        done.set()
        judge.join()
    if trouble:
        raise trouble[0]
    once(chain.topic('handover_readings'), readings, 'handover_readings')

    last = chain.start('2_judge')
    deadline = time.time() + 60
    while len(chain.topic('handover_judged')) < len(judged(readings)) and time.time() < deadline:
        time.sleep(0.3)
    time.sleep(1)
    last.send_signal(signal.SIGTERM)
    equal(last.wait(30), 0, 'the exit status after SIGTERM')
    once(chain.topic('handover_judged'), judged(readings), 'handover_judged')

    for i in range(6):
        kills['3_report'] += not chain.lived('3_report', chain.start('3_report'), draw.uniform(0.01, 0.3))
    if not chain.lived('3_report', chain.start('3_report'), 60):
        raise AssertionError('the report does not end')
    equal(chain.report(), right_report(readings), 'the report')
    print(f'kills: {dict(kills)}', flush=True)
    if kills['1_load'] < 6:
        raise AssertionError(f'too few kills to count: {dict(kills)}')


if __name__ == '__main__':
    main()
