# cython: language_level=3, embedsignature=True
# cython: boundscheck=False, wraparound=False, initializedcheck=False
# cython: cdivision=True
"""The kernels for unordered trees, compiled: see `_unordered_py`, which has the same functions in readable form.

The two change together. Arguments are trusted: `trees` checks what a user gives and builds the arrays.
"""

from libc.math cimport INFINITY

import numpy as np

__all__ = ["unordered_embedding", "unordered_isomorphism"]


def unordered_isomorphism(
    const int[::1] first1,
    const int[::1] labels1,
    const int[::1] first2,
    const int[::1] labels2,
    const double[:, ::1] affinity,
    bint rooted,
):
    """Return the heaviest common subtree of two unordered trees, edges kept.

    The contract is that of `_unordered_py.unordered_isomorphism`, the memory that of `unordered_embedding`.
    """
    return unordered_embedding(first1, labels1, first2, labels2, affinity, np.inf, rooted)


def unordered_embedding(
    const int[::1] first1,
    const int[::1] labels1,
    const int[::1] first2,
    const int[::1] labels2,
    const double[:, ::1] affinity,
    double penalty,
    bint rooted,
):
    """Return the heaviest common subtree of two unordered trees whose edges are paths in either.

    The contract is that of `_unordered_py.unordered_embedding`. Memory is 16 bytes for each pair of nodes, 8 if
    `rooted`, and 8 for each pair of branches at the nodes with most of them.
    """
    cdef:
        Search search = Search(first1, labels1, first2, labels2, affinity, penalty, rooted)
        Py_ssize_t u, v

    with nogil:
        for u in range(search.size1 - 1, -1, -1):
            search.skip_in_tree1(u)
            for v in range(search.size2 - 1, -1, -1):
                search.match(u, v)
                search.skip_down(u, v)
            if search.can_skip and not rooted:
                search.skip_up(u)
                search.turn_at(u)
        search.trace_back()
    return search.heaviest, [(u, search.partner[u]) for u in range(search.size1) if search.partner[u] >= 0]


cdef class Assignment:
    """The heaviest matching of rows to columns: see `_unordered_assignment_py.Assignment`."""

    cdef:
        Py_ssize_t rows, columns
        double[:, ::1] weights
        double[::1] row_price, column_price, length
        int[::1] column_of, changed, row_of, spare, from_row
        int[::1] is_done
        # Where the last search ended: with a row left alone or with a column taken, the other is -1.
        Py_ssize_t stop, last
        double cost

    def __init__(self, Py_ssize_t rows, Py_ssize_t columns):
        self.weights = np.zeros((rows, columns))
        self.row_price = np.zeros(rows)
        self.column_price, self.length = np.zeros((2, columns))
        self.column_of, self.changed = np.zeros((2, rows), dtype=np.intc)
        self.row_of, self.spare, self.from_row, self.is_done = np.zeros((4, columns), dtype=np.intc)

    cdef void solve(self) noexcept nogil:
        """Find the matching, row by row."""
        cdef:
            Py_ssize_t row, j
            double price
            const double* weights

        for j in range(self.columns):
            self.column_price[j], self.row_of[j] = 0.0, -1
        for row in range(self.rows):
            self.column_of[row] = -1
            price = 0.0
            weights = &self.weights[row, 0]
            for j in range(self.columns):
                price = max(price, weights[j] - self.column_price[j])
            self.row_price[row] = price
            if price > 0:
                self.search(row, -1)
                self.pay(row)
                self.change(self.column_of, self.row_of)

    cdef double total(self) noexcept nogil:
        """Return the weight of the matching, added up in the order of the rows."""
        self.keep()
        return self.add_up()

    cdef double without(self, Py_ssize_t column) noexcept nogil:
        """Return the weight of the heaviest matching that leaves `column` alone; `changed` has its pairs."""
        cdef Py_ssize_t row
        if column >= self.columns or self.row_of[column] < 0:
            return self.total()
        row = self.row_of[column]
        self.keep()
        self.search(row, column)
        self.changed[row] = -1
        self.change(self.changed, self.spare)
        return self.add_up()

    cdef void keep(self) noexcept nogil:
        """Copy the matching to `changed`."""
        cdef Py_ssize_t row
        for row in range(self.rows):
            self.changed[row] = self.column_of[row]

    cdef double add_up(self) noexcept nogil:
        cdef:
            Py_ssize_t row
            double weight = 0.0

        for row in range(self.rows):
            if self.changed[row] >= 0:
                weight += self.weights[row, self.changed[row]]
        return weight

    cdef void search(self, Py_ssize_t start, Py_ssize_t banned) noexcept nogil:
        """Find the cheapest way out for the row `start`; a row is preferred to a column as cheap."""
        cdef:
            Py_ssize_t j, row = start, column, columns = self.columns
            double passed = 0.0, price = self.row_price[start], length, nearest
            const double* weights
            const double* column_price = &self.column_price[0]
            double* lengths = &self.length[0]
            int* is_done = &self.is_done[0]

        for j in range(columns):
            lengths[j], is_done[j] = INFINITY, False
        self.stop, self.cost, self.last = start, price, -1
        while True:
            weights = &self.weights[row, 0]
            nearest, column = INFINITY, -1
            for j in range(columns):
                if is_done[j] or j == banned:
                    continue
                if weights[j] > 0:
                    length = passed + price + column_price[j] - weights[j]
                    if length < lengths[j]:
                        lengths[j], self.from_row[j] = length, <int>row
                if lengths[j] < nearest:
                    nearest, column = lengths[j], j
            if nearest >= self.cost:
                return
            if self.row_of[column] < 0:
                self.stop, self.last, self.cost = -1, column, nearest
                return
            is_done[column] = True
            row, passed = self.row_of[column], nearest
            price = self.row_price[row]
            if passed + price < self.cost:
                self.stop, self.cost = row, passed + price

    cdef void pay(self, Py_ssize_t start) noexcept nogil:
        """Change the prices so that every pair on the way just found is in balance."""
        cdef Py_ssize_t j
        self.row_price[start] -= self.cost
        for j in range(self.columns):
            if self.is_done[j]:
                self.row_price[self.row_of[j]] -= self.cost - self.length[j]
                self.column_price[j] += self.cost - self.length[j]

    cdef void change(self, int[::1] column_of, int[::1] row_of) noexcept nogil:
        """Give every row on the way just found the next column."""
        cdef:
            Py_ssize_t row
            int column = <int>self.last

        if self.stop >= 0:
            column, column_of[self.stop] = column_of[self.stop], -1
        while column >= 0:
            row = row_of[column] = self.from_row[column]
            column, column_of[row] = column_of[row], column


cdef class Search:
    """The tables of `unordered_embedding` and the steps that fill them: see `_unordered_py`."""

    cdef:
        const int[::1] child1, child2, label1, label2
        const double[:, ::1] scores
        double penalty, heaviest
        bint rooted, can_skip
        Py_ssize_t size1, size2
        # The topmost nodes of the heaviest common subtree, and what they have to match; top2 is -1 if there is one.
        Py_ssize_t top1, branch1, top2, branch2
        int[::1] parent2, given, partner
        double[:, ::1] weight
        Assignment found

    def __init__(
        self,
        const int[::1] child1,
        const int[::1] label1,
        const int[::1] child2,
        const int[::1] label2,
        const double[:, ::1] scores,
        double penalty,
        bint rooted,
    ):
        cdef Py_ssize_t v, d
        self.child1, self.label1, self.child2, self.label2 = child1, label1, child2, label2
        self.scores, self.penalty, self.rooted = scores, penalty, rooted
        self.can_skip = penalty < INFINITY
        self.size1, self.size2 = label1.shape[0], label2.shape[0]
        self.parent2 = np.full(self.size2, -1, dtype=np.intc)
        for v in range(self.size2):
            for d in range(child2[v], child2[v + 1]):
                self.parent2[d] = <int>v
        self.weight = np.zeros((self.size1, self.size2 if rooted else 2 * self.size2))
        self.given, self.partner = np.full((2, self.size1), -1, dtype=np.intc)
        self.heaviest = 0.0
        self.found = Assignment(np.diff(child1).max(), np.diff(child2).max() + 1)

    cdef Py_ssize_t branches(self, Py_ssize_t v) noexcept nogil:
        """Return the number of branches at node v of tree 2."""
        return self.child2[v + 1] - self.child2[v] + (not self.rooted and v > 0)

    cdef Py_ssize_t branch(self, Py_ssize_t v, Py_ssize_t column) noexcept nogil:
        """Return a branch at node v of tree 2; the last may be that of the parent."""
        cdef Py_ssize_t d = self.child2[v] + column
        return d if d < self.child2[v + 1] else self.size2 + v

    cdef void solve(self, Py_ssize_t u, Py_ssize_t v) noexcept nogil:
        """Find the heaviest matching of the children of u with the branches at v."""
        cdef:
            Py_ssize_t row, column, c = self.child1[u], d = self.child2[v], children = self.child2[v + 1] - d
            double* weights
            const double* weight

        self.found.rows, self.found.columns = self.child1[u + 1] - c, self.branches(v)
        for row in range(self.found.rows):
            weights, weight = &self.found.weights[row, 0], &self.weight[c + row, 0]
            for column in range(children):
                weights[column] = weight[d + column]
            if self.found.columns > children:
                weights[children] = weight[self.size2 + v]
        self.found.solve()

    cdef void skip_in_tree1(self, Py_ssize_t u) noexcept nogil:
        """Fill the row of u with what its best child has if u is skipped."""
        cdef:
            Py_ssize_t c, branch
            double* row = &self.weight[u, 0]
            const double* lower

        if self.can_skip:
            for c in range(self.child1[u], self.child1[u + 1]):
                lower = &self.weight[c, 0]
                for branch in range(self.weight.shape[1]):
                    row[branch] = max(row[branch], lower[branch] - self.penalty)

    cdef inline void raise_to(self, Py_ssize_t u, Py_ssize_t branch, double weight) noexcept nogil:
        if weight > self.weight[u, branch]:
            self.weight[u, branch] = weight

    cdef void match(self, Py_ssize_t u, Py_ssize_t v) noexcept nogil:
        """Count what u and v have as a pair, in the whole of tree 2 and without one branch at v in turn."""
        cdef:
            double score = self.scores[self.label1[u], self.label2[v]], total
            Py_ssize_t column, children = self.child2[v + 1] - self.child2[v]

        if score <= 0:
            return
        if self.child1[u] < self.child1[u + 1]:
            self.solve(u, v)
        else:
            self.found.rows = self.found.columns = 0
        total = self.found.total()
        if score + total >= self.heaviest:
            self.heaviest = score + total
            self.top1, self.branch1, self.top2 = u, 2 * self.size2 + v, -1
        self.raise_to(u, v, score + self.without(children, total))
        if not self.rooted:
            for column in range(children):
                self.raise_to(u, self.size2 + self.child2[v] + column, score + self.without(column, total))

    cdef inline double without(self, Py_ssize_t column, double total) noexcept nogil:
        """Return the weight of the matching without a column, `total` where it is not used anyway."""
        if column >= self.found.columns or self.found.row_of[column] < 0:
            return total
        return self.found.without(column)

    cdef void skip_down(self, Py_ssize_t u, Py_ssize_t v) noexcept nogil:
        """Count what u has with the best child of v if v is skipped on the way down."""
        cdef Py_ssize_t d
        if self.can_skip:
            for d in range(self.child2[v], self.child2[v + 1]):
                self.raise_to(u, v, self.weight[u, d] - self.penalty)

    cdef void skip_up(self, Py_ssize_t u) noexcept nogil:
        """Count what u has with the best branch at v, other than d, if v is skipped coming from its child d."""
        cdef:
            Py_ssize_t v, d, column
            double best, second, weight

        for v in range(self.size2):
            best = second = 0.0
            for column in range(self.branches(v)):
                weight = self.weight[u, self.branch(v, column)]
                if weight > best:
                    best, second = weight, best
                elif weight > second:
                    second = weight
            for d in range(self.child2[v], self.child2[v + 1]):
                weight = second if self.weight[u, d] == best else best
                self.raise_to(u, self.size2 + d, weight - self.penalty)

    cdef void turn_at(self, Py_ssize_t u) noexcept nogil:
        """Count the common subtrees with a path through u, from one child to another."""
        cdef Py_ssize_t d, c, branch, lower, lower_second, upper, upper_second
        if self.child1[u + 1] - self.child1[u] < 2:
            return
        for d in range(1, self.size2):
            branch = self.size2 + d
            # The best child for either end of the edge above d, and the second best, -1 for none.
            lower = lower_second = upper = upper_second = -1
            for c in range(self.child1[u], self.child1[u + 1]):
                if lower < 0 or self.weight[c, d] > self.weight[lower, d]:
                    lower, lower_second = c, lower
                elif lower_second < 0 or self.weight[c, d] > self.weight[lower_second, d]:
                    lower_second = c
                if upper < 0 or self.weight[c, branch] > self.weight[upper, branch]:
                    upper, upper_second = c, upper
                elif upper_second < 0 or self.weight[c, branch] > self.weight[upper_second, branch]:
                    upper_second = c
            if lower != upper:
                self.turn(d, lower, upper)
            else:
                self.turn(d, lower, upper_second)
                self.turn(d, lower_second, upper)

    cdef void turn(self, Py_ssize_t d, Py_ssize_t lower, Py_ssize_t upper) noexcept nogil:
        """Count the path from child `lower` to child `upper` that passes the edge above d in tree 2."""
        cdef double below = self.weight[lower, d], above = self.weight[upper, self.size2 + d]
        if below > 0 and above > 0 and below + above - self.penalty > self.heaviest:
            self.heaviest = below + above - self.penalty
            self.top1, self.branch1, self.top2, self.branch2 = lower, d, upper, self.size2 + d

    cdef void trace_back(self) noexcept nogil:
        """Fill in the partners in tree 2 of the nodes of tree 1."""
        cdef Py_ssize_t u, branch
        if self.heaviest > 0:
            self.given[self.top1] = <int>self.branch1
            if self.top2 >= 0:
                self.given[self.top2] = <int>self.branch2
        # What a node is given is final when it is reached, because children have larger numbers than their parent.
        for u in range(self.size1):
            branch = self.given[u]
            while branch >= 0:
                branch = self.follow(u, branch)

    cdef Py_ssize_t follow(self, Py_ssize_t u, Py_ssize_t branch) noexcept nogil:
        """Match u with the top of `branch` or give a child of u the branch; else return the next branch for u."""
        cdef:
            Py_ssize_t whole = branch // self.size2, v = branch % self.size2, banned, c, row, column
            double weight = self.heaviest if whole == 2 else self.weight[u, branch], score

        if whole == 1:
            banned = v - self.child2[self.parent2[v]]
            v = self.parent2[v]
        else:
            banned = self.child2[v + 1] - self.child2[v] + whole  # the column of the parent, or one there never is
        score = self.scores[self.label1[u], self.label2[v]]
        if score > 0:
            self.solve(u, v)
            if score + self.found.without(banned) == weight:
                self.partner[u] = <int>v
                for row in range(self.found.rows):
                    if self.found.changed[row] >= 0:
                        c = self.child1[u] + row
                        self.given[c] = <int>self.branch(v, self.found.changed[row])
                return -1
        for c in range(self.child1[u], self.child1[u + 1]):
            if self.weight[c, branch] - self.penalty == weight:
                self.given[c] = <int>branch
                return -1
        column = 0
        while column == banned or self.weight[u, self.branch(v, column)] - self.penalty != weight:
            column += 1
        return self.branch(v, column)
