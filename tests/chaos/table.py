"""The table with which a run ends."""

from typing import Sequence

from ledger import Outcome

HEADINGS = (
    "fault",
    "hits",
    "messages",
    "rings needed",
    "rings delivered",
    "lost",
    "duplicates",
    "median delay",
    "worst delay",
)


def row(name: str, outcome: Outcome) -> list[str]:
    return [
        name,
        str(outcome.hits),
        str(outcome.messages),
        str(outcome.needed),
        str(outcome.delivered),
        str(len(outcome.lost)),
        str(outcome.duplicates),
        f"{outcome.median:.2f} s",
        f"{outcome.worst:.2f} s",
    ]


def without_figures(name: str, why: str) -> list[str]:
    return [name, why, *[""] * (len(HEADINGS) - 2)]


def layout(rows: Sequence[Sequence[str]]) -> str:
    """The first column to the left, figures to the right; the last row, the totals, apart."""
    widths = [max(map(len, column)) for column in zip(HEADINGS, *rows)]

    def line(cells: Sequence[str]) -> str:
        figures = [cell.rjust(width) for cell, width in zip(cells[1:], widths[1:])]
        return " | ".join([cells[0].ljust(widths[0]), *figures])

    rule = "-+-".join("-" * width for width in widths)
    return "\n".join([line(HEADINGS), rule, *map(line, rows[:-1]), rule, line(rows[-1])])
