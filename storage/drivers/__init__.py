"""Places where objects are kept; each module is one implementation of ``storage.driver.Driver``."""
