"""The service and its pages, over the public API of `buff`."""
