#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Jobs in the background: several in one file, ended by signals, by a failure, by STOP JOB; the shell above them."""
import os
import re
import signal
import subprocess
import time

from harness import ENGINE, Terminal, contains, equal, main, test

ENDLESS = "CREATE TABLE {0} (a BIGINT) WITH ('connector'='datagen','rows-per-second'='{1}','fields.a.min'='10','fields.a.max'='99');"
FILE = "CREATE TABLE {0} (a BIGINT) WITH ('connector'='filesystem','path'='{0}.ndjson','format'='json');"
TWO = ENDLESS.format('g', 2000) + ENDLESS.format('h', 500) + FILE.format('o') + FILE.format('p')


def start(case, *args):
    return subprocess.Popen([ENGINE, *args], cwd=case.dir, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, stdin=subprocess.DEVNULL)


def rows_in(account):
    """Of each account: job (or None), rows read, rows written."""
    return {m[1]: (int(m[2]), int(m[3])) for m in re.finditer(r'^(?:(\S+): )?account: (\d+) rows in, (\d+) out; it balances$', account, re.M)}


@test
def two_jobs_and_a_signal(case):
    """SIGINT and SIGTERM end both: what was read is written, both accounts are printed, exit 0"""
    case.write('two.sql', TWO + 'INSERT INTO o SELECT a FROM g; INSERT INTO p SELECT a FROM h; SHOW JOBS;')
    for sig in (signal.SIGINT, signal.SIGTERM):
        p = start(case, 'two.sql')
        time.sleep(1.0)
        p.send_signal(sig)
        out, err = p.communicate(timeout=20)
        equal(p.returncode, 0, err)
        assert re.search(r'\| two +\| RUNNING', out) and re.search(r'\| two-2 +\| RUNNING', out), out
        jobs = rows_in(err)
        equal(set(jobs), {'two', 'two-2'}, err)
        for job, file in (('two', 'o.ndjson'), ('two-2', 'p.ndjson')):
            read, written = jobs[job]
            equal(read, written)
            equal(len(case.read(file).splitlines()), written, file)
            assert written > 50, jobs
        assert '\r' not in err and 'rows/s' not in err, err
        (case.dir / 'o.ndjson').unlink()
        (case.dir / 'p.ndjson').unlink()


@test
def a_bounded_insert_comes_between(case):
    """it runs to its end before the next statement, which reads what it wrote"""
    case.write('in.ndjson', ''.join(f'{{"a":{i}}}\n' for i in range(1000)))
    case.write('j.sql', TWO + "CREATE TABLE f (a BIGINT) WITH ('connector'='filesystem','path'='in.ndjson','format'='json');" + FILE.format('q') +
               'INSERT INTO o SELECT a FROM g; INSERT INTO q SELECT a FROM f; SELECT COUNT(*) AS n FROM q;')
    p = start(case, '--mode', 'csv', 'j.sql')
    time.sleep(1.0)
    p.send_signal(signal.SIGINT)
    out, err = p.communicate(timeout=20)
    equal(p.returncode, 0, err)
    equal(out.split(), ['n', '1000'])
    contains(err, 'account: 1000 rows in, 1000 out')
    equal(err.count('account:'), 2, err)


@test
def dml_sync_waits(case):
    """with 'table.dml-sync' nothing behind an INSERT without an end is run"""
    case.write('j.sql', TWO + "SET 'table.dml-sync' = 'true'; INSERT INTO o SELECT a FROM g; SELECT 'behind';")
    p = start(case, 'j.sql')
    time.sleep(0.7)
    p.send_signal(signal.SIGTERM)
    out, err = p.communicate(timeout=20)
    equal((p.returncode, out), (0, ''), err)
    contains(err, 'account:')


@test
def a_failed_job_stops_the_others(case):
    """a bad record while another job runs: its error at its place in the file, both accounts, exit 1"""
    case.write('bad.ndjson', '{"s":"1"}\n' * 300_000 + '{"s":"x"}\n')
    case.write('j.sql', TWO + """
CREATE TABLE bad (s STRING) WITH ('connector'='filesystem','path'='bad.ndjson','format'='json');
INSERT INTO o SELECT a FROM g;
INSERT INTO p
SELECT CAST(s AS BIGINT) FROM bad UNION ALL SELECT a FROM h;
""")
    p = case.run('j.sql', expect=1)
    contains(p.stderr, "j.sql:5:8: error:", "'x'", '^', 'failed')
    jobs = rows_in(p.stderr)
    assert 'j' in jobs, p.stderr
    equal(len(case.read('o.ndjson').splitlines()), jobs['j'][1])
    assert not (case.dir / 'p.ndjson').exists()


@test
def a_failed_statement_stops_the_jobs(case):
    """and a failed job the statement that runs"""
    case.write('j.sql', TWO + "INSERT INTO o SELECT a FROM g; SELECT CAST('x' AS INT);")
    p = case.run('j.sql', expect=1)
    contains(p.stderr, 'error', 'account:')
    case.write('bad.ndjson', '{"s":"1"}\n' * 100_000 + '{"s":"x"}\n')
    case.write('k.sql', TWO + "CREATE TABLE bad (s STRING) WITH ('connector'='filesystem','path'='bad.ndjson','format'='json');"
               "INSERT INTO p SELECT CAST(s AS BIGINT) FROM bad UNION ALL SELECT a FROM h;"
               "CREATE TABLE slow (a BIGINT) WITH ('connector'='datagen','rows-per-second'='10','number-of-rows'='100000');"
               "CREATE TABLE hole (a BIGINT) WITH ('connector'='blackhole'); INSERT INTO hole SELECT a FROM slow; SELECT 'behind';")
    p = case.run('k.sql', expect=1, timeout=30)
    contains(p.stderr, "'x'")
    assert 'behind' not in p.stdout


@test
def cannot_be_started(case):
    """what cannot be opened is an error of its statement"""
    case.write('j.sql', TWO + FILE.format('missing') + 'INSERT INTO o SELECT a FROM g UNION ALL SELECT a FROM missing;')
    contains(case.run('j.sql', expect=1).stderr, 'missing.ndjson')


@test
def jobs_of_several_files(case):
    """each is named after its file; the command stays for all of them"""
    case.write('one.sql', TWO + 'INSERT INTO o SELECT a FROM g;')
    case.write('two.sql', 'INSERT INTO p SELECT a FROM h;')
    p = start(case, 'one.sql', 'two.sql')
    time.sleep(0.8)
    p.send_signal(signal.SIGTERM)
    out, err = p.communicate(timeout=20)
    equal(p.returncode, 0, err)
    equal(set(rows_in(err)), {'one', 'two'}, err)


@test
def print_from_the_background(case):
    """what a print table writes arrives, each line whole; a closed pipe ends all"""
    case.write('j.sql', ENDLESS.format('g', 100000) + "CREATE TABLE lines (a BIGINT) WITH ('connector'='print'); INSERT INTO lines SELECT a FROM g;")
    p = start(case, 'j.sql')
    time.sleep(1.0)
    p.send_signal(signal.SIGINT)
    out, err = p.communicate(timeout=20)
    equal(p.returncode, 0, err)
    lines = out.splitlines()
    assert len(lines) > 1000 and all(re.fullmatch(r'\+I\[\d\d\]', line) for line in lines)
    equal(rows_in(err)[None], (len(lines), len(lines)))
    p = subprocess.run(['bash', '-c', f'{ENGINE} j.sql 2>err | head -2; echo ${{PIPESTATUS[0]}}'], cwd=case.dir, capture_output=True, text=True, timeout=30)
    equal(p.stdout.splitlines()[2], '141', p.stdout)


@test
def a_second_signal_breaks_off(case):
    """where the first cannot end the work: the reader of the rows does not read"""
    if '/tsan/' in ENGINE:                      # it holds signals back while a write waits
        return
    case.write('j.sql', TWO.replace('2000', '10000000') + 'INSERT INTO p SELECT a FROM h; SELECT * FROM g;')
    p = start(case, '--mode', 'csv', 'j.sql')
    time.sleep(1.0)
    p.send_signal(signal.SIGINT)
    time.sleep(0.5)
    equal(p.poll(), None)
    p.send_signal(signal.SIGINT)
    equal(p.wait(timeout=20), -signal.SIGINT)
    p.stdout.close()
    p.stderr.close()


@test
def progress_of_jobs(case):
    """on a terminal a line per job"""
    case.write('two.sql', TWO + 'INSERT INTO o SELECT a FROM g; INSERT INTO p SELECT a FROM h;')
    t = Terminal(case, 'two.sql')
    t.wait_for(r'two: [\d,]+ rows, [\d,]+ rows/s\r?\n?.*two-2: [\d,]+ rows, [\d,]+ rows/s')
    os.kill(t.pid, signal.SIGTERM)
    t.wait('two: account:')
    t.wait('two-2: account:')
    equal(t.close(), 0)


# ---- the shell ----

def shell(case):
    t = Terminal(case)
    t.wait('sqluice>')
    t.type(TWO)
    t.wait('\r\nsqluice>')
    return t


@test
def live_table(case):
    """SELECT of an endless query: the table as it changes; q and Ctrl-C lead back to the prompt"""
    t = shell(case)
    t.type('SELECT a / 10 AS tens, COUNT(*) AS n FROM g GROUP BY a / 10;')
    first = int(t.wait_for(r'9 rows; (\d+) read')[1])
    assert int(t.wait_for(r'9 rows; (\d+) read')[1]) > first
    t.keys('q')
    contains(t.wait('sqluice>'), 'tens', '(9 rows so far)')
    t.type('SELECT a FROM h;')
    t.wait_for(r'rows [\d,]+ to [\d,]+ of [\d,]+; \d+ read')
    t.keys('g')
    t.wait_for(r'rows 1 to \d+ of \d+')
    t.keys('\x03')
    contains(t.wait('sqluice>'), 'rows so far')
    t.type('SELECT 6 * 7 AS answer;')
    contains(t.wait('\r\nsqluice>'), '42')
    t.type("SET 'sql-client.execution.max-table-result.rows' = '5';")
    t.wait('\r\nsqluice>')
    t.type('SELECT a FROM h;')
    t.wait_for(r'\s5 rows; \d\d+ read')
    t.keys('q')
    contains(t.wait('sqluice>'), '(5 rows so far)')
    t.type('.quit')
    equal(t.close(), 0)


@test
def live_changelog(case):
    """result mode 'changelog': each change as a line, until q"""
    t = shell(case)
    t.type("SET 'sql-client.execution.result-mode' = 'changelog';")
    t.wait('\r\nsqluice>')
    t.type('SELECT COUNT(*) AS n FROM g;')
    t.wait_for(r'\+I +\|.*1')
    t.wait_for(r'-U +\|.*1')
    t.keys('q')
    t.wait('so far)')
    t.wait('sqluice>')
    t.type('.quit')
    equal(t.close(), 0)


@test
def the_shell_and_its_jobs(case):
    """started, listed, stopped; one that fails says so at the prompt; .quit stops the rest"""
    case.write('bad.ndjson', '{"s":"1"}\n' * 200_000 + '{"s":"x"}\n')
    t = shell(case)
    t.type('INSERT INTO o SELECT a FROM g;')
    job = t.wait_for(r'job (\w{8}) \(insert-into_o\) runs in the background')[1]
    t.wait('sqluice>')
    t.type('.jobs')
    contains(t.wait('(1 row)'), job, 'RUNNING')
    t.type('SELECT 6 * 7 AS answer;')
    t.wait('42')
    t.type(f".stop {job[:6]}")
    t.wait('was stopped')
    t.wait('it balances')
    t.wait('sqluice>')
    t.type("CREATE TABLE bad (s STRING) WITH ('connector'='filesystem','path'='bad.ndjson','format'='json'); "
           "INSERT INTO p SELECT CAST(s AS BIGINT) FROM bad UNION ALL SELECT a FROM h;")
    t.wait('runs in the background')
    t.wait('failed')
    t.wait("'x'")
    t.wait('sqluice>')
    t.type('INSERT INTO p SELECT a FROM h;')
    t.wait('runs in the background')
    t.wait('sqluice>')
    time.sleep(0.3)
    t.keys('SELECT 1\x03')
    t.wait('sqluice>')
    t.type("SHOW JOBS;")
    contains(t.wait('(3 rows)'), 'CANCELED', 'FAILED', 'RUNNING')
    t.type('.quit')
    t.wait('was stopped')
    equal(t.close(), 0)
    assert len(case.read('p.ndjson').splitlines()) > 0


@test
def terminated_at_the_prompt(case):
    """SIGTERM: the jobs write what is final, and the shell ends"""
    t = shell(case)
    t.type('INSERT INTO o SELECT a FROM g;')
    t.wait('runs in the background')
    t.wait('sqluice>')
    for typed in ('', 'SELECT'):
        time.sleep(0.5)
        t.keys(typed)
    os.kill(t.pid, signal.SIGTERM)
    t.wait('was stopped')
    t.wait('it balances')
    equal(t.close(), 0)
    assert len(case.read('o.ndjson').splitlines()) > 100


@test
def completion_by_tab(case):
    """tables, columns, keywords, option keys and values, over several lines"""
    t = shell(case)
    t.keys('SEL\t')
    t.wait('ECT ')
    t.keys('COUNT(*) AS n\n')
    t.wait('...>')
    t.keys('fr\t')                            # and from_…
    t.wait('om')
    t.keys(' (VALUES (1)) AS t(x);\n')
    contains(t.wait('(1 row)'), '1')
    t.wait('sqluice>')
    t.keys("CREATE TABLE made (a INT) WITH ('conn\t")
    t.wait("ector'")
    t.keys("= 'black\t")
    t.wait("hole'")
    t.keys(');\n')
    t.wait('sqluice>')
    t.keys("SET 'table.dm\t")
    t.wait("l-sync'")
    t.keys(" = 't\t")
    t.wait("rue'")
    t.keys(';\n')
    t.wait('sqluice>')
    t.keys('DESCRIBE ma\t')
    t.wait('de ')
    t.keys(';\n')
    contains(t.wait('(1 row)'), 'INT')
    t.wait('sqluice>')
    t.keys('\x1b[A')
    t.wait('DESCRIBE')
    t.keys('\x15.quit\n')
    equal(t.close(), 0)


if __name__ == '__main__':
    main()
