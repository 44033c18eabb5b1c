# cython: language_level=3, embedsignature=True
# cython: wraparound=False
"""The normal form of a graph, compiled: see `_forms_py`, which has the same in readable form.

Named tuples are filled in place here: half of the time of their own constructor goes into tuples that it throws away.
What is rare, such as parameters that are computed from others, is done by functions of the twin. The two change
together.
"""

from cpython cimport array
from cpython.ref cimport Py_INCREF
from cpython.tuple cimport PyTuple_Check, PyTuple_GET_ITEM, PyTuple_GET_SIZE, PyTuple_New, PyTuple_SET_ITEM

from ._forms_py import Form, Layer, Step, computed, input_step, layer_of_slots, roles_of
from .graph import VARIABLE
from .operators import kind_of_node

__all__ = ["read_form_of_nodes", "read_form_of_text"]

cdef extern from "Python.h":
    ctypedef struct PyTypeObject:
        pass
    object PyType_GenericAlloc(PyTypeObject* kind, Py_ssize_t items)

cdef enum:
    OWNED = -1
    MOST_POSITIONS = 64  # of an operator whose roles are kept

cdef array.array _none = array.array("i")


def read_form_of_nodes(nodes, outputs, shapes):
    """Return the normal form of nodes; variables in `shapes` are parameters, all others are inputs.

    The contract is that of `_forms_py.read_form_of_nodes`.
    """
    cdef:
        list listed = list(nodes)
        Reading reading = Reading(shapes, len(listed))
        array.array sources = array.array("i"), numbers = array.array("i")
        Py_ssize_t k, count

    for node in listed:
        entries = item(node, 2)
        count = len(entries)
        array.resize_smart(sources, count)
        array.resize_smart(numbers, count)
        for k, entry in enumerate(entries):
            sources.data.as_ints[k], numbers.data.as_ints[k] = item(entry, 0), item(entry, 1)
        reading.add(item(node, 0), item(node, 1), sources.data.as_ints, numbers.data.as_ints, count, item(node, 3))
    return reading.form(outputs)


def read_form_of_text(read, shapes):
    """Return the normal form of the columns of Symbol JSON.

    The contract is that of `_forms_py.read_form_of_text`.
    """
    cdef:
        list ops = read.ops, names = read.names, attrs = read.attrs
        Reading reading = Reading(shapes, len(ops))
        array.array sources = read.sources, numbers = read.numbers
        Py_ssize_t i, begin, end = 0

    for i in range(len(ops)):
        begin, end = end, read.begins[i + 1]
        if not begin <= end <= min(len(sources), len(numbers)):
            raise IndexError(end)
        reading.add(
            ops[i], names[i], sources.data.as_ints + begin, numbers.data.as_ints + begin, end - begin, attrs[i]
        )
    return reading.form(read.rest["heads"])


cdef class Known:
    """The kind of an operator with certain attributes, and the roles of its parameters where it was last met."""

    cdef:
        object kind, family, settings, attrs, roles
        bint is_transparent
        unsigned long long slots  # the positions that have these roles, as bits


cdef class Reading:
    """The steps of the nodes read so far, and what became of these, as `_forms_py._Reading` has them.

    `owned` has an item for each node, None where `first` has a step.
    """

    cdef:
        object shapes
        list steps, owned
        dict further, kinds
        array.array _first
        int* first

    def __init__(self, shapes, count):
        self.shapes = shapes
        self.steps, self.owned = [], []
        self.further, self.kinds = {}, {}
        self._first = array.clone(_none, count, zero=False)
        self.first = self._first.data.as_ints

    cdef form(self, outputs):
        returned = []
        for entry in outputs:
            if self.owned[entry[0]] is None:
                returned.append(self.step_of(entry[0], entry[1]))
        return Form(self.steps, tuple(returned))

    cdef note(self, int first, owned):
        """Note what became of the next node."""
        self.first[len(self.owned)] = first
        self.owned.append(owned)

    cdef add(self, op, name, const int* sources, const int* numbers, Py_ssize_t count, attrs):
        if op != VARIABLE:
            self.add_operator(op, sources, numbers, count, attrs)
        elif name in self.shapes:
            self.note(OWNED, name)
        else:
            self.note(<int> len(self.steps), None)
            self.steps.append(input_step(name))

    cdef add_operator(self, op, const int* sources, const int* numbers, Py_ssize_t count, attrs):
        cdef:
            Known known = self.known_operator(op, attrs)
            Py_ssize_t k, owned = 0
            unsigned long long slots = 0
            bint is_plain = True

        for k in range(count):
            if not 0 <= sources[k] < len(self.owned):
                raise IndexError(sources[k])
            if self.first[sources[k]] == OWNED:
                slots |= 1ull << (k % MOST_POSITIONS)
                is_plain = is_plain and k < MOST_POSITIONS and type(self.owned[sources[k]]) is str
                owned += 1
        if owned == count:
            self.note(OWNED, computed(known.kind, [self.owned[sources[k]] for k in range(count)]))
            return
        inputs = self.inputs_of(sources, numbers, count, count - owned)
        if owned == 0 and known.is_transparent:
            self.note(inputs[0], None)
            return
        layer = None
        if owned:
            layer = self.plain_layer(known, sources, count, owned, slots) if is_plain else self.odd_layer(
                known, [self.owned[sources[k]] for k in range(count)]
            )
        self.note(<int> len(self.steps), None)
        self.steps.append(new_step(known.kind, inputs, layer))

    cdef Known known_operator(self, op, attrs):
        cdef Known known

        key = (op, <size_t> <void*> attrs)
        found = self.kinds.get(key)
        if found is not None:
            return found
        known = self.kinds[key] = Known()
        known.kind, known.attrs, known.roles, known.slots = kind_of_node(op, attrs), attrs, (), 0
        known.family, known.settings, known.is_transparent, _ = known.kind
        return known

    cdef tuple inputs_of(self, const int* sources, const int* numbers, Py_ssize_t count, Py_ssize_t steps):
        """Return the steps of the entries that are no parameters; there are `steps` of them."""
        cdef:
            tuple inputs = PyTuple_New(steps)
            Py_ssize_t k, place = 0

        for k in range(count):
            if self.first[sources[k]] != OWNED:
                put(inputs, place, self.step_of(sources[k], numbers[k]))
                place += 1
        return inputs

    cdef step_of(self, int node, int number):
        cdef int first = self.first[node]

        if number == 0:
            return first
        step = self.further.get((node, number))
        if step is None:
            step = self.further[node, number] = len(self.steps)
            self.steps.append(Step(self.steps[first].kind, (first,), None, number))
        return step

    cdef plain_layer(
        self, Known known, const int* sources, Py_ssize_t count, Py_ssize_t owned, unsigned long long slots
    ):
        """Return the layer of an operator that reads `owned` parameters as they are, at these positions."""
        cdef:
            tuple names = PyTuple_New(owned), shapes = PyTuple_New(owned)
            Py_ssize_t k, place = 0

        for k in range(count):
            if self.first[sources[k]] == OWNED:
                name = self.owned[sources[k]]
                put(names, place, name)
                put(shapes, place, self.shapes[name])
                place += 1
        if slots != known.slots:
            known.roles = roles_of(known.family, tuple([k for k in range(MOST_POSITIONS) if slots >> k & 1]))
            known.slots = slots
        return new_layer(known, names, shapes, len(self.owned))

    cdef odd_layer(self, Known known, list owned):
        """Return the layer of an operator of which some parameters are computed, or that has very many inputs."""
        slots = [(position, value) for position, value in enumerate(owned) if value is not None]
        return layer_of_slots(known.kind, slots, self.shapes, len(self.owned))


cdef inline item(row, Py_ssize_t k):
    """Return an item of a tuple, maybe a named one, or of a list."""
    if PyTuple_Check(row) and k < PyTuple_GET_SIZE(row):
        return <object> PyTuple_GET_ITEM(row, k)
    return row[k]


cdef inline put(row, Py_ssize_t k, value):
    """Fill a place of a tuple that nobody else has seen yet."""
    Py_INCREF(value)  # which the next line takes over
    PyTuple_SET_ITEM(row, k, value)


cdef new_step(kind, inputs, layer):
    step = PyType_GenericAlloc(<PyTypeObject*> Step, 4)
    put(step, 0, kind)
    put(step, 1, inputs)
    put(step, 2, layer)
    put(step, 3, 0)
    return step


cdef new_layer(Known known, names, shapes, node):
    layer = PyType_GenericAlloc(<PyTypeObject*> Layer, 7)
    put(layer, 0, known.family)
    put(layer, 1, known.roles)
    put(layer, 2, names)
    put(layer, 3, shapes)
    put(layer, 4, known.settings)
    put(layer, 5, node)
    put(layer, 6, ())
    return layer
