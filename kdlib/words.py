"""Figures in sentences."""


def count(number: int, noun: str) -> str:
    """1 run, 2 runs, 12,596 images"""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
