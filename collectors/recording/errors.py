"""Why a recording cannot be written or read, as types. Their text is fit to be shown."""


class RecordingError(Exception):
    """Something about a recording; the text says what, where and what to do."""


class RecordingExistsError(RecordingError):
    """There is something at the path already; a recording never replaces anything."""


class NotARecordingError(RecordingError):
    """The file is something else, or no file."""


class NewerRecordingError(RecordingError):
    """The file was written by a later version, in a way that this one does not know."""


class DamagedError(RecordingError):
    """A part of the file is not what was written, or is larger than a reader accepts."""
