#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Jobs with checkpoints as a person handles them: stopped, killed, started again, changed, looked at, saved; databases that fail for a while."""
import json
import re
import signal
import sqlite3
import subprocess
import time

from harness import ENGINE, Terminal, contains, equal, main, test

ROWS = 60_000
# ids 0 … ROWS-1 in 7 groups, slow enough to be hit
SOURCE = ("CREATE TABLE g (id BIGINT) WITH ('connector'='datagen','rows-per-second'='{rate}','fields.id.kind'='sequence','fields.id.start'='0',"
          f"'fields.id.end'='{ROWS - 1}');")
SINK = ("CREATE TABLE n (k BIGINT, c BIGINT, s BIGINT, PRIMARY KEY (k) NOT ENFORCED) WITH ('connector'='jdbc','url'='jdbc:sqlite:n.db?busy_timeout=100',"
        "'table-name'='n','sink.max-retries'='0');")
INSERT = "INSERT INTO n SELECT MOD(id, 7), COUNT(*), SUM(id) FROM g GROUP BY MOD(id, 7);"
ENDLESS = "CREATE TABLE g (id BIGINT) WITH ('connector'='datagen','rows-per-second'='2000');"


def job(rate=30_000, interval='100 ms', source=SOURCE, settings='', insert=INSERT):
    return source.replace('{rate}', str(rate)) + SINK + f"SET 'execution.checkpointing.interval' = '{interval}';" + settings + insert


def right():
    ids = range(ROWS)
    return sorted((k, len(ids[k::7]), sum(ids[k::7])) for k in range(7))


def result(case):
    db = sqlite3.connect(case.dir / 'n.db', timeout=20)
    try:
        return sorted(db.execute('SELECT k, c, s FROM n'))
    finally:
        db.close()


def start(case, *args):
    return subprocess.Popen([ENGINE, *map(str, args)], cwd=case.dir, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, stdin=subprocess.DEVNULL)


def wait_epoch(case, directory, epoch, seconds=30):
    """Until the job has committed so many epochs."""
    end = time.time() + seconds
    while time.time() < end:
        names = [int(m[1]) for p in (case.dir / directory).glob('chk-*.db') if (m := re.fullmatch(r'chk-(\d+)\.db', p.name))]
        if names and max(names) >= epoch:
            return
        time.sleep(0.02)
    raise AssertionError(f'no checkpoint {epoch} in {directory}')


@test
def stopped_and_started_again(case):
    """SIGTERM and SIGINT commit and exit 0; the next run goes on; the end is as of one run; a rerun after the end begins anew"""
    case.write('j.sql', job())
    restored = 0
    for sig, workers in ((signal.SIGTERM, 1), (signal.SIGINT, 2)):
        p = start(case, '-p', workers, 'j.sql')
        wait_epoch(case, 'sqluice-checkpoints/j-n', restored + 3)
        p.send_signal(sig)
        out, err = p.communicate(timeout=30)
        equal(p.returncode, 0, err)
        m = re.search(r'^  epochs    (\d+) committed; (\d+) checkpoints?, the last [\d.]+ kB in \d+ ms(; went on from epoch (\d+))?$', err, re.M)
        assert m, err
        equal(int(m[4] or 0), restored)
        equal(int(m[1]), restored + int(m[2]))
        restored = int(m[1])
        equal(sum(c for _, c, _ in result(case)) + 0, json.loads(case.run('-m', 'json', '-c', SINK + 'SELECT SUM(c) AS c FROM n').stdout)['c'])
    err = case.run('-p', '1', 'j.sql').stderr
    contains(err, f'note: goes on from epoch {restored} (checkpoint, ')
    equal(result(case), right())
    contains(case.run('j.sql', sql=None).stderr, 'begins anew')
    equal(result(case), right())


@test
def killed(case):
    """kill -9 at any moment, at one worker and at two: nothing lost, nothing doubled"""
    case.write('j.sql', job(interval='30 ms'))
    for i in range(6):
        p = start(case, '-p', 1 + i % 2, 'j.sql')
        time.sleep(0.15 + 0.07 * i)
        p.kill()
        p.communicate()
    case.run('j.sql')
    equal(result(case), right())


@test
def a_second_copy(case):
    """is refused while the first runs: by the lock of the directory"""
    case.write('j.sql', job(source=ENDLESS))
    p = start(case, 'j.sql')
    wait_epoch(case, 'sqluice-checkpoints/j-n', 1)
    r = case.run('j.sql', expect=1)
    contains(r.stderr, f'checkpoint directory sqluice-checkpoints/j-n is used by process {p.pid}')
    contains(r.stderr, "'pipeline.name'")
    p.send_signal(signal.SIGINT)
    equal(p.wait(20), 0)


@test
def fenced(case):
    """a copy with another directory, begun from a savepoint, takes over; the first run fails at its next commit, and is not restarted"""
    case.write('j.sql', job(source=ENDLESS))
    first = start(case, 'j.sql')
    wait_epoch(case, 'sqluice-checkpoints/j-n', 2)
    case.run('savepoint', 'sqluice-checkpoints', 's.db')
    second = start(case, '-s', 's.db', '-c', "SET 'execution.checkpointing.dir' = 'other'; SET 'execution.checkpointing.ignore-sink-epochs' = 'true'", 'j.sql')
    out, err = first.communicate(timeout=30)
    equal(first.returncode, 1, err)
    contains(err, 'another run of this job has taken over')
    assert 'it goes on from its newest checkpoint' not in err, err
    second.send_signal(signal.SIGTERM)
    out, err = second.communicate(timeout=30)
    equal(second.returncode, 0, err)


@test
def looked_at(case):
    """sqluice state: a job that runs, one that does not, a file, what is none, what is damaged; sqlite3 opens the file too"""
    case.write('j.sql', job(source=ENDLESS, settings="SET 'execution.checkpointing.num-retained' = '3';"))
    p = start(case, 'j.sql')
    wait_epoch(case, 'sqluice-checkpoints/j-n', 4)
    out = case.run('state', 'sqluice-checkpoints').stdout
    for pattern in (r'^job       j-n  \([0-9a-f-]{36}\)$', rf'^running   process {p.pid}$', r'^epoch     \d+$', r'^workers   1$', r'^taken     20\d\d-',
                    r'^operator +records +bytes  watermark$', r'^Aggregate by \(.*  13  ', r'^split +position  read by$', r'^datagen  ', r'^checkpoint +bytes  status +file$'):
        assert re.search(pattern, out, re.M), (pattern, out)
    p.send_signal(signal.SIGTERM)
    equal(p.wait(20), 0)
    out = case.run('state', 'sqluice-checkpoints/j-n').stdout
    assert 'running' not in out, out
    contains(out, 'status    DONE')
    files = sorted((case.dir / 'sqluice-checkpoints/j-n').glob('chk-*.db'), key=lambda f: int(f.stem[4:]))
    equal(len(files), 3)
    contains(case.run('state', files[0]).stdout, f'epoch     {files[0].stem[4:]}\n')
    rows = sqlite3.connect(files[2]).execute('SELECT name, records FROM state').fetchall()
    assert ('Aggregate by (MOD(id, 7)): COUNT(*), SUM(id)', 13) in rows, rows
    case.write('text', 'hello')
    contains(case.run('state', 'text', expect=2).stderr, 'text is not a checkpoint')
    contains(case.run('state', 'nothing', expect=2).stderr, 'no such file')
    contains(case.run('state', expect=2).stderr, 'usage: sqluice state')
    data = bytearray(files[2].read_bytes())
    at = data.rfind(b'Aggregate by')
    data[at] ^= 1
    files[2].write_bytes(data)
    r = case.run('state', 'sqluice-checkpoints/j-n', expect=1)
    contains(r.stderr, f'{files[2].name} is damaged')
    contains(r.stderr, f'the one before it is sqluice-checkpoints/j-n/{files[1].name}')


def damage(file):
    data = bytearray(file.read_bytes())
    data[data.rfind(b'Aggregate by')] ^= 1
    file.write_bytes(data)


@test
def damaged(case):
    """the newest checkpoint: the one before is taken, with a notice; all of them: refused, and none is removed; a database ahead of what is left: refused"""
    def run_and_stop():
        p = start(case, 'j.sql')
        wait_epoch(case, 'sqluice-checkpoints/x', 3)
        p.send_signal(signal.SIGTERM)
        equal(p.wait(20), 0)
        return sorted((case.dir / 'sqluice-checkpoints/x').glob('chk-*.db'), key=lambda f: int(f.stem[4:]))

    hole = SINK[:SINK.index(' WITH ')] + " WITH ('connector'='blackhole');"
    keep = "SET 'pipeline.name' = 'x'; SET 'execution.checkpointing.num-retained' = '2';"
    case.write('j.sql', job(source=ENDLESS, settings=keep).replace(SINK, hole))
    files = run_and_stop()
    equal(len(files), 2)
    whole = files[0].read_bytes()
    for f in files:
        damage(f)
    r = case.run('j.sql', expect=1)
    for f in files:
        contains(r.stderr, f'checkpoint {f.stem[4:]} cannot be used: ', f'{f.name} is damaged')
        assert f.exists()
    contains(r.stderr, "no checkpoint of the job in 'sqluice-checkpoints/x' can be used")
    files[0].write_bytes(whole)
    p = start(case, 'j.sql')
    time.sleep(0.5)
    p.send_signal(signal.SIGTERM)
    err = p.communicate(timeout=20)[1]
    equal(p.returncode, 0, err)
    contains(err, f'checkpoint {files[1].stem[4:]} cannot be used: ', f'goes on from epoch {files[0].stem[4:]} (checkpoint, ')
    subprocess.run(['rm', '-rf', 'sqluice-checkpoints'], cwd=case.dir, check=True)
    case.write('j.sql', job(source=ENDLESS, settings=keep))
    files = run_and_stop()
    damage(files[1])
    r = case.run('j.sql', expect=1)
    contains(r.stderr, f'has committed epoch {files[1].stem[4:]} of this job, and the newest usable checkpoint', f'is of epoch {files[0].stem[4:]}:', 'going on would double rows')


@test
def saved(case):
    """sqluice savepoint of a job that runs and of one that does not; another job begins from it with other workers"""
    case.write('j.sql', job(source=ENDLESS))
    p = start(case, 'j.sql')
    wait_epoch(case, 'sqluice-checkpoints/j-n', 2)
    made = case.run('savepoint', 'sqluice-checkpoints/j-n', 'backup/').stdout.strip()
    assert re.search(r'/backup/savepoint-\d+\.db$', made), made
    equal(p.poll(), None)
    p.send_signal(signal.SIGTERM)
    out, err = p.communicate(timeout=20)
    contains(err, f'savepoint: {made}')
    made = case.run('savepoint', 'sqluice-checkpoints', 'last.db').stdout.strip()
    contains(case.run('savepoint', 'sqluice-checkpoints', 'last.db', expect=2).stderr, 'there is such a file')
    contains(case.run('savepoint', 'backup', expect=2).stderr, "there is no job's checkpoint in directory backup")
    contains(case.run('savepoint', '--timeout', 'soon', 'x', expect=2).stderr, '--timeout takes seconds')
    # the table as it was; the new job adds to it
    before = sum(c for _, c, _ in result(case))
    case.write('k.sql', job(source=ENDLESS))
    p = start(case, '-p', '2', '--from-savepoint', 'last.db', 'k.sql')
    wait_epoch(case, 'sqluice-checkpoints/k-n', 3)
    p.send_signal(signal.SIGTERM)
    out, err = p.communicate(timeout=20)
    equal(p.returncode, 0, err)
    contains(err, '(savepoint, ')
    read = int(re.search(r'account: (\d+) rows in', err)[1])
    equal(sum(c for _, c, _ in result(case)), before + read)
    contains(case.run('-s', 'nothing.db', '-c', job(source=ENDLESS), expect=2).stderr, 'there is no savepoint nothing.db')


@test
def changed(case):
    """a job whose state fits nowhere is refused with what has changed; --allow-dropped-state goes on without it"""
    case.write('j.sql', job())
    p = start(case, 'j.sql')
    wait_epoch(case, 'sqluice-checkpoints/j-n', 2)
    p.send_signal(signal.SIGTERM)
    p.communicate(timeout=20)
    case.write('j.sql', job(insert="INSERT INTO n SELECT MOD(id, 7), COUNT(DISTINCT id), SUM(id) FROM g GROUP BY MOD(id, 7);"))
    r = case.run('j.sql', expect=2)
    contains(r.stderr, 'the job has changed since epoch')
    contains(r.stderr, 'no place for the state of Aggregate by')
    contains(r.stderr, '--allow-dropped-state')
    contains(case.run('--allow-dropped-state', 'j.sql').stderr, 'state is dropped, as allowed')


@test
def a_new_sink(case):
    """a job that has one more sink goes on; that one gets what changes from then on, in the same epochs; refused jobs leave no trace in it"""
    case.write('j.sql', job())
    p = start(case, 'j.sql')
    wait_epoch(case, 'sqluice-checkpoints/j-n', 2)
    p.send_signal(signal.SIGTERM)
    p.communicate(timeout=20)
    before = sum(c for _, c, _ in result(case))
    both = (SINK.replace('TABLE n', 'TABLE m').replace("'n'", "'m'") + "SET 'pipeline.name' = 'j-n'; EXECUTE STATEMENT SET BEGIN "
            + INSERT + INSERT.replace('INTO n', 'INTO m') + 'END;')
    contains(case.run(sql=job(insert=both.replace('MOD(id, 7)', 'MOD(id, 8)')), expect=2).stderr, 'the job has changed since epoch')
    err = case.run(sql=job(insert=both)).stderr
    contains(err, 'sink default_catalog.default_database.m is new in the job: it gets what changes from epoch', 'begins without state: Aggregate by')
    equal(result(case), right())
    db = sqlite3.connect(case.dir / 'n.db')
    equal(db.execute('SELECT SUM(c) FROM m').fetchone()[0], ROWS - before)
    equal(db.execute('SELECT COUNT(*), COUNT(DISTINCT epoch) FROM sqluice_epochs').fetchone(), (2, 1))
    db.close()


@test
def one_name_each(case):
    """two INSERTs of a file into one table need names; with them each goes on from its own"""
    two = SOURCE.replace('{rate}', '100000') + SINK + "SET 'execution.checkpointing.interval' = '50 ms';" + INSERT
    more = "INSERT INTO n SELECT MOD(id, 7) + 100, COUNT(*), SUM(id) FROM g GROUP BY MOD(id, 7) + 100;"
    r = case.run('-q', sql=two + '\n' + more, expect=2)
    contains(r.stderr, 'job.sql:2:1: error: two jobs would keep their checkpoints in one directory, sqluice-checkpoints/job-n')
    contains(r.stderr, "SET 'pipeline.name' = 'job-n-2'")
    case.run('-q', sql=two + "\nSET 'pipeline.name' = 'second';" + more)
    equal(len(result(case)), 14)
    equal(sorted(p.name for p in (case.dir / 'sqluice-checkpoints').iterdir()), ['job-n', 'second'])


def lock(case):
    db = sqlite3.connect(case.dir / 'n.db', isolation_level=None, timeout=30)
    db.execute('BEGIN IMMEDIATE')
    return db


@test
def a_database_that_comes_back(case):
    """while it is locked the job fails and is opened again, with a notice each time; the result is right"""
    quick = "SET 'restart-strategy.exponential-delay.initial-backoff' = '200 ms'; SET 'restart-strategy.exponential-delay.max-backoff' = '400 ms';"
    for source in (SOURCE, ENDLESS):
        case.write('j.sql', job(settings=quick + "SET 'pipeline.name' = 'x';", source=source))
        p = start(case, 'j.sql')
        wait_epoch(case, 'sqluice-checkpoints/x', 2)
        db = lock(case)
        time.sleep(1.2)
        db.execute('ROLLBACK')
        db.close()
        if source == ENDLESS:
            time.sleep(1.0)
            p.send_signal(signal.SIGTERM)
        out, err = p.communicate(timeout=60)
        equal(p.returncode, 0, err)
        assert re.search(r"^note: (x: )?failed: .*locked by another program.*; it goes on from its newest checkpoint in 0\.[0-9] s \(restart 1\)$", err, re.M), err
        contains(err, '(restart 2)', 'goes on from epoch', 'account: ', '; went on from epoch ')
        if source == SOURCE:
            equal(result(case), right())
        subprocess.run(['rm', '-rf', 'sqluice-checkpoints', 'n.db'], cwd=case.dir, check=True)


@test
def a_database_that_does_not(case):
    """the strategy says when a failure is for good; without checkpoints it is at once; in the background it is the same"""
    for strategy, said in (("SET 'restart-strategy' = 'none';", 'error: '),
                           ("SET 'restart-strategy' = 'fixed-delay'; SET 'restart-strategy.fixed-delay.delay' = '100 ms';", 'failed for good after 1 restart: ')):
        for source in (SOURCE, ENDLESS):
            case.write('j.sql', job(source=source, settings=strategy + "SET 'pipeline.name' = 'x';"))
            p = start(case, 'j.sql')
            wait_epoch(case, 'sqluice-checkpoints/x', 2)
            db = lock(case)
            out, err = p.communicate(timeout=60)
            db.close()
            equal(p.returncode, 1, err)
            contains(err, said)
            contains(err, 'locked by another program')
            equal(err.count('it goes on from its newest'), 1 if 'fixed' in strategy else 0, err)
            subprocess.run(['rm', '-rf', 'sqluice-checkpoints', 'n.db'], cwd=case.dir, check=True)


@test
def stopped_between_restarts(case):
    """Ctrl-C while a job waits to be opened again ends it with 0: what it had committed is there for the next run"""
    for source in (SOURCE, ENDLESS):
        case.write('j.sql', job(source=source, settings="SET 'restart-strategy.exponential-delay.initial-backoff' = '1 min'; SET 'pipeline.name' = 'x';"))
        p = start(case, 'j.sql')
        wait_epoch(case, 'sqluice-checkpoints/x', 2)
        db = lock(case)
        while 'restart 1' not in p.stderr.readline():
            pass
        p.send_signal(signal.SIGINT)
        out, err = p.communicate(timeout=20)
        db.close()
        equal(p.returncode, 0, err)
        subprocess.run(['rm', '-rf', 'sqluice-checkpoints', 'n.db'], cwd=case.dir, check=True)


@test
def available_now(case):
    """each run takes what is new, commits and ends; the statements behind it see it"""
    (case.dir / 'in').mkdir()
    sql = ("CREATE TABLE f (k STRING) WITH ('connector'='filesystem','path'='in','format'='json');"
           "CREATE TABLE t (k STRING, c BIGINT, PRIMARY KEY (k) NOT ENFORCED) WITH ('connector'='jdbc','url'='jdbc:sqlite:t.db','table-name'='t');"
           "SET 'execution.trigger' = 'available-now'; INSERT INTO t SELECT k, COUNT(*) FROM f GROUP BY k; SELECT k, c FROM t ORDER BY k;")
    for text, rows in ((['a'], ['a,1']), (['a', 'b'], ['a,2', 'b,1']), ([], ['a,2', 'b,1']), (['b'], ['a,2', 'b,2'])):
        if text:
            case.write(f'in/{time.time_ns()}.ndjson', ''.join(f'{{"k":"{k}"}}\n' for k in text))
        r = case.run('-m', 'csv', sql=sql)
        equal(r.stdout.split(), ['k,c', *rows])
        contains(r.stderr, f'account: {len(text)} rows in')


@test
def the_progress_line_tells(case):
    """of the epoch and the last checkpoint, on a terminal"""
    case.write('j.sql', job(source=ENDLESS))
    t = Terminal(case, 'j.sql')
    t.wait('rows/s, epoch ')
    t.wait(' MB in ')
    t.keys('\x03')
    t.wait(' committed; ')
    equal(t.close(), 0)


if __name__ == '__main__':
    main()
