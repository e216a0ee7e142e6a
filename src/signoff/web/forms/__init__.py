"""A form for each action, made from its JSON Schema.

Fields are named by JSON pointers into the decision, such as ``/values/amount``, which is also how
the one check of answers names what is wrong. What a form cannot ask field by field is asked as
JSON. Nothing is checked here: what does not read as the type that is asked for goes on as it was
typed, and the check says what it should have been.
"""
