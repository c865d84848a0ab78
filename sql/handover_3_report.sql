-- Hand-over through Kafka, 3 of 3: a batch job reads the answers that are there when it starts, and makes a report in SQLite.
-- A batch has an end, so only final rows are written, by their key, all in one transaction at the end of the input. Killed before that it leaves the report of the
-- run before; run again it makes the same rows.
SET 'execution.runtime-mode' = 'batch';

CREATE TABLE judged (
    id BIGINT,
    meter STRING,
    kwh DOUBLE,
    verdict STRING
) WITH (
    'connector' = 'kafka',
    'topic' = 'handover_judged',
    'properties.bootstrap.servers' = 'localhost:9092',
    'properties.isolation.level' = 'read_committed',
    'scan.startup.mode' = 'earliest-offset',
    'scan.bounded.mode' = 'latest-offset',
    'format' = 'json'
);

CREATE TABLE report (
    meter STRING,
    readings BIGINT,
    kwh DOUBLE,
    high BIGINT,
    PRIMARY KEY (meter) NOT ENFORCED
) WITH (
    'connector' = 'jdbc',
    'url' = 'jdbc:sqlite:build/handover/report.db',
    'table-name' = 'report'
);

INSERT INTO report
SELECT meter, COUNT(*), SUM(kwh), SUM(CASE WHEN verdict = 'high' THEN 1 ELSE 0 END)
FROM judged
GROUP BY meter;
