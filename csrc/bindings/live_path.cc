#include "bindings/live_path.h"

#include <pybind11/numpy.h>

#include <cstdint>
#include <memory>
#include <string>

#include "bindings/arrays.h"
#include "bindings/unlocked.h"

namespace py = pybind11;

namespace seehear::bindings {
namespace {

constexpr int kMostChannels = 64;

// The shape of a block [n] or [n, channels].
struct Frames {
  explicit Frames(const py::array& block) {
    const bool fits = (block.ndim() == 1 || block.ndim() == 2) && (block.flags() & py::array::c_style) != 0;
    if (!fits || (block.ndim() == 2 && (block.shape(1) < 1 || block.shape(1) > kMostChannels))) {
      throw py::value_error("expected a contiguous block [n] or [n, channels], 1 to 64 channels, got shape " +
                            ShapeText(block));
    }
    count = static_cast<int>(block.shape(0));
    channels = block.ndim() == 1 ? 1 : static_cast<int>(block.shape(1));
  }
  int count, channels;
};

[[noreturn]] void RefuseKind(const py::array& block) {
  throw py::type_error("expected int16 or float32, got " + DTypeText(block));
}

int Put(PyLivePath& self, const py::array& block, const py::object& now) {
  const Frames frames(block);
  const double t = now.is_none() ? Now() : now.cast<double>();
  if (HoldsA<int16_t>(block))
    return self.core.Put(static_cast<const int16_t*>(block.data()), frames.count, frames.channels, t);
  if (HoldsA<float>(block))
    return self.core.Put(static_cast<const float*>(block.data()), frames.count, frames.channels, t);
  RefuseKind(block);
}

int Take(PyLivePath& self, py::array& out, const py::object& now) {
  const Frames frames(out);
  if (!out.writeable()) throw py::value_error("expected a block that can be written");
  const double t = now.is_none() ? Now() : now.cast<double>();
  void* const data = out.mutable_data();
  if (HoldsA<int16_t>(out))
    return self.core.Take(static_cast<int16_t*>(data), frames.count, frames.channels, t);
  if (HoldsA<float>(out)) return self.core.Take(static_cast<float*>(data), frames.count, frames.channels, t);
  RefuseKind(out);
}

template <typename Work>
bool WaitFor(const Work& work) {
  bool result = false;
  Unlocked([&]() noexcept { result = work(); });
  return result;
}

py::array Next(PyLivePath& self) {
  if (!self.core.Ready()) throw py::value_error("no hop is there: call wait first");
  py::array_t<float> hop = NewFloats(self.core.hop());
  const float* from = self.core.Next();
  std::copy(from, from + self.core.hop(), hop.mutable_data());
  return std::move(hop);
}

void Give(PyLivePath& self, const FloatArray& hop, double began, const py::object& now) {
  const float* enhanced = Floats(hop, self.core.hop(), "hop");
  std::copy(enhanced, enhanced + self.core.hop(), self.hop.begin());
  const double t = now.is_none() ? Now() : now.cast<double>();
  self.core.Give(self.hop.data(), t);
  self.core.Timed(began, t, now.is_none() ? Now() : t);
}

py::tuple Tap(PyLivePath& self, int most) {
  most = std::max(0, std::min(most, 1 << 20));
  std::vector<float> before(static_cast<size_t>(most)), after(static_cast<size_t>(most));
  const int count = self.core.Tap(before.data(), after.data(), most);
  return py::make_tuple(py::array_t<float>(count, before.data()), py::array_t<float>(count, after.data()));
}

bool Say(PyLivePath& self, const FloatArray& words) {
  if (words.ndim() != 1)
    throw py::value_error("words must be one-dimensional, got shape " + ShapeText(words));
  if (!self.core.prompt().Say(words.data(), static_cast<int>(words.size()))) return false;
  self.words = words;
  return true;
}

py::dict Summary(const Durations& durations) {
  py::dict summary;
  summary["count"] = durations.count();
  summary["p50"] = durations.Quantile(0.5);
  summary["p99"] = durations.Quantile(0.99);
  summary["max"] = durations.most();
  return summary;
}

py::dict Timings(PyLivePath& self) {
  py::dict timings;
  timings["enhance"] = Summary(self.core.compute());
  timings["output"] = Summary(self.core.output());
  timings["delay"] = Summary(self.core.delay());
  return timings;
}

py::dict CountersOf(PyLivePath& self) {
  LivePath& path = self.core;
  py::dict counters;
  counters["hops"] = path.hops();
  counters["late_hops"] = path.late_hops();
  counters["overruns"] = path.capture().overruns();
  counters["lost_samples"] = path.capture().lost();
  counters["underruns"] = path.playback().underruns();
  counters["starved"] = path.playback().starved();
  counters["cuts"] = path.playback().cuts();
  counters["output_overruns"] = path.playback().overruns();
  counters["untapped_hops"] = path.untapped();
  return counters;
}

}  // namespace

void BindLivePath(py::module_& m) {
  py::class_<PyLivePath>(m, "LivePath")
      .def(py::init([](int rate_in, int hop, int rate_out, bool paced) {
             auto self = std::make_unique<PyLivePath>();
             Check(self->core.Prepare(rate_in, hop, rate_out, paced));
             self->hop.resize(static_cast<size_t>(hop));
             return self;
           }),
           py::arg("rate_in"), py::arg("hop"), py::arg("rate_out"), py::arg("paced"))
      .def("put", &Put, py::arg("block"), py::arg("now") = py::none())
      .def("end", [](PyLivePath& self) { self.core.End(); })
      .def("wait", [](PyLivePath& self) { return WaitFor([&]() noexcept { return self.core.Wait(); }); })
      .def("ready", [](PyLivePath& self) { return self.core.Ready(); })
      .def("next", &Next)
      .def("give", &Give, py::arg("hop"), py::arg("began"), py::arg("now") = py::none())
      .def("wait_take",
           [](PyLivePath& self) { return WaitFor([&]() noexcept { return self.core.WaitTake(); }); })
      .def("take", &Take, py::arg("out"), py::arg("now") = py::none())
      .def("stop", [](PyLivePath& self) { self.core.Stop(); })
      .def(
          "expect", [](PyLivePath& self, bool sound) { self.core.playback().Expect(sound); },
          py::arg("sound"))
      .def(
          "listen", [](PyLivePath& self, bool on) { self.core.Listen(on); }, py::arg("on"))
      .def("tap", &Tap, py::arg("most"))
      .def("say", &Say, py::arg("words"))
      .def("hush", [](PyLivePath& self) { self.core.prompt().Hush(); })
      .def_property_readonly("speaking", [](PyLivePath& self) { return self.core.prompt().speaking(); })
      .def_property_readonly("stopped", [](PyLivePath& self) { return self.core.stopped(); })
      .def_property_readonly("hop", [](PyLivePath& self) { return self.core.hop(); })
      .def_property_readonly("counters", &CountersOf)
      .def_property_readonly("timings", &Timings)
      .def_property_readonly("waiting", [](PyLivePath& self) { return self.core.capture().Fill(); })
      .def_property_readonly("playback_delay", [](PyLivePath& self) { return self.core.playback().delay(); })
      .def_property_readonly("drift_ppm", [](PyLivePath& self) { return self.core.playback().drift_ppm(); })
      .def_property_readonly("margin", [](PyLivePath& self) { return self.core.playback().margin(); });
}

}  // namespace seehear::bindings
