"""``python -m stilt``: the same as the `stilt` command."""

from stilt.cli import main

if __name__ == "__main__":
    main()
