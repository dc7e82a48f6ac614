"""What is wrong with a template."""


class TemplateError(Exception):
    """A template that cannot be read, or not be executed on what it is given; the text is Go's."""
