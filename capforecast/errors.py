"""Errors a caller can act on.

CapforecastError                 exit code 1
├── ConfigError                  2   a key or value in the settings is wrong
├── UsageError                   2   options that cannot be meant together
├── InputError                   3   a file, row or column that cannot be used
│   └── NoUsableInputError       3   nothing readable or usable is left
├── LakeError                    1
│   ├── MissingObjectError       1   a referenced object is not there
│   ├── StaleReferenceError      1   the object is there, with other content
│   ├── DamagedObjectError       1   the object is there and cannot be read
│   ├── AccessDeniedError        1   the credentials may not do what was asked
│   └── ConflictError            1   two writers of one partition, or a record that exists
├── SourceError                  1   a monitoring system cannot be read at all
│   └── SourceRefusedError       1   it does not let us: credentials, rights, cost
├── ModelError                   1   a stored model is missing, corrupt or does not fit
├── OutOfTimeError           1   the time given is nearly over, the rest was not begun
├── ExecutorError                1   the processes that compute blocks cannot be had, or died
│   └── VersionError             1   one of them has other code than the run
└── StageError                   1   a stage lost rows without a reason
"""

from __future__ import annotations


class CapforecastError(Exception):
    """Base of all errors raised on purpose; `exit_code` is what the command line ends with."""

    exit_code = 1
    retryable = False  # may the same call pass when it is made again, unchanged?


class ConfigError(CapforecastError):
    """A key or value in the settings is wrong; the message names it, where it stands and the fix."""

    exit_code = 2


class UsageError(CapforecastError):
    """Options that cannot be meant together."""

    exit_code = 2


class InputError(CapforecastError):
    """A file, row or column that cannot be used; the message names it and the fix."""

    exit_code = 3


class NoUsableInputError(InputError):
    """Nothing readable or usable is left of the input."""


class LakeError(CapforecastError):
    """The store did not do what was asked."""

    retryable = True


class MissingObjectError(LakeError):
    """A referenced object is not in the store."""

    retryable = False


class StaleReferenceError(LakeError):
    """The object behind a reference has changed since the reference was made."""

    retryable = False


class DamagedObjectError(LakeError):
    """An object of the lake is not what its key says: cut short, or written by something else."""

    retryable = False


class AccessDeniedError(LakeError):
    """The credentials in use may not do what was asked."""

    retryable = False


class ConflictError(LakeError):
    """Somebody else wrote the same partition or create-only record first."""

    retryable = False


class SourceError(CapforecastError):
    """Nothing at all can be had of a monitoring system; the message names its address, without credentials."""

    retryable = True


class SourceRefusedError(SourceError):
    """A monitoring system does not let us read, or it would cost more than is allowed: no retry helps."""

    retryable = False


class ModelError(CapforecastError):
    """A stored model is missing, corrupt or does not fit the data."""


class OutOfTimeError(CapforecastError):
    """The time that was given is nearly over: what is left was not begun."""

    retryable = True


class ExecutorError(CapforecastError):
    """The cluster that blocks are to be computed on did not start, did not answer, or lost its workers."""

    retryable = True


class VersionError(ExecutorError):
    """A worker would compute with other code than the run that asks it."""

    retryable = False


class StageError(CapforecastError):
    """A stage lost rows without giving a reason for each."""
