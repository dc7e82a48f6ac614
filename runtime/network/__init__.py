"""Networks of containers, from the records on disk to the kernel's interfaces and rules."""
