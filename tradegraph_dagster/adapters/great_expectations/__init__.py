"""Great Expectations: the declarative contract of the adjusted bars, and its report."""
