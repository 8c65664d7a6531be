"""The models on Spark: their DuckDB SQL is translated as dbt hands it over, and stays the one definition."""
