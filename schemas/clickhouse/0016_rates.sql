-- What the model that an event names costs, so that the fold of its span can compute the cost from usage that another
-- event brings. It decides between events of equal version too; the hash of an event without rates stays what it was.

ALTER TABLE span_events ADD COLUMN IF NOT EXISTS rates Map(LowCardinality(String), Decimal(18, 9))
    COMMENT 'US dollars a million, by kind of token' AFTER usage;
ALTER TABLE span_events ADD COLUMN IF NOT EXISTS rates_version LowCardinality(String)
    COMMENT 'the price list they are from' AFTER rates;
ALTER TABLE span_events MODIFY COLUMN content_hash UInt64 MATERIALIZED xxHash64(concat(
        toString(event), '\0', toString(parent_span_id), '\0', toString(project_id), '\0', ifNull(name, ''), '\0',
        ifNull(type, ''), '\0', ifNull(toString(start_time_us), ''), '\0', ifNull(toString(end_time_us), ''), '\0',
        ifNull(input, ''), '\0', ifNull(output, ''), '\0', ifNull(metadata, ''), '\0', ifNull(error_info, ''), '\0',
        ifNull(toString(ttft), ''), '\0', ifNull(source, ''), '\0', ifNull(environment, ''), '\0',
        ifNull(model, ''), '\0', ifNull(provider, ''), '\0', toString(usage), '\0',
        ifNull(toString(total_estimated_cost), ''), '\0', ifNull(total_estimated_cost_version, ''),
        if(empty(rates), '', concat('\0', toString(rates), '\0', rates_version))
    )) COMMENT 'decides between events of equal version';
