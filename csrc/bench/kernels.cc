// Times the nets and the whole hop of a model, with every kernel that this machine can run, in turn; prints
// nanoseconds per hop as JSON, {"scalar": {"nets, sound": [...], ...}, ...}:
//   nets   the graphs that a hop runs, on the core's kernels: by sound alone, and with a face (gate each hop,
//          lips once in 4)
//   hop    seehear_process, all included
// With a kernel and sound or face named it only runs that many hops: for counting instructions.
// usage: seehear_kernels MODEL.bin [HOPS [KERNEL sound|face]]
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <vector>

#include "firmware/c_api.h"
#include "nets/net_kernel.h"
#include "testing/test_config.h"
#include "testing/test_invoke.h"

namespace {

using Clock = std::chrono::steady_clock;

constexpr int kImagePeriod = 4;  // hops

struct Model {
  std::vector<uint32_t> image;
  std::vector<uint64_t> memory;
  seehear_t* handle = nullptr;

  bool Load(const char* path) {
    std::FILE* file = std::fopen(path, "rb");
    if (file == nullptr) return false;
    std::fseek(file, 0, SEEK_END);
    const size_t size = static_cast<size_t>(std::ftell(file));
    std::rewind(file);
    image.resize((size + 3) / 4);
    const bool whole = std::fread(image.data(), 1, size, file) == size;
    std::fclose(file);
    memory.resize(seehear_needed_memory(image.data(), size) / 8 + 1);
    seehear_error error{"cut off"};
    if (whole) handle = seehear_init(image.data(), size, memory.data(), memory.size() * 8, &error);
    if (handle == nullptr) std::fprintf(stderr, "%s\n", error.text);
    return handle != nullptr;
  }

  void Nets(int hop, bool face) {
    for (int g = 0; g < seehear_graph_count(handle); ++g) {
      const char* name = seehear_graph_name(handle, g);
      const bool audio = std::strncmp(name, "audio", 5) == 0, lips = std::strncmp(name, "lips", 4) == 0;
      if (audio || (face && (!lips || hop % kImagePeriod == 0))) seehear_run_int8(handle, g);
    }
  }

  void Hop(int hop, bool face, const float* in) {
    float out[480], landmarks[2 * SEEHEAR_LANDMARKS];
    if (face && hop % kImagePeriod == 0) {
      seehear::TestFace(0.0001f * static_cast<float>(hop), landmarks);
      seehear_see(handle, landmarks, seehear_now(handle) - 0.06);
    }
    seehear_process(handle, in, out);
  }
};

template <typename Run>
void Measure(const char* name, int hops, Run run, const char* end) {
  for (int i = 0; i < 100; ++i) run(i);
  std::printf("    \"%s\": [", name);
  std::vector<long> nanoseconds(hops);
  for (int i = 0; i < hops; ++i) {
    const auto start = Clock::now();
    run(i + 100);
    nanoseconds[i] = std::chrono::duration_cast<std::chrono::nanoseconds>(Clock::now() - start).count();
  }
  for (int i = 0; i < hops; ++i) std::printf("%s%ld", i ? "," : "", nanoseconds[i]);
  std::printf("]%s\n", end);
}

}  // namespace

int main(int argc, char** argv) {
  Model model;
  if (argc < 2 || !model.Load(argv[1])) return 1;
  const int hops = argc > 2 ? std::max(1, std::atoi(argv[2])) : 2000;
  const std::vector<float> noise = seehear::TestNoise(16000);
  const auto input = [&](int i) { return noise.data() + i % 99 * 160; };
  if (argc > 4) {
    if (!seehear::UseNetKernel(argv[3])) return 1;
    const bool face = std::strcmp(argv[4], "face") == 0;
    for (int i = 0; i < hops; ++i) model.Hop(i, face, input(i));
    return 0;
  }
  const seehear::NetKernel* kernels[seehear::kMostNetKernels];
  const int count = seehear::NetKernels(kernels);
  std::printf("{\n");
  for (int k = 0; k < count; ++k) {
    seehear::UseNetKernel(kernels[k]->name);
    std::printf("  \"%s\": {\n", kernels[k]->name);
    Measure("nets, sound", hops, [&](int i) { model.Nets(i, false); }, ",");
    Measure("nets, face", hops, [&](int i) { model.Nets(i, true); }, ",");
    seehear_reset(model.handle);
    Measure("hop, sound", hops, [&](int i) { model.Hop(i, false, input(i)); }, ",");
    Measure("hop, face", hops, [&](int i) { model.Hop(i, true, input(i)); }, "");
    std::printf("  }%s\n", k + 1 < count ? "," : "");
  }
  std::printf("}\n");
  return 0;
}
