-- Hand-over through Kafka, 2 of 3: a continuous job reads one topic and answers into another.
-- It runs until it is stopped (Ctrl-C: it commits what it has). It reads what is committed, so of a transaction of the first job that was broken off it sees
-- nothing; what it answers is committed with its own position in handover_readings, every half second.
SET 'pipeline.name' = 'handover-judge';
SET 'execution.checkpointing.interval' = '500 ms';
SET 'execution.checkpointing.dir' = 'build/handover/checkpoints';
SET 'execution.checkpointing.timeout' = '30 s';

CREATE TABLE readings (
    id BIGINT,
    meter STRING,
    kwh DOUBLE
) WITH (
    'connector' = 'kafka',
    'topic' = 'handover_readings',
    'properties.bootstrap.servers' = 'localhost:9092',
    'properties.group.id' = 'handover-judge',
    'properties.isolation.level' = 'read_committed',
    'scan.startup.mode' = 'earliest-offset',
    'format' = 'json'
);

CREATE TABLE judged (
    id BIGINT,
    meter STRING,
    kwh DOUBLE,
    verdict STRING
) WITH (
    'connector' = 'kafka',
    'topic' = 'handover_judged',
    'properties.bootstrap.servers' = 'localhost:9092',
    'properties.transaction.timeout.ms' = '60000',
    'format' = 'json',
    'sink.delivery-guarantee' = 'exactly-once',
    'sink.transactional-id-prefix' = 'handover-judge'
);

-- A reading below zero is a broken meter's.
INSERT INTO judged
SELECT id, meter, kwh, CASE WHEN kwh >= 8 THEN 'high' ELSE 'normal' END
FROM readings
WHERE kwh >= 0;
