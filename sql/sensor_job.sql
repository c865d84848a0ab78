-- The sensor job on files and SQLite: which readings of a sensor lie in the ten seconds that a mark names, how many, and their sum.
-- Run it from the top of the repository (`make demo` shows it step by step):
--     ./sqluice sql/sensor_job.sql
-- It is the job for Kafka and MySQL with other WITH clauses; all else stays.
CREATE TABLE sensor_data (
    id STRING,
    timestamp BIGINT,
    value DOUBLE
) WITH (
    'connector' = 'filesystem',
    'path' = 'sql/data/sensor_data.ndjson',
    'format' = 'json'
);

CREATE TABLE sensor_window (
    id STRING,
    timestamp BIGINT,
    value DOUBLE,
    window END TIMESTAMP(ROWTIME, INTERVAL '10' SECOND)
) WITH (
    'connector' = 'filesystem',
    'path' = 'sql/data/sensor_window.ndjson',
    'format' = 'json'
);

CREATE TABLE sensor_result (
    id STRING,
    count BIGINT,
    sum DOUBLE
) WITH (
    'connector' = 'jdbc',
    'url' = 'jdbc:sqlite:build/sensor.db',
    'table-name' = 'sensor_result'
);

INSERT INTO sensor_result
SELECT
    sensor_data.id,
    COUNT(*) AS count,
    SUM(sensor_data.value) AS sum
FROM sensor_data
JOIN sensor_window
    ON sensor_data.id = sensor_window.id
    AND sensor_data.timestamp >= sensor_window.tstart
    AND sensor_data.timestamp < sensor_window.tend
GROUP BY sensor_data.id;
