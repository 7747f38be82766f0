"""Quotes, odds and the backtest."""
