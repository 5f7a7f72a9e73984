"""Whether there is a GPU: never one that is used.

For scripts that ask before they choose a device.
"""

__all__ = ["device_count", "is_available"]


def is_available() -> bool:
    """Return False: tensors live on the CPU."""
    return False


def device_count() -> int:
    """Return 0."""
    return 0
