-- Rows that the ledger could not keep up with, told by the process that dropped them.
CREATE TABLE gaps (
    started BIGINT NOT NULL,
    writer BIGINT NOT NULL,
    ended BIGINT NOT NULL,
    dropped BIGINT NOT NULL,
    PRIMARY KEY (started, writer)
) {CLUSTERED};
