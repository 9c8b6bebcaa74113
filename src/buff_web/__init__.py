"""The service and its pages, over the public API of `buff`. It reads; it never decides, computes a run or writes."""
