"""Every error that this package raises on purpose.

    AutoMarkerLabelError
    ├── InputError             what the user gave cannot be used (exit code 2)
    │   ├── FileFormatError    a file is not what its suffix or its place says, or is damaged
    │   ├── TrialError         a trial's arrays contradict each other or hold nothing to work on
    │   ├── MarkerSetError     a marker set is inconsistent, or not the one that is needed
    │   ├── ModelError         a model file is of another type, size or marker set than asked
    │   └── OutputError        the output exists, is the input, or cannot be written where asked
    └── ProcessingError        the work itself failed (exit code 1)
        ├── TrainingError      training cannot go on: not-a-number losses, no memory left
        └── VerificationError  an output, read again, is not what was to be written

A message says what was expected, what was found, and what to do. Only the command line catches them.
"""


class AutoMarkerLabelError(Exception):
    """Root of all errors of this package. `exit_code` is what the command line ends with.

    None is without words: where a cause had none of its own, the first line of what the error is stands for them.
    """

    exit_code = 1

    def __str__(self) -> str:
        return super().__str__().strip() or (self.__doc__ or type(self).__name__).strip().splitlines()[0]


class InputError(AutoMarkerLabelError):
    """What the user gave cannot be used."""

    exit_code = 2


class FileFormatError(InputError):
    """A file is not what its suffix or its place says, or is damaged."""


class TrialError(InputError):
    """A trial's arrays contradict each other or hold nothing to work on."""


class MarkerSetError(InputError):
    """A marker set is inconsistent, or not the one that is needed."""


class ModelError(InputError):
    """A model file is of another type, size or marker set than asked."""


class OutputError(InputError):
    """The output exists, is the input, or cannot be written where asked."""


class ProcessingError(AutoMarkerLabelError):
    """The work itself failed."""


class TrainingError(ProcessingError):
    """Training cannot go on: not-a-number losses, no memory left."""


class VerificationError(ProcessingError):
    """An output, read again, is not what was to be written."""
