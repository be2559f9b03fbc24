"""`python cli.py ...` from a checkout is `aml ...`."""

from automarkerlabel.cli import main

main()
