#include "bindings/stream.h"

#include <pybind11/numpy.h>

#include <memory>
#include <string>

#include "bindings/arrays.h"
#include "bindings/live_path.h"
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

  // out: None, or an array of the block's kind and size, which is then the one that comes back.
  py::object Process(const py::array& block, const py::object& out) { return ProcessAny(block, false, out); }

  // One row for each face.
  py::object ProcessFaces(const py::array& block) { return ProcessAny(block, true, py::none()); }

  // Enhances what comes, in the calling thread, until the path is stopped or at its end. Python's lock is
  // free.
  void Run(PyLivePath& live) {
    if (!scheduler->native) {
      throw py::value_error(
          "only the core's own kernels run beside Python: feed the path by wait, next and give");
    }
    LivePath& path = live.core;
    if (path.rate_in() != core.rate() || (core.block() != 0 && path.hop() % core.block() != 0)) {
      throw py::value_error("the path and the stream are of different rates or blocks");
    }
    float* hop = live.hop.data();
    scheduler->Run([&]() noexcept {
      while (path.Wait()) {
        const double began = Now();
        core.Process(path.Next(), path.hop(), hop);
        const double enhanced = Now();
        path.Give(hop, enhanced);
        path.Timed(began, enhanced, Now());
      }
    });
  }

  py::array Flush() { return int16 ? FlushAs<int16_t>() : FlushAs<float>(); }

 private:
  py::object ProcessAny(const py::array& block, bool faces, const py::object& out) {
    if (block.ndim() != 1) {
      throw py::value_error("block must be one-dimensional (one microphone), got shape " + ShapeText(block));
    }
    if (core.block() != 0 && block.size() != core.block()) {
      throw py::value_error("block must hold " + std::to_string(core.block()) +
                            " samples, as was said at the start, got " + std::to_string(block.size()));
    }
    int16 = HoldsA<int16_t>(block);
    if (int16) return ProcessAs<int16_t>(block, faces, out);
    if (HoldsA<float>(block)) return ProcessAs<float>(block, faces, out);
    throw py::type_error("block must be int16 or float32, got " + DTypeText(block) +
                         "; use block.astype(numpy.float32) with full scale 1.0");
  }

  template <typename Sample>
  static py::array Target(const py::object& out, int count) {
    if (out.is_none()) return py::array_t<Sample>(count);
    const auto array = py::isinstance<py::array>(out) ? py::reinterpret_borrow<py::array>(out) : py::array();
    const bool fits = HoldsA<Sample>(array) && array.ndim() == 1 && array.size() == count &&
                      array.writeable() && (array.flags() & py::array::c_style) != 0;
    if (!fits) {
      throw py::value_error("out must be a writable contiguous array of the block's dtype and " +
                            std::to_string(count) + " samples");
    }
    return array;
  }

  template <typename Sample>
  py::object ProcessAs(const py::array& block, bool faces, const py::object& given) {
    const auto in = py::array_t<Sample, py::array::c_style>::ensure(block);
    const int count = static_cast<int>(in.size()), width = faces ? scheduler->core.faces() : 0;
    py::array out = Target<Sample>(given, count);
    py::object rows;
    Sample* to[HopScheduler::kMaxFaces];
    if (faces) {
      py::array_t<Sample> each({width, count});
      for (int k = 0; k < width; ++k) to[k] = each.mutable_data() + static_cast<size_t>(k) * count;
      rows = std::move(each);
    }
    const Sample* from = in.data();
    Sample* joint = static_cast<Sample*>(out.mutable_data());
    scheduler->Run([&]() noexcept { core.Process(from, count, joint, faces ? to : nullptr); });
    if (faces) return rows;
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
      .def("process", &PyStream::Process, py::arg("block"), py::arg("out") = py::none())
      .def("process_faces", &PyStream::ProcessFaces, py::arg("block"))
      .def("run", &PyStream::Run, py::arg("path"))
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
