// The pybind11 module seehear._core. Every public thing is described in sdk/seehear/_core.pyi.
#include <pybind11/pybind11.h>

#include "bindings/flat_model.h"
#include "bindings/limits.h"
#include "bindings/live_path.h"
#include "bindings/net_kernels.h"
#include "bindings/scheduler.h"
#include "bindings/stages.h"
#include "bindings/stream.h"

PYBIND11_MODULE(_core, m) {
  m.doc() = "Real-time core of seehear; see _core.pyi.";
  seehear::bindings::BindScheduler(m);
  seehear::bindings::BindLivePath(m);
  seehear::bindings::BindStream(m);
  seehear::bindings::BindStages(m);
  seehear::bindings::BindFlatModel(m);
  seehear::bindings::BindNetKernels(m);
  seehear::bindings::BindLimits(m);
}
