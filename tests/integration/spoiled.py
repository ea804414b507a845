# SPDX-License-Identifier: MIT
"""A database that somebody else has written without care: values of other types than their columns',
numbers beyond all bounds, texts that are no UTF-8 or no JSON."""

import random
import sqlite3

VALUES = (None, "", "soon", "-1", "[", "{", '{"a":', "[1,[2,[3", "[" * 3000, '{"a":' * 500, '["zz",7,null]',
          "[\"" + "ff" * 400 + "\"]", "é\u0000x", "9" * 400, "x" * 20000, "<b>'\"\\", "2026-13-45T99:99:99Z",
          "0000-00-00", "9999-12-31T23:59:59Z", b"", b"\x00", b"\xff" * 300, 0, -1, 1, 2**31, 2**53, -2**53,
          2**63 - 1, -2**63, 1e308, -1e308, float("inf"), 5e-324)
NO_UTF8 = "CAST(x'c328ff22' AS TEXT)"
ABOUT_ITSELF = ("_migrations", "_async_migrations", "mk_meta", "mk_jobs")
SHARE = 25  # of the rows of each column, one in so many, and at least two


def spoil(path, seed):
    """How many values it has changed."""
    dice = random.Random(seed)
    db = sqlite3.connect(path)
    tables = db.execute("SELECT name FROM sqlite_master WHERE type = 'table'"
                        " AND name NOT LIKE 'sqlite_%' AND sql NOT LIKE '%WITHOUT ROWID%'")
    changed = sum(spoil_column(db, table, column, dice)
                  for table, in sorted(tables) if table not in ABOUT_ITSELF
                  for column, is_row in db.execute(
                      "SELECT name, pk AND type = 'INTEGER' FROM pragma_table_info(?)",
                      (table,)).fetchall() if not is_row)
    db.commit()
    db.close()
    return changed


def spoil_column(db, table, column, dice):
    rows = [r for r, in db.execute(f'SELECT rowid FROM "{table}"')]
    changed = 0
    for row in dice.sample(rows, min(len(rows), max(2, len(rows) // SHARE))):
        value = dice.choice(VALUES + (NO_UTF8,))
        what, values = (value, ()) if value == NO_UTF8 else ("?", (value,))
        changed += db.execute(f'UPDATE OR IGNORE "{table}" SET "{column}" = {what} WHERE rowid = ?',
                              (*values, row)).rowcount
    return changed
