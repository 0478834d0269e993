"""Does a record follow from its own data?"""
