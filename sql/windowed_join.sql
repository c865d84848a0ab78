-- Visits and orders of a shop, minute by minute: two streams, each cut into windows, joined, into a database.
-- Run it from the top of the repository (`make demo-windows` explains it):
--     ./sqluice sql/windowed_join.sql
-- Each minute is written once, when both streams are past its end: a row that comes later is late, and the account counts it.
CREATE TABLE visits (
    visit BIGINT,
    item STRING,
    ts TIMESTAMP(3),
    WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH (
    'connector' = 'filesystem',
    'path' = 'sql/data/visits.ndjson',
    'format' = 'json'
);

CREATE TABLE orders (
    visit BIGINT,
    item STRING,
    price DECIMAL(10, 2),
    ts TIMESTAMP(3),
    WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH (
    'connector' = 'filesystem',
    'path' = 'sql/data/orders.ndjson',
    'format' = 'json'
);

CREATE TABLE shop_minutes (
    minute TIMESTAMP(3),
    item STRING,
    visits BIGINT,
    orders BIGINT,
    sales DECIMAL(38, 2),
    PRIMARY KEY (minute, item) NOT ENFORCED
) WITH (
    'connector' = 'jdbc',
    'url' = 'jdbc:sqlite:build/shop.db',
    'table-name' = 'shop_minutes'
);

INSERT INTO shop_minutes
SELECT v.window_start, v.item, v.visits, COALESCE(o.orders, 0), COALESCE(o.sales, 0)
FROM (
    SELECT window_start, window_end, item, COUNT(*) AS visits
    FROM TABLE(TUMBLE(TABLE visits, DESCRIPTOR(ts), INTERVAL '1' MINUTE))
    GROUP BY window_start, window_end, item
) AS v
LEFT JOIN (
    SELECT window_start, window_end, item, COUNT(*) AS orders, SUM(price) AS sales
    FROM TABLE(TUMBLE(TABLE orders, DESCRIPTOR(ts), INTERVAL '1' MINUTE))
    GROUP BY window_start, window_end, item
) AS o
ON v.item = o.item AND v.window_start = o.window_start AND v.window_end = o.window_end;
