#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""kill -9, at random moments and at every step of a commit: no row may be lost or doubled.

    tests/crash/crash.py [--kills N] [--seed N] [--only VARIANT,…] [--short] [--keep]

Jobs with a join and an aggregate read two topics that are being filled, and write to each kind of sink (sinks.py: VARIANTS), at parallelism 1 and 2, with a
checkpoint every 200 ms. Each is killed N times, and started again from its checkpoint, at another parallelism as often as not. The broker and the database are
killed too (drive.py). At the end each sink is compared, row by row, with what the inputs give by a computation in Python, and with an undisturbed run. The seed
is printed; with it the same schedule runs again. A variant that took fewer than 50 kills does not count (10 in the short form).
"""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import drive  # noqa: E402
import model  # noqa: E402
import sinks  # noqa: E402
from world import Job  # noqa: E402

SHORT = ['sqlite', 'mariadb-set', 'kafka-set', 'files-set', 'windows']


class Run(drive.Run):
    def __init__(self, world, root, variant, args):
        super().__init__(world, root, variant, args)
        self.sinks = [cls(world, self.dir, variant, stored) for cls, stored in sinks.VARIANTS[variant]]
        self.job = Job(self.dir, sinks.job_sql(world, variant, self.sinks, {**self.settings(f'crash-{variant}', self.dir), **sinks.MORE.get(variant, {})}), variant)

    def compare(self):
        for sink in self.sinks:
            if wrong := model.difference(sink.read(), self.want[sink.stored], f'{type(sink).__name__} {sink.stored}'):
                return wrong
        return None

    def undisturbed(self):
        """The same queries into sinks of their own, in one go."""
        directory = self.dir / 'undisturbed'
        directory.mkdir()
        name = self.variant + '-plain'
        plain = [cls(self.world, directory, name, stored) for cls, stored in sinks.VARIANTS[self.variant]]
        job = Job(directory, sinks.job_sql(self.world, name, plain, self.settings(name, directory), bounded=True), name)
        job.start(1)
        if not job.wait(120) or job.p.returncode != 0:
            raise AssertionError(f'the undisturbed run: {job.p.poll()}\n{job.tail()}')
        for ours, theirs in zip(self.sinks, plain):
            if wrong := model.difference(ours.read(), theirs.read(), f'{ours.stored}, against an undisturbed run'):
                raise AssertionError(wrong)


def begin(args, root):
    inputs = model.Model(args.seed, spread=int(args.rate * args.kills * 0.5))
    world = drive.World(inputs, args.rate, model.PARTITIONS)
    runs = [Run(world, root, v, args) for v in args.variants]

    def settle(run):
        run.want = model.expected(world.feed.sent)
        run.finish()
        for sink in run.sinks:
            sink.check()
        run.undisturbed()
        run.report(f'{sum(len(run.want[s.stored]) for s in run.sinks)} rows are as they should be')

    return drive.drive(world, runs, args, settle)


if __name__ == '__main__':
    model.self_test()
    drive.main(__doc__, sinks.VARIANTS, SHORT, begin)
