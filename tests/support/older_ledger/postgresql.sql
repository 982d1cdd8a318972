CREATE TABLE decisions (
    market VARCHAR(32) NOT NULL,
    decision_id VARCHAR(64) NOT NULL,
    strategy VARCHAR(128) NOT NULL,
    session DATE NOT NULL,
    equity NUMERIC NOT NULL,
    inputs_fingerprint VARCHAR(128) NOT NULL,
    payload TEXT NOT NULL,
    CONSTRAINT pk_decisions PRIMARY KEY (market, decision_id),
    CONSTRAINT uq_decisions_market_strategy_session UNIQUE (market, strategy, session)
)
--
CREATE TABLE fills (
    id BIGSERIAL NOT NULL,
    market VARCHAR(32) NOT NULL,
    broker VARCHAR(64) NOT NULL,
    execution_id VARCHAR(128) NOT NULL,
    client_order_id VARCHAR(48) NOT NULL,
    session DATE NOT NULL,
    symbol VARCHAR(32) NOT NULL,
    side VARCHAR(8) NOT NULL,
    quantity_shares BIGINT NOT NULL,
    price NUMERIC NOT NULL,
    fee NUMERIC NOT NULL,
    filled_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT pk_fills PRIMARY KEY (id),
    CONSTRAINT uq_fills_market_broker_execution_id UNIQUE (market, broker, execution_id),
    CONSTRAINT ck_fills_quantity CHECK (quantity_shares > 0),
    CONSTRAINT ck_fills_side CHECK (side IN ('buy', 'sell'))
)
--
CREATE INDEX ix_fills_session ON fills (session)
--
CREATE TABLE bookings (
    id BIGSERIAL NOT NULL,
    market VARCHAR(32) NOT NULL,
    broker VARCHAR(64) NOT NULL,
    booking_id VARCHAR(128) NOT NULL,
    session DATE NOT NULL,
    kind VARCHAR(32) NOT NULL,
    symbol VARCHAR(32) NOT NULL,
    shares BIGINT NOT NULL,
    cash NUMERIC NOT NULL,
    CONSTRAINT pk_bookings PRIMARY KEY (id),
    CONSTRAINT uq_bookings_market_broker_booking_id UNIQUE (market, broker, booking_id)
)
--
CREATE INDEX ix_bookings_session ON bookings (session)
--
CREATE TABLE kill_switch (
    market VARCHAR(32) NOT NULL,
    is_engaged BOOLEAN NOT NULL,
    reason TEXT NOT NULL,
    actor VARCHAR(128) NOT NULL,
    request_actor VARCHAR(128),
    request_reason TEXT,
    requested_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT pk_kill_switch PRIMARY KEY (market)
)
--
CREATE TABLE reconciliations (
    market VARCHAR(32) NOT NULL,
    session DATE NOT NULL,
    breaks INTEGER NOT NULL,
    fingerprint VARCHAR(128) NOT NULL,
    CONSTRAINT pk_reconciliations PRIMARY KEY (market, session),
    CONSTRAINT ck_reconciliations_breaks CHECK (breaks >= 0)
)
--
CREATE TABLE quarantine_releases (
    id BIGSERIAL NOT NULL,
    market VARCHAR(32) NOT NULL,
    session DATE NOT NULL,
    symbol VARCHAR(32) NOT NULL,
    bar VARCHAR(64) NOT NULL,
    gates TEXT NOT NULL,
    reason TEXT NOT NULL,
    actor VARCHAR(128) NOT NULL,
    released_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT pk_quarantine_releases PRIMARY KEY (id),
    CONSTRAINT uq_quarantine_releases_market_session_symbol_bar_gates UNIQUE (market, session, symbol, bar, gates)
)
--
CREATE INDEX ix_quarantine_releases_session ON quarantine_releases (session)
--
CREATE TABLE source_health (
    market VARCHAR(32) NOT NULL,
    source VARCHAR(128) NOT NULL,
    data VARCHAR(32) NOT NULL,
    success DOUBLE PRECISION NOT NULL,
    latency_seconds DOUBLE PRECISION NOT NULL,
    completeness DOUBLE PRECISION NOT NULL,
    agreement DOUBLE PRECISION NOT NULL,
    consecutive_failures INTEGER NOT NULL,
    opened_at TIMESTAMP WITH TIME ZONE,
    last_error TEXT NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT pk_source_health PRIMARY KEY (market, source, data)
)
--
CREATE TABLE audit_entries (
    market VARCHAR(32) NOT NULL,
    seq BIGINT NOT NULL,
    timestamp VARCHAR(32) NOT NULL,
    event VARCHAR(64) NOT NULL,
    "user" VARCHAR(128) NOT NULL,
    details TEXT NOT NULL,
    prev_hash VARCHAR(64) NOT NULL,
    hash VARCHAR(64) NOT NULL,
    signature VARCHAR(64) NOT NULL,
    CONSTRAINT pk_audit_entries PRIMARY KEY (market, seq),
    CONSTRAINT uq_audit_entries_market_prev_hash UNIQUE (market, prev_hash)
)
--
CREATE TABLE orders (
    market VARCHAR(32) NOT NULL,
    client_order_id VARCHAR(48) NOT NULL,
    decision_id VARCHAR(64) NOT NULL,
    session DATE NOT NULL,
    symbol VARCHAR(32) NOT NULL,
    side VARCHAR(8) NOT NULL,
    quantity_shares BIGINT NOT NULL,
    status VARCHAR(16) NOT NULL,
    filled_shares BIGINT NOT NULL,
    broker_order_id VARCHAR(128) NOT NULL,
    reason TEXT NOT NULL,
    CONSTRAINT pk_orders PRIMARY KEY (market, client_order_id),
    CONSTRAINT fk_orders_decisions FOREIGN KEY(market, decision_id) REFERENCES decisions (market, decision_id),
    CONSTRAINT ck_orders_quantity CHECK (quantity_shares > 0),
    CONSTRAINT ck_orders_filled CHECK (filled_shares >= 0),
    CONSTRAINT ck_orders_side CHECK (side IN ('buy', 'sell'))
)
--
CREATE INDEX ix_orders_session ON orders (session)
--
CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION '% is append-only', TG_TABLE_NAME; END $$
--
CREATE OR REPLACE TRIGGER decisions_no_change BEFORE UPDATE OR DELETE ON decisions
FOR EACH ROW EXECUTE FUNCTION refuse_change()
--
CREATE OR REPLACE TRIGGER decisions_no_truncate BEFORE TRUNCATE ON decisions
FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()
--
CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION '% is append-only', TG_TABLE_NAME; END $$
--
CREATE OR REPLACE TRIGGER fills_no_change BEFORE UPDATE OR DELETE ON fills
FOR EACH ROW EXECUTE FUNCTION refuse_change()
--
CREATE OR REPLACE TRIGGER fills_no_truncate BEFORE TRUNCATE ON fills
FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()
--
CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION '% is append-only', TG_TABLE_NAME; END $$
--
CREATE OR REPLACE TRIGGER bookings_no_change BEFORE UPDATE OR DELETE ON bookings
FOR EACH ROW EXECUTE FUNCTION refuse_change()
--
CREATE OR REPLACE TRIGGER bookings_no_truncate BEFORE TRUNCATE ON bookings
FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()
--
CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION '% is append-only', TG_TABLE_NAME; END $$
--
CREATE OR REPLACE TRIGGER quarantine_releases_no_change BEFORE UPDATE OR DELETE ON quarantine_releases
FOR EACH ROW EXECUTE FUNCTION refuse_change()
--
CREATE OR REPLACE TRIGGER quarantine_releases_no_truncate BEFORE TRUNCATE ON quarantine_releases
FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()
--
CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION '% is append-only', TG_TABLE_NAME; END $$
--
CREATE OR REPLACE TRIGGER audit_entries_no_change BEFORE UPDATE OR DELETE ON audit_entries
FOR EACH ROW EXECUTE FUNCTION refuse_change()
--
CREATE OR REPLACE TRIGGER audit_entries_no_truncate BEFORE TRUNCATE ON audit_entries
FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()
