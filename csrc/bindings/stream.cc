#include "bindings/stream.h"

#include <pybind11/numpy.h>

#include <memory>
#include <string>

#include "bindings/arrays.h"
#include "bindings/scheduler.h"
#include "enhance/stream.h"

namespace py = pybind11;

namespace seehear::bindings {
namespace {

// A stream and the kind of samples it was last given, so that flush answers in kind.
struct PyStream {
  std::shared_ptr<PyScheduler> scheduler;
  Stream core;
  bool int16 = false;

  py::array Process(const py::array& block) { return ProcessAny(block, false); }

  // One row for each face.
  py::array ProcessFaces(const py::array& block) { return ProcessAny(block, true); }

  py::array Flush() { return int16 ? FlushAs<int16_t>() : FlushAs<float>(); }

 private:
  py::array ProcessAny(const py::array& block, bool faces) {
    if (block.ndim() != 1) {
      throw py::value_error("block must be one-dimensional (one microphone), got shape " + ShapeText(block));
    }
    if (core.block() != 0 && block.size() != core.block()) {
      throw py::value_error("block must hold " + std::to_string(core.block()) +
                            " samples, as was said at the start, got " + std::to_string(block.size()));
    }
    int16 = HoldsA<int16_t>(block);
    if (int16) return ProcessAs<int16_t>(block, faces);
    if (HoldsA<float>(block)) return ProcessAs<float>(block, faces);
    throw py::type_error("block must be int16 or float32, got " + DTypeText(block) +
                         "; use block.astype(numpy.float32) with full scale 1.0");
  }

  template <typename Sample>
  py::array ProcessAs(const py::array& block, bool faces) {
    const auto in = py::array_t<Sample, py::array::c_style>::ensure(block);
    const int count = static_cast<int>(in.size()), width = faces ? scheduler->core.faces() : 0;
    py::array_t<Sample> out(count);
    py::object rows;
    Sample* to[HopScheduler::kMaxFaces];
    if (faces) {
      py::array_t<Sample> each({width, count});
      for (int k = 0; k < width; ++k) to[k] = each.mutable_data() + static_cast<size_t>(k) * count;
      rows = std::move(each);
    }
    const Sample* from = in.data();
    Sample* joint = out.mutable_data();
    scheduler->Run([&]() noexcept { core.Process(from, count, joint, faces ? to : nullptr); });
    if (faces) return py::reinterpret_steal<py::array>(rows.release());
    return std::move(out);
  }

  template <typename Sample>
  py::array FlushAs() {
    py::array_t<Sample> out(core.latency());
    Sample* rest = out.mutable_data();
    scheduler->Run([&]() noexcept { core.Flush(rest); });
    return std::move(out);
  }
};

}  // namespace

void BindStream(py::module_& m) {
  py::class_<PyStream>(m, "Stream")
      .def(py::init([](std::shared_ptr<PyScheduler> scheduler, int rate, int block) {
             auto self = std::make_unique<PyStream>();
             const Turns::Turn turn(&scheduler->turns);  // for it is reset
             Check(self->core.Prepare(&scheduler->core, rate, block));
             self->scheduler = std::move(scheduler);
             return self;
           }),
           py::arg("scheduler"), py::arg("rate"), py::arg("block") = 0)
      .def("process", &PyStream::Process, py::arg("block"))
      .def("process_faces", &PyStream::ProcessFaces, py::arg("block"))
      .def("flush", &PyStream::Flush)
      .def("reset",
           [](PyStream& self) {
             const Turns::Turn turn(&self.scheduler->turns);
             self.core.Reset();
             self.scheduler->invoke.clear();
           })
      .def_property_readonly("latency", [](PyStream& self) { return self.core.latency(); })
      .def_property_readonly("block", [](PyStream& self) { return self.core.block(); })
      .def_property_readonly("rate", [](PyStream& self) { return self.core.rate(); });
}

}  // namespace seehear::bindings
