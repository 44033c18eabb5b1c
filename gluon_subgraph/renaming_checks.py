"""New names that would make files of a block ambiguous, because stock Gluon and files of parameters go by others."""

from __future__ import annotations

from typing import Any, Mapping

from mxnet import gluon

from .errors import NameConflictError

__all__ = ["check_made_names", "check_names_in_files"]


def check_made_names(new_of: Mapping[str, str], parameters: Mapping[str, gluon.Parameter]) -> None:
    """Refuse a new name with which another Parameter of the network was made.

    Inside a stock parent Gluon saves each Parameter under the name it was made with, and loads by the name it has:
    where two exchange their names, their values would change places.

    Parameters
    ----------
    new_of : mapping of str to str
        The new name of each variable.
    parameters : mapping of str to Parameter
        Those of the network, by the name of the variable; the others are data.

    Raises
    ------
    NameConflictError
        A new name is one of these.
    """
    made: dict[str, dict[int, str]] = {}
    for name, parameter in parameters.items():
        made.setdefault(parameter.name, {})[id(parameter)] = name
    for old, new in new_of.items():
        owners = made.get(new, {})
        if new != old and owners and id(parameters.get(old)) not in owners:
            owner = next(iter(owners.values()))
            also = "" if owner == new else f", which is called {owner!r} now"
            msg = (
                f"{old!r} would be called {new!r}, as another parameter of the network was when it was made{also}.\n"
                "  Inside a stock parent, Gluon saves by the names that parameters were made with: the values would"
                " change places.\n"
                "  Rename the files, a triple or the Symbol, where names may be exchanged; or give a name that none was"
                " made with, save and load, which makes new parameters, and rename again. Nothing was changed."
            )
            raise NameConflictError(msg)


def check_names_in_files(structural: Mapping[str, str], variables: Mapping[str, Any]) -> None:
    """Refuse variables that are called what `save_parameters` calls others, if that goes for every one in its file.

    Parameters
    ----------
    structural : mapping of str to str
        {name in a file of `save_parameters`: the variable's new name}.
    variables : mapping of str to Parameter
        By the new name; several may be over one Parameter.

    Raises
    ------
    NameConflictError
        They are.
    """
    known = {key: variables[key] for key in structural if key in variables}
    wrong = [key for key in known if variables[structural[key]] is not known[key]]
    if wrong and {id(p) for p in known.values()} == {id(p) for p in variables.values()}:
        msg = (
            f"{wrong[0]!r} would be a variable, and is what save_parameters calls {structural[wrong[0]]!r}.\n"
            "  All names in a file of save_parameters would be such names, so that it could be read in two ways.\n"
            "  Give the variables other names; nothing was changed."
        )
        raise NameConflictError(msg)
