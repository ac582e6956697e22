#include "bindings/net_kernels.h"

#include <string>

#include "nets/net_kernel.h"

namespace py = pybind11;

namespace seehear::bindings {
namespace {

py::list Names() {
  const NetKernel* kernels[kMostNetKernels];
  const int count = NetKernels(kernels);
  py::list names;
  for (int k = 0; k < count; ++k) names.append(kernels[k]->name);
  return names;
}

void Use(const std::string& name) {
  if (UseNetKernel(name.c_str())) return;
  throw py::value_error("kernel must be one of " + py::str(", ").attr("join")(Names()).cast<std::string>() +
                        " on this processor, got " + name);
}

}  // namespace

void BindNetKernels(py::module_& m) {
  m.def("net_kernels", &Names);
  m.def("net_kernel", [] { return ActiveNetKernel().name; });
  m.def("use_net_kernel", &Use, py::arg("name"));
}

}  // namespace seehear::bindings
