// seehear._core.net_kernels, net_kernel, use_net_kernel: which of the core's kernels run the nets.
#pragma once

#include <pybind11/pybind11.h>

namespace seehear::bindings {

void BindNetKernels(pybind11::module_& m);

}  // namespace seehear::bindings
