"""The public path of `sockharness.machine.inside`."""

from sockharness.machine.inside import InsideKernel as InsideKernel
