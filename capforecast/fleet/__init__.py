"""What we saw: panel, quality, calendar, inventory, synthetic fleets."""

from capforecast import kernel_cache

kernel_cache.ensure()  # before any module of kernels is imported
