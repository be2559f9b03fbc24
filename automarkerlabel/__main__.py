"""`python -m automarkerlabel ...` is `aml ...`."""

from automarkerlabel.cli import main

main()
