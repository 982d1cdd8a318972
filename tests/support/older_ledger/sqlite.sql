CREATE TABLE decisions (
    market VARCHAR(32) NOT NULL,
    decision_id VARCHAR(64) NOT NULL,
    strategy VARCHAR(128) NOT NULL,
    session DATE NOT NULL,
    equity VARCHAR NOT NULL,
    inputs_fingerprint VARCHAR(128) NOT NULL,
    payload TEXT NOT NULL,
    CONSTRAINT pk_decisions PRIMARY KEY (market, decision_id),
    CONSTRAINT uq_decisions_market_strategy_session UNIQUE (market, strategy, session)
)
--
CREATE TABLE fills (
    id INTEGER NOT NULL,
    market VARCHAR(32) NOT NULL,
    broker VARCHAR(64) NOT NULL,
    execution_id VARCHAR(128) NOT NULL,
    client_order_id VARCHAR(48) NOT NULL,
    session DATE NOT NULL,
    symbol VARCHAR(32) NOT NULL,
    side VARCHAR(8) NOT NULL,
    quantity_shares BIGINT NOT NULL,
    price VARCHAR NOT NULL,
    fee VARCHAR NOT NULL,
    filled_at VARCHAR NOT NULL,
    CONSTRAINT pk_fills PRIMARY KEY (id),
    CONSTRAINT uq_fills_market_broker_execution_id UNIQUE (market, broker, execution_id),
    CONSTRAINT ck_fills_quantity CHECK (quantity_shares > 0),
    CONSTRAINT ck_fills_side CHECK (side IN ('buy', 'sell'))
)
--
CREATE INDEX ix_fills_session ON fills (session)
--
CREATE TABLE bookings (
    id INTEGER NOT NULL,
    market VARCHAR(32) NOT NULL,
    broker VARCHAR(64) NOT NULL,
    booking_id VARCHAR(128) NOT NULL,
    session DATE NOT NULL,
    kind VARCHAR(32) NOT NULL,
    symbol VARCHAR(32) NOT NULL,
    shares BIGINT NOT NULL,
    cash VARCHAR NOT NULL,
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
    requested_at VARCHAR,
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
    id INTEGER NOT NULL,
    market VARCHAR(32) NOT NULL,
    session DATE NOT NULL,
    symbol VARCHAR(32) NOT NULL,
    bar VARCHAR(64) NOT NULL,
    gates TEXT NOT NULL,
    reason TEXT NOT NULL,
    actor VARCHAR(128) NOT NULL,
    released_at VARCHAR NOT NULL,
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
    success DOUBLE NOT NULL,
    latency_seconds DOUBLE NOT NULL,
    completeness DOUBLE NOT NULL,
    agreement DOUBLE NOT NULL,
    consecutive_failures INTEGER NOT NULL,
    opened_at VARCHAR,
    last_error TEXT NOT NULL,
    updated_at VARCHAR,
    CONSTRAINT pk_source_health PRIMARY KEY (market, source, data)
)
--
CREATE TABLE audit_entries (
    market VARCHAR(32) NOT NULL,
    seq BIGINT NOT NULL,
    timestamp VARCHAR(32) NOT NULL,
    event VARCHAR(64) NOT NULL,
    user VARCHAR(128) NOT NULL,
    details TEXT NOT NULL,
    prev_hash VARCHAR(64) NOT NULL,
    hash VARCHAR(64) NOT NULL,
    signature VARCHAR(64) NOT NULL,
    CONSTRAINT pk_audit_entries PRIMARY KEY (market, seq),
    CONSTRAINT uq_audit_entries_market_prev_hash UNIQUE (market, prev_hash)
)
 WITHOUT ROWID
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
CREATE TRIGGER IF NOT EXISTS decisions_no_update BEFORE UPDATE ON decisions
BEGIN SELECT RAISE(ABORT, 'decisions is append-only'); END
--
CREATE TRIGGER IF NOT EXISTS decisions_no_delete BEFORE DELETE ON decisions
BEGIN SELECT RAISE(ABORT, 'decisions is append-only'); END
--
CREATE TRIGGER IF NOT EXISTS decisions_no_replace BEFORE INSERT ON decisions WHEN EXISTS (SELECT 1 FROM decisions WHERE market = NEW.market AND decision_id = NEW.decision_id)
BEGIN SELECT RAISE(ABORT, 'decisions is append-only'); END
--
CREATE TRIGGER IF NOT EXISTS fills_no_update BEFORE UPDATE ON fills
BEGIN SELECT RAISE(ABORT, 'fills is append-only'); END
--
CREATE TRIGGER IF NOT EXISTS fills_no_delete BEFORE DELETE ON fills
BEGIN SELECT RAISE(ABORT, 'fills is append-only'); END
--
CREATE TRIGGER IF NOT EXISTS fills_no_replace BEFORE INSERT ON fills WHEN EXISTS (SELECT 1 FROM fills WHERE market = NEW.market AND broker = NEW.broker AND execution_id = NEW.execution_id OR id = NEW.id)
BEGIN SELECT RAISE(ABORT, 'fills is append-only'); END
--
CREATE TRIGGER IF NOT EXISTS bookings_no_update BEFORE UPDATE ON bookings
BEGIN SELECT RAISE(ABORT, 'bookings is append-only'); END
--
CREATE TRIGGER IF NOT EXISTS bookings_no_delete BEFORE DELETE ON bookings
BEGIN SELECT RAISE(ABORT, 'bookings is append-only'); END
--
CREATE TRIGGER IF NOT EXISTS bookings_no_replace BEFORE INSERT ON bookings WHEN EXISTS (SELECT 1 FROM bookings WHERE market = NEW.market AND broker = NEW.broker AND booking_id = NEW.booking_id OR id = NEW.id)
BEGIN SELECT RAISE(ABORT, 'bookings is append-only'); END
--
CREATE TRIGGER IF NOT EXISTS quarantine_releases_no_update BEFORE UPDATE ON quarantine_releases
BEGIN SELECT RAISE(ABORT, 'quarantine_releases is append-only'); END
--
CREATE TRIGGER IF NOT EXISTS quarantine_releases_no_delete BEFORE DELETE ON quarantine_releases
BEGIN SELECT RAISE(ABORT, 'quarantine_releases is append-only'); END
--
CREATE TRIGGER IF NOT EXISTS quarantine_releases_no_replace BEFORE INSERT ON quarantine_releases WHEN EXISTS (SELECT 1 FROM quarantine_releases WHERE market = NEW.market AND session = NEW.session AND symbol = NEW.symbol AND bar = NEW.bar AND gates = NEW.gates OR id = NEW.id)
BEGIN SELECT RAISE(ABORT, 'quarantine_releases is append-only'); END
--
CREATE TRIGGER IF NOT EXISTS audit_entries_no_update BEFORE UPDATE ON audit_entries
BEGIN SELECT RAISE(ABORT, 'audit_entries is append-only'); END
--
CREATE TRIGGER IF NOT EXISTS audit_entries_no_delete BEFORE DELETE ON audit_entries
BEGIN SELECT RAISE(ABORT, 'audit_entries is append-only'); END
--
CREATE TRIGGER IF NOT EXISTS audit_entries_no_replace BEFORE INSERT ON audit_entries WHEN EXISTS (SELECT 1 FROM audit_entries WHERE market = NEW.market AND seq = NEW.seq)
BEGIN SELECT RAISE(ABORT, 'audit_entries is append-only'); END
--
CREATE TRIGGER IF NOT EXISTS audit_entries_follow_head BEFORE INSERT ON audit_entries
WHEN NEW.seq <> (SELECT COALESCE(MAX(seq) + 1, 0) FROM audit_entries WHERE market = NEW.market)
  OR NEW.prev_hash <> COALESCE((SELECT hash FROM audit_entries
     WHERE market = NEW.market AND seq = NEW.seq - 1), '0000000000000000000000000000000000000000000000000000000000000000')
BEGIN SELECT RAISE(ABORT, 'an audit entry must follow the head of its chain'); END
