"""The one exception that users see."""


class InputError(ValueError):
    """Input that cannot be used: a file, an option or an argument.

    The message is one line that names the file, the line or record, what was found, what was
    expected and what to do. The commands print it and exit with status 1.
    """
