# SPDX-License-Identifier: Apache-2.0
"""Drives jobs through kills: the schedule, the services that go down meanwhile, and the judgement. crash.py and transfers.py say what runs and what is right.

A schedule is drawn from the seed before anything runs. Half of the kills come at a moment drawn at random; the others at a fault point (base/fault.h), at its n-th
passing: each point that the job passes once, then drawn ones. Half of the starts have parallelism 1, half 2.
"""
import argparse
import concurrent.futures
import os
import pathlib
import random
import shutil
import sys
import tempfile
import threading
import time
import traceback

from world import ENGINE, Broker, Feed, Job, Outages, Server

SETTINGS = {'table.local-time-zone': 'UTC', 'execution.checkpointing.interval': '200 ms', 'execution.checkpointing.timeout': '20 s', 'restart-strategy.type': 'exponential-delay',
            'restart-strategy.exponential-delay.initial-backoff': '200 ms', 'restart-strategy.exponential-delay.max-backoff': '2 s'}
LEAST, LEAST_SHORT = 50, 10      # kills: with fewer a run does not count


class World:
    """A broker, a database, and a feed of the model's records."""

    def __init__(self, model, rate, partitions):
        # a broker that was killed is known to itself again after the session of its former life
        self.broker = Broker(properties=['broker.session.timeout.ms=3000', 'broker.heartbeat.interval.ms=500'])
        self.database = Server('--innodb-lock-wait-timeout=5', password='crash')
        self.outages = Outages()
        self.feed = Feed(self.broker, model.make, rate, partitions, getattr(model, 'last', None))


def schedule(seed, variant, kills):
    """(parallelism, how long it lives at most, None or (which point, from 0 to 1; at which passing)) of each start."""
    draw = random.Random(f'{seed} {variant}')
    workers = [1, 2] * ((kills + 1) // 2)
    draw.shuffle(workers)
    plan = []
    for i in range(kills):
        fault = (draw.random(), draw.choice((1, 1, 2, 3, 5))) if draw.random() < 0.5 else None
        plan.append((workers[i], draw.uniform(0.05, 1.6), fault))
    return plan


class Run:
    """One job from its first start to the judgement. A subclass makes self.job and says in compare() what is wrong (None: nothing)."""

    def __init__(self, world, root, variant, args):
        self.world, self.variant, self.args, self.dir = world, variant, args, root / variant
        self.dir.mkdir()
        self.plan = schedule(args.seed, variant, args.kills)
        self.points = []

    def settings(self, name, directory):
        return {**SETTINGS, 'execution.checkpointing.dir': str(directory / 'checkpoints'), 'pipeline.name': name}

    def kill_all(self):
        found = self.job.points(self.dir / 'checkpoints')
        self.points = sorted(name for name, n in found.items() if n)
        first = list(self.points)
        random.Random(f'{self.args.seed} {self.variant} points').shuffle(first)
        for workers, life, fault in self.plan:
            if fault and self.points:
                point, count = (first.pop(0), 1) if first else (self.points[int(fault[0] * len(self.points))], fault[1])
                self.job.start(workers, fault=f'{point}:{count}')
                if self.job.wait(life + 2.5):
                    self.job.ended(point)
                else:
                    self.job.kill()
                if not self.job.at_points[point]:               # it was not reached, as a service was down
                    first.append(point)
            else:
                self.job.start(workers)
                self.job.wait(life)
                self.job.kill()

    def finish(self):
        """Without kills from here on: it comes to the right result, stays there, and ends in order."""
        self.job.start(1)
        deadline = time.time() + 90
        while wrong := self.compare():
            if self.job.p.poll() is not None:
                raise AssertionError(f'it ended by itself with {self.job.p.returncode}: {wrong}\n{self.job.tail()}')
            if time.time() > deadline:
                raise AssertionError(f'after 90 s: {wrong}\n{self.job.tail()}')
            time.sleep(0.5)
        time.sleep(1)
        self.job.stop()
        if wrong := self.compare():
            raise AssertionError(f'after it was stopped: {wrong}')

    def judge(self):
        """Whether the kills were enough and nothing else ended it."""
        for at, code, tail in self.job.own_exits:
            if not self.world.outages.excuse(at):
                raise AssertionError(f'it ended by itself with {code} while nothing was down:\n{tail}')
        kills, least = sum(self.job.kills.values()), LEAST_SHORT if self.args.short else LEAST
        if kills < least:
            raise AssertionError(f'only {kills} kills: that does not count')
        never = [p for p in self.points if not self.job.at_points[p]]
        if never and not self.args.short:
            raise AssertionError(f'never killed at {", ".join(never)}')

    def report(self, what):
        k, points = self.job.kills, self.job.at_points
        print(f'{self.variant}: {sum(k.values())} kills ({k[1]} at parallelism 1, {k[2]} at 2; {sum(points.values())} of them at {len(points)} points); {what}',
              flush=True)


def outages(world, seed, stop, every, counted):
    """Kills the broker and the database in turn, until it is told to stop."""
    draw = random.Random(f'{seed} services')
    broker_next = draw.random() < 0.5
    while not stop.wait(draw.uniform(0.6, 1.4) * every):
        begin = time.time()
        service, name = (world.broker, 'broker') if broker_next else (world.database, 'database')
        service.kill()
        time.sleep(draw.uniform(0, 1.5))
        (world.broker.resume if broker_next else world.database.start)()
        counted[name] += 1
        broker_next = not broker_next
        world.outages.during(begin, time.time())


def drive(world, runs, args, settle):
    """Kills all, ends the feed, then settle(run) judges each. Returns how many failed."""
    stop, counted = threading.Event(), {'broker': 0, 'database': 0}
    disturber = threading.Thread(target=outages, args=(world, args.seed, stop, args.outage_every, counted), daemon=True)
    failed = []

    def guarded(what, run):
        try:
            what(run)
        except Exception as e:
            failed.append(run)
            print(f'FAILED {run.variant}: {e if isinstance(e, AssertionError) else traceback.format_exc()}\n  in {run.dir}', flush=True)
            if run.job.p and run.job.p.poll() is None:
                run.job.p.kill()

    def both(run):
        run.judge()
        settle(run)

    world.feed.start()
    with concurrent.futures.ThreadPoolExecutor(args.threads) as pool:
        disturber.start()
        list(pool.map(lambda r: guarded(Run.kill_all, r), runs))
        stop.set()
        disturber.join()
        world.feed.stop()
        list(pool.map(lambda r: guarded(both, r), [r for r in runs if r not in failed]))
    print(f'the broker was killed {counted["broker"]} times, the database {counted["database"]} times; {world.feed.n} records were fed')
    return len(failed)


def main(doc, variants, short, begin, kills=100, rate=150):
    """The command line. begin(args, root) -> (count, failed)."""
    ask = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument('--kills', type=int, help=f'of each variant ({kills}; 14 in the short form)')
    ask.add_argument('--seed', type=int, default=int(time.time()) % 1000000)
    ask.add_argument('--only', help='variants, with commas between: ' + ', '.join(variants))
    ask.add_argument('--short', action='store_true')
    ask.add_argument('--keep', action='store_true', help='the folder of a run that passed too')
    ask.add_argument('--threads', type=int, default=5, help='variants at one time')
    args = ask.parse_args()
    args.kills = args.kills or (14 if args.short else kills)
    args.variants = args.only.split(',') if args.only else short if args.short else list(variants)
    args.rate, args.outage_every = rate, 10 if args.short else 15
    if not os.access(ENGINE, os.X_OK):
        sys.exit(f'{ENGINE} is not there: make faults')
    print(f'seed {args.seed}: {args.kills} kills of each of {", ".join(args.variants)}', flush=True)
    root = pathlib.Path(tempfile.mkdtemp(prefix='sqluice-crash-'))
    started = time.time()
    failed = begin(args, root)
    if failed or args.keep:
        print(f'kept: {root}; the same schedule again: {sys.argv[0]} --seed {args.seed} --kills {args.kills}' + (' --short' if args.short else ''))
    else:
        shutil.rmtree(root)
    print(f'{time.time() - started:.0f} s\n{len(args.variants) - failed} passed, {failed} failed')
    sys.exit(bool(failed))
