-- What routes decided: the columns of attempts, and backends among the labels of every sum. Of what
-- was there before, no route decided.
ALTER TABLE exchanges ADD COLUMN backend TEXT NOT NULL DEFAULT '';
ALTER TABLE exchanges ADD COLUMN call BIGINT;
ALTER TABLE exchanges ADD COLUMN attempt BIGINT;
ALTER TABLE exchanges ADD COLUMN hop_pico BIGINT;
ALTER TABLE exchanges ADD COLUMN decided TEXT;
ALTER TABLE exchanges ADD COLUMN presumed_pico BIGINT;

CREATE INDEX exchanges_call ON exchanges (run, call) WHERE call IS NOT NULL;

ALTER TABLE hours RENAME TO hours_before;
CREATE TABLE hours (
    hour BIGINT NOT NULL,
    provider TEXT NOT NULL,
    model TEXT NOT NULL,
    route TEXT NOT NULL,
    tenant TEXT NOT NULL,
    backend TEXT NOT NULL,
    exchanges BIGINT NOT NULL,
    unreported BIGINT NOT NULL,
    unpriced BIGINT NOT NULL,
    skipped BIGINT NOT NULL,
    plain_tokens BIGINT,
    read_tokens BIGINT,
    write_5m_tokens BIGINT,
    write_30m_tokens BIGINT,
    write_1h_tokens BIGINT,
    output_tokens BIGINT,
    cost_micro BIGINT NOT NULL,
    cost_rest BIGINT NOT NULL,
    cost_without_caching_micro BIGINT NOT NULL,
    cost_without_caching_rest BIGINT NOT NULL,
    waste_micro BIGINT NOT NULL,
    waste_rest BIGINT NOT NULL,
    errands BIGINT NOT NULL,
    errands_cost_micro BIGINT NOT NULL,
    errands_cost_rest BIGINT NOT NULL,
    misestimated BIGINT NOT NULL,
    readable BIGINT NOT NULL,
    readable_read BIGINT NOT NULL,
    misses BIGINT NOT NULL,
    missed BIGINT NOT NULL,
    missed_cost_micro BIGINT NOT NULL,
    missed_cost_rest BIGINT NOT NULL,
    overhead_micros BIGINT NOT NULL,
    never_read BIGINT NOT NULL,
    attempts BIGINT NOT NULL DEFAULT 0,
    hops BIGINT NOT NULL DEFAULT 0,
    hops_cost_micro BIGINT NOT NULL DEFAULT 0,
    hops_cost_rest BIGINT NOT NULL DEFAULT 0,
    presumed BIGINT NOT NULL DEFAULT 0,
    presumed_cost_micro BIGINT NOT NULL DEFAULT 0,
    presumed_cost_rest BIGINT NOT NULL DEFAULT 0,
    PRIMARY KEY (hour, provider, model, route, tenant, backend)
) {CLUSTERED};
INSERT INTO hours (hour, provider, model, route, tenant, backend,
        exchanges, unreported, unpriced, skipped, plain_tokens, read_tokens, write_5m_tokens,
        write_30m_tokens, write_1h_tokens, output_tokens, cost_micro, cost_rest,
        cost_without_caching_micro, cost_without_caching_rest, waste_micro, waste_rest, errands,
        errands_cost_micro, errands_cost_rest, misestimated, readable, readable_read, misses,
        missed, missed_cost_micro, missed_cost_rest, overhead_micros, never_read)
SELECT hour, provider, model, route, tenant, '',
       exchanges, unreported, unpriced, skipped, plain_tokens, read_tokens, write_5m_tokens,
       write_30m_tokens, write_1h_tokens, output_tokens, cost_micro, cost_rest,
       cost_without_caching_micro, cost_without_caching_rest, waste_micro, waste_rest, errands,
       errands_cost_micro, errands_cost_rest, misestimated, readable, readable_read, misses,
       missed, missed_cost_micro, missed_cost_rest, overhead_micros, never_read
FROM hours_before;
DROP TABLE hours_before;

ALTER TABLE causes RENAME TO causes_before;
CREATE TABLE causes (
    hour BIGINT NOT NULL,
    provider TEXT NOT NULL,
    model TEXT NOT NULL,
    route TEXT NOT NULL,
    tenant TEXT NOT NULL,
    backend TEXT NOT NULL,
    cause TEXT NOT NULL,
    misses BIGINT NOT NULL,
    tokens BIGINT NOT NULL,
    cost_micro BIGINT NOT NULL,
    cost_rest BIGINT NOT NULL,
    PRIMARY KEY (hour, provider, model, route, tenant, backend, cause)
) {CLUSTERED};
INSERT INTO causes (hour, provider, model, route, tenant, backend,
        cause, misses, tokens, cost_micro, cost_rest)
SELECT hour, provider, model, route, tenant, '',
       cause, misses, tokens, cost_micro, cost_rest
FROM causes_before;
DROP TABLE causes_before;

ALTER TABLE verdicts RENAME TO verdicts_before;
CREATE TABLE verdicts (
    hour BIGINT NOT NULL,
    provider TEXT NOT NULL,
    model TEXT NOT NULL,
    route TEXT NOT NULL,
    tenant TEXT NOT NULL,
    backend TEXT NOT NULL,
    verdict TEXT NOT NULL,
    exchanges BIGINT NOT NULL,
    PRIMARY KEY (hour, provider, model, route, tenant, backend, verdict)
) {CLUSTERED};
INSERT INTO verdicts (hour, provider, model, route, tenant, backend,
        verdict, exchanges)
SELECT hour, provider, model, route, tenant, '',
       verdict, exchanges
FROM verdicts_before;
DROP TABLE verdicts_before;

ALTER TABLE places RENAME TO places_before;
CREATE TABLE places (
    hour BIGINT NOT NULL,
    provider TEXT NOT NULL,
    model TEXT NOT NULL,
    route TEXT NOT NULL,
    tenant TEXT NOT NULL,
    backend TEXT NOT NULL,
    cause TEXT NOT NULL,
    pattern TEXT NOT NULL,
    spot TEXT NOT NULL,
    misses BIGINT NOT NULL,
    tokens BIGINT NOT NULL,
    cost_micro BIGINT NOT NULL,
    cost_rest BIGINT NOT NULL,
    pointer TEXT NOT NULL,
    byte BIGINT NOT NULL,
    run BIGINT NOT NULL,
    number BIGINT NOT NULL,
    PRIMARY KEY (hour, provider, model, route, tenant, backend, cause, pattern, spot)
) {CLUSTERED};
INSERT INTO places (hour, provider, model, route, tenant, backend,
        cause, pattern, spot, misses, tokens, cost_micro, cost_rest, pointer, byte, run, number)
SELECT hour, provider, model, route, tenant, '',
       cause, pattern, spot, misses, tokens, cost_micro, cost_rest, pointer, byte, run, number
FROM places_before;
DROP TABLE places_before;

ALTER TABLE prefixes RENAME TO prefixes_before;
CREATE TABLE prefixes (
    hour BIGINT NOT NULL,
    provider TEXT NOT NULL,
    model TEXT NOT NULL,
    route TEXT NOT NULL,
    tenant TEXT NOT NULL,
    backend TEXT NOT NULL,
    tools TEXT NOT NULL,
    system TEXT NOT NULL,
    conversation TEXT NOT NULL,
    read_tokens BIGINT NOT NULL,
    write_tokens BIGINT NOT NULL,
    plain_tokens BIGINT NOT NULL,
    PRIMARY KEY (hour, provider, model, route, tenant, backend, tools, system, conversation)
) {CLUSTERED};
INSERT INTO prefixes (hour, provider, model, route, tenant, backend,
        tools, system, conversation, read_tokens, write_tokens, plain_tokens)
SELECT hour, provider, model, route, tenant, '',
       tools, system, conversation, read_tokens, write_tokens, plain_tokens
FROM prefixes_before;
DROP TABLE prefixes_before;
