"""Profit, fills, universe and availability, recomputed from raw bars and published positions."""

from flows.guards.identity.check import Examined, check, examine

__all__ = ["Examined", "check", "examine"]
