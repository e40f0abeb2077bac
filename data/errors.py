"""What can go wrong with a data set on the user's machine.

DataSetError
├── SourceError      the local copy that the user named is not the published data
└── ManifestError    the folder is no data set version
"""


class DataSetError(Exception):
    """One line: what was found, where, what was expected, what to do."""


class SourceError(DataSetError):
    """The named copy of the data cannot be used."""


class ManifestError(DataSetError):
    """A folder or a name cannot be a data set version."""
