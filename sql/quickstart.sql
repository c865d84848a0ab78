-- The quickstart: run it from the top of the repository with ./sqluice sql/quickstart.sql
-- A table is a place with a format; here a file of JSON lines.
CREATE TABLE bids (
    item STRING,
    bidder STRING,
    price DECIMAL(10, 2),
    ts TIMESTAMP(3)
) WITH (
    'connector' = 'filesystem',
    'path' = 'sql/data/bids.ndjson',
    'format' = 'json'
);

DESCRIBE bids;

-- A query shows its rows.
SELECT item, COUNT(*) AS bids, MAX(price) AS best
FROM bids
GROUP BY item;

-- The same as a changelog: every change of the result while the rows come in.
SET 'sql-client.execution.result-mode' = 'changelog';
SELECT item, MAX(price) AS best FROM bids GROUP BY item;

-- How it runs, and what each operator keeps.
EXPLAIN SELECT item, MAX(price) AS best FROM bids GROUP BY item;

-- A job writes to a table: here a SQLite database, whose table is made when it is not there.
CREATE TABLE best_bids (
    item STRING,
    bids BIGINT,
    best DECIMAL(10, 2),
    PRIMARY KEY (item) NOT ENFORCED
) WITH (
    'connector' = 'jdbc',
    'url' = 'jdbc:sqlite:build/quickstart.db',
    'table-name' = 'best_bids'
);
INSERT INTO best_bids SELECT item, COUNT(*), MAX(price) FROM bids GROUP BY item;
