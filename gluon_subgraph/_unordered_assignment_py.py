"""The heaviest matching of two lists of siblings, solved once, and again without any one of its columns.

A part of `_unordered_py`; the same class is in `_unordered.pyx`.
"""

from __future__ import annotations

import math

__all__ = ["Assignment"]


class Assignment:
    """The heaviest matching of rows to columns; either may stay alone, and a weight of 0 forbids the pair.

    The Hungarian method, a shortest augmenting path for each row. Rows and columns have a price of 0 or more. At
    all times row price + column price >= weight, with equality for the pairs of the matching, and what is alone
    and done with costs 0: hence no matching is heavier than the sum of the prices, and this one weighs as much.

    Time is O(rows * columns * min(rows, columns)) for `solve` and O(columns * min(rows, columns)) for `without`,
    because a search passes a column at most once, and only those of the matching. Memory is that of the weights
    and nine numbers for each row and column.
    """

    def __init__(self, weights: list[list[float]], columns: int) -> None:
        self.weights = weights
        self.row_price = [0.0] * len(weights)
        self.column_price = [0.0] * columns
        self.column_of = [-1] * len(weights)
        self.row_of = [-1] * columns
        self.changed: list[int] = []  # column_of, but without the column that `without` was asked for

    def solve(self) -> None:
        """Find the matching, row by row."""
        for row, weights in enumerate(self.weights):
            price = 0.0
            for weight, column_price in zip(weights, self.column_price):
                price = max(price, weight - column_price)
            self.row_price[row] = price
            if price > 0:
                stop, column, length = self._search(row, -1)
                self._pay(row, length)
                self._change(self.column_of, self.row_of, stop, column)

    def total(self) -> float:
        """Return the weight of the matching, added up in the order of the rows."""
        self.changed = self.column_of[:]
        return self._add_up()

    def without(self, column: int) -> float:
        """Return the weight of the heaviest matching that leaves `column` alone; `changed` has its pairs.

        The prices stay right for all but the one row that loses its column, so one search is enough.
        """
        if column >= len(self.row_of) or self.row_of[column] < 0:
            return self.total()
        row = self.row_of[column]
        self.changed = self.column_of[:]
        stop, last, _ = self._search(row, column)
        self.changed[row] = -1
        self._change(self.changed, self.row_of[:], stop, last)
        return self._add_up()

    def _add_up(self) -> float:
        weight = 0.0
        for row, column in enumerate(self.changed):
            if column >= 0:
                weight += self.weights[row][column]
        return weight

    def _search(self, start: int, banned: int) -> tuple[int, int, float]:
        """Return where the cheapest way out for the row `start` ends, and what it costs.

        It ends with a row that is left alone, (row, -1, cost), or with a column that was, (-1, column, cost).
        A row is preferred to a column as cheap, the first to the last.
        """
        columns = len(self.row_of)
        self.length = [math.inf] * columns
        self.from_row = [-1] * columns
        self.is_done = [False] * columns
        row, passed, stop, shortest_stop = start, 0.0, start, self.row_price[start]
        while True:
            nearest, column = math.inf, -1
            for j, weight in enumerate(self.weights[row]):
                if self.is_done[j] or j == banned:
                    continue
                if weight > 0:
                    length = passed + self.row_price[row] + self.column_price[j] - weight
                    if length < self.length[j]:
                        self.length[j] = length
                        self.from_row[j] = row
                if self.length[j] < nearest:
                    nearest, column = self.length[j], j
            if nearest >= shortest_stop:
                return stop, -1, shortest_stop
            if self.row_of[column] < 0:
                return -1, column, nearest
            self.is_done[column] = True
            row, passed = self.row_of[column], nearest
            if passed + self.row_price[row] < shortest_stop:
                stop, shortest_stop = row, passed + self.row_price[row]

    def _pay(self, start: int, length: float) -> None:
        """Change the prices so that every pair on the way just found is in balance."""
        self.row_price[start] -= length
        for column, row in enumerate(self.row_of):
            if self.is_done[column]:
                self.row_price[row] -= length - self.length[column]
                self.column_price[column] += length - self.length[column]

    def _change(self, column_of: list[int], row_of: list[int], stop: int, column: int) -> None:
        """Give every row on the way just found the next column; `stop` is left alone, or `column` is taken."""
        if stop >= 0:
            column, column_of[stop] = column_of[stop], -1
        while column >= 0:
            row = row_of[column] = self.from_row[column]
            column, column_of[row] = column_of[row], column
