"""What dbt's target `lake` asks of us: to attach the lake to the file that it opens."""

import duckdb
from dbt.adapters.duckdb.plugins import BasePlugin

from python_steps import lake


class Plugin(BasePlugin):  # type: ignore[misc]
    """Found by its name: dbt-duckdb looks for `Plugin` in the module that a profile names."""

    def configure_connection(self, conn: duckdb.DuckDBPyConnection) -> None:
        """Attach the lake, once for all cursors."""
        lake.attach(conn)

    def configure_cursor(self, cursor: duckdb.DuckDBPyConnection) -> None:
        """A new cursor begins in the file."""
        cursor.execute(f"use {lake.NAME}")
