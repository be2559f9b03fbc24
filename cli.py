"""`python cli.py ...` from a checkout is `aml ...`."""

from automarkerlabel.cli import main

if __name__ == "__main__":  # worker processes import this file, too
    main()
