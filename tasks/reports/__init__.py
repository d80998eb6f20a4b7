"""A result as something to show: a page, a drawing, a snippet."""
