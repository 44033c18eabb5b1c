"""``python -m gluon_subgraph``: the command line."""

from .command_line import main

if __name__ == "__main__":
    main(prog_name="gluon-subgraph")
