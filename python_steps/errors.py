"""What a user can put right."""


class InputError(ValueError):
    """One line: the file, the row or column, what was found and what is expected."""
