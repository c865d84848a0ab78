-- Hand-over through Kafka, 1 of 3: a micro-batch job brings files into a topic.
-- Meter readings come as files into a folder. Each run takes what has come since the last one, writes it to the topic handover_readings and stops;
-- cron may start it. `make demo-handover` shows all three jobs together.
--
-- An epoch is a micro-batch, and a transaction in Kafka: its rows, and with them how far the files were read, are there together or not at all. Kill this job
-- where you like and run it again: no reading is lost, none comes twice.
SET 'pipeline.name' = 'handover-load';
SET 'execution.trigger' = 'available-now';
SET 'execution.trigger.max-rows' = '1000';
SET 'execution.checkpointing.dir' = 'build/handover/checkpoints';
SET 'execution.checkpointing.timeout' = '30 s';

CREATE TABLE meter_files (
    id BIGINT,
    meter STRING,
    kwh DOUBLE
) WITH (
    'connector' = 'filesystem',
    'path' = 'build/handover/in/',
    'format' = 'json'
);

CREATE TABLE readings (
    id BIGINT,
    meter STRING,
    kwh DOUBLE
) WITH (
    'connector' = 'kafka',
    'topic' = 'handover_readings',
    'properties.bootstrap.servers' = 'localhost:9092',
    'properties.transaction.timeout.ms' = '60000',
    'format' = 'json',
    'sink.delivery-guarantee' = 'exactly-once',
    'sink.transactional-id-prefix' = 'handover-load'
);

INSERT INTO readings SELECT id, meter, kwh FROM meter_files;
