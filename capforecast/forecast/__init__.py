"""What comes next: the batched fleet engine and its evidence."""

from capforecast import kernel_cache

kernel_cache.ensure()  # before any module of kernels is imported
