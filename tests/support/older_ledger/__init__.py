"""The ledger of the release before migrations: its statements as they were run, and rows in it."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Engine

# One order filled in part, one that was filled, a deposit and bonus shares.
ROWS = (
    "INSERT INTO decisions (market, decision_id, strategy, session, equity, inputs_fingerprint, "
    "payload) VALUES ('cn', 'dec-a', 's', '2024-01-03', '1000000.07', 'f', "
    '\'{"lines":[{"approved_shares":300,"held_shares":0,"price":"10.10","reasons":[],'
    '"sellable_shares":0,"symbol":"600000.SH"}],"rules_applied":[],"targets":{"600000.SH":300}}\')',
    "INSERT INTO orders (market, client_order_id, decision_id, session, symbol, side, "
    "quantity_shares, status, filled_shares, broker_order_id, reason) VALUES "
    "('cn', 'tg1-a', 'dec-a', '2024-01-03', '600000.SH', 'buy', 300, 'partial', 100, 'B1', ''), "
    "('cn', 'tg1-b', 'dec-a', '2024-01-03', '600000.SH', 'sell', 50, 'filled', 50, 'B2', '')",
    "INSERT INTO fills (market, broker, execution_id, client_order_id, session, symbol, side, "
    "quantity_shares, price, fee, filled_at) VALUES "
    "('cn', 'sim', 'e1', 'tg1-a', '2024-01-03', '600000.SH', 'buy', 100, '10.10', '5.01', "
    "'2024-01-03T01:30:00.000000Z'), "
    "('cn', 'sim', 'e2', 'tg1-b', '2024-01-03', '600000.SH', 'sell', 50, '10.20', '5.00', "
    "'2024-01-03T02:30:00.000000Z')",
    "INSERT INTO bookings (market, broker, booking_id, session, kind, symbol, shares, cash) VALUES "
    "('cn', 'sim', 'b1', '2024-01-03', 'deposit', '', 0, '1000000.00'), "
    "('cn', 'sim', 'b2', '2024-01-04', 'bonus', '600000.SH', 5, '0')",
    "INSERT INTO kill_switch (market, is_engaged, reason, actor) VALUES ('cn', true, 'old', 'ann')",
)


def make_older_ledger(engine: Engine, *, without: str = "") -> None:
    """Make it as that release did.

    Args:
        engine: Of an empty database.
        without: Leave out what names this table, as releases before it did.
    """
    script = Path(__file__).parent / f"{engine.dialect.name}.sql"
    with engine.begin() as connection:
        for statement in script.read_text().split("\n--\n"):
            if not without or without not in statement:
                connection.exec_driver_sql(statement.replace("%", "%%"))
        for row in ROWS:
            connection.exec_driver_sql(row)
