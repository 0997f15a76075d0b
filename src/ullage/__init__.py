"""ullage keeps room on the disks that hold backups, and never deletes the wrong backup."""

__version__ = "0.1.0"
