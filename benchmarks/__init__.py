"""What ullage costs, measured beside what it is compared with, in one run: ``python -m benchmarks``."""

from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
"""The project."""
