#include "nets/net_kernel.h"

#if defined(__unix__)
#include <sys/mman.h>
#include <unistd.h>
#endif

#include <cstring>
#include <limits>
#include <string>

#include "testing/test.h"

namespace seehear {
namespace {

// Memory whose last byte lies before a page that nobody may read.
template <typename T>
class Fenced {
 public:
  explicit Fenced(int count) : count_(count) {
#if defined(__unix__)
    const size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
    const size_t bytes = (count * sizeof(T) + page - 1) / page * page;
    size_ = bytes + page;
    memory_ =
        static_cast<char*>(mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    mprotect(memory_ + bytes, page, PROT_NONE);
    data_ = reinterpret_cast<T*>(memory_ + bytes) - count;
#else
    data_ = new T[count]();
#endif
  }
  ~Fenced() {
#if defined(__unix__)
    munmap(memory_, size_);
#else
    delete[] data_;
#endif
  }
  Fenced(const Fenced&) = delete;
  Fenced& operator=(const Fenced&) = delete;

  T* data() { return data_; }
  T* begin() { return data_; }
  T* end() { return data_ + count_; }
  T& operator[](int i) { return data_[i]; }

 private:
  int count_;
  size_t size_ = 0;
  char* memory_ = nullptr;
  T* data_;
};

class Random {
 public:
  int Below(int range) {
    state_ = state_ * 1664525u + 1013904223u;
    return static_cast<int>((state_ >> 8) % static_cast<uint32_t>(range));
  }
  int8_t Byte() { return static_cast<int8_t>(Below(256) - 128); }
  int32_t Word() { return static_cast<int32_t>(static_cast<uint32_t>(Below(65536)) << 16 | Below(65536)); }
  float Real(float limit) { return limit * (static_cast<float>(Below(1 << 20)) / (1 << 19) - 1.0f); }

 private:
  uint32_t state_ = 7;
};

// Calls check(kernel, scalar) for all kernels that this machine has beside the scalar one.
template <typename Check>
void ForEach(Check check) {
  const NetKernel* kernels[kMostNetKernels];
  const int count = NetKernels(kernels);
  for (int k = 1; k < count; ++k) check(*kernels[k], *kernels[0]);
}

enum class Fill { kRandom, kLowest, kHighest, kOpposite };

struct LayerFixture {
  Fenced<int8_t> weights, x, y, expected;
  Fenced<int32_t> bias, multiplier, shift;
  Int8Layer layer;

  LayerFixture(int inputs, int outputs, int scales)
      : weights(inputs * outputs),
        x(inputs),
        y(outputs),
        expected(outputs),
        bias(outputs),
        multiplier(scales),
        shift(scales) {
    layer.inputs = inputs;
    layer.outputs = outputs;
    layer.weights = weights.data();
    layer.bias = bias.data();
    layer.multiplier = multiplier.data();
    layer.shift = shift.data();
    layer.scales = scales;
  }

  void Set(Fill fill, Random* random) {
    for (int8_t& w : weights)
      w = fill == Fill::kRandom ? random->Byte() : fill == Fill::kHighest ? 127 : -128;
    for (int8_t& v : x) {
      v = fill == Fill::kRandom ? random->Byte() : fill == Fill::kLowest ? int8_t{-128} : int8_t{127};
    }
    // Shifts that leave something of the sum.
    for (int32_t& b : bias) b = random->Below(20000) - 10000;
    for (int32_t& m : multiplier) m = (1 << 30) + random->Below(1 << 30);
    for (int32_t& s : shift) s = 36 + random->Below(8);
    layer.zero_point = random->Byte();
  }

  void SetStrange(Random* random) {
    constexpr int32_t kWords[] = {INT32_MIN, INT32_MIN + 1, -1, 0, 1, INT32_MAX};
    for (int32_t& b : bias) b = random->Below(2) ? kWords[random->Below(6)] : random->Word();
    for (int32_t& m : multiplier)
      m = (random->Below(2) ? kWords[random->Below(6)] : random->Word()) & INT32_MAX;
    for (int32_t& s : shift) s = 1 + random->Below(Int8Layer::kMaxShift);
    layer.zero_point = random->Below(2) ? 127 : -128;
  }

  void CheckSame(const NetKernel& kernel, const NetKernel& scalar) {
    std::memset(y.data(), 99, layer.outputs);
    scalar.layer(layer, x.data(), expected.data());
    kernel.layer(layer, x.data(), y.data());
    int wrong = 0;
    for (int o = 0; o < layer.outputs; ++o) wrong += y[o] != expected[o];
    if (wrong != 0) {
      test::Fail(__FILE__, __LINE__,
                 std::string(kernel.name) + ": " + std::to_string(wrong) + " of " +
                     std::to_string(layer.outputs) + " values differ, inputs " +
                     std::to_string(layer.inputs));
    }
  }
};

TEST(EveryKernelGivesTheBitsOfTheScalarOneForEverySize) {
  Random random;
  const auto check = [&random](int inputs, int outputs) {
    for (int scales : {1, outputs}) {
      LayerFixture f(inputs, outputs, scales);
      for (Fill fill : {Fill::kRandom, Fill::kLowest, Fill::kHighest, Fill::kOpposite}) {
        f.Set(fill, &random);
        ForEach([&f](const NetKernel& kernel, const NetKernel& scalar) { f.CheckSame(kernel, scalar); });
      }
    }
  };
  for (int inputs = 1; inputs <= 140; ++inputs) {
    for (int outputs : {1, 3, 8, 16, 21}) check(inputs, outputs);
  }
  for (int outputs = 1; outputs <= 40; ++outputs) check(24, outputs);
  for (int inputs : {160, 384, 511, 512, 513, 1100, int{Int8Layer::kMaxInputs}}) check(inputs, 17);
}

TEST(EveryKernelRoundsAsTheScalarOneWhateverBiasAndScale) {
  Random random;
  for (int round = 0; round < 300; ++round) {
    const int outputs = 1 + random.Below(40);
    LayerFixture f(1 + random.Below(70), outputs, random.Below(2) ? 1 : outputs);
    f.Set(round % 2 ? Fill::kRandom : Fill::kLowest, &random);
    f.SetStrange(&random);
    ForEach([&f](const NetKernel& kernel, const NetKernel& scalar) { f.CheckSame(kernel, scalar); });
  }
}

TEST(EveryKernelRoundsHalvesUp) {
  // Sums -40 to 40, of which every second is a half after the shift.
  LayerFixture f(1, 81, 1);
  f.x[0] = 1;
  f.multiplier[0] = 1;
  f.shift[0] = 1;
  for (int o = 0; o < 81; ++o) f.weights[o] = static_cast<int8_t>(o - 40);
  ForEach([&f](const NetKernel& kernel, const NetKernel& scalar) {
    f.CheckSame(kernel, scalar);
    CHECK(f.y[40 - 3] == -1 && f.y[40 + 3] == 2);
  });
}

TEST(EveryKernelQuantizesAsTheScalarOne) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  constexpr float kStrange[] = {
      0.0f,   -0.0f,  0.5f,      -0.5f,      1.5f,
      -1.5f,  126.5f, 127.5f,    -128.5f,    1e-40f,
      -1e30f, 1e30f,  kInfinity, -kInfinity, std::numeric_limits<float>::quiet_NaN()};
  Random random;
  for (int count : {1, 2, 7, 15, 16, 17, 31, 33, 63, 64, 65, 160, 481}) {
    Fenced<float> values(count), real(count), expected_real(count);
    Fenced<int8_t> q(count), expected(count);
    for (float scale : {1.0f, 0.0078125f, 0.0231f, 3.7f}) {
      for (float& v : values)
        v = random.Below(3) ? scale * random.Real(140.0f) : scale * kStrange[random.Below(15)];
      const int zero = random.Byte();
      ForEach([&](const NetKernel& kernel, const NetKernel& scalar) {
        scalar.quantize(values.data(), count, scale, zero, expected.data());
        kernel.quantize(values.data(), count, scale, zero, q.data());
        CHECK(std::memcmp(q.data(), expected.data(), count) == 0);
        scalar.dequantize(q.data(), count, scale, zero, expected_real.data());
        kernel.dequantize(q.data(), count, scale, zero, real.data());
        CHECK(std::memcmp(real.data(), expected_real.data(), count * sizeof(float)) == 0);
      });
    }
  }
}

TEST(EveryKernelUpdatesCellsAsTheScalarOne) {
  Random random;
  for (int units : {1, 3, 8, 15, 16, 17, 64, 88, 160, 163}) {
    Fenced<float> gx(3 * units), gh(3 * units), h(units), next(units), expected(units);
    for (float limit : {0.1f, 4.0f, 200.0f}) {
      for (float& g : gx) g = random.Real(limit);
      for (float& g : gh) g = random.Real(limit);
      for (float& state : h) state = random.Real(1.0f);
      ForEach([&](const NetKernel& kernel, const NetKernel& scalar) {
        scalar.gru(gx.data(), gh.data(), h.data(), units, expected.data());
        kernel.gru(gx.data(), gh.data(), h.data(), units, next.data());
        CHECK(std::memcmp(next.data(), expected.data(), units * sizeof(float)) == 0);
      });
    }
  }
}

TEST(TheBestKernelIsInUseAndAnotherCanBeNamed) {
  const NetKernel* kernels[kMostNetKernels];
  const int count = NetKernels(kernels);
  CHECK(count >= 1);
  const std::string best = ActiveNetKernel().name;
  CHECK(best == kernels[count - 1]->name);
  for (int k = 0; k < count; ++k) {
    std::printf("     %s\n", kernels[k]->name);
    CHECK(UseNetKernel(kernels[k]->name));
    CHECK(&ActiveNetKernel() == kernels[k]);
  }
  CHECK(!UseNetKernel("abacus"));
  CHECK(&ActiveNetKernel() == kernels[count - 1]);
}

}  // namespace
}  // namespace seehear
