CREATE TABLE sensor_data (
    id STRING,
    timestamp BIGINT,
    value DOUBLE
) WITH (
    'connector' = 'kafka',
    'topic' = 'sensor_data',
    'startup-mode' = 'earliest-offset',
    'format' = 'json'
);

CREATE TABLE sensor_window (
    id STRING,
    timestamp BIGINT,
    value DOUBLE,
    window END TIMESTAMP(ROWTIME, INTERVAL '10' SECOND)
) WITH (
    'connector' = 'kafka',
    'topic' = 'sensor_window',
    'startup-mode' = 'earliest-offset',
    'format' = 'json'
);

CREATE TABLE sensor_result (
    id STRING,
    count BIGINT,
    sum DOUBLE
) WITH (
    'connector' = 'jdbc',
    'url' = 'jdbc:mysql://localhost:3306/sensor',
    'table-name' = 'sensor_result',
    'driver' = 'com.mysql.jdbc.Driver',
    'username' = 'root',
    'password' = 'password'
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
